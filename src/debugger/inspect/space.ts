/** The whole address space as ranges with their rights, page by page of the list. */

import { type MappedRange, mappedRanges } from '../../machine/cpu/address-space';
import type { Cpu } from '../../machine/cpu/cpu';
import { type AddressView, presentView } from '../../machine/cpu/look';
import { isIa32e } from '../../machine/cpu/mode';
import { hex } from '../../x86/address';
import type { Item } from '../item';
import { sizeText } from './size-text';

/** Rows before the list goes on in a row of its own. */
const ROWS = 200;

/** From a linear address on, in the order of the tables: in 64-bit mode the lower half first. */
export const spaceItems = (cpu: Cpu, from = 0, side?: AddressView): Item[] => {
  const view = side ?? presentView(cpu);
  const items: Item[] = [];
  for (const range of mappedRanges(cpu, from, view)) {
    const first = addressOf(view, range.from);
    if (items.length === ROWS) {
      items.push({
        name: `from ${hex(first)}`,
        meaning: 'more ranges',
        children: () => spaceItems(cpu, range.from, side),
      });
      break;
    }
    items.push(rangeItem(view, range, side === undefined ? 'linear' : 'guest'));
  }
  return items;
};

/** More ranges are not counted. */
const MOST = 10_000;

/** How much is mapped, in how many ranges. */
export const mappedText = (cpu: Cpu): string => {
  let pages = 0;
  let ranges = 0;
  for (const { from, to } of mappedRanges(cpu)) {
    if (ranges === MOST) return `more than ${sizeText(pages * 4096)} in more than ${MOST} ranges`;
    pages += to - from;
    ranges++;
  }
  return `${sizeText(pages * 4096)} in ${ranges} ${ranges === 1 ? 'range' : 'ranges'}`;
};

/** A page's first address: bits 63:48 copy bit 47. */
const addressOf = ({ state }: AddressView, page: number): bigint => {
  const address = BigInt(page) << 12n;
  return isIa32e(state) ? BigInt.asUintN(64, BigInt.asIntN(48, address)) : address;
};

const rangeItem = (
  view: AddressView,
  { from, to, writable, user, noExecute, frame }: MappedRange,
  space: 'linear' | 'guest',
): Item => {
  const first = addressOf(view, from);
  const last = addressOf(view, to - 1) + 0xfffn;
  const rights = [writable ? 'R/W' : 'read-only', user ? 'user' : 'supervisor', ...(noExecute ? ['XD'] : [])].join(' ');
  const physical =
    frame === undefined
      ? 'scattered'
      : `${view.eptPointer === undefined ? '' : 'guest-'}physical ${hex(BigInt(frame) << 12n)}`;
  return {
    name: `${hex(first)}-${hex(last)}`,
    meaning: `${sizeText((to - from) * 4096)}, ${rights}, ${physical}`,
    memory: { space, address: first },
  };
};
