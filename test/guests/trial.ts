/**
 * A trial: a guest that checks one idea by itself and tells by the debug-exit port how it went: 0, or the number of the
 * first check that failed. Its text is assembly with three kinds of lines more:
 *
 *   expect A, B                        A equals B
 *   fault V [code=N] [cr2=N] rule: I   instruction I raises V; the saved RIP is its own
 *   trap V [rule]: I                   the same, and the saved RIP is that of the next instruction
 *   soft V: I                          a software interrupt: as a trap, but no exception
 *
 * After a fault or trap the guest goes on behind that line, in ring 0 with a fresh stack.
 */

import type { CpuModel } from '../../src/machine/cpu/model';
import type { RuleId } from '../../src/x86/rules';
import { start16, start32, start64 } from './starts';

export type Bits = 16 | 32 | 64;

export interface ExpectedFault {
  readonly vector: number;
  readonly errorCode?: number;
  readonly cr2?: bigint;
  readonly rule: RuleId;
}

export interface Trial {
  readonly name: string;
  readonly bits: Bits;
  readonly source: string;
  readonly faults: readonly ExpectedFault[];
  readonly cpu: string | CpuModel;
  readonly tlb: 'keep' | 'none';
  /** How it ends: by the port, or as a triple fault. */
  readonly ends: 'exit' | 'triple-fault';
}

interface Options {
  readonly cpu?: string;
  readonly tlb?: 'keep' | 'none';
  readonly ends?: Trial['ends'];
  /** Faults that no line tells, after those of the lines. */
  readonly more?: readonly ExpectedFault[];
}

const starts = { 16: start16, 32: start32, 64: start64 } as const;
const LINE = /^\s*(\w+:)?\s*(fault|trap|soft)\s+([^:]+?)\s*:\s*(.+)$/;
const EXPECT = /^\s*(\w+:)?\s*expect\s+(.+?),\s*([^,]+)$/;

export const trial = (name: string, bits: Bits, text: string, options: Options = {}): Trial => {
  const faults: ExpectedFault[] = [];
  let checks = 0;
  const failing = (jump: string): string =>
    `${jump} check${++checks}\n mov al, ${checks}\n jmp failed\ncheck${checks}:`;
  const equal = (what: string, value: string): string => ` cmp ${what}, ${value}\n ${failing('je')}`;
  const lines = text.split('\n').map((line) => {
    const expectation = EXPECT.exec(line);
    if (expectation) return `${expectation[1] ?? ''}\n${equal(expectation[2] as string, expectation[3] as string)}`;
    const found = LINE.exec(line);
    if (!found) return line;
    const [, label = '', kind, words, instruction] = found as unknown as [string, string, string, string, string];
    const told = parse(words);
    if (kind !== 'soft' && told.rule) {
      const { vector, errorCode, cr2, rule } = told;
      faults.push({
        vector,
        ...(errorCode === undefined ? {} : { errorCode }),
        ...(cr2 === undefined ? {} : { cr2 }),
        rule,
      });
    }
    const here = ++checks;
    const wide = bits === 16 ? 'word' : 'dword';
    return [
      label,
      ` mov ${bits === 64 ? 'qword' : wide} [resume], after${here}`,
      `at${here}: ${instruction}`,
      `past${here}: mov al, ${here}`,
      ' jmp failed',
      `after${here}:`,
      equal(`${wide} [saved_vector]`, String(told.vector)),
      ...(bits === 16 ? [] : [equal('dword [saved_code]', String(told.errorCode ?? 0))]),
      equal(`${wide} [saved_rip]`, `${kind === 'fault' ? 'at' : 'past'}${here}`),
      ...(told.cr2 === undefined ? [] : [equal('dword [saved_cr2]', String(told.cr2 & 0xffffffffn))]),
    ].join('\n');
  });
  const { cpu = 'haswell', tlb = 'keep', more = [], ends = 'exit' } = options;
  return { name, bits, source: starts[bits](lines.join('\n')), faults: [...faults, ...more], cpu, tlb, ends };
};

const parse = (words: string): { vector: number; errorCode?: number; cr2?: bigint; rule?: RuleId } => {
  let told: { vector: number; errorCode?: number; cr2?: bigint; rule?: RuleId } = { vector: -1 };
  for (const word of words.split(/\s+/)) {
    const [key, value] = word.split('=');
    if (key === 'code') told = { ...told, errorCode: Number(value) };
    else if (key === 'cr2') told = { ...told, cr2: BigInt(value as string) };
    else if (/^\d/.test(word)) told = { ...told, vector: Number(word) };
    else told = { ...told, rule: word as RuleId };
  }
  return told;
};
