/** Rules of paging and of linear addresses: why a page walk or an access refuses. */

import type { RuleTable } from './rule';

const FAULT = 'Intel SDM vol. 3, "Page-Fault Exceptions"';
const RIGHTS = 'Intel SDM vol. 3, "Determination of Access Rights"';
const CANONICAL = 'Intel SDM vol. 1, "Canonical Addressing"';

export const pagingRules = {
  'walk.present': {
    section: FAULT,
    says: 'bit P (0) of every paging-structure entry used to translate an address is 1',
  },
  'walk.reserved': {
    section: FAULT,
    says: 'reserved bits of a present paging-structure entry are 0',
  },
  'walk.writable': {
    section: RIGHTS,
    says: 'a write needs R/W (bit 1) in every entry of the walk; supervisor writes may ignore it while CR0.WP is 0',
  },
  'walk.user': { section: RIGHTS, says: 'a user-mode access needs U/S (bit 2) in every entry of the walk' },
  'walk.nx': { section: RIGHTS, says: 'an instruction fetch needs XD (bit 63) clear in every entry of the walk' },
  'walk.smep': {
    section: RIGHTS,
    says: 'with CR4.SMEP, supervisor mode fetches no instructions from a user-mode address',
  },
  'walk.smap': {
    section: RIGHTS,
    says: 'with CR4.SMAP, supervisor mode accesses data at a user-mode address only explicitly and with EFLAGS.AC = 1',
  },
  'linear.canonical': {
    section: CANONICAL,
    says: 'in 64-bit mode bits 63:48 of a linear address equal bit 47',
  },
  'pdpte.reserved': {
    section: 'Intel SDM vol. 3, "PDPTE Registers"',
    says: 'a present page-directory-pointer-table entry that is loaded into a PDPTE register has its reserved bits 0',
  },
} as const satisfies RuleTable;

export type PagingRule = keyof typeof pagingRules;
