/** Why a processor shut down: the faults of a triple fault, or a VMX abort with the entry of the MSR area that led to it. */

import type { Shutdown } from '../../machine/core/event';
import type { MsrRefusal, VmxAbort } from '../../machine/core/exit';
import { hex } from '../../x86/address';
import { msrAt } from '../../x86/msrs';
import { explainChain } from '../explain';

/** Intel SDM vol. 3, "VMX Aborts". */
const indicators: Readonly<Record<number, string>> = {
  1: 'saving guest MSRs',
  2: "the host's PDPTEs",
  4: 'loading host MSRs',
};

const areas: Readonly<Record<number, string>> = { 1: 'VM-exit MSR-store area', 4: 'VM-exit MSR-load area' };

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

/** `entry 1 of the VM-entry MSR-load area, MSR 0xc0000100 (IA32_FS_BASE): …`. */
export const refusalText = (area: string, { entry, index, rule }: MsrRefusal): string => {
  const name = msrAt(index)?.name;
  return `entry ${entry} of the ${area}, MSR ${hex(index)}${name === undefined ? '' : ` (${name})`}: ${refusals[rule]}`;
};

const abortText = ({ indicator, refused }: VmxAbort): string =>
  refused === undefined
    ? "the PDPTEs at HOST_CR3 have reserved bits set, which the exit loads for the host's PAE paging"
    : refusalText(areas[indicator] ?? 'MSR area', refused);

/** What kind of shutdown it was. */
export const shutdownKind = ({ abort }: Shutdown): string =>
  abort === undefined ? 'triple fault' : `VMX abort ${abort.indicator} (${indicators[abort.indicator] ?? 'unknown'})`;

/** What led to it, a line each. */
export const shutdownLines = ({ chain, abort }: Shutdown): readonly string[] =>
  abort === undefined ? explainChain(chain) : [abortText(abort)];
