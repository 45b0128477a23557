/** Edits that mend broken rules without breaking others, and the edit that mends them all. */

import { type Edit, edited, editsFor } from './edits';
import { type Facts, holds } from './evaluate';
import type { EntryRule } from './rule';
import { all, type Predicate } from './tree';

/** How often an edit is extended by what repairs the rules that it breaks. */
const ROUNDS = 4;
/** Edits that are offered for one rule, and how many more fields than the best one they may change. */
const OFFERED = 4;
const FURTHER = 1;

/**
 * The smallest edits that make a rule hold, by number of fields, then by what else they mend. One that breaks another
 * rule is extended until it does not; only where no such edit is found are those offered that do.
 */
export const mendingEdits = (rule: EntryRule, rules: readonly EntryRule[], facts: Facts): Edit[] => {
  const held = rules.filter(({ check }) => holds(check, facts) !== false);
  const first = editsFor(rule.check, facts);
  const whole = first.map((edit) => extended(edit, rule.check, held, facts)).filter((edit) => edit !== undefined);
  const offered = whole.length > 0 ? whole : first;
  const broken = rules.filter(({ check }) => holds(check, facts) === false);
  const left = new Map(offered.map((edit) => [edit, stillBroken(broken, edited(facts, edit))]));
  const sorted = distinct(offered).sort(
    (one, other) => one.size - other.size || (left.get(one) ?? 0) - (left.get(other) ?? 0),
  );
  const [best] = sorted;
  return sorted
    .filter((edit) => edit.size <= (best?.size ?? 0) + FURTHER)
    .filter((edit) => !sorted.some((other) => other !== edit && isPartOf(other, edit, facts)))
    .slice(0, OFFERED);
};

const stillBroken = (broken: readonly EntryRule[], now: Facts): number =>
  broken.filter(({ check }) => holds(check, now) === false).length;

/** Does one edit change only bits that the other changes too, and fewer? */
const isPartOf = (small: Edit, large: Edit, facts: Facts): boolean => {
  let fewer = small.size < large.size;
  for (const [name, value] of small) {
    const now = facts.field(name) ?? 0n;
    const theirs = large.get(name);
    if (theirs === undefined || ((value ^ now) & ~(theirs ^ now)) !== 0n) return false;
    if (value !== theirs) fewer = true;
  }
  return fewer;
};

const extended = (first: Edit, check: Predicate, held: readonly EntryRule[], facts: Facts): Edit | undefined => {
  let edit = first;
  const wanted = [check];
  for (let round = 0; round < ROUNDS; round++) {
    const now = edited(facts, edit);
    const newly = held.filter((rule) => holds(rule.check, now) === false);
    if (newly.length === 0) return edit;
    wanted.push(...newly.map((rule) => rule.check));
    const [more] = editsFor(all(...wanted), now);
    if (more === undefined) return undefined;
    edit = new Map([...edit, ...more]);
  }
  return undefined;
};

const keyOf = (edit: Edit): string =>
  [...edit]
    .map(([name, value]) => `${name}=${value}`)
    .sort()
    .join();

const distinct = (edits: readonly Edit[]): Edit[] => [
  ...new Map(edits.map((edit) => [keyOf(edit), edit] as const)).values(),
];

/** The first edit of every broken rule, each made on top of those before it. */
export const cure = (rules: readonly EntryRule[], facts: Facts): Edit => {
  let edit: Edit = new Map();
  for (const rule of rules) {
    const now = edited(facts, edit);
    if (holds(rule.check, now) !== false) continue;
    const [more] = mendingEdits(rule, rules, now);
    if (more !== undefined) edit = new Map([...edit, ...more]);
  }
  return edit;
};
