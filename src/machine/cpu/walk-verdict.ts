/** The verdict of a page walk as a reason: the entry that decided, and the bit in it. */

import type { PagingRule } from '../../x86/rules/paging';
import type { Reason } from '../core/fault';
import { levels, type PageWalk } from './page-walk';

/** Which bit the rule looks at, in the entry or the control register. */
const decidingBit: Partial<Record<PagingRule, { readonly bit: number; readonly register?: string }>> = {
  'walk.present': { bit: 0 },
  'walk.writable': { bit: 1 },
  'walk.user': { bit: 2 },
  'walk.nx': { bit: 63 },
  'walk.smep': { bit: 20, register: 'CR4' },
  'walk.smap': { bit: 21, register: 'CR4' },
};

export const verdict = (walk: PageWalk, rule: PagingRule, linear: bigint): Reason => {
  const at = rule === 'walk.present' || rule === 'walk.reserved' ? walk.depth - 1 : walk.refusing(rule);
  return {
    rule,
    level: levels[walk.level[at] as number] as 'PTE',
    entry: walk.entry(at),
    entryAddress: BigInt(walk.address[at] as number),
    linear,
    ...decidingBit[rule],
  };
};
