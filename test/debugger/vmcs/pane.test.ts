/** The scope VMCS and the names of fields, on a guest that runs a guest. */

import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { assign, evaluate } from '../../../src/debugger/expression/evaluator';
import { parseExpression } from '../../../src/debugger/expression/parser';
import { scopesOf } from '../../../src/debugger/inspect/scopes';
import type { Item } from '../../../src/debugger/item';
import type { Session } from '../../../src/debugger/session';
import { control } from '../../../src/machine/vmx/control-bits';
import { fieldIndex, fieldNames } from '../../../src/x86/vmx/fields';
import { hypervisor } from '../../machine/vmx/hypervisor';
import { debug } from '../guest-session';
import { itemAt } from '../inspect/tree';

const minimal = readFileSync(new URL('../../../examples/vmx/minimal.asm', import.meta.url), 'utf8');

const atExit = async (source = minimal, event = 'vmexit'): Promise<Session> => {
  const { session } = await debug(source);
  session.events.break(event);
  expect(await session.continue()).toMatchObject({ reason: 'event' });
  return session;
};

const value = (session: Session, text: string): bigint => evaluate(parseExpression(text), session.environment(0)).bits;
const set = (session: Session, text: string, to: bigint): void =>
  assign(parseExpression(text), to, session.environment(0));
const symbol = (session: Session, name: string): bigint => value(session, `$${name}`);

const part = (item: Item, name: string): Item | undefined => item.children?.().find((one) => one.name === name);

test('the scope is there once VT-x is on', async () => {
  const { session } = await debug(minimal);
  const names = (): string[] => scopesOf(session.machine, session.vcpu(0), session.info).map(({ name }) => name);
  expect(names()).not.toContain('VMCS');
  session.events.break('vmcs');
  await session.continue();
  expect(names()).toContain('VMCS');
});

test('the current VMCS by groups, each field with its value in words, encoding and last writer', async () => {
  const session = await atExit();
  const region = symbol(session, 'vmcs_region');
  expect(itemAt(session, 'VMCS', 'operation').meaning).toContain('VMX root operation');
  expect(itemAt(session, 'VMCS', 'current')).toMatchObject({ bits: region, meaning: 'launched' });
  const reason = itemAt(session, 'VMCS', 'Exit information', 'VM_EXIT_REASON');
  expect(reason).toMatchObject({ bits: 10n, meaning: 'CPUID' });
  expect(part(reason, 'encoding')).toMatchObject({ bits: 0x4402n });
  expect(part(reason, 'written by')?.meaning).toMatch(/^a VM exit at 0x\w+ guest\+0x2 guest.asm:\d+, step \d+$/);
  const length = itemAt(session, 'VMCS', 'Exit information', 'VM_EXIT_INSTRUCTION_LEN');
  expect(part(length, 'written by')?.meaning).toMatch(/^a VM exit at/);
  const rip = itemAt(session, 'VMCS', 'Guest state', 'GUEST_RIP');
  expect(rip).toMatchObject({ bits: symbol(session, 'guest') + 2n, meaning: 'guest+0x2' });
  expect(part(itemAt(session, 'VMCS', 'Host state', 'HOST_RIP'), 'written by')?.meaning).toMatch(/^VMWRITE at 0x/);
  expect(part(itemAt(session, 'VMCS', 'Host state', 'HOST_GS_BASE'), 'written by')?.meaning).toBe('never written');
  expect(itemAt(session, 'VMCS', 'Guest state', 'GUEST_CS_AR_BYTES').meaning).toBe('code, 64-bit, readable, ring 0');
});

test('before the first exit the qualification means nothing', async () => {
  const { session } = await debug(minimal);
  session.events.break('vmcs:GUEST_RIP');
  await session.continue();
  const exit = itemAt(session, 'VMCS', 'Exit information');
  expect(part(exit, 'EXIT_QUALIFICATION')).toMatchObject({ bits: 0n });
  expect(part(exit, 'EXIT_QUALIFICATION')?.meaning ?? '').toBe('');
  expect(part(exit, 'not on this processor')?.meaning).toBe('1 field');
});

test('a VMCS that was cleared and loaded again still knows who wrote its fields', async () => {
  const session = await atExit(
    minimal.replace('    vmlaunch\n', '    vmclear [vmcs_pointer]\n    vmptrld [vmcs_pointer]\n    vmlaunch\n'),
  );
  const writer = (name: string): string | undefined =>
    part(itemAt(session, 'VMCS', 'Host state', name), 'written by')?.meaning;
  expect(writer('HOST_RIP')).toMatch(/^VMWRITE at 0x/);
  expect(writer('HOST_GS_BASE')).toBe('never written');
});

test('what was changed in the region in memory meanwhile was written by loading it', async () => {
  const session = await atExit(
    minimal.replace(
      '    vmlaunch\n',
      `    vmclear [vmcs_pointer]
    inc qword [vmcs_region + ${64 + fieldIndex.HOST_GS_BASE * 8}]
    vmptrld [vmcs_pointer]
    vmlaunch\n`,
    ),
  );
  const base = itemAt(session, 'VMCS', 'Host state', 'HOST_GS_BASE');
  expect(base.bits).toBe(1n);
  expect(part(base, 'written by')?.meaning).toMatch(/^loaded from its region in memory at 0x/);
  expect(part(itemAt(session, 'VMCS', 'Host state', 'HOST_RIP'), 'written by')?.meaning).toMatch(/^VMWRITE at 0x/);
});

test('the timer that an exit saves was written by that exit', async () => {
  const session = await atExit(
    hypervisor({
      pin: control.preemptionTimer,
      exit: control.saveTimer,
      fields: { VMX_PREEMPTION_TIMER_VALUE: 1000 },
      guest: `${'nop\n'.repeat(100)} cpuid`,
    }),
  );
  const timer = itemAt(session, 'VMCS', 'Guest state', 'VMX_PREEMPTION_TIMER_VALUE');
  expect(timer.bits).toBeLessThan(1000n);
  expect(part(timer, 'written by')?.meaning).toMatch(/^a VM exit at 0x/);
});

test('controls are told bit by bit, with what the processor allows', async () => {
  const session = await atExit();
  const controls = itemAt(session, 'VMCS', 'Execution controls', 'CPU_BASED_VM_EXEC_CONTROL');
  expect(controls.meaning).toContain('hlt_exiting');
  expect(part(controls, 'hlt_exiting')).toMatchObject({ bits: 1n, settable: true, type: 'bit 7' });
  expect(part(controls, 'rdtsc_exiting')).toMatchObject({ bits: 0n });
  expect(part(controls, 'activate_tertiary_controls')?.meaning).toContain('always 0 on this processor');
});

test('every field stands in one group, those that the processor lacks as such', async () => {
  const session = await atExit();
  const groups = [
    'Guest state',
    'Host state',
    'Execution controls',
    'Exit controls',
    'Entry controls',
    'Exit information',
  ];
  const shown = groups.flatMap((group) => {
    const own = itemAt(session, 'VMCS', group).children?.() ?? [];
    const lacking = own.find(({ name }) => name === 'not on this processor')?.children?.() ?? [];
    for (const item of lacking) expect(item.meaning).toMatch(/^this processor does not have it: /);
    return [...own.filter(({ bits }) => bits !== undefined), ...lacking].map(({ name }) => name);
  });
  expect([...shown].sort()).toEqual([...fieldNames].sort());
  const lacking = itemAt(session, 'VMCS', 'Execution controls', 'not on this processor', 'PML_ADDRESS');
  expect(lacking.meaning).toContain('"enable PML" (secondary processor-based VM-execution control bit 17)');
  expect(lacking.settable).toBeUndefined();
});

test('names mean the field of the current VMCS, also where the program has a constant of that name', async () => {
  const session = await atExit();
  const region = symbol(session, 'vmcs_region');
  expect(symbol(session, 'GUEST_RIP')).toBe(0x681en);
  expect(value(session, 'GUEST_RIP')).toBe(symbol(session, 'guest') + 2n);
  expect(value(session, 'vmcs.guest_cr0.pe')).toBe(1n);
  expect(value(session, `vmcs.0x${region.toString(16)}.GUEST_RIP == GUEST_RIP`)).toBe(1n);
  expect(value(session, 'vmcs.pointer')).toBe(region);
  expect(value(session, 'VM_EXIT_REASON == CPUID')).toBe(1n);
});

test('setting keeps the rules of VMWRITE, or does not in raw mode; each edit is in the log', async () => {
  const session = await atExit();
  const { log } = session.machine;
  set(session, 'GUEST_RSP', 0x1234n);
  set(session, 'GUEST_RFLAGS.if', 1n);
  expect(value(session, 'GUEST_RFLAGS & 0x200')).toBe(0x200n);
  expect(log.entries.at(-2)?.input).toMatchObject({ kind: 'vmcs', field: 'GUEST_RSP', value: 0x1234n });
  expect(part(itemAt(session, 'VMCS', 'Guest state', 'GUEST_RSP'), 'written by')?.meaning).toMatch(/^the debugger at/);
  const { length } = log.entries;
  expect(() => set(session, 'PML_ADDRESS', 0x1000n)).toThrow('VMWRITE fails with error 12');
  expect(() => set(session, 'GUEST_ES_SELECTOR', 0x1_0000n)).toThrow('does not fit');
  expect(log.entries).toHaveLength(length);
  set(session, 'vmcs.raw', 1n);
  set(session, 'PML_ADDRESS', 0x1000n);
  expect(value(session, 'PML_ADDRESS')).toBe(0x1000n);
});

test('exit information can be set where the processor lets VMWRITE do it, and in raw mode', async () => {
  const session = await atExit();
  set(session, 'VM_EXIT_REASON', 11n);
  expect(value(session, 'VM_EXIT_REASON')).toBe(11n);
  // As IA32_VMX_MISC bit 29 says on older processors.
  const vmx = session.machine.model.vmx ?? {};
  Object.defineProperty(session.machine.model, 'vmx', { value: { ...vmx, IA32_VMX_MISC: 0x1004_01e5n } });
  expect(itemAt(session, 'VMCS', 'Exit information', 'VM_EXIT_REASON').settable).toBeUndefined();
  expect(() => set(session, 'VM_EXIT_REASON', 12n)).toThrow('VMWRITE fails with error 13');
  set(session, 'vmcs.raw', 1n);
  set(session, 'VM_EXIT_REASON', 12n);
  expect(value(session, 'VM_EXIT_REASON')).toBe(12n);
});

test('a field that was set is what the guest gets', async () => {
  const session = await atExit();
  // The handler skips the two bytes of CPUID from here: CPUID comes again, not HLT.
  set(session, 'GUEST_RIP', value(session, 'GUEST_RIP') - 2n);
  await session.continue();
  expect(value(session, 'VM_EXIT_REASON')).toBe(10n);
});

test('an edit is repeated with the log', async () => {
  const { machine } = await atExit();
  const start = machine.snapshot();
  const edit = {
    kind: 'vmcs',
    vcpu: 0,
    address: machine.cpus[0]?.vmx?.pointer ?? 0n,
    field: 'GUEST_RSP',
    value: 0x40n,
  } as const;
  machine.input(edit);
  machine.runTo(machine.counters.step + 20);
  const { step } = machine.counters;
  const hash = machine.stateHash();
  machine.restore(start);
  expect(machine.cpus[0]?.vmx?.current?.get('GUEST_RSP')).not.toBe(0x40n);
  machine.runTo(step);
  expect(machine.stateHash()).toBe(hash);
});

test('names are completed', async () => {
  const session = await atExit();
  const sources = session.environment(0).sources.filter(({ kind }) => kind === 'VMCS field');
  const complete = (prefix: string): readonly string[] => sources.flatMap(({ beginning }) => beginning(prefix, 300));
  expect(complete('guest_rs')).toEqual(['GUEST_RSP']);
  expect(complete('vmcs.HOST_RI')).toEqual(['vmcs.HOST_RIP']);
  expect(complete('vmcs.po')).toEqual(['vmcs.pointer', 'vmcs.POSTED_INTR_NV', 'vmcs.POSTED_INTR_DESC_ADDR']);
  expect(complete('GUEST_CR0.p')).toEqual(['GUEST_CR0.pe', 'GUEST_CR0.pg']);
});

test('looking changes nothing', async () => {
  const session = await atExit();
  const before = session.machine.stateHash();
  const open = (items: readonly Item[]): void => {
    for (const item of items) open(item.children?.() ?? []);
  };
  const scope = scopesOf(session.machine, session.vcpu(0), session.info).find(({ name }) => name === 'VMCS');
  open(scope?.items() ?? []);
  expect(session.machine.stateHash()).toBe(before);
});

test('what changed since the last stop', async () => {
  const session = await atExit();
  await session.continue();
  const changes = itemAt(session, 'VMCS', 'changed since the last stop').children?.() ?? [];
  expect(Object.fromEntries(changes.map(({ name, meaning }) => [name, meaning]))).toMatchObject({
    VM_EXIT_REASON: '0xa -> 0xc (basic 10 -> 12)',
    VM_EXIT_INSTRUCTION_LEN: '0x2 -> 0x1',
  });
  expect(changes.map(({ name }) => name)).toContain('GUEST_RIP');
  expect(changes.map(({ name }) => name)).not.toContain('HOST_RIP');
});
