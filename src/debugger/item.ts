/**
 * What a debugger shows of a machine, as trees of plain data: a name, a number with its meaning, and parts that are made
 * when somebody opens them. Whoever shows them knows nothing of registers, tables or devices.
 */

import type { LinearAddress } from '../x86/address';
import type { Place } from './address';

export type Radix = 'hex' | 'decimal' | 'binary';
export interface ValueFormat {
  readonly radix: Radix;
}

/**
 * `changed`: not what it was when the vCPU stopped last. `stale`: a translation that the tables do not give any more.
 * `differs`: a hidden part that is not what the table says. `denied`: an access that is refused, and what refuses it.
 */
export type Mark = 'changed' | 'stale' | 'differs' | 'denied';

export interface Item {
  /** Unlike all its siblings' names, and the same at every stop. */
  readonly name: string;
  /** The number, with `size` bytes; a field of a few bits has `width` instead. */
  readonly bits?: bigint;
  readonly size?: 1 | 2 | 4 | 8;
  readonly width?: number;
  /** What the number means; the whole value where there is none. */
  readonly meaning?: string;
  /** The expression that gives this value. */
  readonly expression?: string;
  /** Assigning to `expression` changes it. */
  readonly settable?: boolean;
  /** Where a view of memory opens. */
  readonly memory?: Place;
  /** The value points at code. */
  readonly code?: LinearAddress;
  /** Where the thing itself is declared: an address that has a source line. */
  readonly declaration?: LinearAddress;
  readonly type?: string;
  /** The value is worked out only when somebody asks; `children` then gives it as one item. */
  readonly lazy?: true;
  readonly mark?: Mark;
  /** So many children by index, which `children` gives in pages. */
  readonly count?: number;
  readonly children?: (start?: number, count?: number) => Item[];
}

/** A row whose words are worked out when somebody asks for them. */
export const lazyItem = (name: string, meaning: () => string): Item => ({
  name,
  lazy: true,
  children: () => [{ name, meaning: meaning() }],
});

const prefixes: Readonly<Record<Radix, readonly [string, number]>> = {
  hex: ['0x', 16],
  decimal: ['', 10],
  binary: ['0b', 2],
};

const numberText = (bits: bigint, { radix }: ValueFormat): string => {
  const [prefix, base] = prefixes[radix];
  return prefix + bits.toString(base);
};

/** What changed is not said in words: a word that comes and goes would itself look like a change. */
const markWords: Readonly<Record<Mark, string>> = {
  changed: '',
  stale: 'stale',
  differs: 'differs from the table',
  denied: 'denied',
};

const HEX: ValueFormat = { radix: 'hex' };

/** `0x10 meaning (stale)`: the number first, so that what is shown can be typed back. */
export const itemValue = ({ bits, meaning = '', mark }: Item, format: ValueFormat = HEX): string => {
  const word = mark === undefined ? '' : markWords[mark];
  const parts = [bits === undefined ? '' : numberText(bits, format), meaning, word === '' ? '' : `(${word})`];
  return parts.filter((part) => part !== '').join(' ');
};
