import { describe, expect, test } from 'vitest';
import { DS, ES, FS, GS, LDTR, SS, TR } from '../../src/machine/core/state';
import { arpl, lar, lsl, verr, verw } from '../../src/machine/cpu/protection-queries';
import { loadSegment } from '../../src/machine/cpu/segment-load';
import { lldt, ltr, sldt, str } from '../../src/machine/cpu/system-segments';
import { BareProcessor, code, data, faultOf, GDT, gate, system } from './bare-processor';
import { refusalTests } from './refusals';
import { segmentationRefusals } from './segmentation-refusals';

const at = GDT.free;

describe('refusals', () => refusalTests(segmentationRefusals));

describe('segment loads', () => {
  test('protected mode fills the hidden part and sets the accessed bit in the table', () => {
    const p = new BareProcessor('protected');
    p.define(at, data({ base: 0x1234_5678, limit: 0x12345, pages: false, accessed: false, dpl: 3 }));
    loadSegment(p.cpu, DS, at | 3);
    expect(p.state.segment(DS)).toEqual({ selector: at | 3, base: 0x1234_5678n, limit: 0x12345, access: 0x40f3 });
    expect(p.peek(0x1000 + at + 5, 1)).toBe(0xf3n);
    expect(p.modeChanges).toBe(1);
  });

  test('a loaded descriptor survives overwriting its table entry', () => {
    const p = new BareProcessor('protected');
    p.define(at, data({ base: 0x5000 }));
    loadSegment(p.cpu, ES, at);
    p.define(at, 0n);
    expect(p.state.segmentBase(ES)).toBe(0x5000n);
  });

  test('a page-granular limit counts in pages, its last byte included', () => {
    const p = new BareProcessor('protected');
    p.define(at, data({ limit: 2 }));
    loadSegment(p.cpu, FS, at);
    expect(p.state.segment(FS).limit).toBe(0x2fff);
  });

  test('a descriptor in the LDT is found by TI', () => {
    const p = new BareProcessor('protected');
    p.define(0x0c, data({ base: 0x7000 }));
    loadSegment(p.cpu, GS, 0x0c);
    expect(p.state.segment(GS)).toMatchObject({ selector: 0x0c, base: 0x7000n });
  });

  test('conforming code may be loaded from any ring', () => {
    const p = new BareProcessor('protected', 3);
    loadSegment(p.cpu, DS, GDT.conforming | 3);
    expect(p.state.selector(DS)).toBe(GDT.conforming | 3);
  });

  test('a null selector makes a data segment unusable and clears its base', () => {
    const p = new BareProcessor('protected');
    loadSegment(p.cpu, DS, 3);
    expect(p.state.segment(DS)).toEqual({ selector: 3, base: 0n, limit: 0, access: 0x1_0000 });
  });

  test('64-bit mode takes a null SS below ring 3 and remembers the privilege', () => {
    const p = new BareProcessor('long', 1);
    loadSegment(p.cpu, SS, 1);
    expect(p.state.segment(SS)).toMatchObject({ selector: 1, access: 0x1_0020 });
  });

  test('real mode sets the base and keeps a limit from protected mode', () => {
    const p = new BareProcessor('real');
    p.set(DS, 0, { limit: 0xffff_ffff, access: 0xc093 });
    loadSegment(p.cpu, DS, 0xb800);
    expect(p.state.segment(DS)).toEqual({ selector: 0xb800, base: 0xb8000n, limit: 0xffff_ffff, access: 0xc093 });
  });

  test('real mode makes a null segment usable again', () => {
    const p = new BareProcessor('real');
    p.set(ES, 0, { limit: 0, access: 0x1_0000 });
    loadSegment(p.cpu, ES, 0x10);
    expect(p.state.segment(ES)).toEqual({ selector: 0x10, base: 0x100n, limit: 0xffff, access: 0x93 });
  });

  test('virtual-8086 mode gives every segment 64 KiB at 16 times the selector, DPL 3', () => {
    const p = new BareProcessor('v86');
    loadSegment(p.cpu, SS, 0xffff);
    expect(p.state.segment(SS)).toEqual({ selector: 0xffff, base: 0xffff0n, limit: 0xffff, access: 0xf3 });
  });

  test('tables are read with the rights of the supervisor', () => {
    const p = new BareProcessor('protected', 3);
    loadSegment(p.cpu, DS, GDT.data3 | 3);
    expect(new Set(p.privileges)).toEqual(new Set(['supervisor']));
  });

  test('a page fault on the table leaves the register alone', () => {
    const p = new BareProcessor('protected');
    p.absent.add(1n);
    const before = p.snapshot();
    expect(faultOf(() => loadSegment(p.cpu, DS, GDT.data0))).toMatchObject({ vector: 14, address: 0x1010n });
    expect(p.snapshot()).toBe(before);
  });

  test('the reason names the descriptor and where it lies', () => {
    const p = new BareProcessor('protected');
    p.define(at, data({ present: false }));
    expect(faultOf(() => loadSegment(p.cpu, DS, at)).why).toEqual({
      rule: 'data-segment.not-present',
      selector: at,
      entry: data({ present: false }),
      entryAddress: BigInt(0x1000 + at),
    });
  });
});

describe('LDTR and TR', () => {
  test('LLDT loads base and limit', () => {
    const p = new BareProcessor('protected');
    p.define(at, system(2, { base: 0x6000, limit: 0x17 }));
    lldt(p.cpu, at);
    expect(p.state.segment(LDTR)).toEqual({ selector: at, base: 0x6000n, limit: 0x17, access: 0x82 });
    expect(sldt(p.cpu)).toBe(at);
  });

  test('LLDT with a null selector leaves no LDT', () => {
    const p = new BareProcessor('protected');
    lldt(p.cpu, 0);
    expect(p.state.segment(LDTR)).toMatchObject({ selector: 0, access: 0x1_0000 });
  });

  test('in 64-bit mode the base comes from 16 bytes', () => {
    const p = new BareProcessor('long');
    p.define(at, system(2, { base: 0x8765_4321 }), 0xffff_8000n);
    lldt(p.cpu, at);
    expect(p.state.segmentBase(LDTR)).toBe(0xffff_8000_8765_4321n);
  });

  test('LTR marks the TSS busy in the table and in the register', () => {
    const p = new BareProcessor('protected');
    p.define(at, system(9, { base: 0x5000 }));
    ltr(p.cpu, at);
    expect(p.state.segment(TR)).toEqual({ selector: at, base: 0x5000n, limit: 0x67, access: 0x8b });
    expect(p.peek(0x1000 + at + 5, 1)).toBe(0x8bn);
    expect(str(p.cpu)).toBe(at);
  });

  test('LTR takes a 16-bit TSS outside IA-32e mode', () => {
    const p = new BareProcessor('protected');
    p.define(at, system(1, { base: 0x5000, limit: 0x2b }));
    ltr(p.cpu, at);
    expect(p.state.segmentAccess(TR)).toBe(0x83);
  });

  test('SLDT and STR work at CPL 3 without UMIP', () => {
    const p = new BareProcessor('protected', 3);
    expect([sldt(p.cpu), str(p.cpu)]).toEqual([GDT.ldt, GDT.tss]);
  });
});

describe('queries', () => {
  const zf = (p: BareProcessor) => p.state.flag('ZF');

  test.each([
    ['code', code({ dpl: 0 }), 0, 0, 0xcf9b00],
    ['absent data', data({ present: false }), 0, 0, 0xcf1300],
    ['a 32-bit call gate', gate(12, 8, 0x1234_5678), 0, 0, 0x348c00],
    ['a task gate', gate(5, 8, 0), 0, 0, 0x8500],
    ['a busy 16-bit TSS', system(3), 0, 0, 0x8300],
    ['an interrupt gate', gate(14, 8, 0), 0, 0, undefined],
    ['data of ring 0 at CPL 3', data(), 3, 0, undefined],
    ['data of ring 0 with RPL 1', data(), 0, 1, undefined],
    ['conforming code of ring 0 with RPL 3', code({ special: true }), 3, 3, 0xcf9f00],
  ] as const)('LAR of %s', (_, entry, cpl, rpl, rights) => {
    const p = new BareProcessor('protected', cpl);
    p.define(at, entry);
    expect(lar(p.cpu, at | rpl)).toBe(rights);
    expect(zf(p)).toBe(rights !== undefined);
  });

  test.each([
    ['a 16-bit TSS', 1, undefined],
    ['an LDT', 2, 0x8200],
    ['a 16-bit call gate', 4, undefined],
    ['a task gate', 5, undefined],
    ['a TSS', 9, 0x8900],
    ['a call gate', 12, 0x8c00],
  ] as const)('LAR of %s in 64-bit mode', (_, type, rights) => {
    const p = new BareProcessor('long');
    p.define(at, system(type), 0n);
    expect(lar(p.cpu, at)).toBe(rights);
  });

  test('LAR in 64-bit mode sees nothing where the upper half has a type', () => {
    const p = new BareProcessor('long');
    p.define(at, system(9), 0x100_0000_0000n);
    expect(lar(p.cpu, at)).toBeUndefined();
  });

  test.each([
    ['data', data({ limit: 0x12, pages: false }), 0x12],
    ['page-granular data', data({ limit: 0xf_ffff }), 0xffff_ffff],
    ['a TSS', system(11, { limit: 0x67 }), 0x67],
    ['a call gate', gate(12, 8, 0), undefined],
  ] as const)('LSL of %s', (_, entry, limit) => {
    const p = new BareProcessor('protected');
    p.define(at, entry);
    expect(lsl(p.cpu, at)).toBe(limit);
    expect(zf(p)).toBe(limit !== undefined);
  });

  test.each([
    ['a null selector', 3],
    ['a selector beyond the limit', 0x100],
  ] as const)('nothing is known about %s', (_, selector) => {
    const p = new BareProcessor('protected');
    p.state.rflags = 0x42;
    verr(p.cpu, selector);
    expect(zf(p)).toBe(false);
  });

  test.each([
    ['writable data', data(), true, true],
    ['read-only data', data({ open: false }), true, false],
    ['readable code', code(), true, false],
    ['execute-only code', code({ open: false }), false, false],
    ['an LDT', system(2), false, false],
  ] as const)('VERR and VERW of %s', (_, entry, readable, writable) => {
    const p = new BareProcessor('protected');
    p.define(at, entry);
    verr(p.cpu, at);
    expect(zf(p)).toBe(readable);
    verw(p.cpu, at);
    expect(zf(p)).toBe(writable);
  });

  test('no query sets the accessed bit', () => {
    const p = new BareProcessor('protected');
    p.define(at, data({ accessed: false }));
    verr(p.cpu, at);
    lar(p.cpu, at);
    lsl(p.cpu, at);
    expect(p.peek(0x1000 + at + 5, 1)).toBe(0x92n);
  });

  test('ARPL raises an RPL and tells so, and leaves a higher one', () => {
    const p = new BareProcessor('protected', 3);
    expect([arpl(p.cpu, 0x20, 0x1b), zf(p)]).toEqual([0x23, true]);
    expect([arpl(p.cpu, 0x22, 0x09), zf(p)]).toEqual([undefined, false]);
  });
});
