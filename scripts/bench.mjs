/** `npm run bench [-- NAME …]`: bundles bench/run.ts and runs it. */

import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { buildCore } from './build.mjs';
import { icedFromBytes } from './wasm-plugins.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
await buildCore();
await build({
  absWorkingDir: root,
  entryPoints: ['bench/run.ts'],
  outfile: 'node_modules/.cache/ringside/bench.cjs',
  bundle: true,
  platform: 'node',
  target: 'node20',
  loader: { '.wasm': 'binary' },
  plugins: [icedFromBytes],
  define: { __dirname: JSON.stringify(`${root}bench`) },
});
const { status } = spawnSync(
  process.execPath,
  [`${root}node_modules/.cache/ringside/bench.cjs`, ...process.argv.slice(2)],
  {
    stdio: 'inherit',
  },
);
process.exit(status ?? 1);
