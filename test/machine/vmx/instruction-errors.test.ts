/** The VM-instruction errors that software can reach, each by a guest, and VMfailInvalid. docs/vmx.md lists the others with reasons. */

import { describe, expect, test } from 'vitest';
import { makeModel } from '../../../src/machine/cpu/model';
import { type InstructionError, instructionErrors } from '../../../src/x86/vmx/instruction-errors';
import { pages, type Spec } from './hypervisor';
import { runHypervisor } from './run-hypervisor';

/** VMX instruction errors that no instruction of this machine gives; docs/vmx.md says why. */
const unreachable = [6, 16, 17, 18, 19, 20, 22, 23, 24, 25] as const;

const guest = 'nop';
/** The pointer is made, the instruction executed in root operation; its flags decide as VMLAUNCH's would. */
const root = (text: string): Spec => ({ guest, launch: text });
const pointer = (value: number | string, instruction: string): Spec =>
  root(`mov rax, ${value}\n mov [${pages.spare}], rax\n mov rbx, ${pages.spare}\n ${instruction} [rbx]`);

const errors: Readonly<Partial<Record<InstructionError, readonly Spec[]>>> = {
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

describe.each(Object.entries(errors))('error %s', (number, specs) => {
  test.each((specs as readonly Spec[]).map((spec, n) => [n + 1, spec] as const))('by guest %i', (_, spec) => {
    const run = runHypervisor(spec);
    expect(run.end).toBe(`E${Number(number).toString(16)}`);
    expect(run.guest.events.filter(({ kind }) => kind === 'vmfail').at(-1)).toMatchObject({
      error: Number(number),
      valid: true,
    });
  });
});

test('error 13 by a processor that cannot write exit information', () => {
  const spec = root('mov eax, 0x4402\n vmwrite rax, rbx');
  // Haswell can, by bit 29 of IA32_VMX_MISC; this one is the same without that bit.
  const haswell = makeModel('haswell');
  const IA32_VMX_MISC = (haswell.vmx?.IA32_VMX_MISC ?? 0n) & ~(1n << 29n);
  const run = runHypervisor(spec, { cpu: { ...haswell, vmx: { ...haswell.vmx, IA32_VMX_MISC } } });
  expect(run.end).toBe('Ed');
});

test('the errors with a guest and those without are all there are', () => {
  const known = [...Object.keys(errors).map(Number), 13, ...unreachable];
  expect(known.sort((a, b) => a - b)).toEqual(Object.keys(instructionErrors).map(Number));
});

describe('VMfailInvalid', () => {
  const cleared = 'vmclear [vmcs_pointer]';
  test.each([
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
  ])('%s', (_, spec) => {
    const run = runHypervisor(spec);
    expect(run.end).toBe('I');
    expect(run.guest.events.filter(({ kind }) => kind === 'vmfail').at(-1)).toMatchObject({ valid: false });
  });
});
