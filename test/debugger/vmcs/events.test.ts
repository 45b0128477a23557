/** Events of VT-x: the grammar, the fields, and conditions with names of exit reasons. */

import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { MachineEvent } from '../../../src/machine/core/event';
import { debug } from '../guest-session';

const minimal = readFileSync(new URL('../../../examples/vmx/minimal.asm', import.meta.url), 'utf8');

const stops = async (text: string, source = minimal): Promise<MachineEvent[]> => {
  const { session } = await debug(source);
  session.events.break(text);
  const seen: MachineEvent[] = [];
  for (let pause = await session.continue(); pause.reason === 'event'; pause = await session.continue())
    seen.push(pause.event);
  return seen;
};
const reasons = async (text: string): Promise<number[]> =>
  (await stops(text)).map((event) => (event.kind === 'vmexit' ? event.reason : -1));

test('VM exits by name, by number, and all', async () => {
  expect(await reasons('vmexit')).toEqual([10, 12]);
  expect(await reasons('vmexit:CPUID')).toEqual([10]);
  expect(await reasons('vmexit:12')).toEqual([12]);
  await expect(reasons('vmexit:CPUIDS')).rejects.toThrow('says nothing about vmexit');
});

test('names of exit reasons are constants in conditions, beside the general registers of the guest', async () => {
  expect(await reasons('vmexit if reason == CPUID && rax == 0')).toEqual([10]);
  expect(await reasons('vmexit if reason == CPUID && rax == 1')).toEqual([]);
  expect(await reasons('vmexit if reason == hlt')).toEqual([12]);
  expect(await reasons('vmexit if GUEST_RIP == $guest + 2')).toEqual([10]);
  expect(await reasons('vmexit if VM_EXIT_REASON != HLT')).toEqual([10]);
});

test('such a condition says the same when it is asked often', async () => {
  // The handler resumes without skipping the instruction, until its counter has gone through.
  const often = minimal
    .replace(
      '    add rax, rbx\n',
      '    inc dword [count]\n    cmp dword [count], 300\n    jb .same\n    add rax, rbx\n.same:\n',
    )
    .replace('vmcs_pointer: dq', 'count: dd 0\nvmcs_pointer: dq')
    .replaceAll('.same', '.same_instruction');
  const { session } = await debug(often);
  session.events.break('vmexit if reason == CPUID && [count]:u32 == 250');
  expect(await session.continue()).toMatchObject({ reason: 'event', event: { reason: 10 } });
  expect(session.environment(0).name('VM_EXIT_REASON', false)?.bits).toBe(10n);
  expect(await session.continue()).toMatchObject({ reason: 'ending' });
});

test('VM entries, with where they go', async () => {
  expect(await stops('vmentry')).toMatchObject([{ launch: true }, { launch: false }]);
  expect(await stops('vmentry if launch == 0')).toHaveLength(1);
});

test('VMREAD and VMWRITE by field and direction', async () => {
  expect(await stops('vmcs:GUEST_RIP')).toMatchObject([{ access: 'w' }, { access: 'r' }, { access: 'w' }]);
  expect(await stops('vmcs:GUEST_RIP:r')).toHaveLength(1);
  expect(await stops('vmcs:VM_EXIT_REASON:r if value == 12')).toHaveLength(1);
});

const broken = (from: string, to: string): string => {
  expect(minimal).toContain(from);
  return minimal.replace(from, to);
};

test('a VM entry that is refused, by what was checked, and the number that the instruction leaves', async () => {
  const noHost = broken('dq HOST_RIP, exit', 'dq HOST_RIP, 0x8000000000000000');
  expect(await stops('vmentry-failure', noHost)).toMatchObject([{ stage: 'host-state' }]);
  expect(await stops('vmentry-failure:controls', noHost)).toEqual([]);
  expect(await stops('vmfail:8', noHost)).toMatchObject([{ error: 8, valid: true }]);
  expect(await stops('vmfail:7', noHost)).toEqual([]);
  const noGuest = broken('dq 0x6820, 2 ', 'dq 0x6820, 0 ');
  expect(await stops('vmentry-failure:guest-state', noGuest)).toMatchObject([{ stage: 'guest-state' }]);
  expect(await stops('vmexit:ENTRY_FAILURE_GUEST_STATE', noGuest)).toMatchObject([{ reason: 33 }]);
});

test('hypercalls by their number', async () => {
  const calls = broken('    xor eax, eax\n    cpuid\n', '    mov eax, 5\n    vmcall\n').replace(
    'cmp eax, 10 ',
    'cmp eax, 18 ',
  );
  expect(await stops('hypercall', calls)).toMatchObject([{ number: 5n }]);
  expect(await stops('hypercall:5', calls)).toHaveLength(1);
  expect(await stops('hypercall:6', calls)).toEqual([]);
});

test('the counts are by reason, whether or not somebody listens', async () => {
  const { session } = await debug(minimal);
  await session.continue();
  expect([...(session.machine.events.counts.get('vmexit') ?? [])]).toEqual([
    [10, 1],
    [12, 1],
  ]);
});

/** A hypervisor that looks at its VMCS in memory while it is active, and behind VMCLEAR. */
const looksAtMemory = minimal.replace(
  /^ {4}vmlaunch$/m,
  `    mov rax, [vmcs_region + 64]
    mov dword [vmcs_region + 4], 0
    vmclear [vmcs_pointer]
    mov rax, [vmcs_region + 64]
    mov rax, [vmxon_region]
    vmptrld [vmcs_pointer]
    mov al, [vmcs_region + 4095]
    vmlaunch`,
);

test('memory of an active VMCS is read or written by software, not by VMCLEAR and VMPTRLD', async () => {
  const seen = await stops('vmcs-memory', looksAtMemory);
  const [{ vmcs = 0n } = {}] = seen as { vmcs?: bigint }[];
  expect(seen).toMatchObject([
    { access: 'r', size: 8, vmcs, address: vmcs + 64n },
    { access: 'w', size: 4, vmcs, address: vmcs + 4n },
    { access: 'r', size: 1, vmcs, address: vmcs + 4095n },
  ]);
  expect(await stops('vmcs-memory:w', looksAtMemory)).toHaveLength(1);
  expect(await stops('vmcs-memory')).toEqual([]);
});

test('listening for it changes nothing', async () => {
  const run = async (listens: boolean): Promise<string> => {
    const { session } = await debug(looksAtMemory);
    if (listens) session.machine.regions.watch();
    await session.continue();
    return session.machine.stateHash();
  };
  expect(await run(true)).toBe(await run(false));
});
