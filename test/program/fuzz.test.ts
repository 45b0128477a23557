/** Whatever the bytes, loading ends in a program whose start can be prepared, or in one line of bad input. */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { MemoryFiles } from '../../src/program/files-memory';
import { type LoadOptions, load } from '../../src/program/load';
import { prepare } from '../../src/program/prepare';
import { BadInput } from '../../src/program/program';
import { SymbolTable } from '../../src/program/symbols';
import { elfImage } from './elf-image';

const MEMORY = 4 * 0x10_0000;
const CASES = 3000;

const multibootHeader = (flags: number): number[] => {
  const view = new DataView(new ArrayBuffer(48));
  const fields = [0x1bad_b002, flags, -0x1bad_b002 - flags, 0x10_0000, 0x10_0000, 0, 0x10_1000, 0x10_0030, 1, 80, 25];
  for (const [index, value] of fields.entries()) view.setUint32(index * 4, value, true);
  return [...new Uint8Array(view.buffer)];
};
const elf = (bits: 32 | 64, bytes: readonly number[]): Uint8Array =>
  elfImage({
    bits,
    entry: 0x10_0000n,
    segments: [
      { physical: 0x10_0000n, bytes: Uint8Array.from(bytes), size: 0x2000n },
      { physical: 0x20_0000n, bytes: Uint8Array.of(1, 2, 3, 4) },
    ],
    symbols: [
      { name: 'start', value: 0x10_0000n },
      { name: 'start.loop', value: 0x10_0001n },
    ],
  });
const seeds: readonly Uint8Array[] = [
  elf(32, [0x90, 0xf4]),
  elf(64, [0x90, 0xf4]),
  elf(32, multibootHeader(7)),
  elf(64, multibootHeader(3)),
  Uint8Array.from([...multibootHeader(0x1_0003), 0x90, 0xf4]),
  Uint8Array.from([...new Uint8Array(510), 0x55, 0xaa]),
];

async function survives(bytes: Uint8Array, options: LoadOptions): Promise<'program' | 'bad input'> {
  try {
    const files = new MemoryFiles({ k: bytes, m: Uint8Array.of(1) });
    const program = await load(files, 'k', options);
    const { writes } = prepare(program, { memoryBytes: MEMORY });
    for (const { physical, bytes: contents, size } of writes) {
      expect(contents.length).toBeLessThanOrEqual(size);
      expect(Number(physical) + size).toBeLessThanOrEqual(MEMORY);
    }
    for (const symbol of program.symbols) new SymbolTable([symbol]).at(symbol.address);
    return 'program';
  } catch (error) {
    if (!(error instanceof BadInput)) throw error;
    expect(error.message).toMatch(/^[^\n]+$/);
    return 'bad input';
  }
}

const someOptions = fc.constantFrom<LoadOptions>(
  {},
  { modules: ['m 1', 'm'] },
  { load: 0x10_0000n },
  { mode: 16 },
  { entry: 'start' },
  { entry: 0xffff_ffff_ffff_ffffn },
);

test('random bytes are a program or bad input', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 700 }), fc.boolean(), someOptions, async (bytes, isElf, options) => {
      if (isElf) bytes.set([0x7f, 0x45, 0x4c, 0x46].slice(0, bytes.length));
      await survives(bytes, options);
    }),
    { numRuns: CASES },
  );
});

test('valid images with a few fields changed or the end cut are a program or bad input', async () => {
  const outcomes = { program: 0, 'bad input': 0 };
  const extreme = fc.constantFrom(0, 1, 0x7f, 0x80, 0xfe, 0xff);
  const change = fc.tuple(fc.nat(), fc.oneof(extreme, fc.nat(255)), fc.integer({ min: 1, max: 8 }));
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...seeds),
      fc.array(change, { maxLength: 4 }),
      fc.option(fc.nat(), { freq: 8 }),
      someOptions,
      async (seed, changes, cut, options) => {
        const bytes = seed.slice(0, cut === null ? seed.length : cut % (seed.length + 1));
        for (const [at, value, width] of changes) {
          const from = bytes.length === 0 ? 0 : at % bytes.length;
          bytes.fill(value, from, from + width);
        }
        outcomes[await survives(bytes, options)]++;
      },
    ),
    { numRuns: 2 * CASES },
  );
  // Both ends are reached often, or the mutations prove nothing.
  expect(Math.min(outcomes.program, outcomes['bad input'])).toBeGreaterThan(CASES / 10);
});
