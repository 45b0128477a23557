/** Bundles a TypeScript program of ours and runs it: `node scripts/run.mjs bench/run.ts WORDS …`. */

import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { buildCore, bundling, node } from './build.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Runs it in a process of its own, with the console of this one; gives its exit status. */
export const run = async (entry, words) => {
  await buildCore();
  const program = join(root, `node_modules/.cache/ringside/run-${process.pid}.cjs`);
  const define = { __dirname: JSON.stringify(dirname(resolve(entry))) };
  await build({ entryPoints: [entry], outfile: program, ...bundling, ...node, define });
  try {
    return spawnSync(process.execPath, [program, ...words], { stdio: 'inherit' }).status ?? 1;
  } finally {
    rmSync(program);
  }
};

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [, , entry, ...words] = process.argv;
  if (!entry) throw new Error('name the program to run');
  process.exitCode = await run(entry, words);
}
