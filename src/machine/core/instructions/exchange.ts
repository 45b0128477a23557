/** Intel SDM vol. 1, "Exchange Instructions", with BSWAP and MOVBE. XCHG is among the data transfers. */

import type { Definition } from '../definition';
import { c64, type Emitter, RAX, RBX, RCX, RDX, type Size } from '../emitter';
import { type Expr, i32, i64, select } from '../wasm';

const all: readonly Size[] = [8, 16, 32, 64];
const words: readonly Size[] = [16, 32, 64];
const GENERAL_PROTECTION = 13;

/** The value's bytes in the opposite order. */
const reversed = (e: Emitter, value: Expr, size: Size): Expr => {
  const swap = (x: Expr, mask: bigint, by: number): Expr =>
    i64.or(i64.shl(i64.and(x, c64(mask)), c64(by)), i64.and(i64.shrU(x, c64(by)), c64(mask)));
  const bytes = e.let(swap(value, 0x00ff00ff00ff00ffn, 8));
  const halves = e.let(swap(bytes, 0x0000ffff0000ffffn, 16));
  return i64.shrU(i64.rotl(halves, c64(32)), c64(64 - size));
};

const xadd: Definition = {
  name: 'xadd',
  forms: ['x,r'],
  sizes: all,
  first: 'update',
  emit: (e) => {
    const b = e.read(1);
    const a = e.read(0);
    const r = e.let(i64.add(a, b));
    e.flagsAdd(a, b, r);
    e.write(1, a);
    e.write(0, r);
  },
};

/**
 * Memory is written in any case, with what it held if that differed. Of two registers only the one that changes is
 * written: the upper half of the other stays, also with 32-bit operands.
 */
const cmpxchg: Definition = {
  name: 'cmpxchg',
  forms: ['x,r'],
  sizes: all,
  first: 'update',
  emit: (e) => {
    const source = e.read(1);
    const old = e.read(0);
    const expected = e.gpr(RAX);
    const equal = e.let(i64.eq(expected, old));
    e.flagsSub(expected, old, e.let(i64.sub(expected, old)));
    if (e.isMemory(0)) e.write(0, select(equal, source, old));
    e.if(
      equal,
      () => (e.isMemory(0) ? undefined : e.write(0, source)),
      () => e.setGpr(RAX, old),
    );
  },
};

/** CMPXCHG8B and CMPXCHG16B: two halves of `half` bits each. */
const cmpxchgPair = (name: string, half: 32 | 64, feature: string): Definition => ({
  name,
  feature,
  forms: ['m'],
  sizes: [64],
  first: 'update',
  emit: (e) => {
    const bytes = half / 8;
    const low = e.address();
    if (half === 64)
      e.if(i64.ne(i64.and(low, c64(15)), c64(0)), () => e.fault(GENERAL_PROTECTION, 'operand.alignment', 0));
    const high = e.let(i64.add(low, c64(bytes)));
    e.probe(low, half);
    e.probe(high, half);
    const oldLow = e.load(low, half);
    const oldHigh = e.load(high, half);
    const equal = e.let(i32.and(i64.eq(oldLow, e.gpr(RAX, half)), i64.eq(oldHigh, e.gpr(RDX, half))));
    const newLow = e.gpr(RBX, half);
    const newHigh = e.gpr(RCX, half);
    e.setZero(i64.extendU(equal));
    e.store(low, half, select(equal, newLow, oldLow));
    e.store(high, half, select(equal, newHigh, oldHigh));
    e.if(i32.eqz(equal), () => {
      e.setGpr(RAX, oldLow, half);
      e.setGpr(RDX, oldHigh, half);
    });
  },
});

export const exchange: readonly Definition[] = [
  xadd,
  cmpxchg,
  cmpxchgPair('cmpxchg8b', 32, 'CX8'),
  cmpxchgPair('cmpxchg16b', 64, 'CMPXCHG16B'),
  {
    // Of a 16-bit register the manual says that the result is undefined; processors give 0.
    name: 'bswap',
    forms: ['r'],
    sizes: words,
    first: 'update',
    emit: (e) => e.write(0, e.size === 16 ? c64(0) : reversed(e, e.read(0), e.size)),
  },
  {
    name: 'movbe',
    feature: 'MOVBE',
    forms: ['r,m', 'm,r'],
    sizes: words,
    first: 'write',
    emit: (e) => e.write(0, reversed(e, e.read(1), e.size)),
  },
];
