/**
 * Memory types that the MTRRs give to physical addresses. Intel SDM vol. 3, "Memory Type Range Registers (MTRRs)" and "MTRR
 * Precedences". Nothing here caches memory; a hypervisor's EPT should say of a page what they say of it.
 */

import { msrSlots } from '../../x86/msrs';
import type { Cpu } from './cpu';
import { msrOffset } from './msrs';

export const memoryType = { UC: 0, WC: 1, WT: 4, WP: 5, WB: 6 } as const;

export interface TypedRange {
  readonly from: number;
  /** The first address behind it. */
  readonly to: number;
  /** Undefined where ranges overlap in a way that the manual leaves open. */
  readonly type: number | undefined;
}

const E = 1n << 11n;
const FE = 1n << 10n;
const VALID = 1n << 11n;
const PAGE = 0xffff_ffff_ffff_f000n;
const MIB = 0x10_0000;

/** First address and bytes of each of the eight parts of a fixed-range register, from its name. */
const fixedRanges = Object.keys(msrSlots).flatMap((name) => {
  const found = /^IA32_MTRR_FIX(\d+)K_(\w+)$/.exec(name);
  return found === null ? [] : [{ name, from: Number.parseInt(found[2] ?? '', 16), bytes: Number(found[1]) * 1024 }];
});
const pairs = Object.keys(msrSlots).flatMap((name) => /^IA32_MTRR_PHYSBASE(\d+)$/.exec(name)?.[1] ?? []);

interface Variable {
  readonly base: bigint;
  readonly mask: bigint;
  readonly type: number;
}

const variables = (read: (name: string) => bigint): Variable[] =>
  pairs.flatMap((n) => {
    const mask = read(`IA32_MTRR_PHYSMASK${n}`);
    const base = read(`IA32_MTRR_PHYSBASE${n}`);
    return mask & VALID ? [{ base: base & PAGE, mask: mask & PAGE, type: Number(base & 0xffn) }] : [];
  });

/** UC goes before everything, WT before WB. */
const combined = (types: readonly number[], otherwise: number): number | undefined => {
  const [first = otherwise] = types;
  if (types.includes(memoryType.UC)) return memoryType.UC;
  if (types.every((type) => type === first)) return first;
  return types.every((type) => type === memoryType.WT || type === memoryType.WB) ? memoryType.WT : undefined;
};

/** The types of a range of addresses, in order; none while the MTRRs are off, when all memory is UC. */
export const mtrrRanges = ({ state }: Cpu, from: number, to: number): TypedRange[] => {
  const read = (name: string): bigint => state.getU64(msrOffset(name));
  const defaults = read('IA32_MTRR_DEF_TYPE');
  if (!(defaults & E)) return [];
  const fixed = defaults & FE ? fixedRanges : [];
  const ranges = variables(read);
  const typeAt = (at: number): number | undefined => {
    const row = fixed.find(({ from: first, bytes }) => at >= first && at < first + 8 * bytes);
    if (row !== undefined)
      return Number((read(row.name) >> BigInt(8 * Math.floor((at - row.from) / row.bytes))) & 0xffn);
    const types = ranges.filter(({ base, mask }) => (BigInt(at) & mask) === (base & mask)).map(({ type }) => type);
    return combined(types, Number(defaults & 0xffn));
  };
  const edges = [
    from,
    ...fixed.flatMap(({ from: first, bytes }) => Array.from({ length: 8 }, (_, n) => first + n * bytes)),
    ...(fixed.length === 0 ? [] : [MIB]),
    // A range ends where the lowest bit of its mask says; masks with gaps are followed to their first one.
    ...ranges.flatMap(({ base, mask }) => [Number(base), Number(base + (mask & -mask))]),
  ];
  const starts = [...new Set(edges.filter((at) => at >= from && at < to))].sort((a, b) => a - b);
  const found: TypedRange[] = [];
  for (const [n, at] of starts.entries()) {
    const type = typeAt(at);
    const end = starts[n + 1] ?? to;
    const last = found.at(-1);
    if (last !== undefined && last.type === type) found[found.length - 1] = { ...last, to: end };
    else found.push({ from: at, to: end, type });
  }
  return found;
};
