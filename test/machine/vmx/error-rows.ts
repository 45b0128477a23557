/** Guests of each VM-instruction error, and of VMfailInvalid; 13 takes a processor that cannot write exit information. */

import type { InstructionError } from '../../../src/x86/vmx/instruction-errors';
import { pages, type Spec } from './hypervisor';

const guest = 'nop';
/** The pointer is made, the instruction executed in root operation; its flags decide as VMLAUNCH's would. */
export const root = (text: string): Spec => ({ guest, launch: text });
const pointer = (value: number | string, instruction: string): Spec =>
  root(`mov rax, ${value}\n mov [${pages.spare}], rax\n mov rbx, ${pages.spare}\n ${instruction} [rbx]`);

export const errorRows: Readonly<Partial<Record<InstructionError, readonly Spec[]>>> = {
  1: [root('vmcall')],
  2: [pointer(pages.vmcs + 8, 'vmclear'), pointer('1 << 45', 'vmclear')],
  3: [pointer(pages.vmxon, 'vmclear')],
  4: [{ guest: 'cpuid', onExit: 'vmlaunch\n jmp entry_failed' }],
  5: [root('vmresume')],
  7: [{ guest, fields: { CR3_TARGET_COUNT: 5 } }],
  8: [{ guest, fields: { HOST_TR_SELECTOR: 0 } }],
  9: [pointer(pages.spare + 8, 'vmptrld'), pointer('1 << 45', 'vmptrld')],
  10: [pointer(pages.vmxon, 'vmptrld')],
  11: [pointer(pages.spare, 'vmptrld')],
  12: [root('mov eax, 0x6030\n vmread rbx, rax'), root('mov rax, 0x100004402\n vmwrite rax, rbx')],
  15: [root('vmxon [vmxon_pointer]')],
  26: [root('mov ax, 0x10\n mov ss, ax\n vmlaunch')],
  28: [
    root(`mov ebx, ${pages.spare}\n mov eax, 3\n invept rax, [rbx]`),
    root(`mov ebx, ${pages.spare}\n mov eax, 1\n invvpid rax, [rbx]`),
    root(`mov ebx, ${pages.spare}\n mov eax, 4\n invvpid rax, [rbx]`),
  ],
};

const cleared = 'vmclear [vmcs_pointer]';
export const invalidRows: readonly (readonly [name: string, spec: Spec])[] = [
  ['VMLAUNCH without a current VMCS', root(`${cleared}\n vmlaunch`)],
  ['VMRESUME without a current VMCS', root(`${cleared}\n vmresume`)],
  ['VMREAD without a current VMCS', root(`${cleared}\n mov eax, 0x4402\n vmread rbx, rax`)],
  ['VMWRITE without a current VMCS', root(`${cleared}\n mov eax, 0x6800\n vmwrite rax, rbx`)],
  ['VMCALL without a current VMCS', root(`${cleared}\n vmcall`)],
  ['VMXON in VMX operation without a current VMCS', root(`${cleared}\n vmxon [vmxon_pointer]`)],
  ['VMXON of a region that is not aligned', root(`vmxoff\n mov qword [${pages.spare}], 8\n vmxon [${pages.spare}]`)],
  [
    'VMXON of a region with another revision identifier',
    root(`vmxoff\n mov dword [${pages.vmxon}], 0x7777\n vmxon [vmxon_pointer]`),
  ],
];
