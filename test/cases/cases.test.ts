/** What people who write hypervisors got stuck on, each as a guest, and the rule or the words that Ringside must give. */

import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { failedEntryLines } from '../../src/debugger/doctor/failed-entry';
import { doctorLive } from '../../src/debugger/doctor/live';
import { watchLints } from '../../src/debugger/lints/watch';
import type { Session } from '../../src/debugger/session';
import { explainExit } from '../../src/debugger/why/explain-exit';
import { whyLast, whyNext } from '../../src/debugger/why/instruction';
import type { EventKind } from '../../src/machine/core/event';
import { control } from '../../src/machine/vmx/control-bits';
import { debug } from '../debugger/guest-session';
import { boot, type Guest } from '../guest';
import {
  DATA,
  firstExit,
  MISCONFIGURATION,
  PD,
  POINTER,
  PT,
  page,
  put,
  secondary,
  tables,
  VIOLATION,
} from '../machine/vmx/ept-guest';
import { hypervisor, type Spec } from '../machine/vmx/hypervisor';
import { entryCases } from './entries';
import { handlerCases } from './handlers';

/** A descriptor for INVEPT: zeros, and behind it zeros. */
const NOTHING = 0x20_a000;

const run = (source: string, record: readonly EventKind[]): Guest => {
  const guest = boot(source, {}, record);
  guest.run(1_000_000);
  return guest;
};
const start = async (spec: Spec, cpu = 'haswell'): Promise<Session> => (await debug(hypervisor(spec), { cpu })).session;

describe('entries that fail', () => {
  test.each(entryCases)('$name', async ({ spec, rule, also = [], fails = 'haswell', enters }) => {
    const session = await start(spec, fails);
    session.events.break('vmentry-failure');
    const pause = await session.continue();
    if (pause.reason !== 'event' || pause.event.kind !== 'vmentry-failure')
      throw new Error(`it entered: ${pause.reason}`);
    expect(pause.event.rule).toBe(rule);
    expect(failedEntryLines(session, pause.event).join('\n')).toContain(`1. ${rule} (`);
    expect(doctorLive(session, 0).findings.map((finding) => finding.rule.id)).toEqual([rule, ...also]);
    if (enters === undefined) return;
    const other = await start(spec, enters);
    other.events.break('vmentry');
    expect(await other.continue()).toMatchObject({ reason: 'event', event: { kind: 'vmentry' } });
  });
});

describe('#UD in the guest', () => {
  test.each([
    ['INVPCID', 'xor eax, eax\n mov ebx, 0x207000\n invpcid rax, [rbx]', 'enable INVPCID', 12],
    ['RDTSCP', 'rdtscp', 'enable RDTSCP', 3],
  ])('%s, by its control', async (_, text, title, bit) => {
    const session = await start({ guest: `mov qword [resume], done\n ${text}` });
    session.events.break('trap:#UD');
    expect(await session.continue()).toMatchObject({ reason: 'fault' });
    expect(whyLast(session, 0).text).toContain(`"${title}" (secondary control bit ${bit}) is 0`);
  });
});

describe('EPT', () => {
  const read = `mov eax, [${DATA}]`;
  test.each([
    ['a large page split, and its bit 7 left in the entry of the table', put(PD + 16, PT | 0x87), 'ept.reserved'],
    ['an entry to write and not to read', put(PT, page(DATA, 2)), 'ept.write-only'],
    ['a memory type that does not exist', put(PT, DATA | 7 | (2 << 3)), 'ept.memory-type'],
  ])('%s', (_, change, rule) => {
    expect(firstExit(read, change)).toMatchObject({ reason: MISCONFIGURATION, cause: { rule } });
  });
  test('a map that is too small', () => {
    expect(firstExit('mov eax, [0x40000000]', '')).toMatchObject({
      reason: VIOLATION,
      guestPhysical: 0x4000_0000n,
      cause: { rule: 'ept.violation' },
    });
  });
  test('an entry changed without INVEPT: the old translation is used, and told beside the new one', () => {
    const spec: Spec = {
      guest: `${read}\n cpuid\n ${read}`,
      secondary: secondary.ept | secondary.vpid,
      fields: { EPT_POINTER: POINTER, VIRTUAL_PROCESSOR_ID: 1 },
      setup: tables,
      onExit: put(PT, page(DATA + 0x1000)),
    };
    const { events } = run(hypervisor(spec), ['stale']);
    expect(events).toMatchObject([{ linear: BigInt(DATA), cached: BigInt(DATA), fresh: BigInt(DATA + 0x1000) }]);
    const invalidated = { ...spec, onExit: `${spec.onExit} mov eax, 2\n mov rsi, ${NOTHING}\n invept rax, [rsi]\n` };
    expect(run(hypervisor(invalidated), ['stale']).events).toEqual([]);
  });
});

describe('handlers', () => {
  const lintsOf = (source: string): string[] => {
    const guest = boot(source, {}, ['lint']);
    const end = watchLints(guest.machine);
    guest.run(50_000);
    end();
    return guest.events.flatMap((event) => (event.kind === 'lint' ? [event.id] : []));
  };
  const example = (name: string): string => readFileSync(`examples/vmx/${name}.asm`, 'utf8');

  test.each(handlerCases)('$name', ({ example: name, from, to, lint }) => {
    expect(example(name)).toContain(from);
    expect(lintsOf(example(name).replace(from, to))).toContain(lint);
  });
  test.each(['minimal', 'ept', 'bitmaps', 'inject', 'broken'])('%s.asm itself is told nothing', (name) => {
    expect(lintsOf(example(name))).toEqual([]);
  });
  test('an event that was being delivered, and is not injected again', () => {
    const repaired = 'mov edx, 0x6818\n mov eax, idt_long\n vmwrite rdx, rax\n jmp .again';
    const spec: Spec = {
      fields: { EXCEPTION_BITMAP: 1 << 14 },
      guest: 'mov qword [resume], done\n lidt [unmapped]\n ud2\nunmapped: dw 1023\n dq 0x140000000\n',
      onExit: `cmp ebx, 0\n jne .other\n ${repaired}\n.other:`,
    };
    expect(lintsOf(hypervisor(spec))).toContain('event-lost');
  });
});

describe('why did this not exit', () => {
  const guest = 'mov dx, 0x80\n.access: in al, dx';
  test('a port whose bit is 0', async () => {
    const session = await start({ primary: control.ioBitmaps, guest });
    session.events.break('vmentry', { temporary: true });
    await session.continue();
    await session.step(0, 'into', 'instruction');
    expect(whyNext(session, 0).text).toContain('bit 0 of the byte at 0x202010');
  });
  test('the same port whose bit is 1, and why it did', async () => {
    const session = await start({ primary: control.ioBitmaps, guest, setup: 'mov byte [0x202010], 1' });
    session.events.break('vmexit:IO_INSTRUCTION');
    const pause = await session.continue();
    if (pause.reason !== 'event' || pause.event.kind !== 'vmexit') throw new Error(`no exit: ${pause.reason}`);
    expect(explainExit(session.machine, 0, pause.event)).toContain('bit 0 of the byte at 0x202010 is 1');
  });
});
