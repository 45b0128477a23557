/** Values of expressions as people read them: `0x` and digits, then what they may mean. */

import { hex, linear } from '../x86/address';
import { numberOf, type Value } from './expression/evaluator';
import type { ProgramInfo } from './program-info';

const isPrintable = (value: bigint): boolean => value >= 0x20n && value < 0x7fn;

/** `0x100020 print`, `0x48 72 'H'`, `0xffff -1`, `0x1 true`. */
export const describeValue = (value: Value, info: ProgramInfo): string => {
  const { bits, size, signed, truth } = value;
  if (truth) return `${hex(bits)} ${bits === 0n ? 'false' : 'true'}`;
  const digits = hex(BigInt.asUintN(size * 8, bits));
  if (signed) return `${digits} ${numberOf(value)}`;
  const name = size >= 2 ? info.nameOf(linear(bits)) : undefined;
  if (name !== undefined) return `${digits} ${name}`;
  return `${digits} ${bits}${size === 1 && isPrintable(bits) ? ` '${String.fromCharCode(Number(bits))}'` : ''}`;
};
