/** A check at VM entry as a row: a stable id, the manual's section, and the tree that must hold. */

import type { FieldName } from '../../../x86/vmx/fields';
import { fieldsOf, type Predicate } from './tree';

export interface EntryRule {
  readonly id: string;
  /** Title of the section in Intel SDM vol. 3 (numbers drift between editions). */
  readonly section: string;
  readonly check: Predicate;
  readonly fields: readonly FieldName[];
  /** Rules that are broken wherever this one is: a test that breaks this one may break them too. */
  readonly implies: readonly string[];
}

type Row = Pick<EntryRule, 'id' | 'check' | 'implies'>;

export const rule = (id: string, check: Predicate, ...broken: string[]): Row => ({ id, check, implies: broken });

/** The rows of one section, in the manual's order. */
export const entryChecks = (section: string, rows: readonly Row[]): readonly EntryRule[] =>
  rows.map((row) => ({ ...row, section, fields: fieldsOf(row.check) }));
