/**
 * A rule in words, made from its tree: `if "enable VPID" (secondary control bit 5) is 1, VIRTUAL_PROCESSOR_ID (0x0) must not
 * be 0`. Patterns that have a name of their own (canonical, aligned, within a mask) are told by it.
 */

import type { Facts } from '../../machine/vmx/checks/evaluate';
import { holds, termValue } from '../../machine/vmx/checks/evaluate';
import type { Predicate, Term } from '../../machine/vmx/checks/tree';
import { hex } from '../../x86/address';
import { activityStates, interruptionTypes } from '../../x86/vmx/field-bits';
import { controlName } from '../why/control-words';
import { termWords } from './term-words';

type Compare = Predicate & { readonly kind: 'compare' };
type Verb = 'is' | 'must be';

const not = { is: 'is not', 'must be': 'must not be' } as const;
const has = { is: 'has', 'must be': 'must have' } as const;

/** What of a rule does not hold: of several things that must be, those that are not. */
export const brokenSentence = (check: Predicate, facts: Facts): string => sentence(brokenPart(check, facts), facts);

const brokenPart = (check: Predicate, facts: Facts): Predicate => {
  if (check.kind === 'all') {
    const broken = check.of.filter((part) => holds(part, facts) !== true);
    return broken.length === 0 ? check : { kind: 'all', of: broken };
  }
  // Behind the conditions of a rule stands what it demands.
  const [condition, demand, more] = check.kind === 'any' ? check.of : [];
  return condition !== undefined && condition.kind !== 'all' && demand !== undefined && more === undefined
    ? { kind: 'any', of: [condition, brokenPart(demand, facts)] }
    : check;
};

/** The whole rule as one sentence, with values where facts are given. */
export const sentence = (check: Predicate, facts?: Facts): string => {
  const words = told(check, true, 'must be', facts);
  return `${words.charAt(0).toUpperCase()}${words.slice(1)}.`;
};

/** What it says where it is true, or where it is not. */
const told = (predicate: Predicate, truth: boolean, verb: Verb, facts: Facts | undefined): string => {
  switch (predicate.kind) {
    case 'not':
      return told(predicate.of, !truth, verb, facts);
    case 'control':
      return `${controlName(predicate.id)} ${verb} ${truth ? 1 : 0}`;
    case 'compare':
      return comparison(predicate, truth, verb, facts);
    default:
      return (
        pattern(predicate, truth, verb, facts) ??
        (predicate.kind === 'any' && truth ? implication(predicate.of, verb, facts) : undefined) ??
        joined(predicate, truth, verb, facts)
      );
  }
};

type Group = Predicate & { readonly kind: 'all' | 'any' };

/** `if A, B`: how a rule with conditions is written. */
const implication = (of: readonly Predicate[], verb: Verb, facts: Facts | undefined): string | undefined => {
  const [condition, first] = of;
  if (verb !== 'must be' || of.length !== 2 || condition === undefined || first === undefined) return undefined;
  if (isAlternative(condition) && isAlternative(first)) return undefined;
  const conditions = [condition];
  let then: Predicate = first;
  // A condition within a condition is one more of them.
  while (then.kind === 'any' && then.of.length === 2 && then.of[0]?.kind === 'not') {
    conditions.push(then.of[0]);
    then = then.of[1] as Predicate;
  }
  return `if ${joined({ kind: 'any', of: conditions }, false, 'is', facts)}, ${told(then, true, verb, facts)}`;
};

/** One of several values or shapes, of which none is a condition of the others. */
const isAlternative = (predicate: Predicate): boolean =>
  predicate.kind === 'all' || (predicate.kind === 'compare' && predicate.operator === '==');

const joined = (group: Group, truth: boolean, verb: Verb, facts: Facts | undefined): string => {
  const word = (group.kind === 'all') === truth ? 'and' : 'or';
  const inner = verb === 'must be' && word === 'or' ? 'is' : verb;
  const parts = flat(group, truth, word).map(([part, truth]) => {
    const words = told(part, truth, inner, facts);
    return mixes(part, word, truth) ? `(${words})` : words;
  });
  const list = parts.length < 3 ? parts.join(` ${word} `) : `${parts.slice(0, -1).join(', ')} ${word} ${parts.at(-1)}`;
  return inner === verb ? list : `it must be that ${list}`;
};

/** The parts, with those of parts that are joined by the same word. */
const flat = (group: Group, truth: boolean, word: 'and' | 'or'): [Predicate, boolean][] =>
  group.of.flatMap((part): [Predicate, boolean][] => {
    let inner = part;
    let holds = truth;
    while (inner.kind === 'not') {
      inner = inner.of;
      holds = !holds;
    }
    const group = inner.kind === 'all' || inner.kind === 'any' ? inner : undefined;
    const same = group !== undefined && ((group.kind === 'all') === holds ? 'and' : 'or') === word;
    return same && pattern(group, holds, 'is', undefined) === undefined ? flat(group, holds, word) : [[part, truth]];
  });

/** Would its own "and" or "or" be read wrongly beside the other? */
const mixes = (part: Predicate, word: 'and' | 'or', truth: boolean): boolean => {
  if (part.kind === 'not') return mixes(part.of, word, !truth);
  if (part.kind !== 'all' && part.kind !== 'any') return false;
  if (pattern(part, truth, 'is', undefined) !== undefined) return false;
  return part.of.length > 1 && ((part.kind === 'all') === truth ? 'and' : 'or') !== word;
};

// Shapes that have a name

const pattern = (group: Group, truth: boolean, verb: Verb, facts: Facts | undefined): string | undefined =>
  equivalence(group, truth, verb, facts) ??
  highBits(group, truth, verb, facts) ??
  everyByte(group, truth, verb, facts) ??
  oneOf(group, truth, verb, facts);

const isCompare = (predicate: Predicate, operator: Compare['operator']): predicate is Compare =>
  predicate.kind === 'compare' && predicate.operator === operator;

const sameTree = (left: unknown, right: unknown): boolean => keyOf(left) === keyOf(right);
const keyOf = (tree: unknown): string =>
  JSON.stringify(tree, (_, value) => (typeof value === 'bigint' ? String(value) : value));

/** `A exactly when B`: both imply each other. */
const equivalence = (group: Group, truth: boolean, verb: Verb, facts: Facts | undefined): string | undefined => {
  const [first, second] = group.of;
  if (group.kind !== 'all' || group.of.length !== 2 || !truth) return undefined;
  if (first?.kind !== 'any' || second?.kind !== 'any' || first.of.length !== 2 || second.of.length !== 2)
    return undefined;
  const [condition, left] = first.of;
  const [, right] = second.of;
  if (condition?.kind !== 'not' || left === undefined || right === undefined) return undefined;
  if (!sameTree(condition.of, right)) return undefined;
  return `${told(right, true, verb, facts)} exactly when ${told(left, true, 'is', facts)}`;
};

/** Canonical addresses, and those whose bits beyond the linear-address width are equal: `any(top == 0, top == ones)`. */
const highBits = (group: Group, truth: boolean, verb: Verb, facts: Facts | undefined): string | undefined => {
  const [zero, ones] = group.of;
  if (group.kind !== 'any' || group.of.length !== 2 || zero === undefined || ones === undefined) return undefined;
  if (!isCompare(zero, '==') || !isCompare(ones, '==') || !sameTree(zero.left, ones.left)) return undefined;
  const top = zero.left;
  if (top.kind !== 'operation' || top.operator !== '>>' || ones.right.kind !== 'operation') return undefined;
  const what = termWords(top.left, facts);
  const is = truth ? verb : not[verb];
  if (top.right.kind === 'operation') return `${what} ${is} a canonical address`;
  if (top.right.kind !== 'processor') return undefined;
  return `${what} ${truth ? has[verb] : verb === 'is' ? 'does not have' : 'must not have'} equal bits from ${termWords(top.right, facts)} up`;
};

const oneOfParts = (predicate: Predicate): { of: Term; values: Term[] } | undefined => {
  if (predicate.kind !== 'any' || predicate.of.length < 2) return undefined;
  const rows = predicate.of.filter((part) => isCompare(part, '=='));
  const [first] = rows;
  if (first === undefined || rows.length !== predicate.of.length) return undefined;
  if (!rows.every((row) => row.right.kind === 'constant' && sameTree(row.left, first.left))) return undefined;
  return { of: first.left, values: rows.map((row) => row.right) };
};

const oneOf = (group: Group, truth: boolean, verb: Verb, facts: Facts | undefined): string | undefined => {
  const found = oneOfParts(group);
  if (found === undefined) return undefined;
  const values = found.values.map((value) => termWords(value, undefined));
  return `${termWords(found.of, facts)} ${truth ? verb : not[verb]} one of ${values.join(', ')}`;
};

/** Eight times the same of the eight bytes of a field. */
const everyByte = (group: Group, truth: boolean, verb: Verb, facts: Facts | undefined): string | undefined => {
  if (group.kind !== 'all' || group.of.length !== 8 || !truth) return undefined;
  const found = group.of.map(oneOfParts);
  const [first] = found;
  if (first === undefined || first.of.kind !== 'part') return undefined;
  const { of } = first.of;
  if (!found.every((row, n) => row?.of.kind === 'part' && row.of.low === n * 8 && sameTree(row.of.of, of)))
    return undefined;
  const values = first.values.map((value) => termWords(value, undefined));
  return `every byte of ${termWords(of, facts)} ${verb} one of ${values.join(', ')}`;
};

// Comparisons

const flips = { '==': '!=', '!=': '==', '<': '>=', '<=': '>' } as const;
const orders = { '<': 'less than', '<=': 'at most', '>': 'greater than', '>=': 'at least' } as const;

const comparison = (
  { operator, left, right }: Compare,
  truth: boolean,
  verb: Verb,
  facts: Facts | undefined,
): string => {
  const really = truth ? operator : flips[operator];
  const equal = really === '==';
  if (equal || really === '!=') {
    const shape = masked(left, right, equal, verb, facts) ?? width(left, right, equal, verb, facts);
    if (shape !== undefined) return shape;
    const flag = oneBit(left, right);
    if (flag !== undefined) return `${termWords(left, facts)} ${verb} ${equal ? flag : 1n - flag}`;
    return `${termWords(left, facts)} ${equal ? verb : not[verb]} ${termWords(right, facts)}${meaning(left, right)}`;
  }
  return `${termWords(left, facts)} ${verb} ${orders[really]} ${termWords(right, facts)}`;
};

/** A bit that is not 1 is 0. */
const oneBit = (left: Term, right: Term): bigint | undefined =>
  right.kind === 'constant' &&
  right.value <= 1n &&
  ((left.kind === 'part' && left.width === 1) || (left.kind === 'processor' && flags.has(left.fact)))
    ? right.value
    : undefined;
const flags: ReadonlySet<string> = new Set(['host-ia-32e-mode', 'smm', 'tracing', 'sgx', 'rtm']);

/** What a number stands for: `3 (hardware exception)`. */
const meaning = (left: Term, right: Term): string => {
  if (right.kind !== 'constant') return '';
  const isType = left.kind === 'part' && left.of.kind === 'field' && left.of.name === 'VM_ENTRY_INTR_INFO_FIELD';
  const names = isType && left.low === 8 ? interruptionTypes : isActivity(left) ? activityStates : [];
  const name = names[Number(right.value)];
  return name === undefined ? '' : ` (${name})`;
};
const isActivity = (term: Term): boolean => term.kind === 'field' && term.name === 'GUEST_ACTIVITY_STATE';

/** `x & mask == x`, `x & mask == mask`. */
const masked = (left: Term, right: Term, equal: boolean, verb: Verb, facts: Facts | undefined): string | undefined => {
  if (left.kind !== 'operation' || left.operator !== '&') return undefined;
  const none = verb === 'is' ? (equal ? 'has no bit' : 'has a bit') : equal ? 'must have no bit' : 'must have a bit';
  const value = facts === undefined ? undefined : termValue(left.left, facts);
  const mask = facts === undefined ? undefined : termValue(left.right, facts);
  if (sameTree(left.left, right)) {
    const excess = value === undefined || mask === undefined ? 0n : value & BigInt.asUintN(64, ~mask);
    const which = excess === 0n ? '' : `: ${bitList(excess)} ${excess & (excess - 1n) ? 'are' : 'is'} too many`;
    return `${termWords(left.left, facts)} ${none} beyond ${termWords(left.right, facts)}${which}`;
  }
  if (!sameTree(left.right, right)) return undefined;
  const lacking = value === undefined || mask === undefined ? 0n : mask & ~value;
  const which = lacking === 0n ? '' : `: ${bitList(lacking)} ${lacking & (lacking - 1n) ? 'are' : 'is'} missing`;
  return `${termWords(left.left, facts)} ${equal ? has[verb] : 'lacks some of'} ${equal ? 'all of ' : ''}${termWords(left.right, facts)}${which}`;
};

/** `x >> width == 0`. */
const width = (left: Term, right: Term, equal: boolean, verb: Verb, facts: Facts | undefined): string | undefined => {
  if (left.kind !== 'operation' || left.operator !== '>>' || left.right.kind !== 'processor') return undefined;
  if (right.kind !== 'constant' || right.value !== 0n) return undefined;
  const none = equal ? 'no bit' : 'a bit';
  return `${termWords(left.left, facts)} ${has[verb]} ${none} set from ${termWords(left.right, facts)} up`;
};

/** `bit 3`, `bits 5 and 7`, `bits 63:39`. */
const bitList = (mask: bigint): string => {
  const runs: string[] = [];
  for (let at = 0; at < 64; at++) {
    if (!((mask >> BigInt(at)) & 1n)) continue;
    const low = at;
    while ((mask >> BigInt(at + 1)) & 1n) at++;
    runs.push(low === at ? String(at) : `${at}:${low}`);
  }
  const many = runs.length > 1 || (runs[0] ?? '').includes(':');
  if (runs.length > 8) return `bits ${hex(mask)}`;
  return `${many ? 'bits' : 'bit'} ${runs.length < 2 ? runs.join('') : `${runs.slice(0, -1).join(', ')} and ${runs.at(-1)}`}`;
};
