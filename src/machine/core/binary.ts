/** The core as bytes: dist/core.wasm, made from the interpreter at build time (scripts/build.mjs) and put into each bundle. */

import core from '../../../dist/core.wasm';

export const coreBytes: Uint8Array<ArrayBuffer> = core;
