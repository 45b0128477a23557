import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { assemble } from '../../src/assembler/assemble';
import type { Bits } from '../../src/assembler/forms';
import { corpus } from './corpus';
import { accepted, nasm, nasmMissing } from './nasm';
import { operandCorpus } from './operand-corpus';

if (nasmMissing !== undefined) console.warn(`skipped: ${nasmMissing}`);

/** Where nasm 2.16 and this assembler differ on purpose, by what the line begins with. */
const knownDifferences: readonly (readonly [RegExp, string])[] = [
  [
    /^v(?!cvtps2ph|cvtph2ps )\w*(ph|sh|ph2\w+|sh2\w+|2phx)\b/,
    'nasm 2.16.01 has wrong opcodes and displacement units in AVX512-FP16',
  ],
  [/^vmovw\b/, 'nasm 2.16.01 counts the displacement in dwords; the manual says words'],
  [/^ptwrite\b/, 'nasm 2.16.01 forgets the F3 prefix'],
  [/^vcvtneps2bf16\b/, 'nasm 2.16.01 has the wrong opcode map'],
  [/^vcvtusi2ss .*-sae/, 'nasm 2.16.01 has the wrong opcode map'],
  [/^vmgexit\b/, 'of two encodings the other'],
  [/^(movdir64b|enqcmds?)\b/, 'nasm lets the register disagree with the size of the address'],
  [/^(incssp|rdssp|wrss|wruss)d\b/, 'nasm adds an operand size prefix in 16-bit code that changes nothing'],
  [/^(rdshr|wrshr)\b/, 'nasm adds an operand size prefix in 16-bit code'],
  [/^pop cs\b/, 'an instruction of the 8086 alone'],
  [/^loadall\b/, 'nasm calls the one of the 80286 loadall286'],
  [/^(vextractps|vpextr[bw]) (r|e)/, 'nasm takes a longer form for the upper registers'],
];

/** Every line of every form, in minutes instead of seconds. */
const thorough = process.env.RINGSIDE_LONG_TESTS !== undefined;

const isKnown = (line: string): boolean => knownDifferences.some(([pattern]) => pattern.test(line));

/** The lines that nasm takes, with the bytes of both. */
function compare(head: readonly string[], candidates: readonly string[], tail: readonly string[] = []): Comparison {
  const { lines, result } = accepted(
    head,
    candidates.filter((line) => !isKnown(line)),
    tail,
  );
  const source = [...head, ...lines, ...tail, ''].join('\n');
  const ours = assemble(source, { file: 'corpus.asm', defaultOrigin: () => 0n });
  const lineAt = (number: number): string => lines[number - 1 - head.length] ?? '';
  const refused = ours.errors.map(({ line, message }) => `${lineAt(line)}: ${message}`);
  const starts = new Map(ours.lines.map(({ line, address }) => [line, Number(address)]));
  const ends = new Map(ours.lines.map((row, index) => [row.line, Number(ours.lines[index + 1]?.address ?? 0)]));
  // What nasm does not know it takes for labels: those lines are empty.
  const nasmStarts = [...result.offsets.entries()].sort(([left], [right]) => left - right);
  const differences: string[] = [];
  for (const [index, [line, offset]] of nasmStarts.entries()) {
    const end = nasmStarts[index + 1]?.[1] ?? result.bytes?.length ?? 0;
    const theirs = Buffer.from(result.bytes?.subarray(offset, end) ?? []).toString('hex');
    const own = Buffer.from(ours.bytes.subarray(starts.get(line) ?? 0, ends.get(line) ?? 0)).toString('hex');
    if (theirs !== own) differences.push(`${lineAt(line)}: nasm ${theirs}, ours ${own}`);
  }
  return { refused, differences, compared: nasmStarts.length };
}

interface Comparison {
  readonly refused: readonly string[];
  readonly differences: readonly string[];
  readonly compared: number;
}

describe.skipIf(nasmMissing !== undefined)('bytes are those of nasm', () => {
  test.each<Bits>([16, 32, 64])('every form of every instruction in %i-bit code', (bits) => {
    const { refused, differences, compared } = compare([`bits ${bits}`], corpus(bits, thorough));
    expect(refused).toEqual([]);
    expect(differences).toEqual([]);
    // The corpus must not shrink unnoticed.
    expect(compared).toBeGreaterThan(bits === 64 ? 20_000 : 12_000);
  });

  test.each<Bits>([16, 32, 64])('numbers, addresses and prefixes in %i-bit code', (bits) => {
    const { refused, differences, compared } = compare([`bits ${bits}`, 'x: times 16 db 0'], operandCorpus, ['ahead:']);
    expect(refused).toEqual([]);
    expect(differences).toEqual([]);
    expect(compared).toBeGreaterThan(2_500);
  });

  const folders = [join(import.meta.dirname, 'programs'), join(import.meta.dirname, '../../examples')];
  const programs = folders.flatMap((folder) =>
    readdirSync(folder)
      .filter((name) => name.endsWith('.asm'))
      .map((name) => join(folder, name)),
  );
  test.each(programs)('%s', (path) => {
    const source = readFileSync(path, 'utf8');
    const theirs = nasm(source);
    expect([...theirs.errors.values()]).toEqual([]);
    const ours = assemble(source, { file: path, defaultOrigin: () => 0n });
    expect(ours.errors).toEqual([]);
    expect(Buffer.from(ours.bytes).toString('hex')).toBe(Buffer.from(theirs.bytes ?? []).toString('hex'));
  });
});
