/** The hypervisors in examples/vmx run to their ends by the exits that their comments promise. */

import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { doctorLive } from '../../../src/debugger/doctor/live';
import { editField } from '../../../src/machine/vmx/edit';
import { debug } from '../../debugger/guest-session';
import { boot, type Guest } from '../../guest';

const text = (name: string): string => readFileSync(`examples/vmx/${name}.asm`, 'utf8');
const EVENTS = ['vmentry', 'vmexit', 'vmfail', 'vmentry-failure', 'trap', 'stale'] as const;
const run = (source: string) => {
  const guest = boot(source, {}, EVENTS);
  return { guest, stop: guest.run(1_000_000) };
};
const exits = (guest: Guest) => guest.events.filter((event) => event.kind === 'vmexit');
const others = (guest: Guest) => guest.events.filter(({ kind }) => kind !== 'vmexit' && kind !== 'vmentry');
const ended = { reason: 'guest-exit', value: 0 };

describe('ept.asm', () => {
  const { guest, stop } = run(text('ept'));
  const granted = exits(guest).filter(({ reason }) => reason === 48);
  const asked = (page: bigint) =>
    granted
      .filter(({ guestPhysical }) => (guestPhysical ?? 0n) >> 12n === page)
      .map(({ qualification }) => Number(qualification) & 7);

  test('runs to its end by EPT violations and one HLT', () => {
    expect(stop).toMatchObject(ended);
    expect(others(guest)).toEqual([]);
    expect(exits(guest).at(-1)).toMatchObject({ reason: 12 });
    expect(granted).toHaveLength(exits(guest).length - 1);
    expect(granted.every(({ cause }) => cause.rule === 'ept.violation')).toBe(true);
  });
  test('asks first for the tables through which the guest reaches its code', () => {
    const pages = [...new Set(granted.map(({ guestPhysical }) => (guestPhysical ?? 0n) >> 12n))];
    expect(pages.slice(0, 4)).toEqual([0x91n, 0x92n, 0x93n, guest.symbol('guest') >> 12n]);
  });
  test('grants each page of the heap to be read, then to be written', () => {
    for (const page of [0x400n, 0x401n, 0x402n, 0x403n]) expect(asked(page)).toEqual([1, 2]);
    expect(asked(guest.symbol('guest') >> 12n)).toEqual([4]);
  });
  test('gives pages of its own for the heap, and what the guest wrote is in them', () => {
    const entries = Number(guest.symbol('ept_tables'));
    const heap = guest.symbol('heap_pages');
    for (let n = 0; n < 4; n++) {
      expect(guest.memory(entries + (0x400 + n) * 8, 8)).toBe((heap + BigInt(n * 0x1000)) | 0x33n);
      expect(guest.memory(heap + BigInt(n * 0x1000), 8)).toBe(BigInt(4 - n));
    }
  });
});

describe('bitmaps.asm', () => {
  const { guest, stop } = run(text('bitmaps'));
  const causes = exits(guest).map(({ reason, cause }) => ({ reason, ...cause }));
  const at = (name: string, byte: number) => guest.symbol(name) + BigInt(byte);

  test('writes a line in capitals through the hypervisor, and as it is past it', () => {
    expect(stop).toMatchObject(ended);
    expect(others(guest)).toEqual([]);
    expect(guest.output).toBe('STEPPING\nstepping\n');
  });
  test('exits for COM1 by its bit, and not for port 0xE9', () => {
    const ports = causes.filter(({ reason }) => reason === 30);
    expect(ports).toHaveLength('stepping\n'.length);
    for (const cause of ports)
      expect(cause).toMatchObject({
        rule: 'io.bitmap',
        field: 'IO_BITMAP_A',
        bitmapByte: at('io_bitmap_a', 0x7f),
        bit: 0,
      });
  });
  test('exits for the MSRs whose bits are 1, and for the one that has no bit', () => {
    expect(causes.filter(({ reason }) => reason === 31 || reason === 32)).toMatchObject([
      { reason: 31, rule: 'msr.bitmap', value: 0xc000_0080n, bitmapByte: at('msr_bitmap', 1024 + 0x10), bit: 0 },
      { reason: 32, rule: 'msr.bitmap', value: 0xc000_0082n, bitmapByte: at('msr_bitmap', 3072 + 0x10), bit: 2 },
      { reason: 31, rule: 'msr.outside-bitmap', value: 0x4000_0000n },
    ]);
    expect(causes.at(-1)).toMatchObject({ reason: 12 });
  });
});

describe('inject.asm', () => {
  const { guest, stop } = run(text('inject'));

  test('exits by IN, VMCALL, the interrupt window and HLT', () => {
    expect(stop).toMatchObject(ended);
    expect(others(guest)).toEqual([]);
    expect(exits(guest)).toMatchObject([
      { reason: 30, cause: { rule: 'io.unconditional' } },
      { reason: 18 },
      { reason: 7, cause: { rule: 'interrupt-window', control: 'primary.interrupt-window-exiting' } },
      { reason: 12, cause: { control: 'primary.hlt-exiting' } },
    ]);
  });
  test('opens the window behind the instruction that follows STI', () => {
    expect(exits(guest)[2]).toMatchObject({ rip: guest.symbol('guest.window') });
  });
  test('without waiting, the entry that injects would fail by RFLAGS.IF', () => {
    const impatient = run(text('inject').replace('jz .wait ', 'jz inject'));
    expect(others(impatient.guest)).toMatchObject([{ kind: 'vmentry-failure', rule: 'guest.rflags.if-for-interrupt' }]);
  });
});

describe('broken.asm', () => {
  const mended = [
    ['dq CR3_TARGET_COUNT, 5', 'dq CR3_TARGET_COUNT, 4'],
    ['dq 0x0c0c, 0 ', 'dq 0x0c0c, 0x18 '],
    ['dq GUEST_INTERRUPTIBILITY_STATE, 1', 'dq GUEST_INTERRUPTIBILITY_STATE, 0'],
  ] as const;
  const without = (count: number): string =>
    mended.slice(0, count).reduce((source, [from, to]) => {
      expect(source).toContain(from);
      return source.replace(from, to);
    }, text('broken'));

  test.each([
    [0, 'controls', 'control.cr3-target-count', 7],
    [1, 'host-state', 'host.tr.selector.not-null', 8],
    [2, 'guest-state', 'guest.interruptibility.sti-needs-if', 33],
  ])('with %i mistakes mended, the %s are refused by %s', (count, stage, rule, value) => {
    const { guest, stop } = run(without(count));
    expect(guest.events.find(({ kind }) => kind === 'vmentry-failure')).toMatchObject({ stage, rule });
    expect(stop).toMatchObject({ reason: 'guest-exit', value });
  });
  test('the doctor finds all three at the first failure, and its edits leave none', async () => {
    const { session } = await debug(text('broken'));
    session.events.break('vmfail');
    await session.continue();
    const { view, findings, cure } = doctorLive(session, 0);
    expect(findings.map(({ rule }) => rule.id)).toEqual([
      'control.cr3-target-count',
      'host.tr.selector.not-null',
      'guest.interruptibility.sti-needs-if',
    ]);
    const { vmx } = session.vcpu(0);
    if (vmx === undefined || cure === undefined) throw new Error('no VT-x, or no cure');
    for (const [name, value] of cure) editField(vmx, view.address, name, value);
    expect(doctorLive(session, 0).findings).toEqual([]);
  });
  test('with all mended, the guest runs', () => {
    const { guest, stop } = run(without(3));
    expect(others(guest)).toEqual([]);
    expect(exits(guest)).toMatchObject([{ reason: 12 }]);
    expect(stop).toMatchObject(ended);
  });
});
