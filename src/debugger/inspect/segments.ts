/** Segment registers with their hidden parts, and the registers of the descriptor tables. */

import type { CpuState, SegmentIndex } from '../../machine/core/state';
import { isIa32e } from '../../machine/cpu/mode';
import { hex } from '../../x86/address';
import { segmentNames } from '../../x86/registers';
import type { Item } from '../item';
import { rightsText, selectorText } from './rights';
import type { Subject } from './scope';

export const segmentItems = ({ vcpu: { state } }: Subject): Item[] => [
  ...segmentNames.map((name, index) => segment(state, name, index as SegmentIndex)),
  ...(['gdtr', 'idtr'] as const).map((name) => table(state, name)),
];

const segment = (state: CpuState, name: string, index: SegmentIndex): Item => {
  const { selector, base, limit, access } = state.segment(index);
  return {
    name,
    bits: BigInt(selector),
    size: 2,
    meaning: `base ${hex(base)} limit ${hex(limit)} ${rightsText(access, isIa32e(state))}`,
    expression: name,
    settable: true,
    children: () => [
      settable(`${name}.selector`, BigInt(selector), 2, selectorText(selector)),
      { ...settable(`${name}.base`, base, 8), memory: { space: 'linear', address: base } },
      settable(`${name}.limit`, BigInt(limit), 4),
      settable(`${name}.access`, BigInt(access), 4, rightsText(access, isIa32e(state))),
    ],
  };
};

const table = (state: CpuState, name: 'gdtr' | 'idtr'): Item => {
  const { base, limit } = state[name];
  return {
    name,
    bits: base,
    size: 8,
    meaning: `limit ${hex(limit)}`,
    expression: name,
    memory: { space: 'linear', address: base },
    children: () => [
      { ...settable(`${name}.base`, base, 8), memory: { space: 'linear', address: base } },
      settable(`${name}.limit`, BigInt(limit), 2),
    ],
  };
};

const settable = (name: string, bits: bigint, size: 2 | 4 | 8, meaning?: string): Item => ({
  name,
  bits,
  size,
  expression: name,
  settable: true,
  ...(meaning === undefined ? {} : { meaning }),
});
