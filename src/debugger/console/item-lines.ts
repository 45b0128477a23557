/** Items as lines of a console. */

import { type Item, itemValue, type Radix } from '../item';

/** More rows than anybody reads; the rest can be asked for by name. */
const MOST_ROWS = 256;
const LEAST_WIDTH = 8;

/** One line an item: its name, its value. */
export const itemLines = (items: readonly Item[], radix: Radix, indent = ''): string[] => {
  const rows = items.slice(0, MOST_ROWS);
  const width = Math.max(LEAST_WIDTH, ...rows.map(({ name }) => name.length));
  const text = rows.map((item) => `${indent}${item.name.padEnd(width)} ${itemValue(shown(item), { radix })}`.trimEnd());
  return rows.length < items.length ? [...text, `${indent}… ${items.length - rows.length} more`] : text;
};

/** What is worked out only when somebody asks: now somebody does. */
const shown = (item: Item): Item => (item.lazy === true ? (item.children?.()[0] ?? item) : item);

/** The rows of what can be opened, the first page of it. */
export const childrenOf = (item: Item): Item[] => item.children?.(0, MOST_ROWS) ?? [];
