/** What far transfers, event delivery, returns and fast system calls refuse. */

import { SS, TR } from '../../src/machine/core/state';
import type { Cpu } from '../../src/machine/cpu/cpu';
import { farCall, farJump, farReturn } from '../../src/machine/cpu/far-transfer';
import { softwareInterrupt } from '../../src/machine/cpu/interrupt-delivery';
import { iret } from '../../src/machine/cpu/iret';
import { msrOffset } from '../../src/machine/cpu/msrs';
import { syscall, sysret } from '../../src/machine/cpu/syscall';
import { sysenter, sysexit } from '../../src/machine/cpu/sysenter';
import { BareProcessor, code, code64, data, GDT, gate, type Refusal, type TestMode } from './bare-processor';

const [UD, TS, NP, SS_FAULT, GP] = [6, 10, 11, 12, 13];
const at = GDT.free;
/** A second free entry. */
const other = at + 16;

const make =
  (mode: TestMode, cpl: number, prepare: (processor: BareProcessor) => void = () => undefined) =>
  (): BareProcessor => {
    const processor = new BareProcessor(mode, cpl);
    prepare(processor);
    return processor;
  };

/** A far CALL through a gate at `at`. */
const gateCall = (
  name: string,
  rule: Refusal['rule'],
  vector: number,
  errorCode: number,
  mode: TestMode,
  cpl: number,
  prepare: (processor: BareProcessor) => void,
): Refusal => ({
  name,
  rule,
  vector,
  code: errorCode,
  processor: make(mode, cpl, prepare),
  act: (cpu) => farCall(cpu, at | cpl, 0n, 4, 0x7007n),
});

/** INT 0x40 of one byte more than RIP. */
const int40 = (
  name: string,
  rule: Refusal['rule'],
  vector: number,
  errorCode: number,
  mode: TestMode,
  cpl: number,
  prepare: (processor: BareProcessor) => void,
): Refusal => ({
  name,
  rule,
  vector,
  code: errorCode,
  processor: make(mode, cpl, prepare),
  act: (cpu) => softwareInterrupt(cpu, 0x40, 0x7002n, 'int'),
});

/** IRET with these values on the stack. */
const iretOf = (
  name: string,
  rule: Refusal['rule'],
  vector: number,
  errorCode: number,
  mode: TestMode,
  cpl: number,
  size: 2 | 4 | 8,
  values: readonly number[],
  prepare: (processor: BareProcessor) => void = () => undefined,
): Refusal => ({
  name,
  rule,
  vector,
  code: errorCode,
  processor: make(mode, cpl, (p) => {
    prepare(p);
    p.stack(size, ...values);
  }),
  act: (cpu) => iret(cpu, size, 0x7001n),
});

const HANDLER = 0x6000;

export const transferRefusals: readonly Refusal[] = [
  ...(
    [
      ['data', 'protected', GDT.data0],
      ['an LDT', 'protected', GDT.ldt],
      ['a TSS in IA-32e mode', 'long', GDT.tss],
    ] as const
  ).map(
    ([what, mode, selector]): Refusal => ({
      name: `far JMP to ${what}`,
      rule: 'transfer.type',
      vector: GP,
      code: selector,
      processor: make(mode, 0),
      act: (cpu) => farJump(cpu, selector, 0n, 4, 0n),
    }),
  ),
  {
    name: 'far JMP to an interrupt gate',
    rule: 'transfer.type',
    vector: GP,
    code: at,
    processor: make('protected', 0, (p) => p.define(at, gate(14, GDT.code0, 0))),
    act: (cpu) => farJump(cpu, at, 0n, 4, 0n),
  },
  {
    name: 'a task gate in IA-32e mode',
    rule: 'transfer.type',
    vector: GP,
    code: at,
    processor: make('long', 0, (p) => p.define(at, gate(5, GDT.tss, 0))),
    act: (cpu) => farCall(cpu, at, 0n, 4, 0n),
  },

  gateCall('a gate of ring 0 from ring 3', 'gate.dpl', GP, at, 'protected', 3, (p) =>
    p.define(at, gate(12, GDT.code0, HANDLER)),
  ),
  {
    name: 'a gate of ring 0 with RPL 3 from ring 0',
    rule: 'gate.rpl',
    vector: GP,
    code: at,
    processor: make('protected', 0, (p) => p.define(at, gate(12, GDT.code0, HANDLER))),
    act: (cpu) => farCall(cpu, at | 3, 0n, 4, 0n),
  },
  gateCall('an absent gate', 'gate.not-present', NP, at, 'protected', 3, (p) =>
    p.define(at, gate(12, GDT.code0, HANDLER, { dpl: 3, present: false })),
  ),
  gateCall('a gate with a null selector', 'code-segment.null', GP, 0, 'protected', 3, (p) =>
    p.define(at, gate(12, 2, HANDLER, { dpl: 3 })),
  ),
  gateCall('a gate to data', 'gate.code-type', GP, GDT.data0, 'protected', 0, (p) =>
    p.define(at, gate(12, GDT.data0, HANDLER)),
  ),
  gateCall('a gate from ring 0 to code of ring 3', 'gate.code-dpl', GP, GDT.code3, 'protected', 0, (p) =>
    p.define(at, gate(12, GDT.code3 | 3, HANDLER)),
  ),
  gateCall('a gate to absent code', 'code-segment.not-present', NP, other, 'protected', 0, (p) => {
    p.define(at, gate(12, other, HANDLER));
    p.define(other, code({ present: false }));
  }),
  gateCall('a gate to an offset beyond its segment', 'code-segment.beyond-limit', GP, 0, 'protected', 0, (p) => {
    p.define(at, gate(12, other, HANDLER));
    p.define(other, code({ limit: 0x5fff, pages: false }));
  }),
  {
    name: 'JMP through a gate to nonconforming code of an inner ring',
    rule: 'gate.jump-dpl',
    vector: GP,
    code: GDT.code0,
    processor: make('protected', 3, (p) => p.define(at, gate(12, GDT.code0, HANDLER, { dpl: 3 }))),
    act: (cpu) => farJump(cpu, at | 3, 0n, 4, 0n),
  },
  {
    name: 'JMP through a gate to absent code',
    rule: 'code-segment.not-present',
    vector: NP,
    code: other,
    processor: make('protected', 0, (p) => {
      p.define(at, gate(12, other, HANDLER));
      p.define(other, code({ present: false }));
    }),
    act: (cpu) => farJump(cpu, at, 0n, 4, 0n),
  },
  gateCall('a 64-bit gate to 32-bit code', 'gate.code-not-64-bit', GP, GDT.code0, 'long', 0, (p) =>
    p.define(at, gate(12, GDT.code0, HANDLER), 0n),
  ),
  gateCall('a 64-bit gate whose upper half has a type', 'descriptor.upper-type', GP, at, 'long', 0, (p) =>
    p.define(at, gate(12, GDT.code64, HANDLER), 0x100_0000_0000n),
  ),
  gateCall('a TSS too small for the inner stack', 'tss.stack-beyond-limit', TS, GDT.tss, 'protected', 3, (p) => {
    p.define(at, gate(12, GDT.code0, HANDLER, { dpl: 3 }));
    p.set(TR, GDT.tss, { base: 0x4000n, limit: 10, access: 0x8b });
  }),
  gateCall('a 16-bit TSS too small for the inner stack', 'tss.stack-beyond-limit', TS, GDT.tss, 'protected', 3, (p) => {
    p.define(at, gate(12, GDT.code0, HANDLER, { dpl: 3 }));
    p.set(TR, GDT.tss, { base: 0x4000n, limit: 4, access: 0x83 });
  }),
  gateCall('an inner stack with a null selector', 'stack-segment.null', TS, 0, 'protected', 3, (p) => {
    p.define(at, gate(12, GDT.code0, HANDLER, { dpl: 3 }));
    p.poke(0x4008, 2, 0n);
  }),
  gateCall('an inner stack beyond the GDT', 'selector.beyond-limit', TS, 0x100, 'protected', 3, (p) => {
    p.define(at, gate(12, GDT.code0, HANDLER, { dpl: 3 }));
    p.poke(0x4008, 2, 0x100n);
  }),
  gateCall(
    'an inner stack whose RPL is not the new privilege',
    'stack-segment.rpl',
    TS,
    GDT.data0,
    'protected',
    3,
    (p) => {
      p.define(at, gate(12, GDT.code0, HANDLER, { dpl: 3 }));
      p.poke(0x4008, 2, BigInt(GDT.data0 | 1));
    },
  ),
  gateCall(
    'an inner stack whose DPL is not the new privilege',
    'stack-segment.dpl',
    TS,
    GDT.data3,
    'protected',
    3,
    (p) => {
      p.define(at, gate(12, GDT.code0, HANDLER, { dpl: 3 }));
      p.poke(0x4008, 2, BigInt(GDT.data3));
    },
  ),
  gateCall('an inner stack that is code', 'stack-segment.type', TS, GDT.code0, 'protected', 3, (p) => {
    p.define(at, gate(12, GDT.code0, HANDLER, { dpl: 3 }));
    p.poke(0x4008, 2, BigInt(GDT.code0));
  }),
  gateCall('an absent inner stack', 'stack-segment.not-present', SS_FAULT, other, 'protected', 3, (p) => {
    p.define(at, gate(12, GDT.code0, HANDLER, { dpl: 3 }));
    p.define(other, data({ present: false }));
    p.poke(0x4008, 2, BigInt(other));
  }),
  gateCall(
    'an inner stack without room for the parameters',
    'stack.beyond-limit',
    SS_FAULT,
    other,
    'protected',
    3,
    (p) => {
      p.define(at, gate(12, GDT.code0, HANDLER, { dpl: 3, extra: 2 }));
      p.define(other, data({ special: true, limit: 0x8fe8, pages: false }));
      p.poke(0x4008, 2, BigInt(other));
    },
  ),
  gateCall(
    "parameters beyond the limit of the caller's stack",
    'stack.beyond-limit',
    SS_FAULT,
    0,
    'protected',
    3,
    (p) => {
      p.define(at, gate(12, GDT.code0, HANDLER, { dpl: 3, extra: 2 }));
      p.set(SS, GDT.data3 | 3, { limit: 0x8003, access: 0x40f3 });
    },
  ),
  gateCall('an inner stack at the canonical hole', 'stack.noncanonical', SS_FAULT, 0, 'long', 3, (p) => {
    p.define(at, gate(12, GDT.code64, HANDLER, { dpl: 3 }), 0n);
    p.poke(0x4004, 8, 0x8000_0000_0008n);
  }),
  gateCall('a 64-bit gate to a noncanonical offset', 'code-segment.noncanonical', GP, 0, 'long', 3, (p) =>
    p.define(at, gate(12, GDT.code64, HANDLER, { dpl: 3 }), 0x8000n),
  ),

  int40('beyond the IDT', 'idt.beyond-limit', GP, 0x202, 'protected', 0, (p) => {
    p.state.idtr = { base: 0x3000n, limit: 0x206 };
  }),
  int40('half beyond the IDT in IA-32e mode', 'idt.beyond-limit', GP, 0x202, 'long', 0, (p) => {
    p.state.idtr = { base: 0x3000n, limit: 0x40e };
  }),
  int40('beyond the IVT in real mode', 'idt.beyond-limit', GP, 0x202, 'real', 0, (p) => {
    p.state.idtr = { base: 0n, limit: 0x102 };
  }),
  int40('a call gate in the IDT', 'idt.type', GP, 0x202, 'protected', 0, (p) => p.vector(0x40, gate(12, GDT.code0, 0))),
  int40('a segment in the IDT', 'idt.type', GP, 0x202, 'protected', 0, (p) => p.vector(0x40, code())),
  int40('a task gate in IA-32e mode', 'idt.type', GP, 0x202, 'long', 0, (p) => p.vector(0x40, gate(5, GDT.tss, 0))),
  int40('a 16-bit gate in IA-32e mode', 'idt.type', GP, 0x202, 'long', 0, (p) =>
    p.vector(0x40, gate(6, GDT.code64, 0)),
  ),
  int40('a gate of ring 0 from ring 3', 'idt.dpl', GP, 0x202, 'protected', 3, (p) =>
    p.vector(0x40, gate(14, GDT.code0, HANDLER)),
  ),
  int40('a gate of ring 0 from ring 3 in 64-bit mode', 'idt.dpl', GP, 0x202, 'long', 3, (p) =>
    p.vector(0x40, gate(14, GDT.code64, HANDLER)),
  ),
  int40('an absent gate', 'idt.not-present', NP, 0x202, 'protected', 0, (p) =>
    p.vector(0x40, gate(14, GDT.code0, HANDLER, { present: false })),
  ),
  int40('an absent gate in 64-bit mode', 'idt.not-present', NP, 0x202, 'long', 0, (p) =>
    p.vector(0x40, gate(15, GDT.code64, HANDLER, { present: false })),
  ),
  int40('a handler with a null selector', 'code-segment.null', GP, 0, 'protected', 0, (p) =>
    p.vector(0x40, gate(14, 0, HANDLER)),
  ),
  int40('a handler in data', 'gate.code-type', GP, GDT.data0, 'protected', 0, (p) =>
    p.vector(0x40, gate(14, GDT.data0, HANDLER)),
  ),
  int40('a handler of ring 3 for ring 0', 'gate.code-dpl', GP, GDT.code3, 'protected', 0, (p) =>
    p.vector(0x40, gate(14, GDT.code3 | 3, HANDLER)),
  ),
  int40('a handler in 32-bit code in IA-32e mode', 'gate.code-not-64-bit', GP, GDT.code0, 'long', 0, (p) =>
    p.vector(0x40, gate(14, GDT.code0, HANDLER)),
  ),
  int40('a handler at a noncanonical address', 'code-segment.noncanonical', GP, 0, 'long', 0, (p) =>
    p.vector(0x40, gate(14, GDT.code64, HANDLER), 0x1_8000n),
  ),
  int40('an interrupt stack beyond the TSS', 'tss.stack-beyond-limit', TS, GDT.tss, 'long', 0, (p) => {
    p.vector(0x40, gate(14, GDT.code64, HANDLER, { extra: 7 }));
    p.set(TR, GDT.tss, { base: 0x4000n, limit: 0x5a, access: 0x8b });
  }),
  int40('a noncanonical interrupt stack', 'stack.noncanonical', SS_FAULT, 0, 'long', 0, (p) => {
    p.vector(0x40, gate(14, GDT.code64, HANDLER, { extra: 1 }));
    p.poke(0x4024, 8, 0x8000_0000_0000_0000n);
  }),
  int40('a full stack of the same ring', 'stack.beyond-limit', SS_FAULT, 0, 'protected', 0, (p) => {
    p.vector(0x40, gate(14, GDT.code0, HANDLER));
    p.state.rsp = 0x8008n;
    p.set(SS, GDT.data0, { limit: 0x7fff, access: 0x4097 });
  }),
  int40('virtual-8086 mode with a handler of ring 1', 'v86.handler-dpl', GP, GDT.code1, 'v86', 3, (p) =>
    p.vector(0x40, gate(14, GDT.code1, HANDLER, { dpl: 3 })),
  ),
  int40('virtual-8086 mode with a conforming handler', 'v86.handler-dpl', GP, GDT.conforming, 'v86', 3, (p) =>
    p.vector(0x40, gate(14, GDT.conforming, HANDLER, { dpl: 3 })),
  ),
  int40('virtual-8086 mode with IOPL 2', 'v86.iopl', GP, 0, 'v86', 3, (p) => {
    p.state.rflags = 0x2_2002;
  }),

  {
    name: 'RETF to a null selector',
    rule: 'code-segment.null',
    vector: GP,
    code: 0,
    processor: make('protected', 0, (p) => p.stack(4, 0x1234, 0)),
    act: (cpu) => farReturn(cpu, 4, 0),
  },
  {
    name: 'RETF to data',
    rule: 'code-segment.type',
    vector: GP,
    code: GDT.data0,
    processor: make('protected', 0, (p) => p.stack(4, 0x1234, GDT.data0)),
    act: (cpu) => farReturn(cpu, 4, 0),
  },
  {
    name: 'RETF from ring 3 to ring 0',
    rule: 'return.rpl',
    vector: GP,
    code: GDT.code0,
    processor: make('protected', 3, (p) => p.stack(4, 0x1234, GDT.code0)),
    act: (cpu) => farReturn(cpu, 4, 0),
  },
  {
    name: 'RETF with RPL 3 to code of ring 0',
    rule: 'return.dpl',
    vector: GP,
    code: GDT.code0,
    processor: make('protected', 0, (p) => p.stack(4, 0x1234, GDT.code0 | 3)),
    act: (cpu) => farReturn(cpu, 4, 0),
  },
  {
    name: 'RETF with RPL 0 to conforming code of ring 1',
    rule: 'return.conforming-dpl',
    vector: GP,
    code: at,
    processor: make('protected', 0, (p) => {
      p.define(at, code({ special: true, dpl: 1 }));
      p.stack(4, 0x1234, at);
    }),
    act: (cpu) => farReturn(cpu, 4, 0),
  },
  {
    name: 'RETF to absent code',
    rule: 'code-segment.not-present',
    vector: NP,
    code: at,
    processor: make('protected', 0, (p) => {
      p.define(at, code({ present: false }));
      p.stack(4, 0x1234, at);
    }),
    act: (cpu) => farReturn(cpu, 4, 0),
  },
  {
    name: 'RETF to code with L and D',
    rule: 'code-segment.long-and-big',
    vector: GP,
    code: at,
    processor: make('long', 0, (p) => {
      p.define(at, code64({ big: true }));
      p.stack(8, 0x1234, at);
    }),
    act: (cpu) => farReturn(cpu, 8, 0),
  },
  {
    name: 'RETF of a value across the end of the stack segment',
    rule: 'stack.beyond-limit',
    vector: SS_FAULT,
    code: 0,
    processor: make('real', 0, (p) => {
      p.state.rsp = 0xffffn;
    }),
    act: (cpu) => farReturn(cpu, 2, 0),
  },
  {
    name: 'RETF in real mode beyond the limit of CS',
    rule: 'code-segment.beyond-limit',
    vector: GP,
    code: 0,
    processor: make('real', 0, (p) => p.stack(4, 0x1_0000, 0)),
    act: (cpu) => farReturn(cpu, 4, 0),
  },
  {
    name: 'RETF to ring 3 with a null stack',
    rule: 'stack-segment.null',
    vector: GP,
    code: 0,
    processor: make('protected', 0, (p) => p.stack(4, 0x1234, GDT.code3 | 3, 0x100, 0)),
    act: (cpu) => farReturn(cpu, 4, 0),
  },
  {
    name: 'RETF to ring 3 with a stack of ring 0',
    rule: 'stack-segment.rpl',
    vector: GP,
    code: GDT.data0,
    processor: make('protected', 0, (p) => p.stack(4, 0x1234, GDT.code3 | 3, 0x100, GDT.data0)),
    act: (cpu) => farReturn(cpu, 4, 0),
  },

  iretOf('with NT in IA-32e mode', 'iret.nested-task', GP, 0, 'long', 0, 8, [], (p) => {
    p.state.rflags = 0x4002;
  }),
  iretOf('in virtual-8086 mode with IOPL 0', 'v86.iopl', GP, 0, 'v86', 3, 2, [0, 0, 0], (p) => {
    p.state.rflags = 0x2_0002;
  }),
  iretOf(
    'to virtual-8086 mode beyond 64 KiB',
    'code-segment.beyond-limit',
    GP,
    0,
    'protected',
    0,
    4,
    [0x1_0000, 0, 0x2_0002, 0, 0, 0, 0, 0, 0],
  ),
  iretOf('in real mode beyond the limit', 'code-segment.beyond-limit', GP, 0, 'real', 0, 4, [0x1_0000, 0, 2]),
  iretOf('to a null CS', 'code-segment.null', GP, 0, 'protected', 0, 4, [0, 3, 2]),
  iretOf('from ring 3 to ring 0', 'return.rpl', GP, GDT.code0, 'protected', 3, 4, [0, GDT.code0, 2]),
  iretOf('to a noncanonical address', 'code-segment.noncanonical', GP, 0, 'long', 0, 8, [
    0x8000_0000_0000,
    GDT.code64,
    2,
    0x8000,
    GDT.data0,
  ]),
  iretOf('to ring 3 in 64-bit mode with a null SS', 'stack-segment.null', GP, 0, 'long', 0, 8, [
    0x1234,
    GDT.code64User | 3,
    2,
    0x8000,
    3,
  ]),
  iretOf('to compatibility mode with a null SS', 'stack-segment.null', GP, 0, 'long', 0, 8, [
    0x1234,
    GDT.code0,
    2,
    0x8000,
    0,
  ]),
  iretOf('to ring 0 with a null SS of RPL 1', 'stack-segment.null', GP, 0, 'long', 0, 8, [
    0x1234,
    GDT.code64,
    2,
    0x8000,
    1,
  ]),
  iretOf('with a stack at the canonical hole', 'stack.noncanonical', SS_FAULT, 0, 'long', 0, 8, [], (p) => {
    p.state.rsp = 0x8000_0000_0000n;
  }),

  ...(['compatibility', 'protected'] as const).flatMap((mode): Refusal[] =>
    [syscall, (cpu: Cpu) => sysret(cpu, true)].map((act) => ({
      name: `SYSCALL and SYSRET in ${mode} mode`,
      rule: 'mode.64-bit',
      vector: UD,
      processor: make(mode, 0),
      act: (cpu) => act(cpu, 0n),
    })),
  ),
  {
    name: 'SYSCALL without SCE',
    rule: 'syscall.disabled',
    vector: UD,
    processor: make('long', 3, (p) => {
      p.state.efer = 0xd00n;
    }),
    act: (cpu) => syscall(cpu, 0n),
  },
  {
    name: 'SYSRET at CPL 3',
    rule: 'privileged.cpl-0',
    vector: GP,
    code: 0,
    processor: make('long', 3),
    act: (cpu) => sysret(cpu, true),
  },
  {
    name: 'SYSRET with a noncanonical RCX, at CPL 0',
    rule: 'sysret.noncanonical',
    vector: GP,
    code: 0,
    processor: make('long', 0, (p) => p.state.setGpr(1, 0x8000_0000_0000n)),
    act: (cpu) => sysret(cpu, true),
  },
  {
    name: 'SYSENTER in real mode',
    rule: 'sysenter.real-mode',
    vector: GP,
    code: 0,
    processor: make('real', 0),
    act: (cpu) => sysenter(cpu),
  },
  {
    name: 'SYSENTER with a null IA32_SYSENTER_CS',
    rule: 'sysenter.unset',
    vector: GP,
    code: 0,
    processor: make('protected', 3, (p) => p.state.setU64(msrOffset('IA32_SYSENTER_CS'), 3n)),
    act: (cpu) => sysenter(cpu),
  },
  {
    name: 'SYSEXIT at CPL 3',
    rule: 'privileged.cpl-0',
    vector: GP,
    code: 0,
    processor: make('protected', 3, (p) => p.state.setU64(msrOffset('IA32_SYSENTER_CS'), 8n)),
    act: (cpu) => sysexit(cpu, false),
  },
  ...([1, 2] as const).map(
    (register): Refusal => ({
      name: `SYSEXIT with a noncanonical ${register === 1 ? 'RCX' : 'RDX'}`,
      rule: 'sysexit.noncanonical',
      vector: GP,
      code: 0,
      processor: make('long', 0, (p) => {
        p.state.setU64(msrOffset('IA32_SYSENTER_CS'), 8n);
        p.state.setGpr(register, 0x8000_0000_0000n);
      }),
      act: (cpu) => sysexit(cpu, true),
    }),
  ),
];
