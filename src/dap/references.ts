/**
 * Memory and instruction references: `0x…` or decimal, linear in the address space of the stopped vCPU; physical ones
 * carry `phys:`. Ours are always `0x…`. 64-bit addresses stay exact.
 */

import { readInteger } from '../debugger/machine-options';
import { BadInput } from '../program/program';
import { hex } from '../x86/address';

export interface Reference {
  readonly space: 'linear' | 'physical';
  readonly address: bigint;
}

/** @throws BadInput */
export const readReference = (text: string, offset: number | undefined = 0): Reference => {
  const [, prefix = '', digits = ''] = /^\s*(phys:)?\s*(.*?)\s*$/.exec(text) ?? [];
  const negative = digits.startsWith('-');
  const value = readInteger(negative ? digits.slice(1) : digits);
  if (value === undefined || value >> 64n !== 0n)
    throw new BadInput(`${text}: no address; write 0x100000, 1048576 or phys:0x100000`);
  const address = BigInt.asUintN(64, (negative ? -value : value) + BigInt(Math.trunc(offset)));
  return { space: prefix === '' ? 'linear' : 'physical', address };
};

export const referenceTo = ({ space, address }: Reference): string =>
  space === 'physical' ? `phys:${hex(address)}` : hex(address);
