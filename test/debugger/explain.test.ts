/** Reasons and events in words: every rule and every kind of event has some, and the values are in them. */

import { describe, expect, test } from 'vitest';
import { explain, explainChain, explainFault, faultTitle, sectionOf, vectorName } from '../../src/debugger/explain';
import { type RuleId, rules } from '../../src/x86/rules';
import { executionRules } from '../../src/x86/rules/execution';

describe('explain', () => {
  test.each(Object.keys(rules) as RuleId[])('%s', (rule) => {
    const text = explain({ rule, selector: 0x1b, linear: 0xffff_8000_0000_1000n });
    expect(text).not.toMatch(/[{}]/);
    const link = Object.hasOwn(executionRules, rule) ? ':' : '; the rule:';
    // What is kept of a vector is the error code that names it.
    const evidence = rule.startsWith('idt.') ? 'vector 0x3' : 'selector 0x1b';
    if (!rules[rule].says.includes('{'))
      expect(text).toBe(`linear address 0xffff800000001000, ${evidence}${link} ${rules[rule].says} [${rule}]`);
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

  test('a gate is named by its vector, not by the error code', () =>
    expect(explain({ rule: 'idt.type', selector: 0x72, entry: 0n, entryAddress: 0x5000n })).toMatch(
      /^vector 0xe, gate 0x0 at 0x5000; the rule: /,
    ));

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
