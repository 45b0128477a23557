/** What goes into the .vsix: nothing but what the extension needs, and not too much of it. */

import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { listFiles, PackageManager } from '@vscode/vsce';
import { expect, test } from 'vitest';

const files = await listFiles({ cwd: '.', packageManager: PackageManager.None });

const papers = ['CHANGELOG.md', 'LICENSE', 'README.md', 'language-configuration.json', 'package.json'];
const bundles = ['adapter.js', 'adapter.web.js', 'cli.js', 'extension.js', 'extension.web.js', 'ringside.js'];
const wanted = [
  ...papers,
  ...bundles.map((name) => `dist/${name}`),
  ...['dist/THIRD-PARTY-LICENSES.txt', 'dist/core.wasm', 'dist/iced_x86_bg.wasm'],
  'examples/hello.asm',
  'examples/multiboot-c/Makefile',
  'examples/multiboot-c/kernel.c',
  'syntaxes/ringside-asm.tmLanguage.json',
];

test('the .vsix holds the bundles, the grammar, the examples and the papers', () => {
  expect(wanted.filter((name) => !files.includes(name))).toEqual([]);
});

test('the .vsix holds nothing else', () => {
  const source = /^examples\/([\w-]+\/)?([\w-]+\.(asm|S|c|h|ld|md)|Makefile)$|^syntaxes\/[\w-]+\.tmLanguage\.json$/;
  expect(files.filter((name) => !wanted.includes(name) && !source.test(name))).toEqual([]);
});

test('the .vsix stays below 4 MiB', () => {
  const size = files.reduce((sum, file) => sum + gzipSync(readFileSync(file)).length, 0);
  expect(size).toBeLessThan(4 * 2 ** 20);
});

test('the bundles for the web ask for nothing that only Node has', () => {
  for (const bundle of ['dist/adapter.web.js', 'dist/extension.web.js']) {
    const wanted = [...readFileSync(bundle, 'utf8').matchAll(/\brequire\("([^"]+)"\)/g)].map(([, name]) => name);
    expect(new Set(wanted)).toEqual(new Set(bundle.includes('extension') ? ['vscode'] : []));
  }
});
