/** What a translation allows, in words. */

import { right } from '../machine/cpu/page-walk';

/** Rights of EPT: `rwx`, `r-x`, `---`. */
export const eptRightsText = (rights: number): string =>
  `${rights & 1 ? 'r' : '-'}${rights & 2 ? 'w' : '-'}${rights & 4 ? 'x' : '-'}`;

const EPT = right.eptNoRead | right.eptNoWrite | right.eptNoExecute | right.eptClean;

/** `R/W user XD D`, and `EPT r-x` where EPT forbids something. */
export const translationRights = (rights: number): string =>
  [
    rights & right.write ? 'R/W' : 'read-only',
    rights & right.user ? 'user' : 'supervisor',
    ...(rights & right.noExecute ? ['XD'] : []),
    ...(rights & right.dirty ? ['D'] : []),
    ...(rights & EPT ? [`EPT ${eptOf(rights)}${rights & right.eptClean ? ' clean' : ''}`] : []),
  ].join(' ');

const eptOf = (rights: number): string =>
  eptRightsText(
    (rights & right.eptNoRead ? 0 : 1) | (rights & right.eptNoWrite ? 0 : 2) | (rights & right.eptNoExecute ? 0 : 4),
  );
