/** What segment loads and system segment instructions refuse. */

import { DS, ES, GS, SS } from '../../src/machine/core/state';
import { farCall, farJump } from '../../src/machine/cpu/far-transfer';
import { lar, verr } from '../../src/machine/cpu/protection-queries';
import { loadSegment } from '../../src/machine/cpu/segment-load';
import { lldt, ltr, sldt, str } from '../../src/machine/cpu/system-segments';
import { BareProcessor, code, code64, data, GDT, type Refusal, system, type TestMode } from './bare-processor';

const [UD, NP, SS_FAULT, GP] = [6, 11, 12, 13];
const at = GDT.free;

const make =
  (mode: TestMode, cpl = 0, prepare: (processor: BareProcessor) => void = () => undefined) =>
  (): BareProcessor => {
    const processor = new BareProcessor(mode, cpl);
    prepare(processor);
    return processor;
  };
const withEntry = (entry: bigint, mode: TestMode = 'protected', cpl = 0, upper?: bigint) =>
  make(mode, cpl, (processor) => processor.define(at, entry, upper));

export const segmentationRefusals: readonly Refusal[] = [
  {
    name: 'MOV DS beyond the GDT',
    rule: 'selector.beyond-limit',
    vector: GP,
    code: 0x100,
    processor: make('protected'),
    act: (cpu) => loadSegment(cpu, DS, 0x103),
  },
  {
    name: 'MOV DS with an entry half beyond the GDT',
    rule: 'selector.beyond-limit',
    vector: GP,
    code: at,
    processor: make('protected', 0, (p) => {
      p.define(at, data());
      p.state.gdtr = { base: 0x1000n, limit: at + 6 };
    }),
    act: (cpu) => loadSegment(cpu, DS, at),
  },
  {
    name: 'MOV DS beyond the LDT',
    rule: 'selector.beyond-limit',
    vector: GP,
    code: 0x44,
    processor: make('protected'),
    act: (cpu) => loadSegment(cpu, DS, 0x44),
  },
  {
    name: 'MOV DS from an LDT that is not loaded',
    rule: 'selector.beyond-limit',
    vector: GP,
    code: 4,
    processor: make('protected', 0, (p) => lldt(p.cpu, 0)),
    act: (cpu) => loadSegment(cpu, DS, 4),
  },
  {
    name: 'an entry of 16 bytes half beyond the GDT',
    rule: 'selector.beyond-limit',
    vector: GP,
    code: 0xf8,
    processor: make('long', 0, (p) => p.define(0xf8, system(2))),
    act: (cpu) => lldt(cpu, 0xf8),
  },
  {
    name: 'LLDT of a descriptor whose upper half has a type',
    rule: 'descriptor.upper-type',
    vector: GP,
    code: at,
    processor: withEntry(system(2), 'long', 0, 0x100_0000_0000n),
    act: (cpu) => lldt(cpu, at),
  },

  {
    name: 'MOV DS with a TSS',
    rule: 'data-segment.type',
    vector: GP,
    code: GDT.tss,
    processor: make('protected'),
    act: (cpu) => loadSegment(cpu, DS, GDT.tss),
  },
  {
    name: 'MOV GS with execute-only code',
    rule: 'data-segment.type',
    vector: GP,
    code: at,
    processor: withEntry(code({ open: false })),
    act: (cpu) => loadSegment(cpu, GS, at),
  },
  {
    name: 'MOV ES with RPL 3 and DPL 0',
    rule: 'data-segment.rpl',
    vector: GP,
    code: GDT.data0,
    processor: make('protected'),
    act: (cpu) => loadSegment(cpu, ES, GDT.data0 | 3),
  },
  {
    name: 'MOV ES with nonconforming code of DPL 0 at CPL 3',
    rule: 'data-segment.cpl',
    vector: GP,
    code: GDT.code0,
    processor: make('protected', 3),
    act: (cpu) => loadSegment(cpu, ES, GDT.code0),
  },
  {
    name: 'MOV DS with an absent segment',
    rule: 'data-segment.not-present',
    vector: NP,
    code: at,
    processor: withEntry(data({ present: false })),
    act: (cpu) => loadSegment(cpu, DS, at),
  },

  ...(
    [
      ['protected mode', 'protected', 0, 0],
      ['compatibility mode', 'compatibility', 0, 0],
      ['64-bit mode at CPL 3', 'long', 3, 3],
      ['64-bit mode with RPL 1 at CPL 0', 'long', 0, 1],
    ] as const
  ).map(
    ([where, mode, cpl, selector]): Refusal => ({
      name: `MOV SS with a null selector in ${where}`,
      rule: 'stack-segment.null',
      vector: GP,
      code: 0,
      processor: make(mode, cpl),
      act: (cpu) => loadSegment(cpu, SS, selector),
    }),
  ),
  {
    name: 'MOV SS with RPL 3 at CPL 0',
    rule: 'stack-segment.rpl',
    vector: GP,
    code: GDT.data0,
    processor: make('protected'),
    act: (cpu) => loadSegment(cpu, SS, GDT.data0 | 3),
  },
  {
    name: 'MOV SS with read-only data',
    rule: 'stack-segment.type',
    vector: GP,
    code: at,
    processor: withEntry(data({ open: false })),
    act: (cpu) => loadSegment(cpu, SS, at),
  },
  {
    name: 'MOV SS with code',
    rule: 'stack-segment.type',
    vector: GP,
    code: GDT.code0,
    processor: make('protected'),
    act: (cpu) => loadSegment(cpu, SS, GDT.code0),
  },
  {
    name: 'MOV SS with DPL 3 and RPL 0 at CPL 0',
    rule: 'stack-segment.dpl',
    vector: GP,
    code: GDT.data3,
    processor: make('protected'),
    act: (cpu) => loadSegment(cpu, SS, GDT.data3),
  },
  {
    name: 'MOV SS with an absent segment',
    rule: 'stack-segment.not-present',
    vector: SS_FAULT,
    code: at,
    processor: withEntry(data({ present: false })),
    act: (cpu) => loadSegment(cpu, SS, at),
  },

  {
    name: 'far CALL with room for one value',
    rule: 'stack.beyond-limit',
    vector: SS_FAULT,
    code: 0,
    processor: make('protected', 0, (p) => {
      p.set(SS, GDT.data0, { limit: 0x7fff, access: 0x4097 });
      p.state.rsp = 0x8004n;
    }),
    act: (cpu) => farCall(cpu, GDT.code0, 0n, 4, 0n),
  },
  {
    name: 'far CALL in real mode with SP 1',
    rule: 'stack.beyond-limit',
    vector: SS_FAULT,
    code: 0,
    processor: make('real', 0, (p) => {
      p.state.rsp = 1n;
    }),
    act: (cpu) => farCall(cpu, 0, 0n, 2, 0n),
  },
  {
    name: 'far CALL with a stack at the canonical hole',
    rule: 'stack.noncanonical',
    vector: SS_FAULT,
    code: 0,
    processor: make('long', 0, (p) => {
      p.state.rsp = 0x8000_0000_0010n;
    }),
    act: (cpu) => farCall(cpu, GDT.code64, 0n, 8, 0n),
  },

  {
    name: 'far JMP with a null selector',
    rule: 'code-segment.null',
    vector: GP,
    code: 0,
    processor: make('protected'),
    act: (cpu) => farJump(cpu, 3, 0n, 4, 0n),
  },
  {
    name: 'far JMP with RPL 3 at CPL 0',
    rule: 'code-segment.rpl',
    vector: GP,
    code: GDT.code0,
    processor: make('protected'),
    act: (cpu) => farJump(cpu, GDT.code0 | 3, 0n, 4, 0n),
  },
  {
    name: 'far CALL from ring 3 to code of ring 0',
    rule: 'code-segment.dpl',
    vector: GP,
    code: GDT.code0,
    processor: make('protected', 3),
    act: (cpu) => farCall(cpu, GDT.code0, 0n, 4, 0n),
  },
  {
    name: 'far JMP from ring 0 to conforming code of ring 3',
    rule: 'code-segment.conforming-dpl',
    vector: GP,
    code: at,
    processor: withEntry(code({ dpl: 3, special: true })),
    act: (cpu) => farJump(cpu, at, 0n, 4, 0n),
  },
  {
    name: 'far JMP to code with L and D',
    rule: 'code-segment.long-and-big',
    vector: GP,
    code: at,
    processor: withEntry(code64({ big: true }), 'long'),
    act: (cpu) => farJump(cpu, at, 0n, 4, 0n),
  },
  {
    name: 'far JMP to absent code',
    rule: 'code-segment.not-present',
    vector: NP,
    code: at,
    processor: withEntry(code({ present: false })),
    act: (cpu) => farJump(cpu, at, 0n, 4, 0n),
  },
  {
    name: 'far JMP to the byte behind the limit',
    rule: 'code-segment.beyond-limit',
    vector: GP,
    code: 0,
    processor: withEntry(code({ limit: 0xfff, pages: false })),
    act: (cpu) => farJump(cpu, at, 0x1000n, 4, 0n),
  },
  {
    name: 'far JMP in real mode behind 64 KiB',
    rule: 'code-segment.beyond-limit',
    vector: GP,
    code: 0,
    processor: make('real'),
    act: (cpu) => farJump(cpu, 0, 0x1_0000n, 4, 0n),
  },
  {
    name: 'far JMP to a noncanonical address',
    rule: 'code-segment.noncanonical',
    vector: GP,
    code: 0,
    processor: make('long'),
    act: (cpu) => farJump(cpu, GDT.code64, 0x8000_0000_0000n, 8, 0n),
  },

  ...([lldt, ltr, sldt, str, lar, verr] as const).flatMap((instruction): Refusal[] =>
    (['real', 'v86'] as const).map((mode) => ({
      name: `${instruction.name.toUpperCase()} in ${mode} mode`,
      rule: 'system.protected-mode-only',
      vector: UD,
      processor: make(mode, mode === 'v86' ? 3 : 0),
      act: (cpu) => instruction(cpu, 8),
    })),
  ),
  {
    name: 'LLDT at CPL 1',
    rule: 'privileged.cpl-0',
    vector: GP,
    code: 0,
    processor: make('protected', 1),
    act: (cpu) => lldt(cpu, GDT.ldt),
  },
  {
    name: 'LTR at CPL 3',
    rule: 'privileged.cpl-0',
    vector: GP,
    code: 0,
    processor: make('long', 3),
    act: (cpu) => ltr(cpu, GDT.tss),
  },
  {
    name: 'STR at CPL 3 with UMIP',
    rule: 'umip.user',
    vector: GP,
    code: 0,
    processor: make('protected', 3, (p) => {
      p.state.cr4 = 0x800n;
    }),
    act: (cpu) => str(cpu),
  },
  {
    name: 'LTR with a local selector',
    rule: 'system.local',
    vector: GP,
    code: 0x0c,
    processor: make('protected'),
    act: (cpu) => ltr(cpu, 0x0c),
  },
  {
    name: 'LTR with a noncanonical base',
    rule: 'system.base-noncanonical',
    vector: GP,
    code: at,
    processor: withEntry(system(9), 'long', 0, 0x8000n),
    act: (cpu) => ltr(cpu, at),
  },
  {
    name: 'LLDT with a TSS',
    rule: 'lldt.type',
    vector: GP,
    code: GDT.tss,
    processor: make('protected'),
    act: (cpu) => lldt(cpu, GDT.tss),
  },
  {
    name: 'LLDT with an absent LDT',
    rule: 'lldt.not-present',
    vector: NP,
    code: at,
    processor: withEntry(system(2, { present: false })),
    act: (cpu) => lldt(cpu, at),
  },
  {
    name: 'LTR with a null selector',
    rule: 'ltr.null',
    vector: GP,
    code: 0,
    processor: make('protected'),
    act: (cpu) => ltr(cpu, 0),
  },
  {
    name: 'LTR with a busy TSS',
    rule: 'ltr.type',
    vector: GP,
    code: GDT.tss,
    processor: make('protected'),
    act: (cpu) => ltr(cpu, GDT.tss),
  },
  {
    name: 'LTR with a 16-bit TSS in 64-bit mode',
    rule: 'ltr.type',
    vector: GP,
    code: at,
    processor: withEntry(system(1), 'long', 0, 0n),
    act: (cpu) => ltr(cpu, at),
  },
  {
    name: 'LTR with an absent TSS',
    rule: 'ltr.not-present',
    vector: NP,
    code: at,
    processor: withEntry(system(9, { present: false })),
    act: (cpu) => ltr(cpu, at),
  },
];
