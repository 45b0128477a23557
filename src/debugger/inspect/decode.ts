/** Numbers with named bits, in words and as parts. */

import type { RegisterBits } from '../../x86/control-registers';
import type { Item } from '../item';
import { fixedBits } from '../registers';

export const bitField = (value: bigint, bit: number, width = 1): bigint =>
  (value >> BigInt(bit)) & ((1n << BigInt(width)) - 1n);

/** `RW0 LEN0=1`: the names of the bits that are set, with the values of fields of several bits. */
export const bitNames = (value: bigint, bits: RegisterBits): string =>
  Object.entries(bits)
    .map(([name, { bit, width = 1 }]) => {
      const part = bitField(value, bit, width);
      return part === 0n ? '' : width === 1 ? name : `${name}=${part}`;
    })
    .filter((text) => text !== '')
    .join(' ');

/** One item a bit or field, which is set through the expression `whole.name`. */
export const bitItems = (whole: string, value: bigint, bits: RegisterBits): Item[] =>
  Object.entries(bits).map(([name, { bit, width = 1, meaning }]) => ({
    name,
    bits: bitField(value, bit, width),
    width,
    meaning,
    expression: `${whole}.${name.toLowerCase()}`,
    ...(fixedBits.has(`${whole}.${name.toLowerCase()}`) ? {} : { settable: true }),
  }));
