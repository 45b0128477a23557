/** Intel SDM vol. 1, "Binary Arithmetic Instructions": MUL, IMUL with one operand, DIV, IDIV. */

import type { Definition } from '../definition';
import { c64, type Emitter, RAX, RDX, type Size, signExtend, truncate } from '../emitter';
import { type Expr, i32, i64 } from '../wasm';

const all: readonly Size[] = [8, 16, 32, 64];
const DIVIDE_ERROR = 0;

/** Writes a double-width value: AX, DX:AX, EDX:EAX, RDX:RAX. */
const setPair = (e: Emitter, low: Expr, high: Expr): void => {
  if (e.size === 8) {
    e.setGpr(RAX, i64.or(truncate(low, 8), i64.shl(high, c64(8))), 16);
    return;
  }
  e.setGpr(RAX, low);
  e.setGpr(RDX, high);
};

const multiply = (name: string, signed: boolean): Definition => ({
  name,
  forms: ['x'],
  sizes: all,
  first: 'read',
  emit: (e) => {
    const { size } = e;
    const wide = (value: Expr): Expr => (signed ? e.let(signExtend(value, size)) : value);
    const b = wide(e.read(0));
    const a = wide(e.gpr(RAX));
    const product = e.let(i64.mul(a, b));
    const low = e.let(truncate(product, size));
    const high = e.let(size < 64 ? i64.shrS(product, c64(size)) : signed ? e.highSigned(a, b) : e.highUnsigned(a, b));
    const spare = signed ? i64.shrS(signExtend(low, size), c64(63)) : c64(0);
    const lost = e.let(i64.extendU(i64.ne(high, spare)));
    e.setFlagsNotZero(low, lost, lost);
    setPair(e, low, high);
  },
});

interface Division {
  readonly quotient: Expr;
  readonly remainder: Expr;
}

const refuse = (e: Emitter, condition: Expr, reason: string): void =>
  e.if(condition, () => e.fault(DIVIDE_ERROR, reason));

/**
 * The unsigned 128-bit number high:low by the divisor, whose quotient fits 64 bits (high < divisor): long division
 * with two digits of 32 bits, after shifting the divisor to full width. Knuth, "The Art of Computer Programming",
 * vol. 2, algorithm D.
 */
const divideWide = (e: Emitter, high: Expr, low: Expr, divisor: Expr): Division => {
  const half = c64(32);
  const mask = c64(0xffffffff);
  const shift = e.let(i64.clz(divisor));
  const d = e.let(i64.shl(divisor, shift));
  const d1 = e.let(i64.shrU(d, half));
  const d0 = e.let(i64.and(d, mask));
  const over = i64.shrU(i64.shrU(low, c64(1)), i64.sub(c64(63), shift));
  const n32 = e.let(i64.or(i64.shl(high, shift), over));
  const n10 = e.let(i64.shl(low, shift));

  /** One digit of the quotient: of `rest` with the next 32 bits behind it. */
  const digit = (rest: Expr, next: Expr): Expr => {
    const q = e.variable(i64.divU(rest, d1));
    const r = e.variable(i64.sub(rest, i64.mul(q.get, d1)));
    const tooLarge = (): Expr =>
      i32.or(i64.ne(i64.shrU(q.get, half), c64(0)), i64.gtU(i64.mul(q.get, d0), i64.or(i64.shl(r.get, half), next)));
    const correct = (): void =>
      e.if(i32.and(i64.eqz(i64.shrU(r.get, half)), tooLarge()), () => {
        q.set(i64.sub(q.get, c64(1)));
        r.set(i64.add(r.get, d1));
      });
    correct();
    correct();
    return q.get;
  };
  const n1 = e.let(i64.shrU(n10, half));
  const q1 = digit(n32, n1);
  const middle = e.let(i64.sub(i64.or(i64.shl(n32, half), n1), i64.mul(q1, d)));
  const n0 = e.let(i64.and(n10, mask));
  const q0 = digit(middle, n0);
  const quotient = e.let(i64.or(i64.shl(q1, half), q0));
  const remainder = e.let(i64.sub(low, i64.mul(quotient, divisor)));
  return { quotient, remainder };
};

const unsigned = (e: Emitter, divisor: Expr): Division => {
  const { size } = e;
  if (size < 64) {
    const dividend = size === 8 ? e.gpr(RAX, 16) : e.let(i64.or(i64.shl(e.gpr(RDX), c64(size)), e.gpr(RAX)));
    const quotient = e.let(i64.divU(dividend, divisor));
    refuse(e, i64.ne(i64.shrU(quotient, c64(size)), c64(0)), 'divide.overflow');
    return { quotient, remainder: e.let(i64.remU(dividend, divisor)) };
  }
  const high = e.gpr(RDX);
  refuse(e, i64.geU(high, divisor), 'divide.overflow');
  return divideWide(e, high, e.gpr(RAX), divisor);
};

const signed = (e: Emitter, operand: Expr): Division => {
  const { size } = e;
  const divisor = e.let(signExtend(operand, size));
  if (size < 64) {
    const dividend = e.let(
      size === 8
        ? signExtend(e.gpr(RAX, 16), 16)
        : signExtend(i64.or(i64.shl(e.gpr(RDX), c64(size)), e.gpr(RAX)), (size * 2) as Size),
    );
    // By -1 apart: WebAssembly traps where the quotient does not fit.
    const minusOne = e.let(i64.eq(divisor, c64(-1)));
    const quotient = e.choose(
      minusOne,
      () => i64.sub(c64(0), dividend),
      () => i64.divS(dividend, divisor),
    );
    refuse(e, i64.ne(quotient, signExtend(quotient, size)), 'divide.overflow');
    return { quotient, remainder: e.let(i64.sub(dividend, i64.mul(quotient, divisor))) };
  }
  const high = e.gpr(RDX);
  const low = e.gpr(RAX);
  const sign = e.let(i64.shrS(high, c64(63)));
  const absoluteLow = e.let(i64.sub(i64.xor(low, sign), sign));
  const borrow = i64.and(i64.extendU(i64.eqz(absoluteLow)), i64.and(sign, c64(1)));
  const absoluteHigh = e.let(i64.add(i64.xor(high, sign), borrow));
  const divisorSign = e.let(i64.shrS(divisor, c64(63)));
  const absoluteDivisor = e.let(i64.sub(i64.xor(divisor, divisorSign), divisorSign));
  refuse(e, i64.geU(absoluteHigh, absoluteDivisor), 'divide.overflow');
  const { quotient, remainder } = divideWide(e, absoluteHigh, absoluteLow, absoluteDivisor);
  const quotientSign = e.let(i64.xor(sign, divisorSign));
  // The magnitude may reach 2^63 - 1, or 2^63 when the quotient is negative.
  refuse(e, i64.gtU(quotient, i64.xor(c64((1n << 63n) - 1n), quotientSign)), 'divide.overflow');
  return {
    quotient: e.let(i64.sub(i64.xor(quotient, quotientSign), quotientSign)),
    remainder: e.let(i64.sub(i64.xor(remainder, sign), sign)),
  };
};

const divide = (name: string, operation: (e: Emitter, divisor: Expr) => Division): Definition => ({
  name,
  forms: ['x'],
  sizes: all,
  first: 'read',
  emit: (e) => {
    const divisor = e.read(0);
    refuse(e, i64.eqz(divisor), 'divide.zero');
    const { quotient, remainder } = operation(e, divisor);
    setPair(e, quotient, remainder);
  },
});

export const multiplyAndDivide: readonly Definition[] = [
  multiply('mul', false),
  multiply('imul.1', true),
  divide('div', unsigned),
  divide('idiv', signed),
];
