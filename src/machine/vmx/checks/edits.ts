/**
 * The smallest edits of VMCS fields that make a predicate true: found from its tree, tried, and ranked by how many fields
 * and then how many bits they change.
 */

import { controlOf, controlWords } from '../../../x86/vmx/controls';
import type { FieldName } from '../../../x86/vmx/fields';
import { type Facts, holds, termValue } from './evaluate';
import { fieldBits, type Predicate, type Term } from './tree';

/** New values by field. */
export type Edit = ReadonlyMap<FieldName, bigint>;

/** Alternatives that are followed at one place of a tree: more are never worth reading. */
const MOST = 8;

/** The facts after an edit. */
export const edited = (facts: Facts, edit: Edit): Facts => ({
  field: (name) => edit.get(name) ?? facts.field(name),
  capability: (name) => facts.capability(name),
  processor: (fact) => facts.processor(fact),
  memory: (address, bytes) => facts.memory(address, bytes),
});

/** @returns edits after which the predicate holds, best first; none when no field can mend it */
export const editsFor = (predicate: Predicate, facts: Facts): Edit[] =>
  ranked(attempts(predicate, true, facts), facts)
    .filter((edit) => edit.size > 0 && holds(predicate, edited(facts, edit)) === true)
    .slice(0, MOST);

/** Ways to give a predicate a value; the empty edit where it has it already. */
const attempts = (predicate: Predicate, wanted: boolean, facts: Facts): Edit[] => {
  if (holds(predicate, facts) === wanted) return [new Map()];
  switch (predicate.kind) {
    case 'not':
      return attempts(predicate.of, !wanted, facts);
    case 'control':
      return controlAttempts(predicate.id, wanted, facts);
    case 'compare':
      return compareAttempts(predicate, wanted, facts);
    default: {
      const together = (predicate.kind === 'all') === wanted;
      return together
        ? everyOne(predicate.of, wanted, facts)
        : // What a rule demands stands behind its conditions, and is what should be mended, at the same cost.
          [...predicate.of].reverse().flatMap((part) => attempts(part, wanted, facts));
    }
  }
};

/** All parts at once: each is mended on top of what the ones before it did. */
const everyOne = (parts: readonly Predicate[], wanted: boolean, facts: Facts): Edit[] => {
  let edits: Edit[] = [new Map()];
  for (const part of parts) {
    const next = edits.flatMap((edit) =>
      attempts(part, wanted, edited(facts, edit)).map((more): Edit => new Map([...edit, ...more])),
    );
    edits = ranked(next, facts).slice(0, MOST);
  }
  return edits;
};

const controlAttempts = (id: string, wanted: boolean, facts: Facts): Edit[] => {
  const row = controlOf(id);
  if (row === undefined) return [];
  const { field, activatedBy } = controlWords[row.word];
  const word = facts.field(field) ?? 0n;
  const bit = 1n << BigInt(row.bit);
  if (!wanted) return [new Map([[field, word & ~bit]])];
  const own: Edit = new Map([[field, word | bit]]);
  if (activatedBy === undefined) return [own];
  return attempts({ kind: 'control', id: activatedBy }, true, facts).map((edit) => new Map([...own, ...edit]));
};

type Compare = Predicate & { readonly kind: 'compare' };

const compareAttempts = (predicate: Compare, wanted: boolean, facts: Facts): Edit[] => {
  const { left, right } = predicate;
  const targets = [
    ...valuesFor(predicate, left, right, wanted, facts).map((value) => settle(left, value, facts)),
    ...valuesFor(mirrored(predicate), right, left, wanted, facts).map((value) => settle(right, value, facts)),
  ];
  return [...targets.flat(), ...(wanted === (predicate.operator === '!=') ? beyondMask(left, right, facts) : [])];
};

interface Wanted {
  readonly operator: '==' | '!=' | '<' | '<=' | '>' | '>=';
}

const mirrors = { '==': '==', '!=': '!=', '<': '>', '<=': '>=' } as const;
const mirrored = ({ operator }: Compare): Wanted => ({ operator: mirrors[operator] });
const negations = { '==': '!=', '!=': '==', '<': '>=', '<=': '>', '>': '<=', '>=': '<' } as const;

/** Values of a side that give the comparison the wanted truth, nearest first. */
const valuesFor = ({ operator }: Wanted, side: Term, other: Term, wanted: boolean, facts: Facts): bigint[] => {
  const bound = termValue(other, facts);
  if (bound === undefined) return [];
  const now = termValue(side, facts);
  switch (wanted ? operator : negations[operator]) {
    case '==':
      return masked(side, other) ?? [bound];
    case '!=':
      return [bound ^ 1n, bound ^ 8n, bound & (bound - 1n), ...(now === undefined ? [] : [now + 1n])].filter(
        (value) => value >= 0n,
      );
    case '<':
      return bound > 0n ? [bound - 1n, 0n] : [];
    case '<=':
      return [bound, 0n];
    case '>':
      return [bound + 1n];
    case '>=':
      return [bound];
  }
};

/** In `x & mask == x` the other side moves with this one: left to the inversion of the `&`. */
const masked = (side: Term, other: Term): bigint[] | undefined =>
  side.kind === 'operation' && side.operator === '&' && side.left === other ? [] : undefined;

/** `x & mask` differs from x where a bit is set that the mask lacks. */
const beyondMask = (side: Term, other: Term, facts: Facts): Edit[] => {
  if (side.kind !== 'operation' || side.operator !== '&' || side.left !== other) return [];
  const mask = termValue(side.right, facts);
  const now = termValue(other, facts);
  if (mask === undefined || now === undefined) return [];
  let bit = 1n;
  while (mask & bit) bit <<= 1n;
  return settle(other, now | bit, facts);
};

/** Edits that give a term a value. */
const settle = (term: Term, value: bigint, facts: Facts): Edit[] => {
  if (value < 0n) return [];
  switch (term.kind) {
    case 'field':
      return value >> BigInt(fieldBits(term.name)) === 0n ? [new Map([[term.name, value]])] : [];
    case 'part': {
      if (value >> BigInt(term.width) !== 0n) return [];
      const whole = termValue(term.of, facts) ?? 0n;
      const mask = ((1n << BigInt(term.width)) - 1n) << BigInt(term.low);
      return settle(term.of, (whole & ~mask) | (value << BigInt(term.low)), facts);
    }
    case 'operation':
      return invert(term, value, facts);
    default:
      return [];
  }
};

type Operation = Term & { readonly kind: 'operation' };

/** One side of an operation is moved while the other stays. */
const invert = ({ operator, left, right }: Operation, value: bigint, facts: Facts): Edit[] => {
  const a = termValue(left, facts);
  const b = termValue(right, facts);
  const toLeft = (wanted: bigint): Edit[] => settle(left, wanted, facts);
  const toRight = (wanted: bigint): Edit[] => settle(right, wanted, facts);
  switch (operator) {
    case '+':
      return [...(b === undefined ? [] : toLeft(value - b)), ...(a === undefined ? [] : toRight(value - a))];
    case '-':
      return b === undefined ? [] : toLeft(value + b);
    case '*':
      return b === undefined || b === 0n || value % b !== 0n ? [] : toLeft(value / b);
    case '&':
      return [
        ...(b === undefined || (value & ~b) !== 0n ? [] : toLeft(((a ?? 0n) & ~b) | value)),
        ...(a === undefined || (value & ~a) !== 0n ? [] : toRight(((b ?? 0n) & ~a) | value)),
      ];
    case '|':
      return b === undefined || (b & ~value) !== 0n ? [] : toLeft(value & ~b);
    case '>>': {
      if (b === undefined) return [];
      const low = (a ?? 0n) & ((1n << b) - 1n);
      return toLeft((value << b) | low);
    }
    case '<<':
      return b === undefined || value & ((1n << b) - 1n) ? [] : toLeft(value >> b);
  }
};

const bitCount = (value: bigint): number => {
  let count = 0;
  for (let rest = value; rest > 0n; rest &= rest - 1n) count++;
  return count;
};

const cost = (edit: Edit, facts: Facts): number => {
  let bitsChanged = 0;
  for (const [name, value] of edit) bitsChanged += bitCount((facts.field(name) ?? 0n) ^ value);
  return edit.size * 1000 + bitsChanged;
};

const keyOf = (edit: Edit): string =>
  [...edit]
    .map(([name, value]) => `${name}=${value}`)
    .sort()
    .join(' ');

/** Without what changes nothing, each once, cheapest first. */
const ranked = (edits: readonly Edit[], facts: Facts): Edit[] => {
  const found = new Map<string, Edit>();
  for (const edit of edits) {
    const real: Edit = new Map([...edit].filter(([name, value]) => facts.field(name) !== value));
    found.set(keyOf(real), real);
  }
  return [...found.values()].sort((one, other) => cost(one, facts) - cost(other, facts));
};
