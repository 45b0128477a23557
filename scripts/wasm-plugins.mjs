/**
 * How WebAssembly gets into the bundles and into the tests: `import bytes from '….wasm'` gives its bytes, and iced-x86,
 * whose loader reads a file beside itself, gets them the same way, so that it also runs where there are no files.
 */

import { readFile } from 'node:fs/promises';

/** What iced-x86's loader does that only Node can, and what stands there instead. */
const icedReplacements = [
  ['const { TextDecoder, TextEncoder } = require(`util`);', ''],
  ["const path = require('path').join(__dirname, 'iced_x86_bg.wasm');", ''],
  ["const bytes = require('fs').readFileSync(path);", "const bytes = require('./iced_x86_bg.wasm');"],
];

/** For esbuild; to be used with the loader `binary` for `.wasm`. */
export const icedFromBytes = {
  name: 'iced-x86 from bytes',
  setup(build) {
    build.onLoad({ filter: /[/\\]iced-x86[/\\]iced_x86\.js$/ }, async ({ path }) => {
      let contents = await readFile(path, 'utf8');
      for (const [theirs, ours] of icedReplacements) {
        if (contents.split(theirs).length !== 2)
          throw new Error(`${path} no longer contains exactly one line: ${theirs}`);
        contents = contents.replace(theirs, ours);
      }
      return { contents, loader: 'js' };
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
