/** `why` of instructions that are refused: which rule, and the control, register bit or capability that it looked at. */

import { expect, test } from 'vitest';
import type { Session } from '../../../src/debugger/session';
import { currentAddress } from '../../../src/debugger/vcpu-view';
import { whyLast, whyNext } from '../../../src/debugger/why/instruction';
import { control } from '../../../src/machine/vmx/control-bits';
import { linear } from '../../../src/x86/address';
import { hypervisor, type Spec } from '../../machine/vmx/hypervisor';
import { debug } from '../guest-session';

/** Stands at the label `here` of a guest, or of a program. */
const at = async (source: string, label = 'here'): Promise<Session> => {
  const { session } = await debug(source);
  const address = session.info.symbols.named(label)?.address;
  if (address === undefined) throw new Error(`no ${label}`);
  await session.runUntil(0, linear(address));
  expect(currentAddress(session.vcpu(0))).toBe(address);
  return session;
};
const inGuest = (guest: string, more: Partial<Spec> = {}): Promise<Session> =>
  at(hypervisor({ ...more, guest: `mov qword [resume], done\n ${guest}` }));

/** Before the instruction, and after the step that refused it. */
const both = async (session: Session): Promise<[string, string]> => {
  const before = session.machine.stateHash();
  const next = whyNext(session, 0).text;
  expect(session.machine.stateHash()).toBe(before);
  await session.step(0, 'into', 'instruction');
  return [next, whyLast(session, 0).text];
};

test('an instruction whose control is 0 does not exist in a guest', async () => {
  const found = await both(
    await inGuest('mov ebx, 0x207000\n xor eax, eax\nhere: invpcid rax, [rbx]', { secondary: 2 ** 3 }),
  );
  for (const text of found) {
    expect(text).toContain('#UD');
    expect(text).toContain('"enable INVPCID" (secondary control bit 12) is 0');
    expect(text).toContain("it goes to the guest's own handler: EXCEPTION_BITMAP bit 6 is 0");
  }
});

test('a #UD that the exception bitmap selects exits', async () => {
  const session = await inGuest('mov ebx, 0x207000\n xor eax, eax\nhere: invpcid rax, [rbx]', {
    fields: { EXCEPTION_BITMAP: 1 << 6 },
  });
  const [next, last] = await both(session);
  expect(next).toContain('it exits: EXCEPTION_BITMAP bit 6 is 1');
  expect(last).toContain('VM exit 0 EXCEPTION_NMI: #UD Invalid Opcode; EXCEPTION_BITMAP bit 6 is 1');
});

test('a write of CR4 that the fixed bits forbid is #GP, with the bit', async () => {
  const session = await inGuest('mov rax, cr4\n and eax, ~0x2000\nhere: mov cr4, rax');
  await session.step(0, 'into', 'instruction');
  expect(whyLast(session, 0).text).toMatch(/#GP .*CR4 bit 13 \(VMXE\)/);
});

test('VMX instructions outside VMX operation', async () => {
  const found = await both(await at('bits 64\n lidt [none]\nhere: vmptrst [rsp-8]\nnone: dq 0, 0\n'));
  expect(found[0]).toContain('#UD');
  expect(found[0]).toContain('[vmx.operation]');
});

test('VMXON is asked for all that it needs, in order', async () => {
  const vmxe = whyNext(await at('bits 64\nhere: vmxon [rsp-8]\n'), 0).text;
  expect(vmxe).toContain('#UD');
  expect(vmxe).toContain('CR4 bit 13 (VMXE)');
  const prepare = 'bits 64\n mov rax, cr4\n or eax, 0x2000\n mov cr4, rax\n';
  const fixed = whyNext(await at(`${prepare}here: vmxon [rsp-8]\n`), 0).text;
  expect(fixed).toContain('CR0 bit 5 (NE)');
  const ne = 'mov rax, cr0\n or eax, 0x20\n mov cr0, rax\n';
  const locked = whyNext(await at(`${prepare}${ne}here: vmxon [rsp-8]\n`), 0).text;
  expect(locked).toContain('IA32_FEATURE_CONTROL bit 0');
  const lock = 'mov ecx, 0x3a\n mov eax, 5\n xor edx, edx\n wrmsr\n';
  const fine = await at(`${prepare}${ne}${lock}here: vmxon [rsp-8]\n`);
  const before = fine.machine.stateHash();
  expect(whyNext(fine, 0).text).toContain('no exception');
  expect(fine.machine.stateHash()).toBe(before);
});

test('an entry that fails names its error number', async () => {
  const session = await at(
    hypervisor({ guest: 'nop', fields: { HOST_CR3: -1n }, launch: 'launch: vmlaunch' }),
    'launch',
  );
  expect(whyNext(session, 0).text).toMatch(/^vmlaunch: it does not enter: .*HOST_CR3.* \[host\./);
  await session.step(0, 'into', 'instruction');
  expect(whyLast(session, 0).text).toContain('VMfailValid (ZF is 1), error 8');
});

test('the NMI handler of the host is stepped as anything else', async () => {
  const session = await at(
    hypervisor({
      guest: 'cpuid',
      pin: control.nmiExiting,
      setup: 'mov qword [resume], handler',
      onExit: `mov edx, 0xfee00000
        mov dword [rdx + 0xf0], 0x1ff
        mov dword [rdx + 0x310], 0
sends:  mov dword [rdx + 0x300], 0x4400
        nop
        jmp finish
handler: nop
        jmp finish`,
    })
      .replaceAll('.by_reason', 'by_reason')
      .replaceAll('.skip', 'skip')
      .replaceAll('.again', 'again'),
    'handler',
  );
  expect(session.vcpu(0).vmx?.nonRoot).toBe(false);
  await session.step(0, 'into', 'instruction');
  expect(currentAddress(session.vcpu(0))).toBe(linear((session.info.symbols.named('handler')?.address ?? 0n) + 1n));
});
