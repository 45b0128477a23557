/** What the checks say of a VMCS: the first broken rule, as the processor stops at it, or all of them. */

import { type Facts, holds } from './evaluate';
import type { EntryRule } from './rule';

export interface Verdict {
  readonly broken: readonly EntryRule[];
  readonly undecided: readonly EntryRule[];
  readonly decided: number;
}

export const verdictOn = (rules: readonly EntryRule[], facts: Facts): Verdict => {
  const broken: EntryRule[] = [];
  const undecided: EntryRule[] = [];
  for (const rule of rules) {
    const value = holds(rule.check, facts);
    if (value === false) broken.push(rule);
    else if (value === undefined) undecided.push(rule);
  }
  return { broken, undecided, decided: rules.length - undecided.length };
};
