/** Marks what is not as it was when its vCPU stopped last. */

import type { Item } from '../item';
import type { Recollection } from './recollection';

/** Items with their marks; those that differ or are stale keep that mark. */
export const markChanges = (items: readonly Item[], vcpu: number, past: Recollection): Item[] =>
  items.map((item) => {
    const { bits, expression, mark, children } = item;
    const before =
      bits === undefined || expression === undefined ? undefined : past.before(vcpu, expression.toLowerCase(), bits);
    const changed = before !== undefined && before !== bits && mark === undefined;
    if (!changed && children === undefined) return item;
    return {
      ...item,
      ...(changed ? { mark: 'changed' as const } : {}),
      ...(children === undefined
        ? {}
        : { children: (start?: number, count?: number) => markChanges(children(start, count), vcpu, past) }),
    };
  });
