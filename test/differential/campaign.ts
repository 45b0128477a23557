/** Runs cases on the processor at hand and on the core and tells where they differ. */

import { Formatter, FormatterSyntax } from 'iced-x86';
import { type Case, CODE, CODE_SIZE, DATA_SIZE, type Generator, openFlags } from './cases';
import { type Bits, decode } from './encodings';
import type { Native, Outcome } from './native';
import type { Random } from './random';
import type { Simulated } from './simulated';

const BATCH = 2500;
/** Differences that are told in full. */
const TOLD = 8;
/** CF PF AF ZF SF DF OF NT ID */
const FLAGS = 0x204cd5;
const BREAKPOINT = 3;
const PAGE_FAULT = 14;

export interface Campaign {
  readonly bits: 32 | 64;
  /** Where the data pages are. */
  readonly data: bigint;
  readonly cases: number;
  /** The longest sequence. */
  readonly length: number;
  readonly generator: Generator;
  readonly random: Random;
  /** Compare also the flags that the manual leaves undefined. */
  readonly strict: boolean;
  /** Each with every how many batches it takes part in. */
  readonly cores: readonly (readonly [Simulated, number])[];
}

/** The differences, as text. */
export const compare = (native: Native, campaign: Campaign): string[] => {
  const { bits, data, random, generator, cores } = campaign;
  const differences: string[] = [];
  for (let done = 0, batch = 0; done < campaign.cases; done += BATCH, batch++) {
    const template = Uint8Array.from({ length: DATA_SIZE }, () => random.u32());
    const cases = Array.from({ length: Math.min(BATCH, campaign.cases - done) }, (_, slot) =>
      generator.next(slot, 1 + random.below(campaign.length)),
    );
    const expected = native.run(cases, bits, data, template);
    for (const [core, every] of cores) {
      if (batch % every !== 0) continue;
      const outcomes = core.run(cases, data, template);
      cases.forEach((one, slot) => {
        // The segmented core's CS is a byte shorter than the real one.
        if (core.configuration.segmented && one.code.includes(0x2e)) return;
        const completed = expected[slot]?.vector === BREAKPOINT;
        const flags = campaign.strict ? FLAGS : FLAGS & ~openFlags(one, completed);
        const difference = tell(expected[slot] as Outcome, outcomes[slot] as Outcome, flags);
        if (difference === '') return;
        if (differences.length < TOLD) differences.push(`${describeCase(one, slot, bits)}\n${difference}`);
        else differences.push(difference);
      });
    }
  }
  return differences;
};

const names64 = 'rax rcx rdx rbx rsp rbp rsi rdi r8 r9 r10 r11 r12 r13 r14 r15'.split(' ');
const hex = (value: bigint | number): string => `0x${value.toString(16)}`;

const tell = (native: Outcome, core: Outcome, flags: number): string => {
  const parts: string[] = [];
  const part = (name: string, a: bigint | number, b: bigint | number): void => {
    if (a !== b) parts.push(`${name}: processor ${hex(a)}, core ${hex(b)}`);
  };
  part('exception', native.vector, core.vector);
  if (native.vector === PAGE_FAULT) part('address', native.address, core.address);
  part('rip', native.rip, core.rip);
  for (const [n, name] of names64.entries()) part(name, native.gpr[n] as bigint, core.gpr[n] as bigint);
  part('flags', native.flags & flags, core.flags & flags);
  part('memory', native.sum, core.sum);
  return parts.join('; ');
};

/** Its instructions and where they start from. */
export const describeCase = ({ code, gpr, flags, starts }: Case, slot: number, bits: Bits): string => {
  const formatter = new Formatter(FormatterSyntax.Nasm);
  const lines = starts.map((start) => {
    const rip = BigInt(start) + (bits === 16 ? 0n : CODE + BigInt(slot * CODE_SIZE));
    const instruction = decode([...code.subarray(start, start + 15)], bits, rip);
    const text = formatter.format(instruction);
    instruction.free();
    return text;
  });
  formatter.free();
  const registers = names64.slice(0, bits === 64 ? 16 : 8).map((name, n) => `${name} ${hex(gpr[n] as bigint)}`);
  return `${lines.join('; ')}  (${Buffer.from(code).toString('hex')})\n  from ${registers.join(' ')} flags ${hex(flags)}`;
};
