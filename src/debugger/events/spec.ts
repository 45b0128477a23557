/**
 * The grammar of events: a kind, then after colons what must be true of it, then perhaps a condition, a hit count and a
 * text to log instead of stopping:
 *
 *     trap:#PF if cr2 < 0x1000        port:0x3f8-0x3ff:w hits % 100        cpuid:1 log subleaf {subleaf} at {at}
 *
 * A detail is a value or a range of the kind's subject, a word such as `w`, or `FIELD=VALUE` for any field.
 */

import type { EventKind, MachineEvent } from '../../machine/core/event';
import type { Machine } from '../../machine/pc';
import { BadInput } from '../../program/program';
import { ExpressionError } from '../expression/syntax';
import { readInteger } from '../machine-options';
import { nearest } from '../nearest';
import type { TriggerOptions } from '../trigger';
import { type Field, isNumber, type NumberField } from './fields';
import { type EventRow, eventKinds, numbersOf, rowOf } from './kinds';

export interface EventSpec {
  /** Kind and details as they were written. */
  readonly text: string;
  readonly kind: EventKind;
  /** The address that `pte:ADDRESS` names. */
  readonly place?: bigint;
  readonly matches: (event: MachineEvent, machine: Machine) => boolean;
}

/** What an expression in a detail gives; without it only numbers are read. @throws BadInput */
export type ReadPlace = (text: string) => bigint;

type Test = (event: MachineEvent, machine: Machine) => boolean;

const shorthands: ReadonlyMap<string, string> = new Map(
  eventKinds.flatMap((kind) => (rowOf(kind).shorthands ?? []).map((word) => [word, `${kind}:${word}`] as const)),
);

/** Words with which a specification can begin. */
export const eventWords: readonly string[] = [...eventKinds, ...shorthands.keys()];

const HEAD = /^\s*([\w-]+)\s*(?=:|$|\s(?:if|hits|log)(?:\s|$))/;

/** Does it begin as an event does? A symbol may have such a name too: `reset:` with a colon is the event for sure. */
export const isEventSpec = (text: string): boolean => {
  const head = HEAD.exec(text)?.[1]?.toLowerCase();
  return head !== undefined && eventWords.includes(head);
};

export interface EventRequest {
  readonly spec: string;
  readonly options: Pick<TriggerOptions, 'condition' | 'hitCondition' | 'logMessage'>;
  /** `log` without a text: the line says what happened. */
  readonly logs: boolean;
}

/** `SPEC [if CONDITION] [hits COUNT] [log [TEXT]]` in its parts. */
export const splitRequest = (text: string): EventRequest => {
  const [, spec = '', condition, hitCondition, log, logMessage] =
    /^\s*(.*?)(?:\s+if\s+(.*?))?(?:\s+hits\s+([<>=%]*\s*\w+))?(?:\s+(log)(?:\s+(.*))?)?\s*$/s.exec(text) ?? [];
  return {
    spec,
    logs: log !== undefined,
    options: {
      ...(condition === undefined ? {} : { condition }),
      ...(hitCondition === undefined ? {} : { hitCondition }),
      ...(logMessage ? { logMessage } : {}),
    },
  };
};

/** Kind and details. @throws BadInput with one line */
export const readEventSpec = (text: string, place?: ReadPlace): EventSpec => {
  const written = text.trim();
  const [first = '', ...given] = expand(written);
  const kind = eventKinds.find((one) => one === first.toLowerCase());
  if (kind === undefined) {
    const near = nearest(first, eventWords);
    const meant = near === undefined ? '' : `; did you mean ${near}?`;
    throw new BadInput(`${written || "''"}: no kind of event; one of ${eventWords.join(', ')}${meant}`);
  }
  const details = given.map((detail) => detail.trim()).filter((detail) => detail !== '');
  const row = rowOf(kind);
  // Without a subject, the colon may only tell the kind from a symbol: `reset:`.
  if (details.length < given.length && row.place !== true && (row.subject !== undefined || given.length > 1))
    throw new BadInput(
      `${written}: a detail is missing at a colon; write ${kind} for all, or for example ${row.example}`,
    );
  if (row.place === true) return readPlaceSpec(written, kind, row, details, place);
  const tests = details.map((detail) => readDetail(written, kind, row, detail));
  return { text: written, kind, matches: (event, machine) => isAll(kind, tests, event, machine) };
};

const isAll = (kind: EventKind, tests: readonly Test[], event: MachineEvent, machine: Machine): boolean =>
  event.kind === kind && tests.every((test) => test(event, machine));

const expand = (text: string): string[] => {
  const parts = text.split(':');
  const long = shorthands.get((parts[0] ?? '').trim().toLowerCase());
  return long === undefined ? parts.map((part) => part.trim()) : [...long.split(':'), ...parts.slice(1)];
};

/** The address may itself be an expression with colons in it: only words and named fields are details. */
const readPlaceSpec = (
  text: string,
  kind: EventKind,
  row: EventRow,
  details: readonly string[],
  place: ReadPlace | undefined,
): EventSpec => {
  const isDetail = (detail: string): boolean => /^\w+=/.test(detail) || wordTest(row, detail) !== undefined;
  const written = details.filter((detail) => !isDetail(detail)).join(':');
  if (written === '') throw new BadInput(`${text}: an address is missing; write for example ${row.example}`);
  const address = readInteger(written) ?? evaluated(text, written, place);
  if (address === undefined) throw new BadInput(`${text}: ${written} is no address; write for example ${row.example}`);
  const about = BigInt.asUintN(64, address);
  const subject = numbersOf(kind).find(({ name }) => name === row.subject);
  const tests = details.filter(isDetail).map((detail) => readDetail(text, kind, row, detail));
  tests.push((event, machine) => BigInt(subject?.read(event, machine) ?? -1) === about);
  return { text, kind, place: about, matches: (event, machine) => isAll(kind, tests, event, machine) };
};

/** @throws BadInput */
const evaluated = (text: string, written: string, place: ReadPlace | undefined): bigint | undefined => {
  try {
    return place?.(written);
  } catch (error) {
    if (error instanceof ExpressionError) throw new BadInput(`${text}: ${error.message}`);
    throw error;
  }
};

const readDetail = (text: string, kind: EventKind, row: EventRow, detail: string): Test => {
  const [, name, value = ''] = /^(\w+)=(.*)$/.exec(detail) ?? [];
  if (name !== undefined) {
    const field = [...row.fields, ...numbersOf(kind)].find((one) => one.name === name.toLowerCase());
    const test = field === undefined ? undefined : fieldTest(field, value);
    if (test !== undefined) return test;
    if (field !== undefined) {
      const near = nearest(value, valuesOf(field));
      const meant = near === undefined ? '' : `; did you mean ${near}?`;
      throw new BadInput(`${text}: ${value || 'nothing'} is no value of ${name}: ${field.help}${meant}`);
    }
    const names = [...new Set([...row.fields, ...numbersOf(kind)].map((one) => one.name))];
    throw new BadInput(`${text}: ${kind} has no field ${name}; it has ${names.join(', ')}`);
  }
  const subject = numbersOf(kind).find((field) => field.name === row.subject);
  const test = wordTest(row, detail) ?? (subject === undefined ? undefined : numberTest(subject, detail));
  if (test !== undefined) return test;
  const known = [...(subject === undefined ? [] : valuesOf(subject)), ...row.fields.flatMap(valuesOf)];
  throw new BadInput(
    row.subject === undefined && known.length === 0
      ? `${text}: events of kind ${kind} have no details to choose by`
      : `${text}: \`${detail}\` says nothing about ${kind}; ${advice(detail, [...new Set(known)], row.example)}`,
  );
};

/** All values that have names; of words the long form. */
const valuesOf = (field: Field): readonly string[] =>
  isNumber(field)
    ? (field.names?.() ?? [])
    : (field.words ?? []).map((spellings) => spellings.at(-1)).filter((word) => word !== undefined);

/** More names than that are not listed. */
const MOST_NAMES = 64;

/** What would be right. */
const advice = (written: string, known: readonly string[], example: string): string => {
  const near = nearest(written, known);
  if (near !== undefined) return `did you mean ${near}?`;
  const listed = known.length > 0 && known.length <= MOST_NAMES ? `, and its names are ${known.join(', ')}` : '';
  return `write for example ${example}${listed}`;
};

const fieldTest = (field: Field, value: string): Test | undefined => {
  if (isNumber(field)) return numberTest(field, value);
  if (field.words === undefined) return (event) => field.word(event).toLowerCase() === value.toLowerCase();
  return wordTest({ fields: [field] }, value);
};

const wordTest = (row: Pick<EventRow, 'fields'>, detail: string): Test | undefined => {
  const wanted = detail.toLowerCase();
  for (const field of row.fields) {
    if (isNumber(field)) continue;
    const word = field.words?.find((spellings) => spellings.some((one) => one.toLowerCase() === wanted))?.at(-1);
    if (word !== undefined) return (event) => field.word(event) === word;
  }
  return undefined;
};

/** A value by number or name, or a range of them. */
const numberTest = (field: NumberField, detail: string): Test | undefined => {
  const read = (text: string): bigint | undefined => field.named?.(text.trim()) ?? readInteger(text);
  const one = read(detail);
  const [, low = '', high = ''] = /^([^-]+)-([^-]+)$/.exec(detail) ?? [];
  const from = one ?? read(low);
  const to = one ?? read(high);
  if (from === undefined || to === undefined || to < from) return undefined;
  // Of such a field another value never comes.
  const known = field.allNamed === true ? (field.names?.() ?? []).map((name) => field.named?.(name) ?? 0n) : [from];
  if (!known.some((value) => value >= from && value <= to)) return undefined;
  return (event, machine) => {
    const value = field.read(event, machine);
    if (value === undefined) return false;
    const number = BigInt(value);
    return number >= from && number <= to;
  };
};

/** Several, separated by commas, without conditions: for traces. @throws BadInput */
export const readEventSpecs = (text: string, place?: ReadPlace): EventSpec[] =>
  text.split(',').map((part) => readEventSpec(part, place));
