/** What the panes set: with the consequences that the processor gives it, in the log, or refused with the rule. */

import { describe, expect, test } from 'vitest';
import { assign, evaluate } from '../../../src/debugger/expression/evaluator';
import { parseExpression } from '../../../src/debugger/expression/parser';
import type { Session } from '../../../src/debugger/session';
import { debug } from '../guest-session';
import { modes } from './modes';
import { itemAt } from './tree';

const standing = async (mode: string): Promise<Session> => {
  const { source, steps } = modes[mode] as { source: string; steps: number };
  const { session } = await debug(source);
  session.machine.runTo(steps);
  return session;
};

const set = (session: Session, place: string, value: bigint): void =>
  assign(parseExpression(place), value, session.environment(0));
const get = (session: Session, place: string): bigint => evaluate(parseExpression(place), session.environment(0)).bits;

describe('registers are loaded with the checks of their instructions', () => {
  test.each([
    ['cr0.pg', 0n, 'cr0.pg-in-64-bit-mode'],
    ['cr4.pae', 0n, 'cr4.pae-in-long-mode'],
    ['cr4', 1n << 40n, 'cr4.reserved'],
    ['efer.lme', 0n, 'efer.lme-while-paging'],
    ['rip', 0x8000_0000_0000n, 'code-segment.noncanonical'],
    ['gdtr.base', 1n << 60n, 'table.canonical'],
    ['dr7', 1n << 32n, 'dr.reserved'],
    ['ds', 0x50n, 'selector.beyond-limit'],
    ['ss', 0x8n, 'stack-segment.type'],
    ['cs', 0x10n, 'code-segment.type'],
    ['tr', 0x8n, 'ltr.type'],
    ['msr[0xc0000082]', 0x8000_0000_0000n, 'msr.canonical'],
  ])('%s does not take %s: %s', async (place, value, rule) => {
    const session = await standing('64-bit');
    const before = session.machine.stateHash();
    expect(() => set(session, place, value)).toThrow(rule);
    expect(session.machine.stateHash()).toBe(before);
    expect(session.machine.log.entries).toEqual([]);
  });

  test('a selector loads its descriptor, a part of the register is set alone', async () => {
    const session = await standing('64-bit');
    set(session, 'ds', 0x18n);
    expect([get(session, 'ds.selector'), get(session, 'ds.type') & 8n]).toEqual([0x18n, 8n]);
    set(session, 'ds.selector', 0x10n);
    expect([get(session, 'ds'), get(session, 'ds.type') & 8n]).toEqual([0x10n, 8n]);
    set(session, 'fs.base', 0x1234n);
    expect(get(session, 'fs.base')).toBe(0x1234n);
    set(session, 'ds.dpl', 3n);
    expect((get(session, 'ds.access') >> 5n) & 3n).toBe(3n);
  });

  test('fields of MSRs are set with the checks of WRMSR', async () => {
    const session = await standing('64-bit');
    set(session, 'ia32_star.syscall_cs', 0x10n);
    expect(get(session, 'msr[0xc0000081]')).toBe(0x10_0000_0000n);
    expect(itemAt(session, 'Control registers & MSRs', 'ia32_star').meaning).toMatch(/^SYSCALL_CS=16: /);
    set(session, 'ia32_fmask.if', 1n);
    expect(get(session, 'ia32_fmask')).toBe(0x200n);
    expect(() => set(session, 'ia32_pat.pa3', 2n)).toThrow('[msr.memory-type]');
    expect(() => set(session, 'ia32_efer.lme', 0n)).toThrow('[efer.lme-while-paging]');
  });

  test('real mode makes the base of the selector', async () => {
    const session = await standing('16-bit');
    set(session, 'es', 0x1234n);
    expect(get(session, 'es.base')).toBe(0x12340n);
  });

  test('CR3 drops translations as MOV does, and CR0.PG turns paging off', async () => {
    const session = await standing('32-bit paging');
    expect(get(session, 'tlb.entries')).toBeGreaterThan(0n);
    set(session, 'cr3', get(session, 'cr3'));
    expect(get(session, 'tlb.entries')).toBe(0n);
    set(session, 'cr0.pg', 0n);
    expect(get(session, 'cr0') >> 31n).toBe(0n);
  });

  test('VM, LMA and the privilege level follow from other things', async () => {
    const session = await standing('64-bit');
    for (const name of ['vm', 'efer.lma', 'cpl']) expect(() => set(session, name, 1n)).toThrow(`${name} cannot be set`);
  });
});

describe('entries of tables', () => {
  test('a field of a descriptor is changed in memory; the segment register then differs', async () => {
    const session = await standing('64-bit');
    set(session, 'gdt.0x8.dpl', 3n);
    expect(get(session, '[gdtr.base + 8]:u64')).toBe(0x00af_fb00_0000_ffffn);
    expect(itemAt(session, 'Segments', 'cs')).toMatchObject({ mark: 'differs' });
    expect(itemAt(session, 'Segments', 'cs', 'table', 'dpl').bits).toBe(3n);
    set(session, 'gdt.0x8.base', 0x1234_5678n);
    expect(get(session, 'gdt.0x8')).toBe(0x12af_fb34_5678_ffffn);
    set(session, 'gdt.0x8.limit', 0xabcden);
    expect(get(session, 'gdt.0x8')).toBe(0x12aa_fb34_5678_bcden);
  });

  test('a bit of a page table entry is changed where the entry lies, and nothing is invalidated by it', async () => {
    const session = await standing('32-bit paging');
    const entries = get(session, 'tlb.entries');
    const entry = get(session, 'phys[0x201c00]:u32');
    expect(get(session, 'pte.0x300000.us')).toBe(1n);
    set(session, 'pte.0x300000.rw', 0n);
    expect(get(session, 'phys[0x201c00]:u32')).toBe(entry & ~2n);
    expect(get(session, 'tlb.entries')).toBe(entries);
  });

  test('what is too wide is refused', async () => {
    const session = await standing('64-bit');
    expect(() => set(session, 'gdt.0x8.dpl', 4n)).toThrow('does not fit into gdt.0x8.dpl, which has 2 bits');
    expect(() => set(session, 'gdt.0x800.dpl', 1n)).toThrow();
  });
});

describe('translations', () => {
  test('0 drops a page as INVLPG does; nothing else can be written', async () => {
    const session = await standing('64-bit');
    const before = get(session, 'tlb.entries');
    expect(get(session, 'tlb.0x250000.valid')).toBe(1n);
    expect(() => set(session, 'tlb.0x250000.valid', 1n)).toThrow('can only be set to 0');
    set(session, 'tlb.0x250000.valid', 0n);
    expect([get(session, 'tlb.0x250000.valid'), get(session, 'tlb.entries')]).toEqual([0n, before - 1n]);
    set(session, 'tlb.entries', 0n);
    expect(get(session, 'tlb.entries')).toBe(0n);
  });
});

describe("devices' registers", () => {
  test('a mask of the 8259, an entry of the I/O APIC, a divisor of the UART, a cell of the clock', async () => {
    const session = await standing('64-bit');
    set(session, 'pic.mask_1', 0xffn);
    set(session, 'pic.mask_1.irq4', 0n);
    expect(session.machine.devices.io.peek(0x21, 1)).toBe(0xef);
    set(session, 'ioapic.pin_4', 0x31n);
    set(session, 'ioapic.pin_4.masked', 1n);
    expect(session.machine.devices.ioApic.state.low[4]).toBe(0x1_0031);
    set(session, 'com1.divisor', 12n);
    expect(session.machine.devices.com1.state).toMatchObject({ divisor: 12, lcr: 3 });
    set(session, 'rtc.cell_0x40', 0x5an);
    expect(session.machine.devices.rtc.peekMemory(0x40)).toBe(0x5a);
    set(session, 'lapic0.svr.enable', 1n);
    expect(session.machine.devices.localApics[0]?.state.svr).toBe(0x1ff);
    expect(() => set(session, 'com1.lsr', 0n)).toThrow('com1.lsr cannot be set');
  });
});

test('every edit is in the log: the same run follows from it', async () => {
  const edited = await standing('64-bit');
  const places: readonly [string, bigint][] = [
    ['rax', 7n],
    ['eax', 8n],
    ['ds', 0x18n],
    ['fs.base', 0x1234n],
    ['cr2', 0x99n],
    ['cr4.smep', 1n],
    ['cf', 1n],
    ['dr0', 0x250000n],
    ['dr7.g0', 1n],
    ['msr[0xc0000082]', 0x10_0000n],
    ['gdt.0x10.avl', 1n],
    ['pde.0x400000.us', 1n],
    ['tlb.entries', 0n],
    ['pic.mask_2.irq8', 1n],
    ['com1.mcr', 3n],
    ['lapic0.tpr', 0x20n],
    ['[0x300000]:u32', 0xdeadn],
  ];
  for (const [place, value] of places) {
    const before = edited.machine.log.entries.length;
    set(edited, place, value);
    expect(`${place} ${edited.machine.log.entries.length}`).toBe(`${place} ${before + 1}`);
    if (!place.startsWith('tlb')) expect(`${place} ${get(edited, place)}`).toBe(`${place} ${value}`);
  }
  const again = await standing('64-bit');
  for (const { input } of edited.machine.log.entries) again.machine.input(input);
  expect(again.machine.stateHash()).toBe(edited.machine.stateHash());
  edited.machine.run(50);
  again.machine.run(50);
  expect(again.machine.stateHash()).toBe(edited.machine.stateHash());
});
