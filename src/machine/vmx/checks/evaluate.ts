/** The value of a rule's tree: true, false, or undecided where something is not known (a dump that omits a field). */

import { controlOf, controlWords } from '../../../x86/vmx/controls';
import type { FieldName } from '../../../x86/vmx/fields';
import type { Comparison, Operator, Predicate, ProcessorFact, Term } from './tree';

/** What a tree is evaluated on; undefined where it is not known. Reading has no side effect. */
export interface Facts {
  field(name: FieldName): bigint | undefined;
  capability(name: string): bigint | undefined;
  processor(fact: ProcessorFact): bigint | undefined;
  memory(address: bigint, bytes: 1 | 4 | 8): bigint | undefined;
}

/** What the operators of terms do. */
export const operations: Readonly<Record<Operator, (left: bigint, right: bigint) => bigint>> = {
  '+': (left, right) => left + right,
  '-': (left, right) => left - right,
  '*': (left, right) => left * right,
  '&': (left, right) => left & right,
  '|': (left, right) => left | right,
  '<<': (left, right) => left << right,
  '>>': (left, right) => left >> right,
};

export const comparisons: Readonly<Record<Comparison, (left: bigint, right: bigint) => boolean>> = {
  '==': (left, right) => left === right,
  '!=': (left, right) => left !== right,
  '<': (left, right) => left < right,
  '<=': (left, right) => left <= right,
};

/**
 * Exact, not modulo 2^64: sums of addresses and counts do not wrap (Intel SDM vol. 3, "VM-Exit Control Fields": the
 * arithmetic uses more bits than the physical-address width).
 */
export const termValue = (term: Term, facts: Facts): bigint | undefined => {
  switch (term.kind) {
    case 'constant':
      return term.value;
    case 'field':
      return facts.field(term.name);
    case 'capability':
      return facts.capability(term.name);
    case 'processor':
      return facts.processor(term.fact);
    case 'part': {
      const whole = termValue(term.of, facts);
      return whole === undefined ? undefined : (whole >> BigInt(term.low)) & ((1n << BigInt(term.width)) - 1n);
    }
    case 'memory': {
      const address = termValue(term.address, facts);
      return address === undefined ? undefined : facts.memory(address, term.bytes);
    }
    case 'operation': {
      const left = termValue(term.left, facts);
      const right = termValue(term.right, facts);
      return left === undefined || right === undefined ? undefined : operations[term.operator](left, right);
    }
  }
};

/** Is a control 1, with the one that activates its word? */
const controlIsSet = (id: string, facts: Facts): boolean | undefined => {
  const row = controlOf(id);
  if (row === undefined) return false;
  const { field, activatedBy } = controlWords[row.word];
  const active = activatedBy === undefined ? true : controlIsSet(activatedBy, facts);
  if (active === false) return false;
  const word = facts.field(field);
  if (word === undefined) return undefined;
  return (word >> BigInt(row.bit)) & 1n ? active : false;
};

/** Three-valued: a part that is not known matters only where the others do not decide. */
export const holds = (predicate: Predicate, facts: Facts): boolean | undefined => {
  switch (predicate.kind) {
    case 'compare': {
      const left = termValue(predicate.left, facts);
      const right = termValue(predicate.right, facts);
      return left === undefined || right === undefined ? undefined : comparisons[predicate.operator](left, right);
    }
    case 'control':
      return controlIsSet(predicate.id, facts);
    case 'not': {
      const inner = holds(predicate.of, facts);
      return inner === undefined ? undefined : !inner;
    }
    default: {
      const deciding = predicate.kind === 'any';
      let known = true;
      for (const part of predicate.of) {
        const value = holds(part, facts);
        if (value === deciding) return deciding;
        if (value === undefined) known = false;
      }
      return known ? !deciding : undefined;
    }
  }
};
