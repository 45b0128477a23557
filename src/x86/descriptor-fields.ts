/**
 * The fields of table entries by bit. Intel SDM vol. 3, "Segment Descriptors", "Call Gates", "IDT Descriptors",
 * "Segment Descriptor Tables in IA-32e Mode", "64-Bit Mode IDT".
 */

import type { Pieces } from './bit-pieces';

export interface EntryField {
  readonly pieces: Pieces;
  readonly meaning: string;
}
export type EntryFields = Readonly<Record<string, EntryField>>;

const type: EntryField = { pieces: [[40, 4]], meaning: 'type' };
const common = {
  type,
  s: { pieces: [[44, 1]], meaning: 'code or data, not system' },
  dpl: { pieces: [[45, 2]], meaning: 'descriptor privilege level' },
  p: { pieces: [[47, 1]], meaning: 'present' },
} as const satisfies EntryFields;

const segment: EntryFields = {
  base: {
    pieces: [
      [16, 24],
      [56, 8],
    ],
    meaning: 'base address',
  },
  limit: {
    pieces: [
      [0, 16],
      [48, 4],
    ],
    meaning: 'limit, in bytes or with G in pages',
  },
  ...common,
  avl: { pieces: [[52, 1]], meaning: 'available to software' },
  l: { pieces: [[53, 1]], meaning: '64-bit code' },
  db: { pieces: [[54, 1]], meaning: 'default size, stack pointer size or upper bound' },
  g: { pieces: [[55, 1]], meaning: 'granularity: the limit counts pages' },
};

const { l: _, db: __, ...system } = segment;

const selector: EntryField = { pieces: [[16, 16]], meaning: 'target selector' };
const gateOf = (offset: Pieces, more: EntryFields): EntryFields => ({
  selector,
  offset: { pieces: offset, meaning: 'target offset' },
  ...more,
  ...common,
});

const low: Pieces = [[0, 16]];
const narrow: Pieces = [...low, [48, 16]];
const wide: Pieces = [...narrow, [64, 32]];
const parameters: EntryFields = { parameters: { pieces: [[32, 5]], meaning: 'parameters to copy' } };
const stack: EntryFields = { ist: { pieces: [[32, 3]], meaning: 'interrupt stack table entry' } };

/** What an entry is: how long, and what is in it. */
export interface EntryShape {
  readonly bytes: 8 | 16;
  readonly fields: EntryFields;
}

const shape = (bytes: 8 | 16, fields: EntryFields): EntryShape => ({ bytes, fields });

const segmentShape = shape(8, segment);
const systemShape = shape(8, system);
const longSystem = shape(16, {
  ...system,
  base: {
    pieces: [
      [16, 24],
      [56, 8],
      [64, 32],
    ],
    meaning: 'base address',
  },
});

/** Gates by type outside IA-32e mode. */
const gates: Readonly<Record<number, EntryShape>> = {
  4: shape(8, gateOf(low, parameters)),
  5: shape(8, { selector, ...common }),
  6: shape(8, gateOf(low, {})),
  7: shape(8, gateOf(low, {})),
  12: shape(8, gateOf(narrow, parameters)),
  14: shape(8, gateOf(narrow, {})),
  15: shape(8, gateOf(narrow, {})),
};
const longCallGate = shape(16, gateOf(wide, {}));
const longGate = shape(16, gateOf(wide, stack));

/** @param entry the first 8 bytes  @param long IA-32e mode */
export const entryShape = (entry: bigint, table: 'gdt' | 'ldt' | 'idt', long: boolean): EntryShape => {
  const kind = Number((entry >> 40n) & 31n);
  if (table === 'idt' && long) return longGate;
  if (kind & 16) return segmentShape;
  if (long) return kind === 12 ? longCallGate : kind === 0 ? systemShape : longSystem;
  return gates[kind] ?? systemShape;
};
