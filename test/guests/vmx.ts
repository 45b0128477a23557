/** VMX instructions: what they refuse with an exception. Intel SDM vol. 3, "VMX Instruction Reference". */

import { control } from '../../src/machine/vmx/control-bits';
import { hypervisor } from '../machine/vmx/hypervisor';
import type { ExpectedFault, Trial } from './trial';
import { trial } from './trial';

const REGION = 0x200000;
const POINTER = 0x201000;
/** CR0.NE and CR4.VMXE, and a region with the revision identifier. */
const prepared = `
        mov rax, cr0
        or eax, 0x20
        mov cr0, rax
        mov rax, cr4
        or eax, 0x2000
        mov cr4, rax
        mov ecx, 0x480
        rdmsr
        mov [${REGION}], eax
        mov qword [${POINTER}], ${REGION}
`;
const allow = (bits: number) => `
        mov ecx, 0x3a
        mov eax, ${bits}
        xor edx, edx
        wrmsr
`;
const on = `${prepared}${allow(5)}
        vmxon [${POINTER}]
`;

/** A guest of the hypervisor, which goes on where the exception takes it. */
const inGuest = (name: string, guest: string, secondary: number, fault: ExpectedFault): Trial => ({
  name,
  bits: 64,
  source: hypervisor({ secondary, guest: `mov qword [resume], done\n ${guest}` }),
  faults: [fault],
  cpu: 'haswell',
  tlb: 'keep',
  ends: 'exit',
});

export const vmxTrials = [
  trial('VMXON is #UD in real mode', 16, '        fault 6 vmx.mode: vmxon [0x6000]'),
  trial('VMXON is #UD without CR4.VMXE', 64, `        fault 6 vmx.vmxe: vmxon [${POINTER}]`),
  trial(
    'VMXON is #GP(0) with CR0.NE 0',
    64,
    `${prepared}${allow(5)}
        mov rax, cr0
        and al, 0xdf
        mov cr0, rax
        fault 13 vmx.fixed-bits: vmxon [${POINTER}]`,
  ),
  trial(
    'VMXON is #GP(0) before IA32_FEATURE_CONTROL is locked',
    64,
    `${prepared}
        fault 13 vmx.feature-control-lock: vmxon [${POINTER}]`,
  ),
  trial(
    'VMXON is #GP(0) where IA32_FEATURE_CONTROL forbids it',
    64,
    `${prepared}${allow(1)}
        fault 13 vmx.feature-control-vmx: vmxon [${POINTER}]`,
  ),
  trial(
    'VMXON is #GP(0) while A20 is masked',
    64,
    `${prepared}${allow(5)}
        in al, 0x92
        and al, 0xfc
        out 0x92, al
        fault 13 vmx.a20: vmxon [${POINTER}]
        in al, 0x92
        or al, 2
        and al, 0xfe
        out 0x92, al`,
  ),
  trial(
    'VMX instructions are #UD before VMXON and after VMXOFF',
    64,
    `
        fault 6 vmx.operation: vmread rax, rbx
        fault 6 vmx.operation: vmcall
        ${on}
        vmxoff
        fault 6 vmx.operation: vmxoff`,
  ),
  trial(
    'in VMX operation CR0.NE, CR0.PG and CR4.VMXE stay 1',
    64,
    `${on}
        mov rax, cr0
        and al, 0xdf
        fault 13 vmx.fixed-bits: mov cr0, rax
        mov rax, cr4
        and eax, 0xffffdfff
        fault 13 vmx.fixed-bits: mov cr4, rax`,
  ),
  trial(
    'VMFUNC is #UD in root operation',
    64,
    `${on}
        fault 6 vmx.vmfunc-root: vmfunc`,
  ),
  inGuest('VMFUNC is #UD in a guest without its control', 'vmfunc', 0, { vector: 6, rule: 'vmx.control-absent' }),
  inGuest('VMFUNC is #UD with a number above 63', 'mov eax, 64\n vmfunc', control.enableVmfunc, {
    vector: 6,
    rule: 'vmx.vmfunc-number',
  }),
];
