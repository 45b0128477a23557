/** A day of stepping: the adapter keeps nothing of the stops that are past. */

import { execFile } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type BuildOptions, build } from 'esbuild';
import { expect, test } from 'vitest';
import { bundling, node } from '../../scripts/build.mjs';

const root = join(import.meta.dirname, '../..');
const cache = join(root, 'node_modules/.cache/ringside');
const MEGABYTE = 2 ** 20;

test('100,000 stops in a row leave the heap less than 5 MB larger', { timeout: 600_000 }, async () => {
  mkdirSync(cache, { recursive: true });
  const outfile = join(cache, `heap-stops-${process.pid}.js`);
  await build({
    ...(bundling as BuildOptions),
    ...(node as BuildOptions),
    absWorkingDir: root,
    entryPoints: ['test/dap/heap-stops.ts'],
    outfile,
    logLevel: 'error',
  });
  try {
    const { stdout } = await promisify(execFile)(process.execPath, ['--expose-gc', outfile]);
    const { heap, beside } = JSON.parse(stdout);
    expect(heap).toBeLessThan(5 * MEGABYTE);
    expect(beside).toBeLessThan(5 * MEGABYTE);
  } finally {
    rmSync(outfile, { force: true });
  }
});
