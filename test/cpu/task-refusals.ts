/** What hardware task switches and port accesses refuse. */

import { TR } from '../../src/machine/core/state';
import { farCall, farJump } from '../../src/machine/cpu/far-transfer';
import { softwareInterrupt } from '../../src/machine/cpu/interrupt-delivery';
import { checkPort } from '../../src/machine/cpu/io-permission';
import { iret } from '../../src/machine/cpu/iret';
import { BareProcessor, code, data, GDT, gate, type Refusal, system } from './bare-processor';

const [DB, TS, NP, SS_FAULT, GP] = [1, 10, 11, 12, 13];

/** Selector of the new task, whose TSS lies at 0x5000. */
export const TASK = GDT.free;
const entry = TASK + 8;

/** Fields of a 32-bit TSS. */
const offsets = {
  cr3: 0x1c,
  eip: 0x20,
  eflags: 0x24,
  esp: 0x38,
  es: 0x48,
  cs: 0x4c,
  ss: 0x50,
  ds: 0x54,
  fs: 0x58,
  gs: 0x5c,
  ldt: 0x60,
  trap: 0x64,
} as const;
export type TaskFields = { readonly [Name in keyof typeof offsets]?: number };

/** A 32-bit TSS at 0x5000 of a task in ring 0, available. */
export const defineTask = (p: BareProcessor, changes: TaskFields = {}): void => {
  p.define(TASK, system(9, { base: 0x5000 }));
  const { code0, data0 } = GDT;
  const fields = {
    cr3: 0x12_3000,
    eip: 0x6000,
    eflags: 0x202,
    esp: 0xb000,
    es: data0,
    cs: code0,
    ss: data0,
    ds: data0,
    ...changes,
  };
  for (const [name, offset] of Object.entries(offsets))
    p.poke(0x5000 + offset, 4, BigInt(fields[name as keyof TaskFields] ?? 0));
};

const make = (cpl: number, prepare: (processor: BareProcessor) => void) => (): BareProcessor => {
  const processor = new BareProcessor('protected', cpl);
  prepare(processor);
  return processor;
};

/** JMP to the task, with something wrong in its TSS: the fault is the new task's. */
const late = (
  name: string,
  rule: Refusal['rule'],
  vector: number,
  errorCode: number | undefined,
  changes: TaskFields,
  prepare: (processor: BareProcessor) => void = () => undefined,
): Refusal => ({
  name,
  rule,
  vector,
  ...(errorCode === undefined ? {} : { code: errorCode }),
  late: true,
  processor: make(0, (p) => {
    defineTask(p, changes);
    prepare(p);
  }),
  act: (cpu) => farJump(cpu, TASK, 0n, 4, 0x7007n),
});

/** Something wrong before the switch. */
const early = (
  name: string,
  rule: Refusal['rule'],
  vector: number,
  errorCode: number,
  act: Refusal['act'],
  prepare: (processor: BareProcessor) => void = () => undefined,
  cpl = 0,
): Refusal => ({
  name,
  rule,
  vector,
  code: errorCode,
  processor: make(cpl, (p) => {
    defineTask(p);
    prepare(p);
  }),
  act,
});

const nested = (p: BareProcessor, link: number) => {
  p.state.rflags = 0x4002;
  p.poke(0x4000, 2, BigInt(link));
};

export const taskRefusals: readonly Refusal[] = [
  early(
    'a task gate to a local selector',
    'task.local',
    GP,
    0x0c,
    (cpu) => farJump(cpu, entry, 0n, 4, 0n),
    (p) => p.define(entry, gate(5, 0x0c, 0)),
  ),
  early(
    'JMP to a TSS in the LDT',
    'task.local',
    GP,
    0x0c,
    (cpu) => farJump(cpu, 0x0c, 0n, 4, 0n),
    (p) => p.define(0x0c, system(9, { base: 0x5000 })),
  ),
  early(
    'a task gate to code',
    'task.type',
    GP,
    GDT.code0,
    (cpu) => farJump(cpu, entry, 0n, 4, 0n),
    (p) => p.define(entry, gate(5, GDT.code0, 0)),
  ),
  early('JMP to the current, busy task', 'task.type', GP, GDT.tss, (cpu) => farJump(cpu, GDT.tss, 0n, 4, 0n)),
  early(
    'CALL to a busy 16-bit task',
    'task.type',
    GP,
    entry,
    (cpu) => farCall(cpu, entry, 0n, 4, 0n),
    (p) => p.define(entry, system(3, { base: 0x5000 })),
  ),
  early(
    'JMP to an absent TSS',
    'task.not-present',
    NP,
    entry,
    (cpu) => farJump(cpu, entry, 0n, 4, 0n),
    (p) => p.define(entry, system(9, { base: 0x5000, present: false })),
  ),
  early('a task of ring 0 from ring 3', 'gate.dpl', GP, TASK, (cpu) => farJump(cpu, TASK, 0n, 4, 0n), undefined, 3),
  early('a task of ring 0 with RPL 3', 'gate.rpl', GP, TASK, (cpu) => farJump(cpu, TASK | 3, 0n, 4, 0n)),
  early(
    'an absent task gate',
    'gate.not-present',
    NP,
    entry,
    (cpu) => farJump(cpu, entry, 0n, 4, 0n),
    (p) => p.define(entry, gate(5, TASK, 0, { present: false })),
  ),
  early(
    'a TSS that is too small',
    'task.limit',
    TS,
    entry,
    (cpu) => farJump(cpu, entry, 0n, 4, 0n),
    (p) => p.define(entry, system(9, { base: 0x5000, limit: 0x66 })),
  ),
  early(
    'a 16-bit TSS that is too small',
    'task.limit',
    TS,
    entry,
    (cpu) => farJump(cpu, entry, 0n, 4, 0n),
    (p) => p.define(entry, system(1, { base: 0x5000, limit: 0x2a })),
  ),
  early(
    'an old TSS without room',
    'task.old-limit',
    TS,
    GDT.tss,
    (cpu) => farJump(cpu, TASK, 0n, 4, 0n),
    (p) => p.set(TR, GDT.tss, { base: 0x4000n, limit: 0x5e, access: 0x8b }),
  ),
  early(
    'INT n through a task gate to a busy task',
    'task.type',
    GP,
    GDT.tss,
    (cpu) => softwareInterrupt(cpu, 0x40, 0x7002n, 'int'),
    (p) => p.vector(0x40, gate(5, GDT.tss, 0)),
  ),
  early(
    'IRET to a local back link',
    'task.local',
    TS,
    0x0c,
    (cpu) => iret(cpu, 4, 0n),
    (p) => nested(p, 0x0c),
  ),
  early(
    'IRET to an available task',
    'task.return-type',
    TS,
    TASK,
    (cpu) => iret(cpu, 4, 0n),
    (p) => nested(p, TASK),
  ),
  early(
    'IRET beyond the GDT',
    'selector.beyond-limit',
    TS,
    0x100,
    (cpu) => iret(cpu, 4, 0n),
    (p) => nested(p, 0x100),
  ),
  early(
    'IRET to an absent task',
    'task.not-present',
    NP,
    entry,
    (cpu) => iret(cpu, 4, 0n),
    (p) => {
      p.define(entry, system(11, { base: 0x5000, present: false }));
      nested(p, entry);
    },
  ),

  late('an LDT in the LDT', 'task.ldt-local', TS, 0x0c, { ldt: 0x0c }),
  late('an LDT beyond the GDT', 'selector.beyond-limit', TS, 0x100, { ldt: 0x100 }),
  late('an LDT that is a TSS', 'task.ldt-type', TS, GDT.tss, { ldt: GDT.tss }),
  late('an absent LDT', 'task.ldt-not-present', TS, entry, { ldt: entry }, (p) =>
    p.define(entry, system(2, { present: false })),
  ),
  late('a null CS', 'task.code-null', TS, 0, { cs: 0 }),
  late('a CS that is data', 'task.code-type', TS, GDT.data0, { cs: GDT.data0 }),
  late('a CS whose DPL is not its RPL', 'task.code-dpl', TS, GDT.code3, { cs: GDT.code3 }),
  late('a conforming CS of a higher DPL', 'task.code-dpl', TS, entry, { cs: entry }, (p) =>
    p.define(entry, code({ special: true, dpl: 1 })),
  ),
  late('an absent CS', 'task.code-not-present', NP, entry, { cs: entry }, (p) =>
    p.define(entry, code({ present: false })),
  ),
  late('a null SS', 'task.stack-null', TS, 0, { ss: 0 }),
  late('an SS of another ring', 'stack-segment.rpl', TS, GDT.data3, { ss: GDT.data3 | 3 }),
  late('an SS that is code', 'stack-segment.type', TS, GDT.code0, { ss: GDT.code0 }),
  late('an SS whose DPL is 3', 'stack-segment.dpl', TS, GDT.data3, { ss: GDT.data3 }),
  late('an absent SS', 'stack-segment.not-present', SS_FAULT, entry, { ss: entry }, (p) =>
    p.define(entry, data({ present: false })),
  ),
  late('a DS that is a TSS', 'data-segment.type', TS, GDT.tss, { ds: GDT.tss }),
  late('an absent ES', 'data-segment.not-present', NP, entry, { es: entry }, (p) =>
    p.define(entry, data({ present: false })),
  ),
  late('an FS with an RPL above its DPL', 'data-segment.rpl', TS, GDT.data0, { fs: GDT.data0 | 3 }),
  late('a GS beyond the GDT', 'selector.beyond-limit', TS, 0x100, { gs: 0x100 }),
  late('an EIP beyond its segment', 'code-segment.beyond-limit', GP, 0, { cs: entry }, (p) =>
    p.define(entry, code({ limit: 0x5fff, pages: false })),
  ),
  late('an EIP beyond 64 KiB in virtual-8086 mode', 'code-segment.beyond-limit', GP, 0, {
    eip: 0x1_0000,
    eflags: 0x2_0002,
  }),
  late('a T flag', 'task.trap', DB, undefined, { trap: 1 }),

  ...(
    [
      [
        'io.iopl',
        'a 16-bit TSS',
        0x70,
        (p: BareProcessor) => p.set(TR, GDT.tss, { base: 0x4000n, limit: 0x2b, access: 0x83 }),
      ],
      ['io.bitmap-limit', 'a TSS without a bit map', 0x70, (p: BareProcessor) => p.poke(0x4066, 2, 0x68n)],
      [
        'io.bitmap-limit',
        'a TSS that ends before the base of the bit map',
        0x70,
        (p: BareProcessor) => p.set(TR, GDT.tss, { base: 0x4000n, limit: 0x66, access: 0x8b }),
      ],
      [
        'io.bitmap',
        'a bit of the second port',
        0x77,
        (p: BareProcessor) => {
          p.set(TR, GDT.tss, { base: 0x4000n, limit: 0x2067, access: 0x8b });
          p.poke(0x4066, 2, 0x68n);
          p.poke(0x4068 + 15, 1, 1n);
        },
      ],
    ] as const
  ).map(
    ([rule, name, port, prepare]): Refusal => ({
      name: `a port at CPL 3: ${name}`,
      rule,
      vector: GP,
      code: 0,
      processor: make(3, prepare),
      act: (cpu) => checkPort(cpu, port, 2),
    }),
  ),
];
