/**
 * The command's entry: runs ringside.js, which lies beside it, from V8's code cache where the build made one with this
 * version of Node. Compiling the bundle anew takes a third of the time to the guest's first instruction.
 */

import './tune-v8';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import vm from 'node:vm';

const file = join(__dirname, 'ringside.js');
const cache = `${file}.cache`;
const source = `(function (exports, require, module, __filename, __dirname) {${readFileSync(file, 'utf8')}\n})`;
const cachedData = existsSync(cache) ? readFileSync(cache) : undefined;
const loader = vm.constants?.USE_MAIN_CONTEXT_DEFAULT_LOADER;
const script = new vm.Script(source, {
  filename: file,
  ...(cachedData ? { cachedData } : {}),
  ...(loader ? { importModuleDynamically: loader } : {}),
});
// With the cache come the functions that the run of the build has used.
if (process.env.RINGSIDE_WRITE_CODE_CACHE) process.on('exit', () => writeFileSync(cache, script.createCachedData()));
const main = { exports: {} };
script.runInThisContext()(main.exports, createRequire(file), main, file, dirname(file));
