/**
 * The checks at VM entry as the processor makes them: trees compiled to functions, and of those only the ones made whose
 * fields have changed since the VMCS last entered. A property test holds the result equal to the full check.
 */

import { controlOf, controlWords } from '../../../x86/vmx/controls';
import { type FieldName, fieldNames } from '../../../x86/vmx/fields';
import { fieldIndex, type Vmcs } from '../vmcs';
import { comparisons, type Facts, operations } from './evaluate';
import type { EntryRule } from './rule';
import type { Predicate, Term } from './tree';

/** Everything is known to a processor: a check holds or it does not. */
type Check = (facts: Facts) => boolean;
type Value = (facts: Facts) => bigint;

const compileTerm = (term: Term): Value => {
  switch (term.kind) {
    case 'constant': {
      const { value } = term;
      return () => value;
    }
    case 'field': {
      const { name } = term;
      return (facts) => facts.field(name) ?? 0n;
    }
    case 'capability': {
      const { name } = term;
      return (facts) => facts.capability(name) ?? 0n;
    }
    case 'processor': {
      const { fact } = term;
      return (facts) => facts.processor(fact) ?? 0n;
    }
    case 'part': {
      const whole = compileTerm(term.of);
      const low = BigInt(term.low);
      const mask = (1n << BigInt(term.width)) - 1n;
      return (facts) => (whole(facts) >> low) & mask;
    }
    case 'memory': {
      const address = compileTerm(term.address);
      const { bytes } = term;
      return (facts) => facts.memory(address(facts), bytes) ?? 0n;
    }
    case 'operation': {
      const left = compileTerm(term.left);
      const right = compileTerm(term.right);
      const operation = operations[term.operator];
      return (facts) => operation(left(facts), right(facts));
    }
  }
};

const compileControl = (id: string): Check => {
  const row = controlOf(id);
  if (row === undefined) return () => false;
  const { field, activatedBy } = controlWords[row.word];
  const mask = 1n << BigInt(row.bit);
  const own: Check = (facts) => ((facts.field(field) ?? 0n) & mask) !== 0n;
  if (activatedBy === undefined) return own;
  const active = compileControl(activatedBy);
  return (facts) => own(facts) && active(facts);
};

const compile = (predicate: Predicate): Check => {
  switch (predicate.kind) {
    case 'compare': {
      const left = compileTerm(predicate.left);
      const right = compileTerm(predicate.right);
      const compare = comparisons[predicate.operator];
      return (facts) => compare(left(facts), right(facts));
    }
    case 'control':
      return compileControl(predicate.id);
    case 'not': {
      const inner = compile(predicate.of);
      return (facts) => !inner(facts);
    }
    case 'all': {
      const parts = predicate.of.map(compile);
      return (facts) => parts.every((part) => part(facts));
    }
    case 'any': {
      const parts = predicate.of.map(compile);
      return (facts) => parts.some((part) => part(facts));
    }
  }
};

/** Does a tree look at more than fields and what never changes? Such a rule is asked at every entry. */
const looksOutside = (of: Predicate | Term): boolean => {
  switch (of.kind) {
    case 'memory':
      return true;
    case 'processor':
      return of.fact === 'host-ia-32e-mode' || of.fact === 'current-vmcs';
    case 'compare':
    case 'operation':
      return looksOutside(of.left) || looksOutside(of.right);
    case 'part':
    case 'not':
      return looksOutside(of.of);
    case 'all':
    case 'any':
      return of.of.some(looksOutside);
    default:
      return false;
  }
};

interface Compiled {
  readonly rule: EntryRule;
  readonly check: Check;
}

/** The rules of one processor's entries, with what each VMCS held when it last entered. */
export class EntryChecks {
  private readonly compiled: readonly Compiled[];
  /** Numbers of rules by the number of a field that they look at. */
  private readonly byField: readonly (readonly number[])[];
  private readonly always: readonly number[];
  /** Fields by slot, as two words each. */
  private readonly entered = new Map<number, Uint32Array>();

  constructor(rules: readonly EntryRule[]) {
    this.compiled = rules.map((rule) => ({ rule, check: compile(rule.check) }));
    const byField: number[][] = fieldNames.map(() => []);
    for (const [number, { fields }] of rules.entries())
      for (const name of fields) byField[fieldIndex[name as FieldName]]?.push(number);
    this.byField = byField;
    this.always = rules.flatMap(({ check }, number) => (looksOutside(check) ? [number] : []));
  }

  /** The first broken rule in the order of the tables. */
  firstBroken(vmcs: Vmcs, facts: Facts): EntryRule | undefined {
    const before = this.entered.get(vmcs.at);
    if (before === undefined) return this.compiled.find(({ check }) => !check(facts))?.rule;
    const concerned = new Set(this.always);
    const now = vmcs.fieldWords();
    for (let word = 0; word < now.length; word++)
      if (now[word] !== before[word]) for (const number of this.byField[word >>> 1] ?? []) concerned.add(number);
    let first = this.compiled.length;
    for (const number of concerned) if (number < first && !this.compiled[number]?.check(facts)) first = number;
    return this.compiled[first]?.rule;
  }

  /** The VMCS entered: its fields are good as they are. */
  remember(vmcs: Vmcs): void {
    const now = vmcs.fieldWords();
    const kept = this.entered.get(vmcs.at);
    if (kept === undefined) this.entered.set(vmcs.at, now.slice());
    else kept.set(now);
  }
}
