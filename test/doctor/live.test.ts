import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { doctorDump } from '../../src/debugger/doctor/dump-report';
import { doctorLive } from '../../src/debugger/doctor/live';
import { vmxonFindings } from '../../src/debugger/doctor/vmxon';
import type { Pause } from '../../src/debugger/run-control';
import type { Session } from '../../src/debugger/session';
import { writeVmcsText } from '../../src/debugger/vmcs/text';
import { eventReport } from '../../src/debugger/why/event-report';
import type { Preset } from '../../src/x86/cpuid';
import { presetNamed } from '../../src/x86/presets';
import { debug } from '../debugger/guest-session';

const minimal = readFileSync('examples/vmx/minimal.asm', 'utf8');

/** The example with something else in it, stopped at an event. */
const stopped = async (from: string, to: string, at: string): Promise<{ session: Session; pause: Pause }> => {
  expect(minimal).toContain(from);
  const { session } = await debug(minimal.replace(from, to));
  session.events.break(at);
  return { session, pause: await session.continue() };
};

const reportOf = (session: Session, pause: Pause): string => {
  if (pause.reason !== 'event') throw new Error(`stopped by ${pause.reason}`);
  return eventReport(session, pause.event).join('\n');
};

test('a failed entry tells every broken rule with values, writers and edits', async () => {
  const { session, pause } = await stopped('dq 0x4822, 0x8b', 'dq 0x4822, 0x89', 'vmentry-failure');
  const report = reportOf(session, pause);
  expect(report).toContain('exit reason 33');
  expect(report).toContain('326019-092US');
  expect(report).toContain('guest.tr.type ("Checks on Guest Segment Registers")');
  expect(report).toMatch(/GUEST_TR_AR_BYTES = 0x89, VMWRITE at 0x[0-9a-f]+ .*guest\.asm:\d+, step \d+/);
  expect(report).toContain('to mend it: GUEST_TR_AR_BYTES = 0x8b (type 0xb)');
});

test('a field that nobody wrote is told as never written', async () => {
  const { session, pause } = await stopped('    dq 0x0c0c, 0x18', '    dq 0x0c00, 0', 'vmfail');
  const report = reportOf(session, pause);
  expect(report).toContain('VM-instruction error 8');
  expect(report).toContain('host.tr.selector.not-null');
  expect(report).toContain('HOST_TR_SELECTOR = 0x0, never written');
  expect(report).toContain('to mend it: HOST_TR_SELECTOR = 0x8');
});

test('looking for broken rules does not change the machine', async () => {
  const { session } = await stopped('dq 0x4822, 0x8b', 'dq 0x4822, 0x89', 'vmentry-failure');
  const before = session.machine.stateHash();
  doctorLive(session, 0);
  vmxonFindings(session, 0);
  expect(session.machine.stateHash()).toBe(before);
});

test('at an exit, the VMCS of a guest that runs would enter', async () => {
  const { session } = await stopped('dq 0x4822, 0x8b', 'dq 0x4822, 0x8b', 'vmexit');
  const { findings, undecided, lines } = doctorLive(session, 0);
  expect(findings).toEqual([]);
  expect(undecided).toEqual([]);
  expect(lines[0]).toMatch(/^No rule is broken: this VMCS would enter \(\d+ rules\)\.$/);
  expect(lines.at(-1)).toContain('"launched": for VMRESUME');
});

test('written as text it is not judged otherwise: an EFER that no exit loads tells nothing of the host', async () => {
  const { session } = await stopped('dq 0x4822, 0x8b', 'dq 0x4822, 0x8b', 'vmexit');
  const { view } = doctorLive(session, 0);
  expect(view.get('HOST_IA32_EFER')).toBe(0n);
  const text = writeVmcsText(view).join('\n');
  const dump = (edited: string) => doctorDump(edited, presetNamed('haswell') as Preset).report;
  const ids = (edited: string) => dump(edited).findings.map(({ rule }) => rule.id);
  expect(ids(text)).toEqual([]);
  expect(dump(text).undecided.map(({ id }) => id)).toContain('address-space.host-needs-ia-32e');
  const loads = text.replace(/^VM_EXIT_CONTROLS .*/m, 'VM_EXIT_CONTROLS = 0x236fff');
  expect(ids(loads)).toContain('address-space.host-needs-ia-32e');
});

test('before VMXON every condition that it would find broken is told', async () => {
  const { session } = await debug('bits 64\nmov eax, 1\nhlt\n');
  const ids = vmxonFindings(session, 0).map(({ id }) => id);
  expect(ids).toEqual(expect.arrayContaining(['vmx.vmxe', 'vmxon.cr4']));
});

test('what mends VMXON is told, only what does not hold is, and typed in it lets VMXON succeed', async () => {
  const { session } = await debug('bits 64\nmov eax, 1\nhlt\n');
  const cr0 = vmxonFindings(session, 0).find(({ id }) => id === 'vmxon.cr0');
  expect(cr0?.says).toMatch(/^CR0 \(0x80000011\) must have all of IA32_VMX_CR0_FIXED0 \(0x\w+\): bit 5 is missing\.$/);
  expect(cr0?.mend).toBe('CR0 = 0x80000031 (NE 1)');
  for (const mend of new Set(vmxonFindings(session, 0).map(({ mend = '' }) => mend))) {
    const [, name = '', value = '0'] = /^(\S+) = (\w+)/.exec(mend) ?? [];
    session.environment(0).setName(name, BigInt(value));
  }
  expect(vmxonFindings(session, 0)).toEqual([]);
});

test('a VMXON that fails because of its region says which number is wrong', async () => {
  const { session, pause } = await stopped(
    'vmxon [vmxon_pointer]',
    'mov dword [vmxon_region], 1\n    vmxon [vmxon_pointer]',
    'vmfail',
  );
  expect(reportOf(session, pause)).toMatch(/vmxon\.region\.revision .*\n.*they are 0x1\./);
});
