/** Bits of CR0 and CR4 that VMX operation fixes. Intel SDM vol. 3, "Restrictions on VMX Operation". */

import { CR0 } from '../../x86/control-registers';
import { exception } from '../../x86/exceptions';
import { refuse } from '../cpu/refusal';
import { control } from './control-bits';
import { NO_VMCS } from './vmcs';
import type { Vmx } from './vmx';

const lowestBit = (value: bigint): number => {
  let bit = 0;
  for (let rest = value; rest !== 0n && !(rest & 1n); rest >>= 1n) bit++;
  return bit;
};

/** PE and PG are the guest's own where it is unrestricted; NW and CD nobody asks for. */
const freeBits = (vmx: Vmx, register: 0 | 4): bigint =>
  register === 0 && vmx.nonRoot && vmx.controls.secondary & control.unrestricted ? BigInt(CR0.PE + CR0.PG) : 0n;

/** @throws Fault #GP(0) naming the first bit that is wrong */
export const requireFixed = (vmx: Vmx, register: 0 | 4, value: bigint): void => {
  const { vmx: capabilities } = vmx.cpu.model;
  const zeros = (capabilities?.[`IA32_VMX_CR${register}_FIXED0`] ?? 0n) & ~freeBits(vmx, register);
  const ones = capabilities?.[`IA32_VMX_CR${register}_FIXED1`] ?? NO_VMCS;
  const wrong = (zeros & ~value) | (value & ~ones);
  if (wrong !== 0n)
    refuse(exception.GP, 'vmx.fixed-bits', 0, { register: `CR${register}`, bit: lowestBit(wrong), value });
};
