import { describe, expect, test } from 'vitest';
import { Fault } from '../../src/machine/core/fault';
import { CS, LDTR, SS, TR } from '../../src/machine/core/state';
import { farCall, farJump } from '../../src/machine/cpu/far-transfer';
import { deliverFault, deliverInterrupt, softwareInterrupt } from '../../src/machine/cpu/interrupt-delivery';
import { checkPort } from '../../src/machine/cpu/io-permission';
import { iret } from '../../src/machine/cpu/iret';
import { BareProcessor, faultOf, GDT, gate, system } from './bare-processor';
import { refusalTests } from './refusals';
import { defineTask, TASK, type TaskFields, taskRefusals } from './task-refusals';

describe('refusals', () => refusalTests(taskRefusals));

/** Type byte of a TSS descriptor: 0x89 available, 0x8b busy. */
const typeOf = (p: BareProcessor, selector: number) => Number(p.peek(0x1000 + selector + 5, 1));

const processor = (changes: TaskFields = {}, cpl = 0) => {
  const p = new BareProcessor('protected', cpl);
  defineTask(p, changes);
  for (let register = 0; register < 8; register++) {
    if (register !== 4) p.state.setGpr(register, BigInt(0x1111_1111 * (register + 1)));
    if (register !== 4) p.poke(0x5028 + register * 4, 4, BigInt(0xa000_0000 + register));
  }
  return p;
};

describe('a task switch', () => {
  test('by JMP saves the old task, loads the new one, and moves the busy bit', () => {
    const p = processor();
    p.state.rflags = 0x46;
    farJump(p.cpu, TASK, 0n, 4, 0x7007n);
    expect(p.words(0x4020, 4, 10)).toEqual([
      0x7007n,
      0x46n,
      0x1111_1111n,
      0x2222_2222n,
      0x3333_3333n,
      0x4444_4444n,
      0x8000n,
      0x6666_6666n,
      0x7777_7777n,
      0x8888_8888n,
    ]);
    // ES, CS, SS, DS, FS, GS.
    expect(p.words(0x4048, 4, 6)).toEqual([0x10n, 8n, 0x10n, 0x10n, 0x10n, 0x10n]);
    expect([0, 1, 2, 3, 4, 5, 6, 7].map((r) => p.state.gpr(r))).toEqual([
      0xa000_0000n,
      0xa000_0001n,
      0xa000_0002n,
      0xa000_0003n,
      0xb000n,
      0xa000_0005n,
      0xa000_0006n,
      0xa000_0007n,
    ]);
    expect([p.state.rip, p.state.rflags, p.state.cr0]).toEqual([0x6000n, 0x202, 0x19n]);
    expect(p.state.segment(TR)).toEqual({ selector: TASK, base: 0x5000n, limit: 0x67, access: 0x8b });
    expect([typeOf(p, GDT.tss), typeOf(p, TASK)]).toEqual([0x89, 0x8b]);
    expect(p.events).toEqual([{ kind: 'task-switch', from: GDT.tss, to: TASK }]);
  });

  test('by CALL nests: NT, the back link, and both tasks busy', () => {
    const p = processor();
    farCall(p.cpu, TASK, 0n, 4, 0x7007n);
    expect([p.state.rflags, p.peek(0x5000, 2)]).toEqual([0x4202, BigInt(GDT.tss)]);
    expect([typeOf(p, GDT.tss), typeOf(p, TASK)]).toEqual([0x8b, 0x8b]);
    expect(p.peek(0x4024, 4)).toBe(2n);
  });

  test('IRET returns from a nested task to where it was called', () => {
    const p = processor();
    const before = p.selectors();
    farCall(p.cpu, TASK, 0n, 4, 0x7007n);
    iret(p.cpu, 4, 0x6001n);
    expect([p.state.rip, p.state.rsp, p.state.rflags, p.state.gpr(0)]).toEqual([0x7007n, 0x8000n, 2, 0x1111_1111n]);
    expect(p.selectors()).toEqual(before);
    expect([typeOf(p, GDT.tss), typeOf(p, TASK)]).toEqual([0x8b, 0x89]);
    // The task that was left goes on behind its IRET, and is nested no longer.
    expect([p.peek(0x5020, 4), p.peek(0x5024, 4)]).toEqual([0x6001n, 0x202n]);
  });

  test('through a task gate asks the privilege of the gate, not of the TSS', () => {
    const p = processor({}, 3);
    p.define(TASK + 8, gate(5, TASK, 0, { dpl: 3 }));
    farJump(p.cpu, (TASK + 8) | 3, 0n, 4, 0x7007n);
    expect([p.state.selector(TR), p.state.cpl]).toEqual([TASK, 0]);
    expect(p.events).toContainEqual({ kind: 'ring', from: 3, to: 0 });
  });

  test('an exception pushes its error code on the new stack and saves RF', () => {
    const p = processor();
    p.vector(13, gate(5, TASK, 0));
    expect(deliverFault(p.cpu, new Fault(13, { rule: 'walk.present' }, 0x18))).toEqual({ shutdown: false });
    expect([p.state.rsp, p.peek(0xaffc, 4)]).toEqual([0xaffcn, 0x18n]);
    expect([p.peek(0x4020, 4), p.peek(0x4024, 4)]).toEqual([0x7000n, 0x1_0002n]);
    expect(p.state.rflags & 0x4000).toBe(0x4000);
  });

  test('INT n saves the next instruction, an interrupt the present one', () => {
    const soft = processor();
    soft.vector(0x40, gate(5, TASK, 0));
    softwareInterrupt(soft.cpu, 0x40, 0x7002n, 'int');
    expect(soft.peek(0x4020, 4)).toBe(0x7002n);
    const hard = processor();
    hard.vector(0x40, gate(5, TASK, 0));
    deliverInterrupt(hard.cpu, 0x40);
    expect(hard.peek(0x4020, 4)).toBe(0x7000n);
  });

  test('what an interrupt finds wrong in the new task has EXT, and is handled by the new task', () => {
    const p = processor({ ds: GDT.tss });
    p.vector(0x40, gate(5, TASK, 0));
    p.vector(10, gate(14, GDT.code0, 0x6100));
    deliverInterrupt(p.cpu, 0x40);
    expect([p.state.selector(TR), p.state.rip]).toEqual([TASK, 0x6100n]);
    expect(p.words(0xb000 - 16, 4, 2)).toEqual([BigInt(GDT.tss | 1), 0x6000n]);
  });

  test('to virtual-8086 mode', () => {
    const p = processor({ eflags: 0x2_0202, cs: 0x700, ss: 0x100 });
    farJump(p.cpu, TASK, 0n, 4, 0x7007n);
    expect(p.state.segment(CS)).toEqual({ selector: 0x700, base: 0x7000n, limit: 0xffff, access: 0xf3 });
    expect(p.state.segment(SS)).toMatchObject({ base: 0x1000n });
    expect([p.state.cpl, p.state.rflags]).toEqual([3, 0x2_0202]);
  });

  test('loads the LDT before the segments that lie in it', () => {
    const p = processor({ ldt: GDT.ldt, ds: 0x0c });
    p.set(LDTR, 0, { access: 0x1_0000 });
    p.define(0x0c, 0x00cf_9300_0000_ffffn);
    farJump(p.cpu, TASK, 0n, 4, 0x7007n);
    expect(p.state.segment(LDTR)).toEqual({ selector: GDT.ldt, base: 0x2000n, limit: 0x3f, access: 0x82 });
    expect(p.selectors().ds).toBe(0x0c);
  });

  test('loads CR3 when paging is on and only then', () => {
    const off = processor();
    farJump(off.cpu, TASK, 0n, 4, 0n);
    expect([off.state.cr3, off.spaces]).toEqual([0n, 0]);
    const on = processor();
    on.state.cr0 = 0x8000_0011n;
    farJump(on.cpu, TASK, 0n, 4, 0n);
    expect([on.state.cr3, on.spaces]).toEqual([0x12_3000n, 1]);
  });

  test('clears the local breakpoints', () => {
    const p = processor();
    p.state.setDr(7, 0x7ffn);
    farJump(p.cpu, TASK, 0n, 4, 0n);
    expect(p.state.dr(7)).toBe(0x6aan);
  });

  test('the T flag raises #DB, for BT in DR6, when the new task is in place', () => {
    const p = processor({ trap: 1 });
    expect(faultOf(() => farJump(p.cpu, TASK, 0n, 4, 0n))).toMatchObject({ vector: 1, bits: 0x8000 });
    expect([p.state.rip, p.state.selector(CS)]).toEqual([0x6000n, GDT.code0]);
  });

  test('a fault of the new task leaves it with its selectors and unusable segments', () => {
    const p = processor({ ss: 0 });
    faultOf(() => farJump(p.cpu, TASK, 0n, 4, 0n));
    expect([p.state.rip, p.state.selector(TR), p.state.selector(CS)]).toEqual([0x6000n, TASK, GDT.code0]);
    expect(p.state.segmentAccess(SS)).toBe(0x1_0000);
  });

  test.each([
    ['the old TSS', 4n],
    ['the new TSS', 5n],
  ])('a page fault on %s comes before anything changes', (_, page) => {
    const p = processor();
    p.absent.add(page);
    const before = p.snapshot();
    expect(faultOf(() => farJump(p.cpu, TASK, 0n, 4, 0n)).vector).toBe(14);
    expect(p.snapshot()).toBe(before);
    expect([typeOf(p, GDT.tss), typeOf(p, TASK)]).toEqual([0x8b, 0x89]);
  });
});

describe('16-bit tasks', () => {
  test('save and load words; FS, GS and LDTR of the new task are null', () => {
    const p = processor();
    p.define(TASK, system(1, { base: 0x5000, limit: 0x2b }));
    const fields = [0x6000, 0x202, 1, 2, 3, 4, 0xb000, 6, 7, 8, GDT.data0, GDT.code0, GDT.data0, GDT.data0, 0];
    fields.forEach((value, i) => {
      p.poke(0x500e + i * 2, 2, BigInt(value));
    });
    farCall(p.cpu, TASK, 0n, 4, 0x7007n);
    expect([p.state.rip, p.state.gpr(0), p.state.rsp, p.state.rflags]).toEqual([
      0x6000n,
      0xffff_0001n,
      0xffff_b000n,
      0x4202,
    ]);
    expect(p.selectors()).toEqual({ es: 0x10, cs: 8, ss: 0x10, ds: 0x10, fs: 0, gs: 0 });
    expect(p.state.segmentAccess(TR)).toBe(0x83);
    // And back: the 16-bit task's state is saved in words.
    p.state.rsp = 0x1234_5678n;
    iret(p.cpu, 4, 0x6001n);
    expect([p.peek(0x500e, 2), p.peek(0x501a, 2)]).toEqual([0x6001n, 0x5678n]);
    expect(p.state.rip).toBe(0x7007n);
  });
});

describe('ports', () => {
  test.each([
    ['real', 0, 0],
    ['protected', 0, 0],
    ['protected', 3, 3],
    ['long', 1, 1],
  ] as const)('are free in %s mode at CPL %i with IOPL %i', (mode, cpl, iopl) => {
    const p = new BareProcessor(mode, cpl);
    p.state.rflags = 2 | (iopl << 12);
    expect(() => checkPort(p.cpu, 0x70, 1)).not.toThrow();
  });

  test('virtual-8086 mode asks the bit map whatever IOPL is', () => {
    const p = new BareProcessor('v86');
    p.set(TR, GDT.tss, { base: 0x4000n, limit: 0x2068, access: 0x8b });
    p.poke(0x4066, 2, 0x68n);
    p.poke(0x4068 + 0x70 / 8, 1, 0xfen);
    expect(() => checkPort(p.cpu, 0x70, 1)).not.toThrow();
    expect(faultOf(() => checkPort(p.cpu, 0x71, 1)).why).toMatchObject({ rule: 'io.bitmap', value: 0x71n });
  });

  test('the last port needs the byte of ones behind the bit map', () => {
    const p = new BareProcessor('protected', 3);
    p.poke(0x4066, 2, 0x68n);
    p.set(TR, GDT.tss, { base: 0x4000n, limit: 0x2067, access: 0x8b });
    expect(faultOf(() => checkPort(p.cpu, 0xffff, 1)).why.rule).toBe('io.bitmap-limit');
    p.set(TR, GDT.tss, { base: 0x4000n, limit: 0x2068, access: 0x8b });
    expect(() => checkPort(p.cpu, 0xffff, 1)).not.toThrow();
  });
});
