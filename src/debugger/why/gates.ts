/**
 * Instructions that are #UD in a guest while a control is 0, and that this machine does not have: what a hypervisor would have to
 * set where the processor has them. Intel SDM vol. 3, "Changes to Instruction Behavior in VMX Non-Root Operation".
 */

import type { Vmx } from '../../machine/vmx/vmx';
import { controlOf, controlWords } from '../../x86/vmx/controls';
import { controlText } from './control-words';

const byInstruction: ReadonlyMap<string, string> = new Map([
  ['xsaves', 'secondary.enable-xsaves-xrstors'],
  ['xsaves64', 'secondary.enable-xsaves-xrstors'],
  ['xrstors', 'secondary.enable-xsaves-xrstors'],
  ['xrstors64', 'secondary.enable-xsaves-xrstors'],
  ['tpause', 'secondary.enable-user-wait-and-pause'],
  ['umonitor', 'secondary.enable-user-wait-and-pause'],
  ['umwait', 'secondary.enable-user-wait-and-pause'],
  ['pconfig', 'secondary.enable-pconfig'],
]);

/** `"enable XSAVES/XRSTORS" (secondary control bit 20) is 0`, and whether it may be 1; undefined for other instructions. */
export const gateText = (vmx: Vmx, instruction: string): string | undefined => {
  const id = byInstruction.get(instruction.toLowerCase());
  const row = id === undefined ? undefined : controlOf(id);
  if (id === undefined || row === undefined) return undefined;
  const value = ((vmx.current?.get32(controlWords[row.word].field) ?? 0) >>> row.bit) & 1;
  const allowed = vmx.allows(id) ? '' : ', which IA32_VMX_PROCBASED_CTLS2 does not allow to be 1 here';
  return `${controlText(id, value as 0 | 1)}${allowed}: without it ${instruction.toUpperCase()} is #UD in a guest`;
};
