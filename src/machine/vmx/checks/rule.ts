/** A check at VM entry as a row: a stable id, the manual's section, and the tree that must hold. */

import type { FieldName } from '../../../x86/vmx/fields';
import { fieldsOf, type Predicate } from './tree';

/** The edition of the manual whose sections and titles the rules name. */
export const manualEdition = 'Intel SDM vol. 3C, order number 326019-092US, June 2026';

export interface EntryRule {
  readonly id: string;
  /** Title of the section in Intel SDM vol. 3 (numbers drift between editions). */
  readonly section: string;
  readonly check: Predicate;
  readonly fields: readonly FieldName[];
  /**
   * Rules that cannot be kept where this one is broken. The tests find, for every rule, a VMCS that breaks it and nothing
   * but these.
   */
  readonly implies: readonly string[];
}

export type Row = Pick<EntryRule, 'id' | 'check' | 'implies'>;

export const rule = (id: string, check: Predicate, ...broken: string[]): Row => ({ id, check, implies: broken });

/** The rows of one section, in the manual's order. */
export const entryChecks = (section: string, rows: readonly Row[]): readonly EntryRule[] =>
  rows.map((row) => ({ ...row, section, fields: fieldsOf(row.check) }));
