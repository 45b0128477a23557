/** MTRRs: what they say of physical addresses. Intel SDM vol. 3, "MTRR Precedences". */

import { expect, test } from 'vitest';
import { memoryType, mtrrRanges } from '../../src/machine/cpu/memory-types';
import { boot } from '../guest';
import { start64 } from '../guests/starts';

const { UC, WC, WT, WP, WB } = memoryType;

/** The ranges after a guest has written these registers. */
const after = (writes: readonly (readonly [msr: number, value: bigint])[], from: number, to: number) => {
  const text = writes.map(
    ([msr, value]) => `mov ecx, ${msr}\n mov eax, ${value & 0xffff_ffffn}\n mov edx, ${value >> 32n}\n wrmsr`,
  );
  const guest = boot(start64(`${text.join('\n')}\n jmp passed`));
  guest.run();
  const cpu = guest.machine.cpus[0]?.cpu;
  if (cpu === undefined) throw new Error('no processor');
  return mtrrRanges(cpu, from, to).map((range) => [range.from, range.to, range.type]);
};

const ENABLED = 0x800n;
const FIXED = 0x400n;
/** Variable range n: base, bytes, type. */
const range = (n: number, base: number, bytes: number, type: number): [number, bigint][] => [
  [0x200 + 2 * n, BigInt(base) | BigInt(type)],
  [0x201 + 2 * n, ((2n ** 39n - BigInt(bytes)) & 0x7f_ffff_f000n) | ENABLED],
];
const defaults = (type: number, more = 0n): [number, bigint] => [0x2ff, ENABLED | more | BigInt(type)];

test('while they are off they say nothing', () => {
  expect(after([], 0, 0x1000)).toEqual([]);
});

test('what no range holds has the default type', () => {
  expect(after([...range(0, 0x40_0000, 0x1000, UC), defaults(WB)], 0x20_0000, 0x80_0000)).toEqual([
    [0x20_0000, 0x40_0000, WB],
    [0x40_0000, 0x40_1000, UC],
    [0x40_1000, 0x80_0000, WB],
  ]);
});

test('UC goes before every other type, WT before WB, and other overlaps are left open', () => {
  const writes = [
    ...range(0, 0, 0x80_0000, WB),
    ...range(1, 0x10_0000, 0x10_0000, UC),
    ...range(2, 0x20_0000, 0x20_0000, WT),
  ];
  expect(after([...writes, ...range(3, 0x40_0000, 0x1000, WP), defaults(WC)], 0x10_0000, 0x100_0000)).toEqual([
    [0x10_0000, 0x20_0000, UC],
    [0x20_0000, 0x40_0000, WT],
    [0x40_0000, 0x40_1000, undefined],
    [0x40_1000, 0x80_0000, WB],
    [0x80_0000, 0x100_0000, WC],
  ]);
});

test('below 1 MiB the fixed ranges decide where they are on', () => {
  const video: [number, bigint] = [0x259, 0x0101_0101_0000_0000n];
  expect(after([video, defaults(WB, FIXED)], 0xa_0000, 0xc_0000)).toEqual([
    [0xa_0000, 0xb_0000, UC],
    [0xb_0000, 0xc_0000, WC],
  ]);
  expect(after([video, defaults(WB)], 0xa_0000, 0xc_0000)).toEqual([[0xa_0000, 0xc_0000, WB]]);
});
