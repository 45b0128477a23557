/**
 * Up to version 11 (Node 20), V8 gives huge functions a register allocator that keeps nothing in registers; the core's
 * run loop is one. Newer versions do without it. To be imported before the core is compiled.
 */

import { setFlagsFromString } from 'node:v8';

if (Number.parseInt(process.versions.v8, 10) < 12)
  setFlagsFromString('--no-turbo-use-mid-tier-regalloc-for-huge-functions');
