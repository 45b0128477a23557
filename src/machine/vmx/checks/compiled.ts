/**
 * The checks at VM entry as the processor makes them: trees compiled to functions, and of those only the ones made that look
 * at bits which have changed since the VMCS last passed. A property test holds the result equal to the full check.
 */

import { controlOf, controlWords } from '../../../x86/vmx/controls';
import { type FieldName, fieldIndex, fieldNames } from '../../../x86/vmx/fields';
import type { Vmcs } from '../vmcs';
import { comparisons, type Facts, holds, operations, termValue } from './evaluate';
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

/** Does a tree look at memory? Such a rule is asked at every entry, unless the fields alone decide it. */
const looksAtMemory = (of: Predicate | Term): boolean => {
  switch (of.kind) {
    case 'memory':
      return true;
    case 'compare':
    case 'operation':
      return looksAtMemory(of.left) || looksAtMemory(of.right);
    case 'part':
    case 'not':
      return looksAtMemory(of.of);
    case 'all':
    case 'any':
      return of.of.some(looksAtMemory);
    default:
      return false;
  }
};

const ALL = 0xffff_ffff_ffff_ffffn;
type Masks = Map<FieldName, bigint>;

/** Which bits of fields can make a difference: a register that changed elsewhere need not be looked at again. */
const concern = (of: Predicate | Term, facts: Facts, wanted: bigint, masks: Masks): void => {
  const field = (name: FieldName, bits: bigint): void => {
    masks.set(name, (masks.get(name) ?? 0n) | (bits & ALL));
  };
  switch (of.kind) {
    case 'field':
      field(of.name, wanted);
      break;
    case 'part':
      concern(of.of, facts, (wanted & ((1n << BigInt(of.width)) - 1n)) << BigInt(of.low), masks);
      break;
    case 'operation': {
      const by = of.operator === '>>' ? constantOf(of.right, facts) : undefined;
      concern(of.left, facts, by === undefined ? ALL : wanted << by, masks);
      concern(of.right, facts, ALL, masks);
      break;
    }
    case 'memory':
      concern(of.address, facts, ALL, masks);
      break;
    case 'compare':
      concern(of.left, facts, ALL, masks);
      concern(of.right, facts, ALL, masks);
      break;
    case 'control': {
      for (let row = controlOf(of.id); row !== undefined; ) {
        const { field: name, activatedBy } = controlWords[row.word];
        field(name, 1n << BigInt(row.bit));
        row = activatedBy === undefined ? undefined : controlOf(activatedBy);
      }
      break;
    }
    case 'not':
      concern(of.of, facts, wanted, masks);
      break;
    case 'all':
    case 'any':
      for (const part of of.of) concern(part, facts, wanted, masks);
      break;
  }
};

/** The value of a term that only the processor decides. */
const constantOf = (of: Term, { processor, capability }: Facts): bigint | undefined =>
  termValue(of, { processor, capability, field: () => undefined, memory: () => undefined });

interface Compiled {
  readonly rule: EntryRule;
  readonly check: Check;
}

/** A rule that looks at some bits of a field. */
interface Concern {
  readonly number: number;
  readonly low: number;
  readonly high: number;
}

/** All rules that look at a field, and the bits that any of them looks at. */
interface Concerns {
  readonly rules: Concern[];
  low: number;
  high: number;
}

/** A VMCS when it last passed: its fields, and the rules about memory that they left open. */
interface Passed {
  readonly fields: Uint32Array;
  /** Was the host in IA-32e mode? */
  hostMode: boolean;
  open: readonly number[];
}

/** The rules of one processor's entries, with what each VMCS held when it last passed them. */
export class EntryChecks {
  private readonly compiled: readonly Compiled[];
  /** By the number of a field. */
  private readonly byField: readonly Concerns[];
  private readonly aboutMemory: readonly number[];
  /** Numbers of the fields that those look at. */
  private readonly openers: ReadonlySet<number>;
  /** By slot; only a memory of what was decided. */
  private readonly passed = new Map<number, Passed>();

  constructor(rules: readonly EntryRule[], facts: Facts) {
    this.compiled = rules.map((rule) => ({ rule, check: compile(rule.check) }));
    const byField = fieldNames.map((): Concerns => ({ rules: [], low: 0, high: 0 }));
    for (const [number, { check }] of rules.entries()) {
      const masks: Masks = new Map();
      concern(check, facts, ALL, masks);
      for (const [name, mask] of masks) {
        const concerns = byField[fieldIndex[name]] as Concerns;
        const low = Number(mask & 0xffff_ffffn);
        const high = Number(mask >> 32n);
        concerns.rules.push({ number, low, high });
        concerns.low |= low;
        concerns.high |= high;
      }
    }
    this.byField = byField;
    this.aboutMemory = rules.flatMap(({ check }, number) => (looksAtMemory(check) ? [number] : []));
    const about = new Set(this.aboutMemory);
    this.openers = new Set(
      byField.flatMap(({ rules: own }, field) => (own.some(({ number }) => about.has(number)) ? [field] : [])),
    );
  }

  /** The state was replaced. */
  forget(): void {
    this.passed.clear();
  }

  /** The first broken rule in the order of the tables; where there is none, the fields are good until they change. */
  firstBroken(vmcs: Vmcs, facts: Facts, hostMode: boolean): EntryRule | undefined {
    const before = this.passed.get(vmcs.at);
    const changed = before?.hostMode === hostMode ? vmcs.changedFields() : undefined;
    const first =
      before === undefined || changed === undefined
        ? this.compiled.findIndex(({ check }) => !check(facts))
        : this.firstOfChanged(vmcs, facts, before, changed);
    if (first >= 0) return this.compiled[first]?.rule;
    this.remember(vmcs, facts, hostMode, before, changed);
    return undefined;
  }

  private firstOfChanged(vmcs: Vmcs, facts: Facts, { fields, open }: Passed, changed: readonly number[]): number {
    let first = this.compiled.length;
    const ask = (number: number): void => {
      if (number < first && !this.compiled[number]?.check(facts)) first = number;
    };
    for (const field of changed) {
      const low = vmcs.low(field) ^ (fields[field * 2] as number);
      const high = vmcs.high(field) ^ (fields[field * 2 + 1] as number);
      const concerns = this.byField[field];
      if (concerns === undefined || ((low & concerns.low) | (high & concerns.high)) === 0) continue;
      for (const one of concerns.rules) if ((low & one.low) | (high & one.high)) ask(one.number);
    }
    for (const number of open) ask(number);
    return first === this.compiled.length ? -1 : first;
  }

  private remember(
    vmcs: Vmcs,
    facts: Facts,
    hostMode: boolean,
    before: Passed | undefined,
    changed: readonly number[] | undefined,
  ): void {
    const passed = before ?? { fields: new Uint32Array(fieldNames.length * 2), hostMode, open: [] };
    let decided = before !== undefined && changed !== undefined;
    for (const field of changed ?? fieldNames.keys()) {
      const low = vmcs.low(field);
      const high = vmcs.high(field);
      if (low === passed.fields[field * 2] && high === passed.fields[field * 2 + 1]) continue;
      passed.fields[field * 2] = low;
      passed.fields[field * 2 + 1] = high;
      if (this.openers.has(field)) decided = false;
    }
    if (!decided) {
      const known: Facts = { ...facts, memory: () => undefined };
      passed.open = this.aboutMemory.filter(
        (number) => holds((this.compiled[number] as Compiled).rule.check, known) !== true,
      );
      passed.hostMode = hostMode;
    }
    if (before === undefined) this.passed.set(vmcs.at, passed);
    vmcs.forgetChanges();
  }
}
