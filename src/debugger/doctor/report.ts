/**
 * What the doctor finds: every broken rule of a VMCS with its fields, its words and the smallest edits that mend it, how
 * many rules could be decided, and the edit that mends all.
 */

import { entryRules } from '../../machine/vmx/checks';
import type { Edit } from '../../machine/vmx/checks/edits';
import { edited } from '../../machine/vmx/checks/edits';
import type { Facts } from '../../machine/vmx/checks/evaluate';
import { cure, mendingEdits } from '../../machine/vmx/checks/mend';
import { type EntryRule, manualEdition } from '../../machine/vmx/checks/rule';
import { verdictOn } from '../../machine/vmx/checks/verdict';
import type { FieldName } from '../../x86/vmx/fields';
import { brokenSentence } from './sentence';

export interface Finding {
  readonly rule: EntryRule;
  readonly fields: ReadonlyMap<FieldName, bigint>;
  /** The rule in words, with the values; of several things that it demands, those that are not so. */
  readonly says: string;
  /** Best first, each enough alone. */
  readonly edits: readonly Edit[];
}

export interface Report {
  readonly edition: string;
  readonly decided: number;
  readonly undecided: readonly EntryRule[];
  readonly findings: readonly Finding[];
  /** All together; undefined where they leave a rule broken. */
  readonly cure?: Edit;
}

/** @param rules all of VM entry unless given */
export const diagnose = (facts: Facts, rules: readonly EntryRule[] = entryRules): Report => {
  const { broken, undecided, decided } = verdictOn(rules, facts);
  const findings = broken.map(
    (rule): Finding => ({
      rule,
      fields: valuesOf(rule, facts),
      says: brokenSentence(rule.check, facts),
      edits: mendingEdits(rule, rules, facts),
    }),
  );
  const all = broken.length === 0 ? undefined : cure(rules, facts);
  const cured = all !== undefined && verdictOn(rules, edited(facts, all)).broken.length === 0;
  return { edition: manualEdition, decided, undecided, findings, ...(cured ? { cure: all } : {}) };
};

const valuesOf = ({ fields }: EntryRule, facts: Facts): Map<FieldName, bigint> => {
  const values = new Map<FieldName, bigint>();
  for (const name of fields) {
    const value = facts.field(name);
    if (value !== undefined) values.set(name, value);
  }
  return values;
};
