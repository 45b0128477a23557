/** Intel SDM vol. 1, "Decimal Arithmetic Instructions": outside 64-bit mode only. */

import type { Definition } from '../definition';
import { c64, type Emitter, RAX, truncate } from '../emitter';
import { type Expr, i32, i64 } from '../wasm';

const DIVIDE_ERROR = 0;

const define = (name: string, emit: (e: Emitter) => void, forms: readonly string[] = ['']): Definition => ({
  name,
  forms,
  sizes: [8],
  first: 'none',
  emit,
});

const auxiliary = (e: Emitter): Expr => i64.and(i64.shrU(e.arithmeticFlags(), c64(4)), c64(1));
const flag = (condition: Expr): Expr => i64.extendU(condition);
const setAh = (e: Emitter, al: Expr, ah: Expr): void =>
  e.setGpr(RAX, i64.or(truncate(al, 8), i64.shl(truncate(ah, 8), c64(8))), 16);

/** Does the low digit need adjusting? 0 or 1. */
const lowDigit = (e: Emitter, al: Expr): Expr =>
  e.let(i64.or(flag(i64.gtU(i64.and(al, c64(15)), c64(9))), auxiliary(e)));

const adjustPacked = (name: string, sign: 1 | -1): Definition =>
  define(name, (e) => {
    const al = e.gpr(RAX, 8);
    const carry = e.let(e.carry());
    const low = lowDigit(e, al);
    const high = e.let(i64.or(flag(i64.gtU(al, c64(0x99))), carry));
    const change = i64.add(i64.mul(low, c64(6)), i64.mul(high, c64(0x60)));
    const r = e.let(truncate(sign > 0 ? i64.add(al, change) : i64.sub(al, change), 8));
    // DAS borrows in the low digit's step too, and keeps it.
    const borrowed = sign > 0 ? c64(0) : flag(i32.and(i64.ne(low, c64(0)), i64.ltU(al, c64(6))));
    e.setFlagsFrom(r, i64.or(high, borrowed), c64(0), 8, low);
    e.setGpr(RAX, r, 8);
  });

const adjustUnpacked = (name: string, sign: 1 | -1): Definition =>
  define(name, (e) => {
    const ax = e.gpr(RAX, 16);
    const adjust = lowDigit(e, ax);
    const change = i64.mul(adjust, c64(0x106));
    const r = e.let(i64.and(sign > 0 ? i64.add(ax, change) : i64.sub(ax, change), c64(0xff0f)));
    e.setFlagsFrom(r, adjust, c64(0), 8, adjust);
    e.setGpr(RAX, r, 16);
  });

export const decimalArithmetic: readonly Definition[] = [
  adjustPacked('daa', 1),
  adjustPacked('das', -1),
  adjustUnpacked('aaa', 1),
  adjustUnpacked('aas', -1),
  define(
    'aam',
    (e) => {
      const base = e.let(truncate(e.immediate(), 8));
      const al = e.gpr(RAX, 8);
      e.if(i64.eqz(base), () => e.fault(DIVIDE_ERROR, 'divide.zero'));
      const r = e.let(i64.remU(al, base));
      const quotient = e.let(i64.divU(al, base));
      e.setFlagsFrom(r, c64(0), c64(0), 8);
      setAh(e, r, quotient);
    },
    ['i'],
  ),
  define(
    'aad',
    (e) => {
      const al = e.gpr(RAX, 8);
      const ah = e.let(i64.shrU(e.gpr(RAX, 16), c64(8)));
      const tens = e.let(truncate(i64.mul(ah, e.immediate()), 8));
      const r = e.let(i64.add(al, tens));
      e.flagsAdd(al, tens, r);
      setAh(e, r, c64(0));
    },
    ['i'],
  ),
];
