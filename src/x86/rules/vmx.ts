/** Rules of VMX instructions: what they refuse with an exception. VM-entry checks have a table of their own (machine/vmx/checks). */

import type { RuleTable } from './rule';

const REFERENCE = 'Intel SDM vol. 3, "VMX Instruction Reference"';
const VMXON = 'Intel SDM vol. 3, "VMXON—Enter VMX Operation"';
const FIXED = 'Intel SDM vol. 3, "Restrictions on VMX Operation"';
const ENABLING = 'Intel SDM vol. 3, "Enabling and Entering VMX Operation"';
const BEHAVIOUR = 'Intel SDM vol. 3, "Changes to Instruction Behavior in VMX Non-Root Operation"';

export const vmxRules = {
  'vmx.exit': { section: 'Intel SDM vol. 3, "VM Exits"', says: 'the access or instruction causes a VM exit' },
  'vmx.mode': {
    section: REFERENCE,
    says: 'VMX instructions run in protected mode or 64-bit mode, not in real-address, virtual-8086 or compatibility mode',
  },
  'vmx.operation': { section: REFERENCE, says: 'VMX instructions other than VMXON run in VMX operation, after VMXON' },
  'vmx.vmxe': { section: VMXON, says: 'VMXON runs with CR4.VMXE = 1' },
  'vmx.a20': { section: VMXON, says: 'VMXON runs with address line 20 not masked' },
  'vmx.fixed-bits': {
    section: FIXED,
    says: 'in VMX operation the bits of CR0 and CR4 hold the values that IA32_VMX_CRn_FIXED0 and FIXED1 ask for',
  },
  'vmx.feature-control-lock': { section: ENABLING, says: 'IA32_FEATURE_CONTROL is locked (bit 0) before VMXON' },
  'vmx.feature-control-vmx': {
    section: ENABLING,
    says: 'IA32_FEATURE_CONTROL allows VMXON outside SMX operation (bit 2)',
  },
  'vmx.vmfunc-root': { section: REFERENCE, says: 'VMFUNC runs in VMX non-root operation' },
  'vmx.vmfunc-number': { section: BEHAVIOUR, says: 'VMFUNC selects one of the VM functions 0 to 63 in EAX' },
  'vmx.control-absent': {
    section: BEHAVIOUR,
    says: '{instruction} exists in a guest only while its control is 1',
  },
} as const satisfies RuleTable;
