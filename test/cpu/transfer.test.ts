import { describe, expect, test } from 'vitest';
import { CS, DS, ES, FS, GS, SS, TR } from '../../src/machine/core/state';
import { farCall, farJump, farReturn } from '../../src/machine/cpu/far-transfer';
import { BareProcessor, code, code64, data, GDT, gate } from './bare-processor';
import { refusalTests } from './refusals';
import { transferRefusals } from './transfer-refusals';

describe('refusals', () => refusalTests(transferRefusals));

const at = GDT.free;
const HANDLER = 0x6000;

describe('far JMP', () => {
  test('real mode sets CS and keeps its limit and default size', () => {
    const p = new BareProcessor('real');
    p.set(CS, 0, { limit: 0xffff_ffff, access: 0xc09b });
    farJump(p.cpu, 0xf000, 0xfff0n, 2, 0n);
    expect(p.state.segment(CS)).toEqual({ selector: 0xf000, base: 0xf0000n, limit: 0xffff_ffff, access: 0xc09b });
    expect(p.state.rip).toBe(0xfff0n);
  });

  test('an offset of 16 bits is all that operand size 16 takes', () => {
    const p = new BareProcessor('protected');
    farJump(p.cpu, GDT.code0, 0x1_2345n, 2, 0n);
    expect(p.state.rip).toBe(0x2345n);
  });

  test('the first far JMP after setting CR0.PE loads a descriptor', () => {
    const p = new BareProcessor('protected');
    p.set(CS, 0xf000, { base: 0xf0000n, limit: 0xffff, access: 0x93 });
    p.define(at, code({ base: 0x1_0000, accessed: false }));
    farJump(p.cpu, at, 0x1234n, 4, 0n);
    expect(p.state.segment(CS)).toEqual({ selector: at, base: 0x1_0000n, limit: 0xffff_ffff, access: 0xc09b });
    expect(p.peek(0x1000 + at + 5, 1)).toBe(0x9bn);
    expect(p.modeChanges).toBe(1);
  });

  test('from compatibility mode to 64-bit code is a change of mode', () => {
    const p = new BareProcessor('compatibility');
    farJump(p.cpu, GDT.code64, 0x1234n, 4, 0n);
    expect(p.events).toEqual([{ kind: 'mode', from: 'compatibility', to: '64-bit' }]);
  });

  test('conforming code runs at the privilege of its caller', () => {
    const p = new BareProcessor('protected', 3);
    farJump(p.cpu, GDT.conforming, 0n, 4, 0n);
    expect([p.state.selector(CS), p.state.cpl]).toEqual([GDT.conforming | 3, 3]);
  });

  test('m16:64 goes beyond 4 GiB', () => {
    const p = new BareProcessor('long');
    farJump(p.cpu, GDT.code64, 0xffff_8000_1234_5678n, 8, 0n);
    expect(p.state.rip).toBe(0xffff_8000_1234_5678n);
  });

  test('a call gate brings its own offset', () => {
    const p = new BareProcessor('protected', 3);
    p.define(at, gate(12, GDT.code3, 0x12_3456, { dpl: 3 }));
    farJump(p.cpu, at | 3, 0xffff_ffffn, 4, 0n);
    expect([p.state.selector(CS), p.state.rip]).toEqual([GDT.code3 | 3, 0x12_3456n]);
  });

  test('a 16-bit call gate has an offset of 16 bits', () => {
    const p = new BareProcessor('protected');
    p.define(at, gate(4, GDT.code0, 0x12_3456));
    farJump(p.cpu, at, 0n, 4, 0n);
    expect(p.state.rip).toBe(0x3456n);
  });

  test('a 64-bit call gate has an offset of 64 bits', () => {
    const p = new BareProcessor('compatibility');
    p.define(at, gate(12, GDT.code64, HANDLER), 0xffff_8000n);
    farJump(p.cpu, at, 0n, 4, 0n);
    expect(p.state.rip).toBe(0xffff_8000_0000_6000n);
  });
});

describe('far CALL', () => {
  test.each([
    ['real', 2, 0x7ffc, [0x7005n, 0n]],
    ['real', 4, 0x7ff8, [0x7005n, 0n]],
    ['protected', 4, 0x7ff8, [0x7005n, 8n]],
    ['protected', 2, 0x7ffc, [0x7005n, 8n]],
    ['long', 8, 0x7ff0, [0x7005n, 0x38n]],
    ['long', 4, 0x7ff8, [0x7005n, 0x38n]],
  ] as const)('in %s mode with %i bytes', (mode, size, pointer, pushed) => {
    const p = new BareProcessor(mode);
    const selector = mode === 'real' ? 0 : mode === 'long' ? GDT.code64 : GDT.code0;
    farCall(p.cpu, selector, 0x1234n, size, 0x7005n);
    expect([p.state.rsp, p.state.rip]).toEqual([BigInt(pointer), 0x1234n]);
    expect(p.words(pointer, size, 2)).toEqual(pushed);
  });

  test('a 16-bit stack wraps SP and keeps the upper half of ESP', () => {
    const p = new BareProcessor('protected');
    p.set(SS, GDT.data0, { base: 0x2_0000n, limit: 0xffff, access: 0x93 });
    p.state.rsp = 0xabcd_0002n;
    farCall(p.cpu, GDT.code0, 0x1234n, 2, 0x7005n);
    expect(p.state.rsp).toBe(0xabcd_fffen);
    expect([p.peek(0x2_0000, 2), p.peek(0x2_fffe, 2)]).toEqual([8n, 0x7005n]);
  });

  test('an expand-down stack grows down to its limit', () => {
    const p = new BareProcessor('protected');
    p.set(SS, GDT.data0, { limit: 0x7ff7, access: 0x4097 });
    farCall(p.cpu, GDT.code0, 0x1234n, 4, 0x7005n);
    expect(p.state.rsp).toBe(0x7ff8n);
  });

  test('a 32-bit call gate to ring 0 switches the stack and copies parameters', () => {
    const p = new BareProcessor('protected', 3);
    p.define(at, gate(12, GDT.code0, HANDLER, { dpl: 3, extra: 2 }));
    p.stack(4, 0x11, 0x22);
    farCall(p.cpu, at | 3, 0n, 4, 0x7007n);
    expect(p.state.rsp).toBe(0x9000n - 24n);
    expect(p.words(p.state.rsp, 4, 6)).toEqual([0x7007n, 0x1bn, 0x11n, 0x22n, 0x7ff8n, 0x23n]);
    expect(p.selectors()).toMatchObject({ cs: GDT.code0, ss: GDT.data0, ds: GDT.data3 | 3 });
    expect([p.state.cpl, p.state.rip]).toEqual([0, 0x6000n]);
    expect(p.events).toEqual([{ kind: 'ring', from: 3, to: 0 }]);
    expect(p.privileges).toContain('inner');
  });

  test('a gate to ring 1 takes SS1 and ESP1', () => {
    const p = new BareProcessor('protected', 3);
    p.define(at, gate(12, GDT.code1, HANDLER, { dpl: 3 }));
    farCall(p.cpu, at | 3, 0n, 4, 0x7007n);
    expect([p.state.cpl, p.state.rsp, p.state.selector(SS)]).toEqual([1, 0xa000n - 16n, GDT.data1 | 1]);
  });

  test('a 16-bit call gate to ring 0 copies words', () => {
    const p = new BareProcessor('protected', 3);
    p.define(at, gate(4, GDT.code0, HANDLER, { dpl: 3, extra: 1 }));
    p.stack(2, 0x11);
    farCall(p.cpu, at | 3, 0n, 4, 0x7007n);
    expect(p.words(0x9000 - 10, 2, 5)).toEqual([0x7007n, 0x1bn, 0x11n, 0x7ffen, 0x23n]);
  });

  test('a 16-bit TSS has stacks of 16 bits', () => {
    const p = new BareProcessor('protected', 3);
    p.define(at, gate(12, GDT.code0, HANDLER, { dpl: 3 }));
    p.set(TR, GDT.tss, { base: 0x4000n, limit: 0x2b, access: 0x83 });
    p.poke(0x4002, 2, 0x9000n);
    p.poke(0x4004, 2, BigInt(GDT.data0));
    farCall(p.cpu, at | 3, 0n, 4, 0x7007n);
    expect(p.state.rsp).toBe(0x9000n - 16n);
  });

  test('a gate to conforming code stays on the stack', () => {
    const p = new BareProcessor('protected', 3);
    p.define(at, gate(12, GDT.conforming, HANDLER, { dpl: 3, extra: 2 }));
    farCall(p.cpu, at | 3, 0n, 4, 0x7007n);
    expect([p.state.cpl, p.state.rsp, p.state.selector(CS)]).toEqual([3, 0x7ff8n, GDT.conforming | 3]);
  });

  test('a 64-bit gate pushes SS and RSP and makes SS null', () => {
    const p = new BareProcessor('long', 3);
    p.define(at, gate(12, GDT.code64, HANDLER, { dpl: 3, extra: 5 }), 0n);
    farCall(p.cpu, at | 3, 0n, 8, 0x7007n);
    expect(p.words(0x9000 - 32, 8, 4)).toEqual([0x7007n, 0x43n, 0x8000n, 0x23n]);
    expect([p.state.rsp, p.state.cpl]).toEqual([0x9000n - 32n, 0]);
    expect(p.state.segment(SS)).toMatchObject({ selector: 0, access: 0x1_0000 });
  });

  test('a 64-bit gate to ring 1 makes SS null with RPL 1', () => {
    const p = new BareProcessor('long', 3);
    p.define(at, gate(12, GDT.code1, HANDLER, { dpl: 3 }), 0n);
    farCall(p.cpu, at | 3, 0n, 8, 0x7007n);
    expect(p.state.segment(SS)).toMatchObject({ selector: 1, access: 0x1_0020 });
  });

  test('a 64-bit gate of the same ring pushes quadwords also from compatibility mode', () => {
    const p = new BareProcessor('compatibility');
    p.define(at, gate(12, GDT.code64, HANDLER), 0n);
    farCall(p.cpu, at, 0n, 4, 0x7007n);
    expect(p.words(0x7ff0, 8, 2)).toEqual([0x7007n, 8n]);
    expect(p.state.selector(SS)).toBe(GDT.data0);
  });

  test('a page fault on the new stack changes nothing', () => {
    const p = new BareProcessor('protected', 3);
    p.define(at, gate(12, GDT.code0, HANDLER, { dpl: 3 }));
    p.absent.add(8n);
    const before = p.snapshot();
    expect(() => farCall(p.cpu, at | 3, 0n, 4, 0x7007n)).toThrow();
    expect(p.snapshot()).toBe(before);
  });
});

describe('far RET', () => {
  test.each([
    ['real', 2, 0x1234],
    ['real', 4, 0x1234],
    ['v86', 2, 0x1234],
  ] as const)('in %s mode with %i bytes', (mode, size, selector) => {
    const p = new BareProcessor(mode);
    p.stack(size, 0x5678, selector);
    farReturn(p.cpu, size, 6);
    expect([p.state.selector(CS), p.state.segmentBase(CS), p.state.rip]).toEqual([0x1234, 0x12340n, 0x5678n]);
    expect(p.state.rsp).toBe(0x8006n);
  });

  test('to the same ring drops its parameters', () => {
    const p = new BareProcessor('protected');
    p.stack(4, 0x1234, GDT.code0);
    farReturn(p.cpu, 4, 8);
    expect([p.state.rsp, p.state.rip, p.state.cpl]).toEqual([0x8008n, 0x1234n, 0]);
  });

  test('to an outer ring drops parameters from both stacks and takes the outer one', () => {
    const p = new BareProcessor('protected');
    p.stack(4, 0x1234, GDT.code3 | 3, 0x11, 0x22, 0xb000, GDT.data3 | 3);
    farReturn(p.cpu, 4, 8);
    expect([p.state.rsp, p.state.rip, p.state.cpl]).toEqual([0xb008n, 0x1234n, 3]);
    expect(p.selectors()).toMatchObject({ cs: GDT.code3 | 3, ss: GDT.data3 | 3 });
    expect(p.events).toEqual([{ kind: 'ring', from: 0, to: 3 }]);
  });

  test('to an outer ring gives up data segments of the inner one, but not conforming code nor null ones', () => {
    const p = new BareProcessor('protected');
    p.stack(4, 0x1234, GDT.code3 | 3, 0xb000, GDT.data3 | 3);
    p.set(ES, GDT.data3, { access: 0xc0f3 });
    p.set(FS, GDT.conforming, { access: 0xc09f });
    p.set(GS, 0, { base: 0x1234_5678_9abcn, access: 0x1_0000 });
    farReturn(p.cpu, 4, 0);
    expect(p.selectors()).toMatchObject({ ds: 0, es: GDT.data3, fs: GDT.conforming, gs: 0 });
    expect(p.state.segmentAccess(DS) & 0x1_0000).toBe(0x1_0000);
    expect(p.state.segmentBase(GS)).toBe(0x1234_5678_9abcn);
  });

  test('to a 16-bit outer stack sets SP alone', () => {
    const p = new BareProcessor('protected');
    p.define(at, data({ dpl: 3, big: false }));
    p.state.rsp = 0x1_8000n;
    p.stack(4, 0x1234, GDT.code3 | 3, 0x2_b000, at | 3);
    farReturn(p.cpu, 4, 0);
    expect(p.state.rsp).toBe(0x1_b000n);
  });

  test('from 64-bit mode to compatibility mode of ring 3', () => {
    const p = new BareProcessor('long');
    p.stack(8, 0x1234, GDT.code3 | 3, 0xb000, GDT.data3 | 3);
    farReturn(p.cpu, 8, 0);
    expect(p.events).toEqual([
      { kind: 'ring', from: 0, to: 3 },
      { kind: 'mode', from: '64-bit', to: 'compatibility' },
    ]);
    expect(p.state.rsp).toBe(0xb000n);
  });

  test('to 64-bit mode of ring 1 with a null stack', () => {
    const p = new BareProcessor('long');
    p.stack(8, 0x1234, GDT.code1 | 1, 0xffff_8000_0000_0000n, 1);
    farReturn(p.cpu, 8, 0);
    expect([p.state.rsp, p.state.selector(SS), p.state.cpl]).toEqual([0xffff_8000_0000_0000n, 1, 1]);
  });

  test('with an operand size of 16 bits in 64-bit mode', () => {
    const p = new BareProcessor('long');
    p.define(at, code64());
    p.stack(2, 0x1234, at);
    farReturn(p.cpu, 2, 0);
    expect([p.state.rsp, p.state.rip]).toEqual([0x8000n, 0x1234n]);
  });
});
