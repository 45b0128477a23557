/** Intel SDM vol. 1, "Miscellaneous Instructions", BOUND, and everything that does nothing here. */

import type { Definition } from '../definition';
import { c64, signExtend } from '../emitter';
import { i32, i64 } from '../wasm';

const BOUND_RANGE = 5;
const UNDEFINED_OPCODE = 6;

/** NOP in all lengths, PAUSE, ENDBR, RDSSP, prefetches and fences: operands are not looked at. */
const nop: Definition = { name: 'nop', forms: [''], sizes: [64], first: 'none', hot: [64], emit: () => {} };

/** UD0, UD1, UD2: a ModR/M byte is decoded, its operand not accessed. */
const ud: Definition = {
  name: 'ud',
  forms: [''],
  sizes: [64],
  first: 'none',
  emit: (e) => e.fault(UNDEFINED_OPCODE, 'opcode.undefined'),
};

/** There are no caches to flush; the access is checked like a load of a byte. */
const clflush: Definition = {
  name: 'clflush',
  forms: ['m'],
  sizes: [8],
  first: 'read',
  emit: (e) => {
    e.read(0);
  },
};

const bound: Definition = {
  name: 'bound',
  forms: ['r,m'],
  sizes: [16, 32],
  first: 'read',
  emit: (e) => {
    const lower = e.let(signExtend(e.load(e.address(), e.size), e.size));
    const upper = e.let(signExtend(e.load(e.address(c64(e.size / 8)), e.size), e.size));
    const index = e.let(signExtend(e.read(0), e.size));
    e.if(i32.or(i64.ltS(index, lower), i64.gtS(index, upper)), () => e.fault(BOUND_RANGE, 'bound.outside'));
  },
};

export const miscellaneous: readonly Definition[] = [nop, ud, clflush, bound];
