import { describe, expect, test } from 'vitest';
import { Fault } from '../../src/machine/core/fault';
import { state as layout } from '../../src/machine/core/layout';
import { CS, SS, TR } from '../../src/machine/core/state';
import {
  type Delivery,
  deliverFault,
  deliverInterrupt,
  deliverNmi,
  softwareInterrupt,
} from '../../src/machine/cpu/interrupt-delivery';
import { combine, exceptionName, exceptionOf } from '../../src/x86/exceptions';
import { BareProcessor, data, GDT, gate, system } from './bare-processor';

const HANDLER = 0x6000;
/** Any reason will do where the delivery alone is looked at. */
const why = { rule: 'walk.present' } as const;
const gp = (code: number) => new Fault(13, why, code);
const ud = new Fault(6, why);

const interruptibility = (p: BareProcessor) => p.state.getU32(layout.interruptibility);

describe('real mode', () => {
  test('an interrupt pushes FLAGS, CS and IP and clears IF, TF, AC and RF', () => {
    const p = new BareProcessor('real');
    p.poke(0x40 * 4, 4, 0x1234_5678n);
    p.set(CS, 0x700, { base: 0x7000n, limit: 0xffff, access: 0x9b });
    p.state.rflags = 0x5_0f47;
    softwareInterrupt(p.cpu, 0x40, 0x102n, 'int');
    expect(p.words(0x7ffa, 2, 3)).toEqual([0x102n, 0x700n, 0x0f47n]);
    expect(p.state.segment(CS)).toMatchObject({ selector: 0x1234, base: 0x12340n });
    expect([p.state.rip, p.state.rsp, p.state.rflags]).toEqual([0x5678n, 0x7ffan, 0xc47]);
    expect(p.events).toEqual([{ kind: 'int', vector: 0x40 }]);
  });

  test('exceptions push no error code', () => {
    const p = new BareProcessor('real');
    p.poke(13 * 4, 4, 0x1234_5678n);
    expect(deliverFault(p.cpu, gp(0x18))).toEqual({ shutdown: false });
    expect(p.state.rsp).toBe(0x7ffan);
  });

  test('a vector beyond the table becomes #GP, one beyond that a double fault, one beyond that a shutdown', () => {
    const p = new BareProcessor('real');
    p.state.idtr = { base: 0n, limit: 0x23 };
    p.poke(8 * 4, 4, 0x1234_5678n);
    expect(deliverInterrupt(p.cpu, 0x40)).toEqual({ shutdown: false });
    expect(p.state.rip).toBe(0x5678n);
    p.state.idtr = { base: 0n, limit: 0x1f };
    expect(deliverInterrupt(p.cpu, 0x40).shutdown).toBe(true);
  });
});

describe('32-bit protected mode', () => {
  const processor = (cpl: number, type = 14, handler: number = GDT.code0) => {
    const p = new BareProcessor('protected', cpl);
    for (const vector of [3, 6, 8, 13, 14, 0x40]) p.vector(vector, gate(type, handler, HANDLER, { dpl: 3 }));
    return p;
  };

  test('INT n to the same ring', () => {
    const p = processor(0);
    p.state.rflags = 0x4_7302;
    softwareInterrupt(p.cpu, 0x40, 0x7002n, 'int');
    expect(p.words(0x7ff4, 4, 3)).toEqual([0x7002n, 8n, 0x4_7302n]);
    expect([p.state.rsp, p.state.rip, p.state.cpl]).toEqual([0x7ff4n, 0x6000n, 0]);
    // AC stays, IF, TF and NT go.
    expect(p.state.rflags).toBe(0x4_3002);
  });

  test('a trap gate leaves IF alone and clears TF and NT', () => {
    const p = processor(0, 15);
    p.state.rflags = 0x4302;
    softwareInterrupt(p.cpu, 0x40, 0x7002n, 'int');
    expect(p.state.rflags).toBe(0x202);
  });

  test('a fault in ring 3 goes to ring 0 with its error code and with RF in the image', () => {
    const p = processor(3);
    p.state.rflags = 0x202;
    expect(deliverFault(p.cpu, gp(0x18))).toEqual({ shutdown: false });
    expect(p.words(0x9000 - 24, 4, 6)).toEqual([0x18n, 0x7000n, 0x1bn, 0x1_0202n, 0x8000n, 0x23n]);
    expect(p.selectors()).toMatchObject({ cs: GDT.code0, ss: GDT.data0, ds: GDT.data3 | 3 });
    expect(p.events).toEqual([
      { kind: 'trap', vector: 13, errorCode: 0x18, cr2: undefined, why },
      { kind: 'ring', from: 3, to: 0 },
    ]);
  });

  test('a gate of 16 bits pushes words', () => {
    const p = processor(3, 6);
    deliverFault(p.cpu, gp(0x18));
    expect(p.words(0x9000 - 12, 2, 6)).toEqual([0x18n, 0x7000n, 0x1bn, 2n, 0x8000n, 0x23n]);
    expect(p.state.rip).toBe(0x6000n);
  });

  test('a conforming handler runs at the privilege of what it interrupts', () => {
    const p = processor(3, 14, GDT.conforming);
    softwareInterrupt(p.cpu, 0x40, 0x7002n, 'int');
    expect([p.state.cpl, p.state.rsp, p.state.selector(CS)]).toEqual([3, 0x7ff4n, GDT.conforming | 3]);
  });

  test.each([
    ['int', false],
    ['int3', false],
    ['into', false],
    ['int1', true],
  ] as const)('%s asks the DPL of the gate: %s', (kind, passes) => {
    const p = processor(3);
    p.vector(0x40, gate(14, GDT.code0, HANDLER));
    const run = () => softwareInterrupt(p.cpu, 0x40, 0x7002n, kind);
    if (passes) expect(run).not.toThrow();
    else expect(run).toThrow(expect.objectContaining({ vector: 13, errorCode: 0x202 }));
  });

  test('hardware does not ask the DPL of the gate', () => {
    const p = processor(3);
    p.vector(0x40, gate(14, GDT.code0, HANDLER));
    deliverInterrupt(p.cpu, 0x40);
    expect(p.state.cpl).toBe(0);
    expect(p.events[0]).toEqual({ kind: 'irq', vector: 0x40 });
  });

  test('RF in the image: set for faults, as it is for interrupts and traps, clear for INT n', () => {
    const images = [
      (p: BareProcessor) => deliverFault(p.cpu, ud),
      (p: BareProcessor) => deliverFault(p.cpu, new Fault(3, why)),
      (p: BareProcessor) => deliverInterrupt(p.cpu, 0x40),
      (p: BareProcessor) => deliverInterrupt(p.cpu, 0x40, true),
      (p: BareProcessor) => softwareInterrupt(p.cpu, 0x40, 0x7002n, 'int'),
    ].map((deliver) => {
      const bits = [2, 0x1_0002].map((flags) => {
        const p = processor(0);
        p.state.rflags = flags;
        deliver(p);
        return Number(p.peek(0x7ffc, 4)) >>> 16;
      });
      return bits;
    });
    expect(images).toEqual([
      [1, 1],
      [0, 1],
      [0, 1],
      [1, 1],
      [0, 0],
    ]);
  });

  test('a page fault sets CR2', () => {
    const p = processor(0);
    deliverFault(p.cpu, new Fault(14, why, 4, 0x1234_5678n));
    expect([p.state.cr2, p.peek(0x7ff0, 4)]).toEqual([0x1234_5678n, 4n]);
  });

  test('delivery ends the blocking by STI and MOV SS, and HLT', () => {
    const p = processor(0);
    p.state.setU32(layout.interruptibility, 3);
    p.state.setU32(layout.activity, 1);
    deliverInterrupt(p.cpu, 0x40);
    expect([interruptibility(p), p.state.getU32(layout.activity)]).toEqual([0, 0]);
  });

  test('an NMI blocks further ones', () => {
    const p = processor(0);
    p.vector(2, gate(14, GDT.code0, HANDLER));
    deliverNmi(p.cpu);
    expect([interruptibility(p), p.state.rip]).toEqual([8, 0x6000n]);
    expect(p.events[0]).toEqual({ kind: 'nmi' });
  });

  test('a debug exception clears DR7.GD and sets no RF', () => {
    const p = processor(0);
    p.vector(1, gate(14, GDT.code0, HANDLER));
    p.state.setDr(7, 0x2401n);
    deliverFault(p.cpu, new Fault(1, why));
    expect([p.state.dr(7), p.peek(0x7ffc, 4)]).toEqual([0x401n, 2n]);
  });
});

describe('virtual-8086 mode', () => {
  const processor = (type = 14) => {
    const p = new BareProcessor('v86');
    p.vector(0x40, gate(type, GDT.code0, HANDLER, { dpl: 3 }));
    p.vector(13, gate(type, GDT.code0, HANDLER));
    p.state.setSegment(SS, { selector: 0x100, base: 0x1000n, limit: 0xffff, access: 0xf3 });
    return p;
  };

  test('an interrupt saves the data segments and makes them null', () => {
    const p = processor();
    softwareInterrupt(p.cpu, 0x40, 0x7002n, 'int');
    expect(p.words(0x9000 - 36, 4, 9)).toEqual([0x7002n, 0n, 0x2_3002n, 0x8000n, 0x100n, 0n, 0n, 0n, 0n]);
    expect(p.selectors()).toEqual({ es: 0, cs: GDT.code0, ss: GDT.data0, ds: 0, fs: 0, gs: 0 });
    expect([p.state.cpl, p.state.rsp, p.state.rflags & 0x2_0000]).toEqual([0, 0x9000n - 36n, 0]);
    expect(p.events.slice(1)).toEqual([
      { kind: 'ring', from: 3, to: 0 },
      { kind: 'mode', from: 'virtual-8086', to: 'protected' },
    ]);
  });

  test('the order on the stack is ES, DS, FS, GS from below', () => {
    const p = processor();
    const names = [0, 3, 4, 5] as const;
    names.forEach((index, i) => {
      p.state.setSegment(index, { selector: 0x10 + i, base: BigInt(0x100 + i * 16), limit: 0xffff, access: 0xf3 });
    });
    deliverFault(p.cpu, gp(0));
    expect(p.words(0x9000 - 16, 4, 4)).toEqual([0x10n, 0x11n, 0x12n, 0x13n]);
    expect(p.state.rsp).toBe(0x9000n - 40n);
  });

  test('a gate of 16 bits saves words', () => {
    const p = processor(6);
    softwareInterrupt(p.cpu, 0x40, 0x7002n, 'int');
    expect(p.words(0x9000 - 18, 2, 9)).toEqual([0x7002n, 0n, 0x3002n, 0x8000n, 0x100n, 0n, 0n, 0n, 0n]);
  });

  test('INT3 needs no IOPL', () => {
    const p = processor();
    p.state.rflags = 0x2_0002;
    softwareInterrupt(p.cpu, 0x40, 0x7001n, 'int3');
    expect(p.state.cpl).toBe(0);
  });
});

describe('IA-32e mode', () => {
  const processor = (mode: 'long' | 'compatibility', cpl: number, type = 14, extra = 0) => {
    const p = new BareProcessor(mode, cpl);
    for (const vector of [6, 8, 13, 14, 0x40])
      p.vector(vector, gate(type, GDT.code64, HANDLER, { dpl: 3, extra }), 0xffff_8000n);
    return p;
  };

  test('from the same ring: the stack is aligned, SS and RSP are pushed', () => {
    const p = processor('long', 0);
    p.state.rsp = 0x800dn;
    softwareInterrupt(p.cpu, 0x40, 0x7002n, 'int');
    expect(p.words(0x8000 - 40, 8, 5)).toEqual([0x7002n, 0x38n, 2n, 0x800dn, 0x10n]);
    expect([p.state.rsp, p.state.rip, p.state.selector(SS)]).toEqual([
      0x8000n - 40n,
      0xffff_8000_0000_6000n,
      GDT.data0,
    ]);
  });

  test('from ring 3: RSP0, a null SS, the error code last', () => {
    const p = processor('long', 3);
    p.state.rflags = 0x202;
    deliverFault(p.cpu, gp(0x18));
    expect(p.words(0x9000 - 48, 8, 6)).toEqual([0x18n, 0x7000n, 0x43n, 0x1_0202n, 0x8000n, 0x23n]);
    expect(p.state.segment(SS)).toMatchObject({ selector: 0, access: 0x1_0000 });
    expect([p.state.cpl, p.state.rflags]).toEqual([0, 2]);
  });

  test('from compatibility mode', () => {
    const p = processor('compatibility', 3);
    deliverInterrupt(p.cpu, 0x40);
    expect(p.words(0x9000 - 40, 8, 5)).toEqual([0x7000n, 0x1bn, 2n, 0x8000n, 0x23n]);
    expect(p.events.slice(1)).toEqual([
      { kind: 'ring', from: 3, to: 0 },
      { kind: 'mode', from: 'compatibility', to: '64-bit' },
    ]);
  });

  test('an interrupt stack is switched to from any ring; SS is null only when the ring changes', () => {
    const same = processor('long', 0, 14, 1);
    deliverInterrupt(same.cpu, 0x40);
    expect([same.state.rsp, same.state.selector(SS)]).toEqual([0xb000n - 40n, GDT.data0]);
    const outer = processor('long', 3, 14, 1);
    deliverInterrupt(outer.cpu, 0x40);
    expect([outer.state.rsp, outer.state.selector(SS)]).toEqual([0xb000n - 40n, 0]);
  });

  test('a trap gate leaves IF', () => {
    const p = processor('long', 0, 15);
    p.state.rflags = 0x202;
    deliverInterrupt(p.cpu, 0x40);
    expect(p.state.rflags).toBe(0x202);
  });
});

describe('faults during delivery', () => {
  const vectors = (delivery: Delivery) => (delivery.shutdown ? delivery.chain.map(({ vector }) => vector) : []);

  test('two contributory exceptions make a double fault, whose handler sees error code 0', () => {
    const p = new BareProcessor('protected');
    p.vector(8, gate(14, GDT.code0, HANDLER));
    expect(deliverFault(p.cpu, gp(0x18))).toEqual({ shutdown: false });
    expect(p.words(0x7ff0, 4, 4)).toEqual([0n, 0x7000n, 8n, 0x1_0002n]);
    expect(p.events.map(({ vector }) => vector)).toEqual([13, 8]);
  });

  test('a fault that an interrupt meets is delivered with EXT in its error code', () => {
    const p = new BareProcessor('protected');
    p.vector(13, gate(14, GDT.code0, HANDLER));
    deliverInterrupt(p.cpu, 0x40);
    expect(p.peek(0x7ff0, 4)).toBe(0x203n);
  });

  test('a fault that INT n meets is thrown, without EXT, before anything changes', () => {
    const p = new BareProcessor('protected');
    p.vector(0x40, gate(14, GDT.code0, HANDLER, { present: false }));
    const before = p.snapshot();
    expect(() => softwareInterrupt(p.cpu, 0x40, 0x7002n, 'int')).toThrow(
      expect.objectContaining({ vector: 11, errorCode: 0x202 }),
    );
    expect(p.snapshot()).toBe(before);
  });

  test('a page fault during #GP is delivered as a page fault', () => {
    const p = new BareProcessor('protected', 3);
    p.vector(13, gate(14, GDT.code0, HANDLER, { present: false }));
    p.vector(13, gate(14, GDT.code0, HANDLER));
    p.vector(14, gate(14, GDT.conforming, HANDLER));
    p.absent.add(8n);
    expect(deliverFault(p.cpu, gp(0))).toEqual({ shutdown: false });
    expect(p.events.map(({ vector }) => vector)).toEqual([13, 14]);
    expect(p.state.cr2).toBe(0x8fe8n);
  });

  test('a triple fault keeps its chain, each link with its reason', () => {
    const p = new BareProcessor('protected');
    const delivery = deliverFault(p.cpu, new Fault(14, why, 2, 0x1234n));
    expect(delivery).toEqual({
      shutdown: true,
      chain: [
        { vector: 14, errorCode: 2, rip: 0x7000n, why },
        { vector: 13, errorCode: 14 * 8 + 3, rip: 0x7000n, why: expect.objectContaining({ rule: 'idt.type' }) },
        { vector: 8, errorCode: 0, rip: 0x7000n, why: { rule: 'double-fault' } },
        { vector: 13, errorCode: 8 * 8 + 3, rip: 0x7000n, why: expect.objectContaining({ rule: 'idt.type' }) },
      ],
    });
    expect(p.events.at(-1)).toEqual({ kind: 'triple-fault', chain: expect.any(Array) });
    expect(p.state.getU32(layout.activity)).toBe(2);
    expect(p.state.rip).toBe(0x7000n);
  });

  test('an interrupt that cannot be delivered shuts down too', () => {
    const p = new BareProcessor('protected');
    expect(vectors(deliverInterrupt(p.cpu, 0x40))).toEqual([13, 13, 8, 13]);
  });

  test('a kernel stack that is not there ends in a double fault on its own task', () => {
    const p = new BareProcessor('protected');
    p.vector(6, gate(14, GDT.code0, HANDLER));
    p.vector(14, gate(14, GDT.code0, HANDLER));
    p.vector(8, gate(5, GDT.free, 0));
    p.define(GDT.free, system(9, { base: 0x5000 }));
    p.poke(0x5020, 4, BigInt(HANDLER));
    p.poke(0x5024, 4, 2n);
    p.poke(0x5038, 4, 0xb000n);
    for (const at of [0x48, 0x50, 0x54, 0x58, 0x5c]) p.poke(0x5000 + at, 2, BigInt(GDT.data0));
    p.poke(0x504c, 2, BigInt(GDT.code0));
    p.absent.add(7n);
    expect(deliverFault(p.cpu, ud)).toEqual({ shutdown: false });
    expect([p.state.selector(TR), p.state.rip, p.state.rsp]).toEqual([GDT.free, 0x6000n, 0xaffcn]);
    expect(p.peek(0xaffc, 4)).toBe(0n);
    // The old task's state says where the first fault was.
    expect(p.peek(0x4020, 4)).toBe(0x7000n);
  });
});

describe('the table of exceptions', () => {
  /** Rows: first, columns: second. Intel SDM vol. 3, "Conditions for Generating a Double Fault". */
  test.each([
    [3, ['serial', 'serial', 'serial']],
    [13, ['serial', 'double', 'serial']],
    [0, ['serial', 'double', 'serial']],
    [14, ['serial', 'double', 'double']],
    [8, ['serial', 'triple', 'triple']],
    [0x40, ['serial', 'serial', 'serial']],
  ] as const)('%i followed by benign, contributory, page fault', (first, expected) => {
    expect([6, 10, 14].map((second) => combine(first, second))).toEqual(expected);
  });

  test('names and error codes', () => {
    expect([exceptionName(14), exceptionName(2), exceptionName(0x40)]).toEqual(['#PF', 'NMI', '0x40']);
    const withCode = Array.from({ length: 32 }, (_, v) => v).filter(
      (v) => (exceptionOf(v)?.errorCode ?? 'none') !== 'none',
    );
    expect(withCode).toEqual([8, 10, 11, 12, 13, 14, 17, 21]);
  });
});

test('16-bit stacks of handlers wrap within their segment', () => {
  const p = new BareProcessor('protected', 3);
  p.vector(0x40, gate(14, GDT.code0, HANDLER, { dpl: 3 }));
  p.define(GDT.free, data({ base: 0x2_0000, limit: 0xffff, pages: false, big: false }));
  p.poke(0x4004, 4, 0x5_0000n);
  p.poke(0x4008, 2, BigInt(GDT.free));
  softwareInterrupt(p.cpu, 0x40, 0x7002n, 'int');
  expect(p.words(0x2_0000 + 0xffec, 4, 5)).toEqual([0x7002n, 0x1bn, 2n, 0x8000n, 0x23n]);
});
