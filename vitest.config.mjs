import { defineConfig } from 'vitest/config';
import { wasmAsBytes } from './scripts/wasm-plugins.mjs';

export default defineConfig({
  plugins: [wasmAsBytes],
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/e2e/**', 'node_modules/**'],
    globalSetup: ['test/setup.ts'],
    testTimeout: 60_000,
    pool: 'forks',
    // The files keep nothing to themselves: loading the machine anew for each took a fifth of the time.
    isolate: false,
  },
});
