/** Writes the core into the file named by the first argument and asserts its budget: V8 stops allocating registers well in a function above 45 KiB. */

import { writeFileSync } from 'node:fs';
import { buildCore } from '../src/machine/core/interpreter';

const HOT_LIMIT = 130 * 1024;
const CORE_LIMIT = 1024 * 1024;

const { bytes, codeSizes, handlers } = buildCore();
for (const name of ['hot64', 'hot32']) {
  const size = codeSizes.get(name) ?? 0;
  if (size > HOT_LIMIT) throw new Error(`${name} has ${size} bytes of code, more than the ${HOT_LIMIT} that stay fast`);
}
if (bytes.length > CORE_LIMIT) throw new Error(`core.wasm has ${bytes.length} bytes, more than ${CORE_LIMIT}`);
new WebAssembly.Module(new Uint8Array(bytes));
const [, , output] = process.argv;
if (!output) throw new Error('name the file to write');
writeFileSync(output, bytes);
console.log(
  `core.wasm: ${bytes.length} bytes, ${handlers} handlers, hot64 ${codeSizes.get('hot64')}, hot32 ${codeSizes.get('hot32')} bytes`,
);
