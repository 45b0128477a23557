import { describe, expect, test } from 'vitest';
import { state as layout } from '../../src/machine/core/layout';
import { CS, DS, SS } from '../../src/machine/core/state';
import { deliverInterrupt } from '../../src/machine/cpu/interrupt-delivery';
import { iret } from '../../src/machine/cpu/iret';
import { BareProcessor, GDT, gate, type TestMode } from './bare-processor';

const ALL = 0x3f_7fd7;

describe('real and virtual-8086 mode', () => {
  test.each([
    // VM, VIF and VIP are not loaded by either; operand size 16 leaves AC and ID, and clears RF.
    ['real', 2, ALL, 2, 0x7fd7],
    ['real', 4, ALL, 2, 0x25_7fd7],
    ['real', 2, 2, 0x25_7fd7, 0x24_0002],
    ['v86', 2, ALL, 0x2_3002, 0x2_7fd7],
    ['v86', 4, ALL, 0x2_3002, 0x27_7fd7],
    ['v86', 4, 2, 0x2_3202, 0x2_3002],
  ] as const)('%s mode, %i bytes: flags %x over %x', (mode, size, image, before, after) => {
    const p = new BareProcessor(mode);
    p.state.rflags = before;
    p.stack(size, 0x5678, 0x1234, image);
    iret(p.cpu, size, 0n);
    expect(p.state.rflags.toString(16)).toBe(after.toString(16));
    expect([p.state.rip, p.state.selector(CS), p.state.segmentBase(CS), p.state.rsp]).toEqual([
      0x5678n,
      0x1234,
      0x12340n,
      0x8000n,
    ]);
  });
});

describe('flags in protected mode, by privilege', () => {
  test.each([
    [0, 4, 0, 0x3d_7fd7],
    [0, 2, 0, 0x7fd7],
    [3, 4, 0, 0x25_4dd7],
    [3, 4, 3, 0x25_7fd7],
    [1, 4, 1, 0x25_5fd7],
    [3, 2, 0, 0x4dd7],
  ] as const)('CPL %i, %i bytes, IOPL %i', (cpl, size, iopl, after) => {
    const p = new BareProcessor('protected', cpl);
    p.state.rflags = 2 | (iopl << 12);
    const selector = p.state.selector(CS);
    p.stack(size, 0x1234, selector, ALL & ~0x2_0000);
    iret(p.cpu, size, 0n);
    expect(p.state.rflags.toString(16)).toBe(after.toString(16));
    expect([p.state.rip, p.state.rsp, p.state.cpl]).toEqual([0x1234n, 0x8000n, cpl]);
  });

  test('flags that the image has clear are cleared', () => {
    const p = new BareProcessor('protected');
    p.state.rflags = 0x3d_3fd7;
    p.stack(4, 0x1234, GDT.code0, 2);
    iret(p.cpu, 4, 0n);
    expect(p.state.rflags).toBe(2);
  });

  test('VM in the image means nothing above ring 0 and in IA-32e mode', () => {
    const outer = new BareProcessor('protected', 3);
    outer.stack(4, 0x1234, GDT.code3 | 3, 0x2_0002);
    iret(outer.cpu, 4, 0n);
    expect(outer.state.rflags).toBe(2);
    const long = new BareProcessor('long');
    long.stack(8, 0x1234, GDT.code64, 0x2_0002, 0x8000, GDT.data0);
    iret(long.cpu, 8, 0n);
    expect(long.state.rflags).toBe(2);
  });
});

describe('returns', () => {
  test('to ring 3: stack, privilege, and data segments given up', () => {
    const p = new BareProcessor('protected');
    p.stack(4, 0x1234, GDT.code3 | 3, 0x3202, 0xb000, GDT.data3 | 3);
    iret(p.cpu, 4, 0n);
    expect([p.state.rip, p.state.rsp, p.state.cpl, p.state.rflags]).toEqual([0x1234n, 0xb000n, 3, 0x3202]);
    expect(p.selectors()).toMatchObject({ cs: GDT.code3 | 3, ss: GDT.data3 | 3, ds: 0, es: 0 });
    expect(p.state.segmentAccess(DS) & 0x1_0000).toBe(0x1_0000);
  });

  test('to virtual-8086 mode: six more values', () => {
    const p = new BareProcessor('protected');
    p.stack(4, 0x1234, 0x700, 0x2_0202, 0xfffe, 0x100, 0x10, 0x20, 0x30, 0x40);
    iret(p.cpu, 4, 0n);
    expect(p.selectors()).toEqual({ cs: 0x700, ss: 0x100, es: 0x10, ds: 0x20, fs: 0x30, gs: 0x40 });
    expect(p.state.segment(SS)).toEqual({ selector: 0x100, base: 0x1000n, limit: 0xffff, access: 0xf3 });
    expect([p.state.rip, p.state.rsp, p.state.cpl, p.state.rflags]).toEqual([0x1234n, 0xfffen, 3, 0x2_0202]);
    expect(p.events).toEqual([
      { kind: 'ring', from: 0, to: 3 },
      { kind: 'mode', from: 'protected', to: 'virtual-8086' },
    ]);
  });

  test('64-bit mode pops SS and RSP also to the same ring', () => {
    const p = new BareProcessor('long');
    p.stack(8, 0xffff_8000_0000_1234n, GDT.code64, 0x202, 0xffff_9000_0000_0000n, 0);
    iret(p.cpu, 8, 0n);
    expect([p.state.rip, p.state.rsp, p.state.selector(SS)]).toEqual([
      0xffff_8000_0000_1234n,
      0xffff_9000_0000_0000n,
      0,
    ]);
  });

  test('64-bit mode to compatibility mode of ring 3', () => {
    const p = new BareProcessor('long');
    p.stack(8, 0x1234, GDT.code3 | 3, 2, 0x1_0000_b000, GDT.data3 | 3);
    iret(p.cpu, 8, 0n);
    expect([p.state.rsp, p.state.cpl, p.events.at(-1)]).toEqual([
      0xb000n,
      3,
      { kind: 'mode', from: '64-bit', to: 'compatibility' },
    ]);
  });

  test('IRETD in 64-bit mode pops five values of 4 bytes', () => {
    const p = new BareProcessor('long');
    p.stack(4, 0x1234, GDT.code64User | 3, 2, 0xb000, GDT.data3 | 3);
    iret(p.cpu, 4, 0n);
    expect([p.state.rip, p.state.rsp, p.state.cpl]).toEqual([0x1234n, 0xb000n, 3]);
  });

  test('compatibility mode to the same ring pops three values', () => {
    const p = new BareProcessor('compatibility');
    p.stack(4, 0x1234, GDT.code0, 2);
    iret(p.cpu, 4, 0n);
    expect([p.state.rip, p.state.rsp]).toEqual([0x1234n, 0x8000n]);
  });

  test('IRET unblocks NMIs even when it faults', () => {
    const p = new BareProcessor('protected', 3);
    p.state.setU32(layout.interruptibility, 8);
    p.stack(4, 0, 0, 2);
    expect(() => iret(p.cpu, 4, 0n)).toThrow();
    expect(p.state.getU32(layout.interruptibility)).toBe(0);
  });

  test.each([
    ['real', 0, 2],
    ['v86', 3, 4],
    ['protected', 0, 4],
    ['protected', 3, 4],
    ['compatibility', 3, 8],
    ['long', 0, 8],
    ['long', 3, 8],
  ] as const)('IRET undoes an interrupt in %s mode at CPL %i', (mode, cpl, size) => {
    const p = new BareProcessor(mode as TestMode, cpl);
    if (mode === 'real') p.poke(0x40 * 4, 4, 0x700_0000n);
    else p.vector(0x40, gate(14, p.long ? GDT.code64 : GDT.code0, 0x6000));
    for (const index of [0, 3, 4, 5] as const)
      p.state.setSegment(index, {
        ...p.state.segment(index),
        ...(mode === 'real' ? {} : { access: cpl === 3 ? 0xf3 : 0x93 }),
      });
    const flags = mode === 'v86' ? 0x2_3ad7 : 0xad7;
    p.state.rflags = flags;
    const before = p.selectors();
    deliverInterrupt(p.cpu, 0x40);
    expect(p.state.rflags & 0x200).toBe(0);
    iret(p.cpu, size, 0n);
    expect([p.state.rip, p.state.rsp, p.state.cpl, p.state.rflags]).toEqual([0x7000n, 0x8000n, cpl, flags]);
    expect(p.selectors()).toEqual(before);
  });
});
