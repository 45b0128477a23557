/**
 * Intel SDM vol. 1, "Shift and Rotate Instructions". OF is the first step's whatever the count: the manual defines it for
 * a count of 1 only. More of what it leaves open: docs/undefined-behaviour.md.
 */

import type { Definition } from '../definition';
import { c64, type Emitter, type Size, signExtend } from '../emitter';
import { type Expr, i64, select } from '../wasm';

const all: readonly Size[] = [8, 16, 32, 64];

/** What a shift by `c` (not 0) makes of `a`; flags as 0 or 1. */
interface Outcome {
  readonly result: Expr;
  readonly carry: Expr;
  readonly overflow: Expr;
}
type Operation = (e: Emitter, a: Expr, c: Expr) => Outcome;

/** Bit `n` as 0 or 1. */
const bit = (value: Expr, n: Expr): Expr => i64.and(i64.shrU(value, n), c64(1));
const top = (value: Expr, size: Size): Expr => bit(value, c64(size - 1));
/** Do the two highest bits differ? A step to the left then changes the sign. */
const topsDiffer = (value: Expr, size: Size): Expr => i64.xor(top(value, size), bit(value, c64(size - 2)));
const limit = (size: Size): number => (size === 64 ? 63 : 31);

const shl: Operation = (e, a, c) => {
  const result = e.let(i64.shl(a, c));
  const carry = e.let(e.size === 64 ? bit(a, i64.sub(c64(64), c)) : bit(result, c64(e.size)));
  return { result, carry, overflow: topsDiffer(a, e.size) };
};
const shr: Operation = (e, a, c) => {
  const result = e.let(i64.shrU(a, c));
  return { result, carry: bit(a, i64.sub(c, c64(1))), overflow: top(a, e.size) };
};
const sar: Operation = (e, a, c) => {
  const wide = e.let(signExtend(a, e.size));
  return { result: i64.shrS(wide, c), carry: bit(i64.shrS(wide, i64.sub(c, c64(1))), c64(0)), overflow: c64(0) };
};

const rol: Operation = (e, a, c) => {
  const { size } = e;
  const turn = i64.and(c, c64(size - 1));
  const result = e.let(size === 64 ? i64.rotl(a, c) : i64.or(i64.shl(a, turn), i64.shrU(a, i64.sub(c64(size), turn))));
  return { result, carry: bit(result, c64(0)), overflow: topsDiffer(a, size) };
};
const ror: Operation = (e, a, c) => {
  const { size } = e;
  const turn = i64.and(c, c64(size - 1));
  const result = e.let(size === 64 ? i64.rotr(a, c) : i64.or(i64.shrU(a, turn), i64.shl(a, i64.sub(c64(size), turn))));
  return { result, carry: top(result, size), overflow: i64.xor(bit(a, c64(0)), top(a, size)) };
};
/** Rotates through CF: CF and the operand are one number of `size` + 1 bits. */
const rcl: Operation = (e, a, c) => {
  const { size } = e;
  const cf = e.let(e.carry());
  const result = e.let(
    i64.or(
      i64.or(i64.shl(a, c), i64.shl(cf, i64.sub(c, c64(1)))),
      i64.shrU(i64.shrU(a, c64(1)), i64.sub(c64(size), c)),
    ),
  );
  return { result, carry: bit(a, i64.sub(c64(size), c)), overflow: topsDiffer(a, size) };
};
const rcr: Operation = (e, a, c) => {
  const { size } = e;
  const cf = e.let(e.carry());
  const back = i64.sub(c64(size), c);
  const result = e.let(i64.or(i64.or(i64.shrU(a, c), i64.shl(cf, back)), i64.shl(i64.shl(a, c64(1)), back)));
  return { result, carry: bit(a, i64.sub(c, c64(1))), overflow: i64.xor(top(a, size), cf) };
};

/** The count, masked to five bits, or six for 64-bit operands. */
const countOf = (e: Emitter, operand: number): Expr => e.let(i64.and(e.read(operand), c64(limit(e.size))));

const shift = (name: string, operation: Operation): Definition => ({
  name,
  forms: ['x,i', 'x,r'],
  sizes: all,
  first: 'update',
  operandSizes: [undefined, 8],
  emit: (e) => {
    const c = countOf(e, 1);
    const { result, carry, overflow } = operation(e, e.read(0), c);
    e.if(i64.ne(c, c64(0)), () => e.setFlagsFrom(result, carry, overflow));
    e.write(0, result);
  },
});
/** A shift whose register form with a constant is hot. */
const hotShift = (name: string, operation: Operation): Definition[] => [
  { ...shift(name, operation), forms: ['r,i'], hot: [32, 64] },
  { ...shift(name, operation), forms: ['m,i', 'x,r'] },
];
const rotate = (name: string, operation: Operation): Definition => ({
  ...shift(name, operation),
  emit: (e) => {
    const c = countOf(e, 1);
    const { result, carry, overflow } = operation(e, e.read(0), c);
    // Processors rotate registers by an immediate in another way: a count other than 1 keeps OF.
    const of = e.hasImmediate() && !e.isMemory(0) ? select(i64.eq(c, c64(1)), overflow, e.overflow()) : overflow;
    e.if(i64.ne(c, c64(0)), () => e.setCarryOverflow(carry, e.let(of)));
    e.write(0, result);
  },
});
const rotateThroughCarry = (name: string, operation: Operation): Definition => ({
  ...shift(name, operation),
  emit: (e) => {
    const masked = countOf(e, 1);
    const c = e.size < 32 ? e.let(i64.remU(masked, c64(e.size + 1))) : masked;
    const a = e.read(0);
    const result = e.variable(a);
    e.if(i64.ne(c, c64(0)), () => {
      const outcome = operation(e, a, c);
      e.setCarryOverflow(outcome.carry, outcome.overflow);
      result.set(outcome.result);
    });
    e.write(0, result.get);
  },
});

/** `wide` shifts the 48 bits a:b:a of a 16-bit operand, so that counts above 16 do what processors do. */
const double = (name: string, operation: (e: Emitter, a: Expr, b: Expr, c: Expr) => Outcome): Definition => ({
  name,
  forms: ['x,r,i', 'x,r,r'],
  sizes: [16, 32, 64],
  first: 'update',
  operandSizes: [undefined, undefined, 8],
  emit: (e) => {
    const c = countOf(e, 2);
    const b = e.read(1);
    const a = e.read(0);
    const result = e.variable(a);
    e.if(i64.ne(c, c64(0)), () => {
      const outcome = operation(e, a, b, c);
      e.setFlagsFrom(outcome.result, outcome.carry, outcome.overflow);
      result.set(outcome.result);
    });
    e.write(0, result.get);
  },
});
const threefold = (e: Emitter, a: Expr, b: Expr): Expr =>
  e.let(i64.or(i64.or(i64.shl(a, c64(32)), i64.shl(b, c64(16))), a));
const shld = double('shld', (e, a, b, c) => {
  const { size } = e;
  if (size === 16) {
    const wide = e.let(i64.shl(threefold(e, a, b), c));
    const result = e.let(i64.shrU(wide, c64(32)));
    return { result, carry: bit(wide, c64(48)), overflow: topsDiffer(a, size) };
  }
  const rest = e.let(i64.sub(c64(size), c));
  const result = e.let(i64.or(i64.shl(a, c), i64.shrU(b, rest)));
  return { result, carry: bit(a, rest), overflow: topsDiffer(a, size) };
});
const shrd = double('shrd', (e, a, b, c) => {
  const { size } = e;
  const overflow = i64.xor(top(a, size), bit(b, c64(0)));
  if (size === 16) {
    const wide = threefold(e, a, b);
    const result = e.let(i64.shrU(wide, c));
    return { result, carry: bit(wide, i64.sub(c, c64(1))), overflow };
  }
  const result = e.let(i64.or(i64.shrU(a, c), i64.shl(b, i64.sub(c64(size), c))));
  return { result, carry: bit(a, i64.sub(c, c64(1))), overflow };
});

export const shiftAndRotate: readonly Definition[] = [
  ...hotShift('shl', shl),
  ...hotShift('shr', shr),
  ...hotShift('sar', sar),
  rotate('rol', rol),
  rotate('ror', ror),
  rotateThroughCarry('rcl', rcl),
  rotateThroughCarry('rcr', rcr),
  shld,
  shrd,
];
