/** Why an entry of an MSR area was refused, in words. */

import type { MsrRefusal } from '../../machine/core/exit';
import { hex } from '../../x86/address';
import { msrAt } from '../../x86/msrs';

/** Intel SDM vol. 3, "Loading MSRs" and "Saving MSRs". */
const refusals: Readonly<Record<MsrRefusal['rule'], string>> = {
  reserved: 'bits 63:32 of an entry must be 0',
  'segment-base': 'the bases of FS and GS are not loaded from an area, the VMCS has fields for them',
  x2apic: 'the MSRs 0x800 to 0x8ff of the x2APIC must not stand there',
  smm: 'this MSR can be accessed only in SMM',
  microcode: 'a VM entry or exit does not load microcode',
  wrmsr: 'WRMSR of this value would be a #GP',
  rdmsr: 'RDMSR of it would be a #GP',
};

export const ENTRY_AREA = 'VM-entry MSR-load area';

/** `entry 1 of the VM-entry MSR-load area, MSR 0xc0000100 (IA32_FS_BASE): …`. */
export const refusalText = (area: string, { entry, index, rule }: MsrRefusal): string => {
  const name = msrAt(index)?.name;
  return `entry ${entry} of the ${area}, MSR ${hex(index)}${name === undefined ? '' : ` (${name})`}: ${refusals[rule]}`;
};
