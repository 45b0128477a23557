/**
 * Parts that tell of the machine as it is when they are opened, not as it was when the row above them was made: who
 * holds an item across an edit or a step gets what stands at the same place now.
 */

import type { Machine } from '../../machine/pc';
import type { Item } from '../item';

type List = (start?: number, count?: number) => Item[];

/** Changes whenever the state of the machine may have. */
const moment = ({ counters, log }: Machine): string => `${counters.step}/${log.cursor}/${log.entries.length}`;

export const live = (machine: Machine, list: List, start?: number, count?: number): Item[] => {
  const made = moment(machine);
  return list(start, count).map((item) => {
    const { name, children } = item;
    if (children === undefined) return item;
    const current: List = (from, length) => {
      const now = moment(machine) === made ? children : list().find((one) => one.name === name)?.children;
      return now?.(from, length) ?? [];
    };
    return { ...item, children: (from?: number, length?: number) => live(machine, current, from, length) };
  });
};
