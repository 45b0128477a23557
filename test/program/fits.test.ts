import { expect, test } from 'vitest';
import { checkFits } from '../../src/program/fits';
import type { Program, Start } from '../../src/program/program';
import { linear, physical } from '../../src/x86/address';

const MIB = 0x10_0000;
const program = (at: number, size: number, start: Partial<Start> = {}): Program => ({
  name: 'k',
  segments: [{ physical: physical(at), bytes: new Uint8Array(0), size }],
  start: { kind: 'direct', bits: 32, entry: linear(BigInt(at)), ...start } as Start,
  symbols: [],
  lines: [],
});
const refusal = (subject: Program, memory = 4 * MIB): string => {
  try {
    checkFits(subject, memory);
    return 'fits';
  } catch (error) {
    return (error as Error).message;
  }
};

test('RAM from 1 MiB to its end is the program’s', () => {
  expect(refusal(program(MIB, 3 * MIB))).toBe('fits');
  expect(refusal(program(MIB, 3 * MIB + 1))).toBe(
    'k: segment 0, 0x100000-0x400000, is outside the 4 MiB of RAM; give --memory 5M',
  );
  expect(refusal(program(0xc000_0000, 16))).toBe(
    'k: segment 0, 0xc0000000-0xc000000f, is outside the 4 MiB of RAM; load it lower',
  );
});

test('of low memory a program that starts at once owns 0x500-0x7ffff', () => {
  expect(refusal(program(0x500, 0x7_fb00))).toBe('fits');
  const free = "overlaps memory that is not the program's; load it in 0x500-0x7ffff or 0x100000-0x3fffff";
  expect(refusal(program(0x4ff, 2))).toBe(`k: segment 0, 0x4ff-0x500, ${free}`);
  expect(refusal(program(0x7_ffff, 2))).toBe(`k: segment 0, 0x7ffff-0x80000, ${free}`);
  expect(refusal(program(0xf_0000, 2))).toBe(`k: segment 0, 0xf0000-0xf0001, ${free}`);
  expect(refusal(program(0xf_ffff, 2))).toBe(`k: segment 0, 0xfffff-0x100000, ${free}`);
});

test('the smallest machine has no RAM above 1 MiB', () => {
  expect(refusal(program(0x9_0000, 2), MIB)).toBe(
    "k: segment 0, 0x90000-0x90001, overlaps memory that is not the program's; load it in 0x500-0x7ffff",
  );
});

test('the entry is in RAM, in real mode below 1 MiB', () => {
  expect(refusal(program(MIB, 16, { entry: linear(0x40_0000n) }))).toBe(
    'k: the entry 0x400000 is outside the 4 MiB of RAM; it must be below 0x400000',
  );
  expect(refusal(program(MIB, 16, { bits: 16, entry: linear(0x10_0000n) }))).toBe(
    'k: the entry 0x100000 is not reachable in real mode; it must be below 0x100000',
  );
});

test.each([0, MIB - 4096, 2048 * MIB + 4096, MIB + 1, Number.NaN])('%d bytes of memory are refused', (memory) => {
  expect(refusal(program(MIB, 1), memory)).toBe(
    `memory of ${memory} bytes: must be a multiple of 4 KiB, from 1M to 2048M`,
  );
});
