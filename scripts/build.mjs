/**
 * Builds dist/: first core.wasm, which the others contain, then one bundle for each place where the program runs.
 * `node scripts/build.mjs` makes all; `buildCore` is also what the tests call before they start.
 */

import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { icedAsModule, wasmBeside } from './wasm-plugins.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const core = join(root, 'dist/core.wasm');

/** What all bundles have in common. */
export const bundling = {
  bundle: true,
  logLevel: 'warning',
  loader: { '.wasm': 'binary' },
  plugins: [icedAsModule],
};
export const node = { platform: 'node', target: 'node20', format: 'cjs' };
const product = { ...node, plugins: [icedAsModule, wasmBeside] };
const web = {
  platform: 'browser',
  target: 'es2022',
  format: 'cjs',
  mainFields: ['browser', 'module', 'main'],
  alias: { events: join(root, 'src/extension/shims/events.ts') },
};

/** Output, entry, where it runs. A worker is started from its text, so it stands alone and is no CommonJS module. */
const bundles = [
  { out: 'cli.js', entry: 'src/cli/launch.ts', ...product, banner: { js: '#!/usr/bin/env node' } },
  { out: 'ringside.js', entry: 'src/cli/main.ts', ...product },
  { out: 'adapter.js', entry: 'src/extension/adapter-worker.ts', ...product },
  { out: 'extension.js', entry: 'src/extension/main-node.ts', ...product, external: ['vscode'] },
  { out: 'adapter.web.js', entry: 'src/extension/adapter-worker-web.ts', ...web, format: 'iife' },
  { out: 'extension.web.js', entry: 'src/extension/main-web.ts', ...web, external: ['vscode'] },
];

const newest = (...folders) =>
  Math.max(
    ...folders.flatMap((folder) =>
      readdirSync(folder, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => statSync(join(entry.parentPath ?? entry.path, entry.name)).mtimeMs),
    ),
  );

/** Writes dist/core.wasm unless it is newer than everything that it is made from. */
export const buildCore = async () => {
  const made = statSync(core, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  if (made > newest(join(root, 'src/machine/core'), join(root, 'src/x86'), join(root, 'scripts'))) return;
  const program = join(root, `node_modules/.cache/ringside/build-core-${process.pid}.cjs`);
  const unfinished = `${core}.${process.pid}`;
  await build({ entryPoints: [join(root, 'scripts/build-core.ts')], outfile: program, ...bundling, ...node });
  mkdirSync(dirname(core), { recursive: true });
  execFileSync(process.execPath, [program, unfinished], { stdio: 'inherit' });
  rmSync(program);
  renameSync(unfinished, core);
};

/** The licences of what the bundles contain, which have to go wherever the bundles go. */
const writeLicences = (results) => {
  const inputs = results.flatMap(({ metafile }) => Object.keys(metafile.inputs));
  const folders = new Set(inputs.flatMap((input) => /^node_modules\/(?:@[^/]+\/)?[^/]+/.exec(input) ?? []));
  const texts = [...folders].sort().map((folder) => {
    const { name, version } = JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8'));
    const file = readdirSync(join(root, folder)).find((entry) => /^licen[cs]e/i.test(entry));
    if (!file) throw new Error(`${folder} has no licence file`);
    return `${name} ${version}\n\n${readFileSync(join(root, folder, file), 'utf8').trim()}\n`;
  });
  writeFileSync(join(root, 'dist/THIRD-PARTY-LICENSES.txt'), texts.join(`\n${'-'.repeat(80)}\n\n`));
};

export const buildBundles = async () => {
  const results = await Promise.all(
    bundles.map(({ out, entry, ...options }) =>
      build({
        ...bundling,
        ...options,
        absWorkingDir: root,
        entryPoints: [entry],
        outfile: join(root, 'dist', out),
        metafile: true,
        minifySyntax: true,
        minifyWhitespace: true,
        legalComments: 'none',
      }),
    ),
  );
  writeLicences(results);
  writeCodeCache();
};

/** The command starts from V8's code cache, see src/cli/launch.ts; other versions of Node than this one do without. */
const writeCodeCache = () => {
  rmSync(join(root, 'dist/ringside.js.cache'), { force: true });
  spawnSync(process.execPath, [join(root, 'dist/cli.js'), 'run', join(root, 'examples/hello.asm')], {
    env: { ...process.env, RINGSIDE_WRITE_CODE_CACHE: '1' },
    stdio: 'ignore',
  });
};

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await buildCore();
  await buildBundles();
}
