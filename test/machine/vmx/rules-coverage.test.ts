import { expect, test } from 'vitest';
import { entryRules } from '../../../src/machine/vmx/checks';
import { type Edit, edited, editsFor } from '../../../src/machine/vmx/checks/edits';
import { type Facts, holds } from '../../../src/machine/vmx/checks/evaluate';
import { cure, mendingEdits } from '../../../src/machine/vmx/checks/mend';
import type { EntryRule } from '../../../src/machine/vmx/checks/rule';
import { all, not } from '../../../src/machine/vmx/checks/tree';
import { brokenByHand, situations } from './a-vmcs';

const broken = (facts: Facts): EntryRule[] => entryRules.filter(({ check }) => holds(check, facts) === false);

/** Repairs that are tried around one broken rule. */
const ROUNDS = 6;

/** The facts in which a rule is broken and, of the others, only those it implies; undefined where none are found. */
const broke = (rule: EntryRule, start: Facts, first: Edit): Facts | undefined => {
  let facts = edited(start, first);
  for (let round = 0; round < ROUNDS; round++) {
    const others = broken(facts).filter(({ id }) => id !== rule.id && !rule.implies.includes(id));
    if (others.length === 0) return facts;
    const [repair] = editsFor(all(not(rule.check), ...others.map(({ check }) => check)), facts);
    if (repair === undefined) return undefined;
    facts = edited(facts, repair);
  }
  return undefined;
};

const breaking = (rule: EntryRule): Facts | undefined => {
  const byHand = brokenByHand[rule.id];
  if (byHand !== undefined) return byHand;
  for (const start of Object.values(situations))
    for (const edit of editsFor(not(rule.check), start)) {
      const facts = broke(rule, start, edit);
      if (facts !== undefined) return facts;
    }
  return undefined;
};

const mutations = entryRules.map((rule) => ({ rule, facts: breaking(rule) }));

test.each(Object.entries(situations))('%s: no rule is broken', (_, facts) => {
  expect(broken(facts).map(({ id }) => id)).toEqual([]);
});

test.each(mutations)('$rule.id: a VMCS breaks it, and nothing but what it implies', ({ rule, facts }) => {
  expect(facts).toBeDefined();
  const ids = broken(facts as Facts).map(({ id }) => id);
  expect(ids).toContain(rule.id);
  for (const id of ids) if (id !== rule.id) expect(rule.implies).toContain(id);
});

/** Rules that no field of the VMCS can mend: what is wrong is in memory. */
const elsewhere = /^guest\.pdpte\d\.memory$/;

test.each(mutations.filter(({ rule }) => !elsewhere.test(rule.id)))(
  '$rule.id: each proposed edit mends it',
  (broke) => {
    const facts = broke.facts as Facts;
    const edits = mendingEdits(broke.rule, entryRules, facts);
    expect(edits.length).toBeGreaterThan(0);
    for (const edit of edits) expect(holds(broke.rule.check, edited(facts, edit))).toBe(true);
  },
);

test('applying the first edit of every broken rule gives a VMCS that enters, for at least 95 % of single-rule mutations', () => {
  const tried = mutations.filter(({ facts }) => facts !== undefined);
  const cured = tried.filter(
    ({ facts }) => broken(edited(facts as Facts, cure(entryRules, facts as Facts))).length === 0,
  );
  const left = tried.filter((one) => !cured.includes(one)).map(({ rule }) => rule.id);
  expect(cured.length / tried.length, left.join(' ')).toBeGreaterThanOrEqual(0.95);
});
