/** Who gets an exception of a guest: the hypervisor, or the guest's own handler, and the bits that decide. */

import type { Vmcs } from '../../machine/vmx/vmcs';
import type { Vmx } from '../../machine/vmx/vmx';
import { hex } from '../../x86/address';
import { exception, exceptions } from '../../x86/exceptions';
import type { Item } from '../item';
import { fieldText } from './control-words';

const bitOf = (vmcs: Vmcs | undefined, vector: number): 0 | 1 =>
  (((vmcs?.get32('EXCEPTION_BITMAP') ?? 0) >>> vector) & 1) as 0 | 1;

/** `EXCEPTION_BITMAP bit 6 is 0`. */
const bitText = (vmcs: Vmcs | undefined, vector: number): string =>
  `EXCEPTION_BITMAP bit ${vector} is ${bitOf(vmcs, vector)}`;

/** For page faults the bitmap's bit means the opposite where the error code does not match. */
export const pageFaultText = (errorCode: number, vmcs: Vmcs | undefined): string => {
  const mask = vmcs?.get32('PAGE_FAULT_ERROR_CODE_MASK') ?? 0;
  const match = vmcs?.get32('PAGE_FAULT_ERROR_CODE_MATCH') ?? 0;
  const matches = (errorCode & mask) >>> 0 === match >>> 0;
  const words = `error code ${hex(errorCode)} & PAGE_FAULT_ERROR_CODE_MASK ${hex(mask)}`;
  return matches
    ? `and ${words} is PAGE_FAULT_ERROR_CODE_MATCH ${hex(match)}: the bit counts as it is`
    : `but ${words} is not PAGE_FAULT_ERROR_CODE_MATCH ${hex(match)}: the bit counts inverted`;
};

const EXITS = 'it exits';
const STAYS = "it goes to the guest's own handler";

/** Where one exception of a guest goes. */
export const receiver = (vmx: Vmx, vector: number, errorCode: number | undefined): string => {
  const { current } = vmx;
  const match = vector === exception.PF ? `, ${pageFaultText(errorCode ?? 0, current)}` : '';
  return `${vmx.wantsException(vector, errorCode) ? EXITS : STAYS}: ${bitText(current, vector)}${match}`;
};

/** Of all page faults: those that mask and match select, and the others. */
const pageFaults = (vmx: Vmx): string => {
  const { current } = vmx;
  const mask = current?.get32('PAGE_FAULT_ERROR_CODE_MASK') ?? 0;
  const match = current?.get32('PAGE_FAULT_ERROR_CODE_MATCH') ?? 0;
  const to = (errorCode: number): string => (vmx.wantsException(exception.PF, errorCode) ? EXITS : STAYS);
  const bit = bitText(current, exception.PF);
  const words = `${fieldText(current, 'PAGE_FAULT_ERROR_CODE_MASK')}, ${fieldText(current, 'PAGE_FAULT_ERROR_CODE_MATCH')}`;
  if (match & ~mask)
    return `${to(0)}: ${bit}, and counts inverted for every error code, because none can match (${words})`;
  if (mask === 0) return `${to(0)}: ${bit}, whatever the error code is (${words})`;
  const other = match ^ (mask & -mask);
  return `where error code & ${hex(mask)} is ${hex(match)} ${to(match)}, else ${to(other)}: ${bit} (${words})`;
};

/** Of every exception where it would go. */
export const exceptionItem = (vmx: Vmx): Item => ({
  name: 'exceptions',
  bits: BigInt(vmx.current?.get32('EXCEPTION_BITMAP') ?? 0),
  size: 4,
  meaning: "EXCEPTION_BITMAP: vectors whose bit is 1 exit, others go through the guest's IDT",
  children: () =>
    exceptions
      .filter(({ type }) => type !== 'interrupt')
      .map(({ vector, mnemonic }) => ({
        name: mnemonic,
        meaning: vector === exception.PF ? pageFaults(vmx) : receiver(vmx, vector, undefined),
      })),
});
