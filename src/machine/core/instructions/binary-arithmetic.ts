/** Intel SDM vol. 1, "Binary Arithmetic Instructions". */

import type { Definition } from '../definition';
import { c64, type Emitter, type Size, signExtend } from '../emitter';
import { type Expr, i64 } from '../wasm';

const all: readonly Size[] = [8, 16, 32, 64];

type Operation = (e: Emitter, a: Expr, b: Expr) => Expr;

/** An operation on two operands that leaves its result in the first. */
const binary = (name: string, hot: readonly Size[], operation: Operation): Definition => ({
  name,
  forms: ['x,r', 'r,x', 'x,i'],
  sizes: all,
  first: 'update',
  hot,
  emit: (e) => {
    const b = e.read(1);
    const a = e.read(0);
    e.write(0, operation(e, a, b));
  },
});

const add: Operation = (e, a, b) => {
  const r = e.let(i64.add(a, b));
  e.flagsAdd(a, b, r);
  return r;
};
const sub: Operation = (e, a, b) => {
  const r = e.let(i64.sub(a, b));
  e.flagsSub(a, b, r);
  return r;
};

const cmp: Definition = {
  ...binary('cmp', [8, 32, 64], sub),
  flags: 'sets',
  first: 'read',
  emit: (e) => {
    const a = e.read(0);
    sub(e, a, e.read(1));
  },
};

const unary = (name: string, hot: readonly Size[], operation: (e: Emitter, a: Expr) => Expr): Definition => ({
  name,
  forms: ['x'],
  sizes: all,
  first: 'update',
  hot,
  emit: (e) => e.write(0, operation(e, e.read(0))),
});

const increment: Definition = unary('inc', [32, 64], (e, a) => {
  const r = e.let(i64.add(a, c64(1)));
  e.setFlagsKeepCarry(r, i64.and(a, i64.xor(r, c64(-1))));
  return r;
});
const decrement: Definition = unary('dec', [32, 64], (e, a) => {
  const r = e.let(i64.sub(a, c64(1)));
  e.setFlagsKeepCarry(r, i64.and(r, i64.xor(a, c64(-1))));
  return r;
});
const negate: Definition = unary('neg', [], (e, a) => sub(e, c64(0), a));

/** CF and OF tell that the signed product does not fit the destination ("IMUL—Signed Multiply"). */
const multiply = (e: Emitter, a: Expr, b: Expr): Expr => {
  const x = e.let(signExtend(a, e.size));
  const y = e.let(signExtend(b, e.size));
  const r = e.let(i64.mul(x, y));
  const lost = e.let(
    e.size === 64
      ? i64.extendU(i64.ne(e.highSigned(x, y), i64.shrS(r, c64(63))))
      : i64.extendU(i64.ne(r, signExtend(r, e.size))),
  );
  e.setFlagsNotZero(r, lost, lost);
  return r;
};
const imul: readonly Definition[] = [
  {
    name: 'imul',
    forms: ['r,x'],
    sizes: [16, 32, 64],
    first: 'update',
    hot: [32, 64],
    emit: (e) => {
      const b = e.read(1);
      e.write(0, multiply(e, e.read(0), b));
    },
  },
  {
    name: 'imul.3',
    forms: ['r,x,i'],
    sizes: [16, 32, 64],
    first: 'write',
    hot: [32, 64],
    emit: (e) => e.write(0, multiply(e, e.read(1), e.immediate())),
  },
];

export const binaryArithmetic: readonly Definition[] = [
  { ...binary('add', [8, 32, 64], add), flags: 'sets' },
  { ...binary('sub', [8, 32, 64], sub), flags: 'sets' },
  cmp,
  binary('adc', [], (e, a, b) => {
    const r = e.let(i64.add(i64.add(a, b), e.carry()));
    e.flagsAdd(a, b, r);
    return r;
  }),
  binary('sbb', [], (e, a, b) => {
    const r = e.let(i64.sub(i64.sub(a, b), e.carry()));
    e.flagsSub(a, b, r);
    return r;
  }),
  increment,
  decrement,
  negate,
  ...imul,
];
