/** `why` behind a VMX instruction that failed: the error, what was found, and the rules that are broken. */

import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { whyItems } from '../../../src/debugger/inspect/why';
import { pauseText } from '../../../src/debugger/pause-text';
import type { Session } from '../../../src/debugger/session';
import { eventReport } from '../../../src/debugger/why/event-report';
import { debug } from '../guest-session';

const broken = readFileSync(new URL('../../../examples/vmx/broken.asm', import.meta.url), 'utf8');
const minimal = readFileSync(new URL('../../../examples/vmx/minimal.asm', import.meta.url), 'utf8');

const stoppedAt = async (source: string, event: string, cpu = 'haswell'): Promise<Session> => {
  const { session } = await debug(source, { cpu });
  session.events.break(event);
  await session.continue();
  return session;
};

const said = (session: Session): string => whyItems(session)[0]?.meaning ?? '';

test('a refused entry names the first rule, how many more there are, and lists all', async () => {
  const session = await stoppedAt(broken, 'vmfail');
  const hash = session.machine.stateHash();
  expect(said(session)).toMatch(
    /^vmlaunch: VMfailValid \(ZF is 1\), error 7: VM entry with invalid control field\(s\): CR3_TARGET_COUNT \(0x5\) must be .* \[control\.cr3-target-count\], and 2 more; `doctor`/,
  );
  const names = whyItems(session).map(({ name }) => name);
  expect(names).toEqual([
    'stopped',
    'control.cr3-target-count',
    'host.tr.selector.not-null',
    'guest.interruptibility.sti-needs-if',
    'next instruction',
  ]);
  expect(session.machine.stateHash()).toBe(hash);
});

test('the stop itself says in words what failed', async () => {
  const words = async (event: string) => {
    const session = await stoppedAt(broken, event);
    return session.stopped === undefined ? '' : pauseText(session.stopped, session);
  };
  expect(await words('vmfail')).toBe('VM-instruction error 7: VM entry with invalid control field(s)');
  expect(await words('vmentry-failure')).toBe('VM entry refused, controls: control.cr3-target-count');
});

test('the stop at an exit tells where the guest was', async () => {
  const session = await stoppedAt(minimal, 'vmexit:CPUID');
  expect(session.stopped && pauseText(session.stopped, session)).toMatch(
    /no control decides; guest at 0x[0-9a-f]+ guest\+0x2 \(64-bit, ring 0\)$/,
  );
  const failed = await stoppedAt(minimal.replace('dq 0x6820, 2 ', 'dq 0x6820, 0 '), 'vmexit');
  expect(failed.stopped && pauseText(failed.stopped, failed)).not.toContain('guest at');
});

test('so does one that fails after the exit has happened', async () => {
  const session = await stoppedAt(minimal.replace('dq 0x6820, 2 ', 'dq 0x6820, 0 '), 'vmentry-failure');
  expect(said(session)).toMatch(/the entry fails \(guest-state\): .*GUEST_RFLAGS/);
});

/** Before a VMCS is current. */
const failing = (text: string): string => minimal.replace('    vmclear [vmcs_pointer]\n', `    ${text}\n`);

test.each([
  ['vmclear [vmxon_pointer]', /VMfailInvalid .*: 0x[0-9a-f]+ is the region that VMXON was given$/],
  ['vmptrld [vmcs_field]', /VMfailInvalid .*: bits 11:0 of the pointer 0x1234567 must be 0$/],
])('%s tells what was found', async (text, words) => {
  const session = await stoppedAt(`${failing(text)}\nalign 8\nvmcs_field: dq 0x1234567\n`, 'vmfail');
  expect(said(session)).toMatch(words);
});

test.each([
  ['mov eax, 0x7ffe\n    vmwrite rax, rax', /error 12: .*: no field has the encoding 0x7ffe$/],
  ['mov eax, 0x2032\n    vmwrite rax, rax', /error 12: .*: TSC_MULTIPLIER \(0x2032\): this processor does not have it/],
  ['mov eax, 0x4402\n    vmwrite rax, rax', /error 13: .*: VM_EXIT_REASON \(0x4402\)$/],
  ['vmclear [vmxon_pointer]', /error 3: .*: 0x[0-9a-f]+ is the region that VMXON was given$/],
  ['vmresume', /error 5: .*: the VMCS at 0x[0-9a-f]+ is clear, which VMLAUNCH enters$/],
])('%s tells what was found in the current VMCS', async (text, words) => {
  const source = minimal.replace('    vmptrld [vmcs_pointer]\n', `    vmptrld [vmcs_pointer]\n    ${text}\n`);
  expect(said(await stoppedAt(source, 'vmfail', 'nehalem'))).toMatch(words);
});

test('without a current VMCS there is no number', async () => {
  const session = await stoppedAt(failing('vmlaunch'), 'vmfail');
  expect(said(session)).toBe('vmlaunch: VMfailInvalid (CF is 1): no VMCS is current, which VMPTRLD changes');
});

test('a failed VMXON tells its conditions', async () => {
  const session = await stoppedAt(minimal.replace('    mov [vmxon_region], eax\n', ''), 'vmfail');
  expect(said(session)).toMatch(/VMfailInvalid.*must be the revision identifier/);
});

test('a stop on it tells that in a line', async () => {
  const session = await stoppedAt(minimal.replace('    mov [vmcs_region], eax\n', ''), 'vmfail');
  const { stopped } = session;
  expect(stopped?.reason === 'event' && eventReport(session, stopped.event)).toEqual([
    expect.stringMatching(
      /^vmptrld .*: the region at 0x[0-9a-f]+ begins with 0x0, not with the revision identifier 0x12/,
    ),
  ]);
});

test('an MSR that an entry cannot load is named', async () => {
  const source = minimal
    .replace('fields_end:', '    dq 0x4014, 1\n    dq 0x200a, area\nfields_end:')
    .replace('align 4096\n', 'align 16\narea: dd 0xc0000101, 0\n dq 0\nalign 4096\n');
  const session = await stoppedAt(source, 'vmentry-failure');
  const words = 'entry 1 of the VM-entry MSR-load area, MSR 0xc0000101 (IA32_GS_BASE): the bases of FS and GS';
  expect(said(session)).toContain(`the entry fails with exit reason 34: ${words}`);
  expect(session.stopped && pauseText(session.stopped)).toContain(`entry.msr.segment-base: ${words}`);
});
