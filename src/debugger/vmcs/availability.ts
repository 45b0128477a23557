/** Which fields and controls a processor has, and in words why it lacks one. */

import { capabilityValue } from '../../machine/vmx/facts';
import type { Vmx } from '../../machine/vmx/vmx';
import { controlOf, controlWords } from '../../x86/vmx/controls';
import { type FieldName, isReadOnly, vmcsFields } from '../../x86/vmx/fields';

const VMWRITE_ANY = 1n << 29n;

export const hasField = (vmx: Vmx, name: FieldName): boolean => vmx.hasField(vmcsFields[name].encoding);

/** `"enable PML" (secondary processor-based VM-execution control bit 17)`. */
const needText = (need: string): string => {
  const control = controlOf(need);
  if (control === undefined) return need.replace(/^capability\./, '').replaceAll('-', ' ');
  return `"${control.title}" (${controlWords[control.word].title} bit ${control.bit})`;
};

/** Why there is no such field: the controls of which one would have to be allowed. */
export const lackText = (name: FieldName): string => {
  const { needs = [] }: { readonly needs?: readonly string[] } = vmcsFields[name];
  return `this processor does not have it: ${needs.map(needText).join(' and ')} cannot be 1`;
};

/** Why VMWRITE would refuse, with its error number. Intel SDM vol. 3, "VMWRITE"; undefined where it would not. */
export const writeRefusal = (vmx: Vmx, name: FieldName): string | undefined => {
  if (!hasField(vmx, name)) return `VMWRITE fails with error 12: ${lackText(name)}`;
  const any = ((vmx.cpu.model.vmx?.IA32_VMX_MISC ?? 0n) & VMWRITE_ANY) !== 0n;
  return isReadOnly(vmcsFields[name].encoding) && !any
    ? 'VMWRITE fails with error 13: exit information can be written only where IA32_VMX_MISC bit 29 is 1'
    : undefined;
};

/** The only setting of a control that a processor allows. Intel SDM vol. 3, "Reserved Controls and Default Settings". */
export const fixedSetting = (vmx: Vmx, id: string): 0 | 1 | undefined => {
  const row = controlOf(id);
  if (row === undefined) return undefined;
  const { capability, trueCapability, allowed1Only } = controlWords[row.word];
  const value = capabilityValue(vmx.cpu.model.vmx ?? {}, trueCapability ?? capability);
  const bit = (of: bigint): boolean => ((of >> BigInt(row.bit)) & 1n) !== 0n;
  if (!bit(allowed1Only ? value : value >> 32n)) return 0;
  return !allowed1Only && bit(value) ? 1 : undefined;
};
