/**
 * An address with the space it lives in. A plain number is linear in the address space of the stopped vCPU; other
 * spaces carry a prefix: `gpa:` guest-physical, `phys:` physical, `guest:` linear as the guest sees it whose hypervisor runs,
 * `cpu1:` as vCPU 1 sees it. Exact to all 64 bits.
 */

import { BadInput } from '../program/program';
import { hex } from '../x86/address';
import { readInteger } from './machine-options';

export type Space = 'linear' | 'guest' | 'gpa' | 'phys';

/** Where something lives. Without `vcpu`: as the stopped one sees it. */
export interface Place {
  readonly space: Space;
  readonly address: bigint;
  readonly vcpu?: number;
}

/** `[cpuN:][guest:|gpa:|phys:]NUMBER`, hexadecimal or decimal, and bytes to add to it. @throws BadInput */
export const readPlace = (text: string, offset = 0): Place => {
  const [, vcpu, space = 'linear', digits = ''] =
    /^\s*(?:cpu(\d{1,3}):)?(?:(guest|gpa|phys):)?\s*(.*?)\s*$/.exec(String(text)) ?? [];
  const negative = digits.startsWith('-');
  const value = readInteger(negative ? digits.slice(1) : digits);
  if (value === undefined || value >> 64n !== 0n)
    throw new BadInput(
      `${text}: no address; write 0x100000, 1048576, or one with phys:, guest:, gpa: or cpu1: before it`,
    );
  if (!Number.isFinite(offset)) throw new BadInput(`${offset}: no offset; a whole number of bytes is wanted`);
  const address = BigInt.asUintN(64, (negative ? -value : value) + BigInt(Math.trunc(offset)));
  return { space: space as Space, address, ...(vcpu === undefined ? {} : { vcpu: Number(vcpu) }) };
};

/** What `readPlace` reads: plain `0x…` for linear addresses of the stopped vCPU. */
export const placeText = ({ space, address, vcpu }: Place): string =>
  `${vcpu === undefined ? '' : `cpu${vcpu}:`}${space === 'linear' ? '' : `${space}:`}${hex(address)}`;
