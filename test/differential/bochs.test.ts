/**
 * Integer instructions of 16-bit code in real mode, ring 0, against Bochs: the same generator, one image for both.
 * RINGSIDE_DIFFERENTIAL_CASES asks for more images, RINGSIDE_DIFFERENTIAL_SEED for others.
 */

import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { assembleProgram } from '../../src/assembler/assemble';
import { namingOf } from '../../src/machine/core/instructions/naming';
import { hasBochs } from '../bochs';
import { describeCase } from './campaign';
import { type Case, openFlags, realModeCases } from './cases';
import { decode } from './encodings';
import { LOAD, onBochs, onRingside } from './images';
import { Random } from './random';

const IMAGES = Math.ceil(Number(process.env.RINGSIDE_DIFFERENTIAL_CASES ?? 200_000) / 200_000);
const SEED = Number(process.env.RINGSIDE_DIFFERENTIAL_SEED ?? 1);
const CASES = 1500;

/** As real-mode.asm has them. */
const CASE_SIZE = 128;
const GPR = 88;
const FLAGS = 120;
const STUB_SIZE = 16;
const TEMPLATE_AT = 0x31000;
const TEMPLATE_SIZE = 0x10500;
const CASES_AT = 0x42000;

/** CF PF AF ZF SF TF IF DF OF IOPL NT */
const SEEN = 0x7fd5;

const image = (cases: readonly Case[], serial: boolean, seed: number): Uint8Array => {
  const source = readFileSync(new URL('./real-mode.asm', import.meta.url), 'utf8');
  const program = assembleProgram(source, { file: 'real-mode.asm' });
  const address = (name: string): number => Number(program.symbols.find((symbol) => symbol.name === name)?.address);
  const whole = new Uint8Array(CASES_AT - LOAD + cases.length * CASE_SIZE);
  const view = new DataView(whole.buffer);
  whole.set(program.segments[0]?.bytes ?? []);
  for (let vector = 0; vector < 32; vector++) {
    // mov byte [cs:vector], n; jmp report
    const at = address('stubs') - LOAD + vector * STUB_SIZE;
    whole.set([0x2e, 0xc6, 0x06, 0, 0, vector, 0xe9], at);
    view.setUint16(at + 3, address('vector'), true);
    view.setInt16(at + 7, address('report') - LOAD - (at + 9), true);
  }
  whole[address('serial') - LOAD] = serial ? 1 : 0;
  view.setUint32(address('count') - LOAD, cases.length, true);
  const random = new Random(seed);
  for (let at = 0; at < TEMPLATE_SIZE; at += 4) view.setUint32(TEMPLATE_AT - LOAD + at, random.u32(), true);
  cases.forEach(({ code, gpr, flags }, n) => {
    const at = CASES_AT - LOAD + n * CASE_SIZE;
    whole.fill(0xcc, at, at + GPR);
    whole.set(code, at);
    for (let register = 0; register < 8; register++)
      view.setUint32(at + GPR + register * 4, Number((gpr[register] as bigint) & 0xffffffffn), true);
    view.setUint32(at + FLAGS, flags, true);
  });
  return whole;
};

/** The words of a line by name, without the flags that the manual leaves undefined. */
const words = [
  'vector',
  'ip',
  'cs',
  'flags',
  'eax',
  'ecx',
  'edx',
  'ebx',
  'esp',
  'ebp',
  'esi',
  'edi',
  'memory',
] as const;
const meaning = (line: string, one: Case): Record<string, string> => {
  const list = line.split(' ');
  // Bochs sets the flags at each iteration of a repeated comparison, the core like processors at the last one.
  const completed = list[0] === BREAKPOINT;
  const open = !completed && repeatsComparison(one) ? ARITHMETIC : openFlags(one, completed);
  return Object.fromEntries(
    list.map((word, n) => {
      const name = words[n] ?? 'more';
      return [name, name === 'flags' ? (Number.parseInt(word, 16) & SEEN & ~open).toString(16) : word];
    }),
  );
};
const BREAKPOINT = '3';
const ARITHMETIC = 0x8d5;
const repeatsComparison = ({ code, starts }: Case): boolean =>
  starts.some((start) => {
    const instruction = decode([...code.subarray(start)], 16, 0n);
    const found = /^rep.*(cmps|scas)/.test(namingOf(instruction)?.name ?? '');
    instruction.free();
    return found;
  });

test.skipIf(!hasBochs())(
  '16-bit code in real mode does what Bochs does',
  () => {
    for (let n = 0; n < IMAGES; n++) {
      const seed = SEED * 1000 + n;
      const cases = realModeCases(seed, CASES);
      const bochs = onBochs(image(cases, true, seed));
      const ringside = onRingside(image(cases, false, seed));
      for (const lines of [bochs, ringside])
        if (lines.length < CASES) expect.fail(`ended by ${describeCase(cases[lines.length] as Case, 0, 16)}`);
      const differences = cases.flatMap((one, index) => {
        const [ours, theirs] = [meaning(ringside[index] as string, one), meaning(bochs[index] as string, one)];
        const parts = words.flatMap((name) =>
          ours[name] === theirs[name] ? [] : [`${name}: Bochs ${theirs[name]}, core ${ours[name]}`],
        );
        return parts.length > 0 ? [`${describeCase(one, index, 16)}\n${parts.join('; ')}`] : [];
      });
      expect(differences.length, differences.slice(0, 8).join('\n')).toBe(0);
    }
  },
  60_000 + IMAGES * 30_000,
);
