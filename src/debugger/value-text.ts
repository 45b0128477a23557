/** Values of expressions as people read them: a number, then what it may mean; or the format that was asked for. */

import { linear } from '../x86/address';
import { numberOf, type Value } from './expression/evaluator';
import type { Format } from './expression/format';
import type { Item, Radix } from './item';
import type { ProgramInfo } from './program-info';

const isPrintable = (byte: number): boolean => byte >= 0x20 && byte < 0x7f;

/** The bits that the value has where it lives. */
const ownBits = ({ bits, size }: Value): bigint => BigInt.asUintN(size * 8, bits);

/** Larger numbers are addresses and masks: their decimal notation tells nobody anything. */
const COUNTED = 0xffff_ffffn;

/** What may be said of a number besides its digits: a symbol, its decimal notation, a character. */
const meaningOf = (value: Value, info: ProgramInfo, radix: Radix): string => {
  const { bits, size, signed, truth, meaning } = value;
  if (meaning !== undefined) return meaning;
  if (truth) return bits === 0n ? 'false' : 'true';
  const negative = signed && numberOf(value) < 0n;
  const own = ownBits(value);
  const decimal = negative ? String(numberOf(value)) : radix === 'decimal' || own > COUNTED ? '' : String(own);
  if (signed) return decimal;
  const name = size >= 2 ? info.nameOf(linear(bits)) : undefined;
  if (name !== undefined) return name;
  const character = size === 1 && isPrintable(Number(bits)) ? quoted([Number(bits)], "'") : '';
  return [decimal, character].filter((part) => part !== '').join(' ');
};

/** The value as a row: `0x100020 print`, `0x48 72 'H'`, `0xffff -1`, `0x1 true`. */
export const valueItem = (name: string, value: Value, info: ProgramInfo, radix: Radix = 'hex'): Item => {
  const { wordy, items, size } = value;
  const meaning = meaningOf(value, info, radix);
  return {
    name,
    ...(wordy === true ? {} : { bits: ownBits(value), size }),
    ...(meaning === '' ? {} : { meaning }),
    ...(items === undefined ? {} : { children: () => items() }),
  };
};

/** Digits in groups of four, from the right, so that they can be counted; what is written can be typed. */
const grouped = (digits: string): string => digits.replace(/(?<=\d)(?=(\d{4})+$)/g, '_');

const signedNumber = ({ bits, size }: Value): bigint => BigInt.asIntN(size * 8, bits);

/** Formats of one number; `s` needs memory and is not among them. */
export const formatted: Readonly<Record<Exclude<Format, 's'>, (value: Value) => string>> = {
  x: (value) => `0x${ownBits(value).toString(16)}`,
  d: (value) => String(signedNumber(value)),
  u: (value) => String(ownBits(value)),
  b: (value) => `0b${grouped(ownBits(value).toString(2))}`,
  o: (value) => `0o${ownBits(value).toString(8)}`,
  c: (value) => quoted([Number(ownBits(value) & 0xffn)], "'"),
};

const escapes: Readonly<Record<number, string>> = { 0: '\\0', 9: '\\t', 10: '\\n', 13: '\\r', 92: '\\\\' };

/** Bytes as text in quotes; what is no ASCII is escaped. */
export const quoted = (bytes: Iterable<number>, quote: '"' | "'" = '"'): string => {
  let text = '';
  for (const byte of bytes) {
    if (byte === quote.charCodeAt(0)) text += `\\${quote}`;
    else
      text +=
        escapes[byte] ?? (isPrintable(byte) ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, '0')}`);
  }
  return quote + text + quote;
};
