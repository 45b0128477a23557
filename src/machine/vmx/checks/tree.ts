/**
 * Rules as data: a predicate is a small tree over VMCS fields, capability MSRs, facts about the processor, and memory.
 * From one tree come the check at VM entry, the doctor's verdict with values, the sentence, the fields concerned, and the
 * smallest edits that mend it. Nobody writes a rule a second time.
 */

import { controlOf, controlWords } from '../../../x86/vmx/controls';
import { type FieldName, vmcsFields, widthOf } from '../../../x86/vmx/fields';

/** What a rule may know of the processor besides its capability MSRs. */
export type ProcessorFact =
  /** Bits of a physical address. */
  | 'physical-address-width'
  /** Bits of a linear address. */
  | 'linear-address-width'
  /** 1 where the entry is made in 64-bit mode's IA-32e mode (EFER.LMA of the host). */
  | 'host-ia-32e-mode'
  /** 1 in system-management mode. */
  | 'smm'
  /** Bits that may be set in a register, as this processor knows it. */
  | 'efer-bits'
  | 'debugctl-bits'
  | 'perf-global-ctrl-bits'
  | 'rtit-ctl-bits'
  | 'lbr-ctl-bits'
  | 'spec-ctrl-bits'
  /** 1 where the entry is made while Intel PT traces (IA32_RTIT_CTL.TraceEn). */
  | 'tracing'
  /** 1 where the processor has SGX, or RTM. */
  | 'sgx'
  | 'rtm'
  | 'current-vmcs'
  | 'vmcs-revision';

/** A number of up to 64 bits, unsigned. */
export type Term =
  | { readonly kind: 'field'; readonly name: FieldName }
  | { readonly kind: 'constant'; readonly value: bigint }
  | { readonly kind: 'capability'; readonly name: string }
  | { readonly kind: 'processor'; readonly fact: ProcessorFact }
  | { readonly kind: 'part'; readonly of: Term; readonly low: number; readonly width: number }
  | { readonly kind: 'operation'; readonly operator: Operator; readonly left: Term; readonly right: Term }
  /** Little-endian bytes at a physical address. */
  | { readonly kind: 'memory'; readonly address: Term; readonly bytes: 1 | 4 | 8 };

export type Operator = '+' | '-' | '*' | '&' | '|' | '<<' | '>>';
export type Comparison = '==' | '!=' | '<' | '<=';

export type Predicate =
  | { readonly kind: 'compare'; readonly operator: Comparison; readonly left: Term; readonly right: Term }
  /** A control is 1, and so is the one that activates its word. */
  | { readonly kind: 'control'; readonly id: string }
  | { readonly kind: 'all' | 'any'; readonly of: readonly Predicate[] }
  | { readonly kind: 'not'; readonly of: Predicate };

// Numbers

const field = (name: FieldName): Term => ({ kind: 'field', name });
export const constant = (value: number | bigint): Term => ({ kind: 'constant', value: BigInt(value) });
export const capability = (name: string): Term => ({ kind: 'capability', name });
export const processor = (fact: ProcessorFact): Term => ({ kind: 'processor', fact });
export const memory = (address: Given, bytes: 1 | 4 | 8): Term => ({ kind: 'memory', address: term(address), bytes });

/** A term, the name of a field, or a number. */
export type Given = Term | FieldName | number | bigint;
export const term = (given: Given): Term => {
  if (typeof given === 'string') return field(given);
  return typeof given === 'object' ? given : constant(given);
};

/** Bits `high` down to `low`, as the manual writes them: `bits('GUEST_CS_AR_BYTES', 6, 5)` is the DPL. */
export const bits = (of: Given, high: number, low: number = high): Term => ({
  kind: 'part',
  of: term(of),
  low,
  width: high - low + 1,
});

const operation =
  (operator: Operator) =>
  (left: Given, right: Given): Term => ({ kind: 'operation', operator, left: term(left), right: term(right) });
export const plus = operation('+');
export const minus = operation('-');
export const times = operation('*');
export const and = operation('&');
export const shiftedLeft = operation('<<');
export const shiftedRight = operation('>>');

// Predicates

const compare =
  (operator: Comparison) =>
  (left: Given, right: Given): Predicate => ({ kind: 'compare', operator, left: term(left), right: term(right) });
export const equal = compare('==');
export const differ = compare('!=');
export const atMost = compare('<=');

export const all = (...of: Predicate[]): Predicate => ({ kind: 'all', of });
export const any = (...of: Predicate[]): Predicate => ({ kind: 'any', of });
export const not = (of: Predicate): Predicate => (of.kind === 'not' ? of.of : { kind: 'not', of });
export const implies = (condition: Predicate, then: Predicate): Predicate => any(not(condition), then);
export const same = (left: Predicate, right: Predicate): Predicate => all(implies(left, right), implies(right, left));

/** @throws RangeError for a control that does not exist: a mistake in a table */
export const control = (id: string): Predicate => {
  if (controlOf(id) === undefined) throw new RangeError(`there is no control ${id}`);
  return { kind: 'control', id };
};

export const isSet = (of: Given, bit: number): Predicate => equal(bits(of, bit), 1);
export const isClear = (of: Given, bit: number): Predicate => equal(bits(of, bit), 0);
export const isOneOf = (of: Given, values: readonly (number | bigint)[]): Predicate =>
  any(...values.map((value) => equal(of, value)));
/** No bit is set beyond those of the mask. */
export const within = (of: Given, mask: Given): Predicate => {
  const own = term(of);
  return equal(and(own, mask), own);
};
/** Bits 11:0 are 0. */
export const pageAligned = (of: Given): Predicate => equal(bits(of, 11, 0), 0);
/** No bit is set beyond the processor's physical-address width. */
export const isPhysical = (of: Given): Predicate => equal(shiftedRight(of, processor('physical-address-width')), 0);
/** Bits 63 down to the highest bit of a linear address are all equal. */
export const isCanonical = (of: Given): Predicate => {
  const top = shiftedRight(of, minus(processor('linear-address-width'), 1));
  const ones = minus(shiftedLeft(1, minus(65, processor('linear-address-width'))), 1);
  return any(equal(top, 0), equal(top, ones));
};

// What a tree concerns

const termParts = (of: Term): readonly Term[] => {
  switch (of.kind) {
    case 'part':
      return [of.of];
    case 'operation':
      return [of.left, of.right];
    case 'memory':
      return [of.address];
    default:
      return [];
  }
};

const fieldsOfTerm = (of: Term, found: Set<FieldName>): void => {
  if (of.kind === 'field') found.add(of.name);
  for (const part of termParts(of)) fieldsOfTerm(part, found);
};

/** The field of a control's word, and of the control that activates it. */
const controlFields = (id: string): FieldName[] => {
  const row = controlOf(id);
  if (row === undefined) return [];
  const { field: own, activatedBy } = controlWords[row.word];
  return activatedBy === undefined ? [own] : [...controlFields(activatedBy), own];
};

const collect = (predicate: Predicate, found: Set<FieldName>): void => {
  switch (predicate.kind) {
    case 'compare':
      fieldsOfTerm(predicate.left, found);
      fieldsOfTerm(predicate.right, found);
      break;
    case 'control':
      for (const name of controlFields(predicate.id)) found.add(name);
      break;
    case 'not':
      collect(predicate.of, found);
      break;
    default:
      for (const part of predicate.of) collect(part, found);
  }
};

/** All fields on which a predicate depends. */
export const fieldsOf = (predicate: Predicate): FieldName[] => {
  const found = new Set<FieldName>();
  collect(predicate, found);
  return [...found];
};

/** Bits of a field; natural width is 64 on processors that have Intel 64. */
export const fieldBits = (name: FieldName): 16 | 32 | 64 => {
  const width = widthOf(vmcsFields[name].encoding);
  return width === 'natural' ? 64 : width;
};
