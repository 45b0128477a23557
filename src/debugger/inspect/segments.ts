/**
 * Segment registers: the selector, the hidden part that the processor uses, and what the table says now, which may be
 * something else. Setting a register loads the descriptor with the processor's checks; setting a part sets that alone.
 */

import type { CpuState, SegmentIndex } from '../../machine/core/state';
import { isIa32e, modeOf, PROTECTED, REAL } from '../../machine/cpu/mode';
import { hex } from '../../x86/address';
import { accessBits, access as rights, selectorBits } from '../../x86/descriptors';
import { segmentNames } from '../../x86/registers';
import { tableEntry } from '../fields/tables';
import type { Item } from '../item';
import { bitItems } from './decode';
import { descriptorOf, entryItem } from './entries';
import { rightsText, selectorText } from './rights';
import type { Subject } from './scope';

export const segmentItems = (subject: Subject): Item[] => [
  ...segmentNames.map((name, index) => segment(subject, name, index as SegmentIndex)),
  ...(['gdtr', 'idtr'] as const).map((name) => table(subject.vcpu.state, name)),
];

const segment = (subject: Subject, name: string, index: SegmentIndex): Item => {
  const { state } = subject.vcpu;
  const { selector, base, limit, access } = state.segment(index);
  const long = isIa32e(state);
  const differences = differing(subject, index);
  const words = `base ${hex(base)} limit ${hex(limit)} ${rightsText(access, long)}`;
  return {
    name,
    bits: BigInt(selector),
    size: 2,
    meaning: differences.length === 0 ? words : `${words}; ${differences.join(', ')}`,
    expression: name,
    settable: true,
    ...(differences.length === 0 ? {} : { mark: 'differs' }),
    children: () => [
      {
        ...settable(`${name}.selector`, BigInt(selector), 2, selectorText(selector)),
        children: () => bitItems(name, BigInt(selector), selectorBits),
      },
      { ...settable(`${name}.base`, base, 8), memory: { space: 'linear', address: base } },
      settable(`${name}.limit`, BigInt(limit), 4),
      {
        ...settable(`${name}.access`, BigInt(access), 4, rightsText(access, long)),
        children: () => bitItems(name, BigInt(access), accessBits),
      },
      ...tableNow(subject, selector),
    ],
  };
};

/** The entry that the selector names, as it is now. */
const tableNow = (subject: Subject, selector: number): Item[] => {
  if (modeOf(subject.vcpu.state) < PROTECTED || (selector & 0xfffc) === 0) return [];
  const name = selector & 4 ? 'ldt' : 'gdt';
  const selected = selector & 0xfffc;
  return [
    entryItem(subject, name, selected, 'table') ?? {
      name: 'table',
      meaning: `nothing at ${hex(selected)} of the ${name.toUpperCase()}`,
    },
  ];
};

/** What loading the selector now would give otherwise: `the table has base 0x0`. */
const differing = (subject: Subject, index: SegmentIndex): string[] => {
  const { state } = subject.vcpu;
  const { selector, base, limit, access } = state.segment(index);
  const mode = modeOf(state);
  if (mode < PROTECTED) {
    if (index > 5) return [];
    const usual = BigInt(selector) << 4n;
    if (base !== usual) return [`a load would give base ${hex(usual)}`];
    return mode === REAL && limit !== 0xffff ? ['a limit from protected mode'] : [];
  }
  if ((selector & 0xfffc) === 0) return [];
  const place = tableEntry(subject, selector & 4 ? 'ldt' : 'gdt', selector & 0xfffc);
  if (place === undefined) return ['there is no such entry in the table now'];
  const entry = descriptorOf(subject, place);
  const entryBase = entry.isSystem && isIa32e(state) ? entry.base64 : BigInt(entry.base);
  // A segment counts as accessed when it is loaded, a TSS as busy.
  const accessed = entry.isSystem ? (index === 7 ? 2 : 0) : rights.accessed;
  const now = entry.rights | accessed;
  return [
    ...(entryBase === base ? [] : [`the table has base ${hex(entryBase)}`]),
    ...(entry.limit === limit ? [] : [`the table has limit ${hex(entry.limit)}`]),
    ...(now === (access | accessed) ? [] : [`the table has ${rightsText(entry.rights, isIa32e(state))}`]),
  ];
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
