/** Writes the core into the file named by the first argument and asserts its budget: V8 stops allocating registers well in a function above 45 KiB. */

import { writeFileSync } from 'node:fs';
import { buildCore } from '../src/machine/core/interpreter';

const HOT_LIMIT = 130 * 1024;
const CORE_LIMIT = 768 * 1024;
/** Milliseconds for the module, the best of five: about 5 on an idle machine, functions are compiled when first called. */
const START_LIMIT = 100;

const { bytes, codeSizes, handlers } = buildCore();
for (const name of ['hot64', 'hot32']) {
  const size = codeSizes.get(name) ?? 0;
  if (size > HOT_LIMIT) throw new Error(`${name} has ${size} bytes of code, more than the ${HOT_LIMIT} that stay fast`);
}
if (bytes.length > CORE_LIMIT) throw new Error(`core.wasm has ${bytes.length} bytes, more than ${CORE_LIMIT}`);
const compiled = Array.from({ length: 5 }, () => {
  const start = performance.now();
  new WebAssembly.Module(new Uint8Array(bytes));
  return performance.now() - start;
});
const fastest = Math.min(...compiled);
if (fastest > START_LIMIT)
  throw new Error(`core.wasm takes ${fastest.toFixed(0)} ms to load, more than ${START_LIMIT}`);
const [, , output] = process.argv;
if (!output) throw new Error('name the file to write');
writeFileSync(output, bytes);
console.log(
  `core.wasm: ${bytes.length} bytes, ${handlers} handlers, hot64 ${codeSizes.get('hot64')}, hot32 ${codeSizes.get('hot32')} bytes`,
);
