/**
 * The bits of paging-structure entries by what the entry is. Intel SDM vol. 3, "32-Bit Paging", "PAE Paging" and "4-Level
 * Paging".
 */

import type { EntryFields } from './descriptor-fields';

export type EntryLevel = 'PML4E' | 'PDPTE' | 'PDE' | 'PTE';

const common: EntryFields = {
  p: { pieces: [[0, 1]], meaning: 'present' },
  rw: { pieces: [[1, 1]], meaning: 'writes allowed' },
  us: { pieces: [[2, 1]], meaning: 'user-mode accesses allowed' },
  pwt: { pieces: [[3, 1]], meaning: 'page-level write-through' },
  pcd: { pieces: [[4, 1]], meaning: 'page-level cache disable' },
  a: { pieces: [[5, 1]], meaning: 'accessed' },
};
const ofPage: EntryFields = {
  d: { pieces: [[6, 1]], meaning: 'dirty' },
  g: { pieces: [[8, 1]], meaning: 'global' },
};
const size: EntryFields = { ps: { pieces: [[7, 1]], meaning: 'maps a page, not a table' } };
const available: EntryFields = { avl: { pieces: [[9, 3]], meaning: 'available to software' } };
const noExecute: EntryFields = { xd: { pieces: [[63, 1]], meaning: 'no instruction fetches' } };
const pat = (bit: number): EntryFields => ({ pat: { pieces: [[bit, 1]], meaning: 'memory type, with PCD and PWT' } });
const frame = (bit: number, width: number): EntryFields => ({
  frame: { pieces: [[bit, width]], meaning: `number of the ${frameNames[bit] ?? 'frame'}` },
});
const frameNames: Readonly<Record<number, string>> = {
  12: '4 KiB frame',
  21: '2 MiB frame',
  22: '4 MiB frame',
  30: '1 GiB frame',
};

/** Behind the bit of the lowest address bit of what an entry of 8 bytes maps. */
const pageBit: Readonly<Record<EntryLevel, number>> = { PML4E: 12, PDPTE: 30, PDE: 21, PTE: 12 };
const TOP = 52;

/** @param page the entry maps a page  @param bytes size of an entry: 4 with 32-bit paging  @param register PAE's PDPTE */
export const pagingEntryFields = (level: EntryLevel, page: boolean, bytes: 4 | 8, register = false): EntryFields => {
  const top = bytes === 4 ? 32 : TOP;
  if (register) {
    const { p, pwt, pcd } = common;
    return { p, pwt, pcd, ...available, ...frame(12, top - 12) } as EntryFields;
  }
  const xd = bytes === 4 ? {} : noExecute;
  const sized = level === 'PTE' || level === 'PML4E' ? {} : size;
  if (!page) return { ...common, ...sized, ...available, ...frame(12, top - 12), ...xd };
  if (level === 'PTE') return { ...common, ...ofPage, ...pat(7), ...available, ...frame(12, top - 12), ...xd };
  const bit = bytes === 4 ? 22 : pageBit[level];
  return { ...common, ...ofPage, ...sized, ...pat(12), ...available, ...frame(bit, top - bit), ...xd };
};
