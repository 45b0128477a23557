/**
 * How WebAssembly gets into the bundles and into the tests: `import bytes from '….wasm'` gives its bytes: in the web
 * they are part of the bundle, in Node they are read from a file beside it, which starts faster. iced-x86, which reads a
 * file of its own, gets its bytes the same way, so that it also runs where there are no files; and it becomes a module
 * with exports that a bundler can see, so that what nobody uses is left out and the rest is found without a detour.
 */

import { copyFileSync, mkdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/** What the file says, and what the module says instead. Its documentation is half of it. */
const icedRewriting = [
  [/^ *\/\*\*\n(?: *\*.*\n)*? *\*\/\n/gm, ''],
  [/^module\.exports\.(\w+) = Object\.freeze\(/gm, 'export const $1 = /* @__PURE__ */ Object.freeze('],
  [/^module\.exports\.([A-Z]\w+) = \1;$/gm, 'export { $1 };'],
  [/^module\.exports\.(__wb\w+) = function/gm, 'fromWasm.$1 = function'],
  [/^module\.exports\.getIcedFeatures = function/gm, 'export const getIcedFeatures = function'],
  [
    /^imports\['__wbindgen_placeholder__'\] = module\.exports;$/gm,
    'const fromWasm = {};\nimports.__wbindgen_placeholder__ = fromWasm;',
  ],
  [/^module\.exports\.__wasm = wasm;$/gm, ''],
  [/^const \{ TextDecoder, TextEncoder \} = require\(`util`\);$/gm, "import bytes from './iced_x86_bg.wasm';"],
  [/^const path = require\('path'\)\.join\(__dirname, 'iced_x86_bg\.wasm'\);$/gm, ''],
  [/^const bytes = require\('fs'\)\.readFileSync\(path\);$/gm, ''],
];

/** For esbuild. */
export const icedAsModule = {
  name: 'iced-x86 as a module',
  setup(build) {
    build.onLoad({ filter: /[/\\]iced-x86[/\\]iced_x86\.js$/ }, async ({ path }) => {
      let contents = await readFile(path, 'utf8');
      for (const [theirs, ours] of icedRewriting) {
        if (!contents.match(theirs)) throw new Error(`${path} no longer contains ${theirs}`);
        contents = contents.replace(theirs, ours);
      }
      const left = /^.*(module\.exports|require\().*$/m.exec(contents);
      if (left) throw new Error(`${path} has what a module cannot: ${left[0]}`);
      return { contents, loader: 'js' };
    });
  },
};

/** For esbuild, for Node: the file lies beside the bundle. */
export const wasmBeside = {
  name: 'wasm beside the bundle',
  setup(build) {
    const folder = dirname(build.initialOptions.outfile);
    build.onLoad({ filter: /\.wasm$/ }, ({ path }) => {
      const copy = join(folder, basename(path));
      mkdirSync(folder, { recursive: true });
      if (copy !== path) copyFileSync(path, copy);
      const name = JSON.stringify(basename(path));
      return {
        contents: `import { readFileSync } from 'node:fs';\nimport { join } from 'node:path';\nexport default readFileSync(join(__dirname, ${name}));`,
        loader: 'js',
      };
    });
  },
};

/** For vitest. */
export const wasmAsBytes = {
  name: 'wasm as bytes',
  enforce: 'pre',
  load(id) {
    if (!id.endsWith('.wasm')) return undefined;
    return `import { readFileSync } from 'node:fs';\nexport default new Uint8Array(readFileSync(${JSON.stringify(id)}));`;
  },
};
