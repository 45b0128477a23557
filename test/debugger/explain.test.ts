/** Reasons and events in words: every rule and every kind of event has some, and the values are in them. */

import { describe, expect, test } from 'vitest';
import { parseEventFilter, parseEventFilters } from '../../src/debugger/event-filter';
import { eventKinds, eventText, traceLine } from '../../src/debugger/event-text';
import { explain, explainChain, explainFault, faultTitle, sectionOf, vectorName } from '../../src/debugger/explain';
import type { MachineEvent } from '../../src/machine/core/event';
import { BadInput } from '../../src/program/program';
import { type RuleId, rules } from '../../src/x86/rules';
import { executionRules } from '../../src/x86/rules/execution';

describe('explain', () => {
  test.each(Object.keys(rules) as RuleId[])('%s', (rule) => {
    const text = explain({ rule, selector: 0x1b, linear: 0xffff_8000_0000_1000n });
    expect(text).not.toMatch(/[{}]/);
    const link = Object.hasOwn(executionRules, rule) ? ':' : '; the rule:';
    if (!rules[rule].says.includes('{'))
      expect(text).toBe(`linear address 0xffff800000001000, selector 0x1b${link} ${rules[rule].says} [${rule}]`);
    expect(sectionOf({ rule })).toMatch(/SDM vol\. [1-4]|APM vol\. [1-5]/);
  });

  test('what a sentence names is put into it, and not said twice', () => {
    expect(explain({ rule: 'opcode.not-implemented', instruction: 'movaps' })).toBe(
      'movaps is an instruction that this version does not implement, and CPUID does not advertise it [opcode.not-implemented]',
    );
    expect(explain({ rule: 'segment.limit', linear: 0x1_0000n, selector: 0x1b })).toBe(
      'selector 0x1b: offset 0x10000 is beyond the limit of the segment register [segment.limit]',
    );
  });

  test('the entry and the bit that decided are named', () =>
    expect(
      explain({
        rule: 'walk.writable',
        level: 'PTE',
        entry: 0x8000_0000_0000_5005n,
        entryAddress: 0x9_4008n,
        linear: 0x40_1000n,
        bit: 1,
      }),
    ).toMatch(
      /^linear address 0x401000, PTE 0x8000000000005005 at 0x94008 \(bit 1, R\/W, is 0\); the rule: a write needs R\/W/,
    ));

  test('a bit of a control register is named', () =>
    expect(explain({ rule: 'walk.smep', linear: 0x1000n, register: 'CR4', bit: 20 })).toMatch(/CR4 bit 20 \(SMEP\)/));

  test('a rule that is not in the tables is shown as it is', () =>
    expect(explain({ rule: 'constructor' as RuleId })).toBe('constructor'));
});

describe('faults', () => {
  test.each([
    [
      { vector: 14, errorCode: 7, cr2: 0x40_0000n },
      '#PF Page Fault (error code 0x7: user write, page present; CR2 0x400000)',
    ],
    [
      { vector: 14, errorCode: 0x18 },
      '#PF Page Fault (error code 0x18: supervisor instruction fetch, reserved bit set)',
    ],
    [{ vector: 13, errorCode: 0 }, '#GP General Protection (error code 0x0)'],
    [{ vector: 13, errorCode: 0x2b }, '#GP General Protection (error code 0x2b: entry 0x5 of the IDT, external)'],
    [{ vector: 11, errorCode: 0x1c }, '#NP Segment Not Present (error code 0x1c: entry 3 of the LDT)'],
    [{ vector: 12, errorCode: 0x10 }, '#SS Stack-Segment Fault (error code 0x10: entry 2 of the GDT)'],
    [{ vector: 8, errorCode: 0 }, '#DF Double Fault (error code 0x0)'],
    [{ vector: 0 }, '#DE Divide Error'],
    [{ vector: 0x21 }, 'vector 0x21'],
  ] as const)('a title %#', (fault, title) =>
    expect(faultTitle({ ...fault, why: { rule: 'opcode.undefined' } })).toBe(title),
  );

  test('in one line with the reason, and as a chain', () => {
    const why = { rule: 'idt.dpl', entry: 0x8e00_0008_1234n, entryAddress: 0x5000n } as const;
    expect(explainFault({ vector: 13, errorCode: 0x402, why })).toMatch(
      /^#GP General Protection \(error code 0x402: entry 0x80 of the IDT\): descriptor 0x8e0000081234 at 0x5000; the rule: INT n, /,
    );
    expect(
      explainChain([
        { vector: 13, errorCode: 0, rip: 0x1000n, why },
        { vector: 8, errorCode: 0, rip: 0x1000n, why },
      ]),
    ).toEqual([expect.stringMatching(/^1\. #GP .* at 0x1000: /), expect.stringMatching(/^2\. #DF .* at 0x1000: /)]);
    expect(vectorName(2)).toBe('NMI');
  });
});

const position = { step: 12, vcpu: 1, rip: 0xffff_ffff_8000_0000n };
const events: readonly (readonly [MachineEvent, string])[] = [
  [{ ...position, kind: 'int', vector: 0x80 }, 'vector 0x80'],
  [{ ...position, kind: 'irq', vector: 0x20, line: 0 }, 'vector 0x20, line 0'],
  [{ ...position, kind: 'nmi' }, 'delivered'],
  [{ ...position, kind: 'ring', from: 3, to: 0 }, '3 -> 0'],
  [{ ...position, kind: 'mode', from: 'real', to: 'protected' }, 'real -> protected'],
  [{ ...position, kind: 'cr', register: 3, access: 'w', value: 0x9_1000n }, 'write cr3 <- 0x91000'],
  [{ ...position, kind: 'msr', register: 0xc000_0082, access: 'r', value: 5n }, 'read IA32_LSTAR (0xc0000082) -> 0x5'],
  [{ ...position, kind: 'msr', register: 0x1234, access: 'w', value: 5n }, 'write 0x1234 (0x1234) <- 0x5'],
  [{ ...position, kind: 'port', port: 0x3f8, size: 1, access: 'w', value: 0x41 }, 'write 0x3f8, 1 byte <- 0x41'],
  [
    { ...position, kind: 'mmio', address: 0xfee0_00b0n, size: 4, access: 'r', value: 0n },
    'read 0xfee000b0, 4 bytes -> 0x0',
  ],
  [{ ...position, kind: 'cpuid', leaf: 0x8000_0001, subleaf: 0 }, 'leaf 0x80000001, subleaf 0x0'],
  [{ ...position, kind: 'task-switch', from: 0x28, to: 0x30 }, 'TSS 0x28 -> 0x30'],
  [{ ...position, kind: 'syscall', direction: 'in' }, 'entry'],
  [{ ...position, kind: 'tlb-fill', linear: 0x1000n, physical: 0x5000n }, '0x1000 -> 0x5000'],
  [
    { ...position, kind: 'stale', linear: 0x1000n, cached: 0x5000n, fresh: null },
    '0x1000 used as 0x5000, the tables say nothing',
  ],
  [
    {
      ...position,
      kind: 'triple-fault',
      chain: [
        { vector: 13, rip: 0n, why: { rule: 'opcode.undefined' } },
        { vector: 8, rip: 0n, why: { rule: 'opcode.undefined' } },
      ],
    },
    '#GP, then #DF',
  ],
  [{ ...position, kind: 'not-implemented', instruction: 'addps' }, 'addps: this version does not implement it'],
  [{ ...position, kind: 'reset', by: 'port 0x92' }, 'by port 0x92'],
];

describe('events', () => {
  test.each(events.map(([event, text]) => [event.kind, event, text] as const))('%s', (_kind, event, text) =>
    expect(eventText(event)).toBe(text),
  );

  test('every kind has words', () =>
    expect([...eventKinds].sort()).toEqual([...new Set(['trap', ...events.map(([{ kind }]) => kind)])].sort()));

  test('a line of a trace names the vCPU where there are several', () => {
    const [event] = events[0] as (typeof events)[0];
    expect(traceLine(event, 1)).toBe('12 0xffffffff80000000 int vector 0x80');
    expect(traceLine(event, 2)).toBe('12 vcpu 1 0xffffffff80000000 int vector 0x80');
  });
});

describe('filters', () => {
  const matching = (text: string): string[] => {
    const filter = parseEventFilter(text);
    const trap: MachineEvent = { ...position, kind: 'trap', vector: 14, why: { rule: 'walk.present' } };
    return [trap, ...events.map(([event]) => event)]
      .filter((event) => filter.matches(event))
      .map((event) => eventText(event).split(' ')[0] ?? '');
  };
  test.each([
    ['trap', ['#PF']],
    ['trap:#PF', ['#PF']],
    ['trap:pf', ['#PF']],
    ['trap:14', ['#PF']],
    ['trap:0xd', []],
    ['port:0x3f8', ['write']],
    ['port:0x3f8:w', ['write']],
    ['port:r', []],
    ['msr:IA32_LSTAR', ['read']],
    ['msr:w', ['write']],
    ['cr:cr3:w', ['write']],
    ['cr:0', []],
    ['ring:0', ['3']],
    ['mode:protected', ['real']],
    ['mode:64-bit', []],
    ['syscall:in', ['entry']],
    ['cpuid:0x80000001', ['leaf']],
  ])('%s', (text, expected) => expect(matching(text)).toEqual(expected));

  test.each([
    ['traps', /^traps: no kind of event; one of trap, /],
    ['', /^'': no kind of event/],
    ['trap:#ZZ', /^trap:#ZZ: `#ZZ` says nothing about trap; write for example trap:#PF$/],
    ['nmi:5', /^nmi:5: events of kind nmi have no details to choose by$/],
    ['port:0x3f8:x', /`x` says nothing about port/],
  ])('%s is refused', (text, message) => expect(() => parseEventFilters(text)).toThrow(message));

  test('the refusal is bad input', () => expect(() => parseEventFilters('trap,x')).toThrow(BadInput));
});
