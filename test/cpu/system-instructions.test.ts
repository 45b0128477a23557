/** What system instructions do when nothing refuses them. */

import { beforeEach, describe, expect, test } from 'vitest';
import { state as layout } from '../../src/machine/core/layout';
import { CS, FS, GS } from '../../src/machine/core/state';
import { cli, popFlags, poppableFlags, pushedFlags, sti } from '../../src/machine/cpu/flags-instructions';
import { msrOffset } from '../../src/machine/cpu/msrs';
import * as system from '../../src/machine/cpu/system-instructions';
import { CR0, CR4 } from '../../src/x86/control-registers';
import { flagBits } from '../../src/x86/registers';
import { BareCpu } from './bare-cpu';

let bare: BareCpu;
beforeEach(() => {
  bare = new BareCpu();
});
const long = (cr4 = 0) => {
  bare.pagingOn('4-level', 0x1000, cr4);
  bare.entry64(0x1000, 0x2007n);
  bare.entry64(0x2000, 0x3007n);
  bare.entry64(0x3000, 0x87n);
  bare.state.setU32(layout.segmentAccess + CS * 4, 0xa09b);
};

describe('LGDT and LIDT', () => {
  beforeEach(() => {
    bare.physical.write(0x8000, 2, 0x1234n);
    bare.physical.write(0x8002, 8, 0xffff_8000_cdef_0123n);
  });

  test('take 24 bits of the base with 16-bit operands, else 32', () => {
    system.lgdt(bare.cpu, 0x8000n, 2);
    expect(bare.state.gdtr).toEqual({ base: 0xef_0123n, limit: 0x1234 });
    system.lidt(bare.cpu, 0x8000n, 4);
    expect(bare.state.idtr).toEqual({ base: 0xcdef_0123n, limit: 0x1234 });
  });

  test('take 64 bits in 64-bit mode, whatever the operand size', () => {
    long();
    system.lidt(bare.cpu, 0x8000n, 2);
    expect(bare.state.idtr).toEqual({ base: 0xffff_8000_cdef_0123n, limit: 0x1234 });
  });
});

test('SGDT and SIDT store the whole base', () => {
  bare.state.gdtr = { base: 0xcdef_0123n, limit: 0x27 };
  bare.state.cpl = 3;
  system.sgdt(bare.cpu, 0x9000n);
  expect(bare.physical.read(0x9000, 8)).toBe(0xcdef_0123_0027n);
  bare.state.cpl = 0;
  long();
  bare.state.idtr = { base: 0xffff_8000_cdef_0123n, limit: 0xfff };
  system.sidt(bare.cpu, 0xa000n);
  expect([bare.physical.read(0xa000, 2), bare.physical.read(0xa002, 8)]).toEqual([0xfffn, 0xffff_8000_cdef_0123n]);
});

test('INVLPG of a non-canonical address does nothing', () => {
  bare.dropped.length = 0;
  system.invlpg(bare.cpu, 1n << 47n);
  expect(bare.dropped).toEqual([]);
});

test('HLT halts', () => {
  system.hlt(bare.cpu);
  expect(bare.state.getU32(layout.activity)).toBe(1);
});

test('MONITOR arms the line of its address, MWAIT disarms it', () => {
  system.monitor(bare.cpu, 0x1234n);
  expect(bare.state.getU64(layout.monitor)).toBe(0x1200n);
  bare.state.setGpr(1, 1n);
  system.mwait(bare.cpu);
  expect(bare.state.getU64(layout.monitor)).toBe(0xffff_ffff_ffff_ffffn);
});

test('RDTSC and RDTSCP give the counter in EDX:EAX', () => {
  bare.time = 0x12_3456_789a;
  system.rdtsc(bare.cpu);
  expect([bare.state.gpr(0), bare.state.gpr(2)]).toEqual([0x3456_789an, 0x12n]);
  bare.state.setU64(msrOffset('IA32_TSC_AUX'), 7n);
  bare.state.cpl = 3;
  system.rdtscp(bare.cpu);
  expect(bare.state.gpr(1)).toBe(7n);
});

test('SWAPGS exchanges the base of GS with IA32_KERNEL_GS_BASE', () => {
  long();
  bare.state.setU64(layout.segmentBase + GS * 8, 1n);
  bare.state.setU64(msrOffset('IA32_KERNEL_GS_BASE'), 2n);
  system.swapgs(bare.cpu);
  expect([bare.state.segmentBase(GS), bare.state.getU64(msrOffset('IA32_KERNEL_GS_BASE'))]).toEqual([2n, 1n]);
});

test('WRFSBASE and RDGSBASE, 32 and 64 bits', () => {
  long(CR4.FSGSBASE);
  bare.state.cpl = 3;
  system.writeSegmentBase(bare.cpu, FS, 0xffff_8000_1234_5678n, 8);
  expect(system.readSegmentBase(bare.cpu, FS, 8)).toBe(0xffff_8000_1234_5678n);
  expect(system.readSegmentBase(bare.cpu, FS, 4)).toBe(0x1234_5678n);
  system.writeSegmentBase(bare.cpu, GS, 0xffff_ffff_8000_0000n, 4);
  expect(bare.state.segmentBase(GS)).toBe(0x8000_0000n);
});

test('STAC and CLAC set and clear AC', () => {
  system.stac(bare.cpu);
  expect(bare.state.flag('AC')).toBe(true);
  system.clac(bare.cpu);
  expect(bare.state.flag('AC')).toBe(false);
});

describe('STI and CLI', () => {
  test('STI blocks interrupts for one instruction if IF was 0', () => {
    sti(bare.cpu);
    expect([bare.state.flag('IF'), bare.state.getU32(layout.interruptibility)]).toEqual([true, 1]);
    bare.state.setU32(layout.interruptibility, 0);
    sti(bare.cpu);
    expect(bare.state.getU32(layout.interruptibility)).toBe(0);
    cli(bare.cpu);
    expect(bare.state.flag('IF')).toBe(false);
  });

  test('need no IOPL in real mode, and IOPL 3 in ring 3', () => {
    bare.state.cr0 = BigInt(CR0.ET);
    sti(bare.cpu);
    expect(bare.state.flag('IF')).toBe(true);
    bare.state.cr0 = BigInt(CR0.PE);
    bare.state.cpl = 3;
    bare.state.rflags = 3 << 12;
    sti(bare.cpu);
    expect(bare.state.flag('IF')).toBe(true);
  });
});

describe('PUSHF and POPF', () => {
  const ALL = 0x003f_7fd5;

  test('PUSHF hides VM and RF', () => {
    bare.state.rflags = flagBits.RF | flagBits.AC | flagBits.ZF;
    expect(pushedFlags(bare.cpu, 4)).toBe(flagBits.AC | flagBits.ZF | 2);
    expect(pushedFlags(bare.cpu, 2)).toBe(flagBits.ZF | 2);
  });

  test.each([
    ['ring 0', 0, 0, 4, ALL & ~(flagBits.VM | flagBits.RF | flagBits.VIF | flagBits.VIP)],
    ['ring 0, 16 bits', 0, 0, 2, 0x7fd5],
    ['ring 3 with IOPL 0', 3, 0, 8, flagBits.AC | flagBits.ID | 0x4dd5],
    ['ring 3 with IOPL 3', 3, 3, 4, flagBits.AC | flagBits.ID | 0x4fd5],
    ['ring 2 with IOPL 1', 2, 1, 2, 0x4dd5],
  ] as const)('POPF in %s changes what it may', (_, cpl, iopl, size, mask) => {
    bare.state.cpl = cpl;
    bare.state.rflags = iopl << 12;
    expect(poppableFlags(bare.cpu, size)).toBe(mask);
    popFlags(bare.cpu, 0xffff_ffff & ~(3 << 12), size);
    expect(bare.state.rflags & ~2).toBe((mask & ~(3 << 12)) | (cpl === 0 ? 0 : iopl << 12));
  });

  test('POPF of 32 bits clears RF, of 16 bits leaves it', () => {
    bare.state.rflags = flagBits.RF;
    popFlags(bare.cpu, 0, 2);
    expect(bare.state.rflags).toBe(flagBits.RF | 2);
    popFlags(bare.cpu, flagBits.RF, 4);
    expect(bare.state.rflags).toBe(2);
  });

  test('in virtual-8086 mode with IOPL 3 IF changes and IOPL does not', () => {
    bare.state.cpl = 3;
    bare.state.rflags = flagBits.VM | (3 << 12);
    popFlags(bare.cpu, 0x7202, 2);
    expect(bare.state.rflags).toBe(flagBits.VM | 0x7202);
    popFlags(bare.cpu, 0, 4);
    expect(bare.state.rflags).toBe(flagBits.VM | 0x3002);
  });
});
