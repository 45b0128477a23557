/**
 * Stops on exceptions and events as the client offers them: one filter for each vector and one for all, one for events
 * of any kind; break modes; and `exceptionOptions`, which choose exceptions by a path of names. All become breakpoints
 * on events.
 */

import type { DebugProtocol } from '@vscode/debugprotocol';
import { isEventSpec, readEventSpec, splitRequest } from '../debugger/events/spec';
import { BadInput } from '../program/program';
import { type ExceptionRow, exceptions } from '../x86/exceptions';
import { virtualizationFilters } from './virtualization-filters';

const ALL = 'all';
const EVENT = 'event';
const CONDITION = 'for example: error_code == 2 && cr2 < 0x1000';

const raised: readonly ExceptionRow[] = exceptions.filter(({ mnemonic }) => mnemonic !== 'NMI');

export const exceptionFilters = (): DebugProtocol.ExceptionBreakpointsFilter[] => [
  {
    filter: ALL,
    label: 'All exceptions',
    description: 'Stops before any exception is delivered.',
    supportsCondition: true,
    conditionDescription: CONDITION,
  },
  {
    filter: EVENT,
    label: 'Events',
    description: 'Stops on the event that the condition names.',
    supportsCondition: true,
    conditionDescription: 'an event, for example: msr:IA32_LSTAR:w if value != 0',
  },
  // Before the vectors: they are many, and the list of a client is short.
  ...virtualizationFilters.map(({ event, label, description, example }) => ({
    filter: event,
    label,
    description,
    supportsCondition: true,
    conditionDescription: `for example: ${example}`,
  })),
  ...raised.map(({ mnemonic, name }) => ({
    filter: mnemonic,
    label: `${mnemonic} ${name}`,
    description: `Stops before a ${mnemonic} is delivered.`,
    supportsCondition: true,
    conditionDescription: CONDITION,
  })),
];

export type BreakMode = DebugProtocol.ExceptionBreakMode;

/** What a break mode means for a processor, as a condition on a `trap`; also the modes of the client's filters. */
export const breakModes: Readonly<
  Record<Exclude<BreakMode, 'never'>, { readonly label: string; readonly description: string; readonly holds?: string }>
> = {
  always: { label: 'Always', description: 'Every time, whether or not the guest has a handler.' },
  unhandled: {
    label: 'Without a handler',
    description: 'Only where the IDT has no present gate for the vector.',
    holds: 'handled == 0',
  },
  userUnhandled: {
    label: 'In ring 3',
    description: 'Only what user code raises: it never handles an exception itself.',
    holds: 'cpl == 3',
  },
};

/** An event breakpoint's specification and condition. */
export interface EventWish {
  readonly spec: string;
  readonly condition?: string | undefined;
  readonly hitCondition?: string | undefined;
}

const both = (first: string | undefined, second: string | undefined): string | undefined =>
  first === undefined || second === undefined ? (first ?? second) : `(${first}) && (${second})`;

const given = (text: string | undefined): string | undefined => (text?.trim() ? text : undefined);

/** @throws BadInput for a filter that does not exist, or whose condition is another filter's */
export const readFilter = (filter: string, condition: string | undefined, mode?: string): EventWish => {
  const spec = specOf(filter);
  const holds = modeNamed(mode);
  if (spec === undefined || (given(condition) !== undefined && isEventSpec(condition as string)))
    return eventOf(filter, spec, given(condition), holds);
  if (holds !== undefined && readEventSpec(spec).kind !== 'trap')
    throw new BadInput(`${filter}: the mode ${mode} is for exceptions only`);
  return { spec, condition: both(given(condition), holds) };
};

/** Undefined for the filter whose condition says all. */
const specOf = (filter: string): string | undefined => {
  const row = raised.find(({ mnemonic }) => mnemonic.toLowerCase() === filter.toLowerCase());
  if (row !== undefined) return `trap:${row.mnemonic}`;
  if (filter === ALL) return 'trap';
  if (filter === EVENT) return undefined;
  if (!isEventSpec(filter))
    throw new BadInput(`${filter}: no such filter; one of ${exceptionFilters().map((one) => one.filter)}, or an event`);
  return readEventSpec(filter).text;
};

/** The condition names an event, which has to be one that the filter is about. */
const eventOf = (
  filter: string,
  own: string | undefined,
  condition: string | undefined,
  holds: string | undefined,
): EventWish => {
  if (condition === undefined) throw new BadInput(`${filter}: the condition has to name an event, such as cr3:w`);
  const { spec, options } = splitRequest(condition);
  const { kind } = readEventSpec(spec, () => 0n);
  if (own !== undefined && own !== spec && own !== kind)
    throw new BadInput(`${filter}: the condition \`${condition}\` names another event`);
  if (holds !== undefined && kind !== 'trap') throw new BadInput(`${spec}: break modes are for exceptions only`);
  return { spec, condition: both(options.condition, holds), hitCondition: options.hitCondition };
};

const modeNamed = (mode: string | undefined): string | undefined => {
  if (mode === undefined) return undefined;
  if (!Object.hasOwn(breakModes, mode))
    throw new BadInput(`${mode}: no such mode; one of ${Object.keys(breakModes).join(', ')}`);
  return breakModes[mode as 'always'].holds;
};

/** The first name of every path. */
const ROOT = 'CPU exceptions';

/**
 * Each option chooses exceptions; where several choose the same, the last one counts.
 * @returns for each option its event; undefined where nothing is left of it, or it says never
 */
export const readExceptionOptions = (
  options: readonly DebugProtocol.ExceptionOptions[],
): (() => EventWish | undefined)[] => {
  const chosen = options.map(
    ({ path }) =>
      () =>
        vectorsOf(path),
  );
  return options.map(({ breakMode }, index) => () => {
    const own = chosen[index]?.() ?? [];
    const later = new Set(chosen.slice(index + 1).flatMap((vectors) => tolerant(vectors)));
    const left = own.filter((vector) => !later.has(vector));
    if (breakMode === 'never' || left.length === 0) return undefined;
    const some = left.length === raised.length ? undefined : left.map((vector) => `vector == ${vector}`).join(' || ');
    return { spec: 'trap', condition: both(some, breakModes[breakMode].holds) };
  });
};

/** What another option gets wrong is its own message. */
const tolerant = (read: () => number[]): number[] => {
  try {
    return read();
  } catch {
    return [];
  }
};

/** @throws BadInput for a name that there is not */
const vectorsOf = (path: readonly DebugProtocol.ExceptionPathSegment[] = []): number[] => {
  const [root, leaf, deeper] = path;
  if (deeper !== undefined)
    throw new BadInput(`a path of exceptions has two segments: ${ROOT}, and a name such as #PF`);
  const all = raised.map(({ vector }) => vector);
  if (root !== undefined && !matches(root, ROOT)) {
    if (root.negate === true) return [];
    throw new BadInput(`${root.names.join(', ')}: no such group of exceptions; there is ${ROOT}`);
  }
  if (leaf === undefined) return all;
  for (const name of leaf.names)
    if (!raised.some((row) => isNamed(row, name)))
      throw new BadInput(`${name}: no such exception; write for example #PF`);
  return raised
    .filter((row) => leaf.names.some((name) => isNamed(row, name)) !== (leaf.negate === true))
    .map(({ vector }) => vector);
};

const matches = ({ names, negate }: DebugProtocol.ExceptionPathSegment, name: string): boolean =>
  names.some((one) => one.toLowerCase() === name.toLowerCase()) !== (negate === true);

const isNamed = ({ mnemonic, vector }: ExceptionRow, name: string): boolean =>
  mnemonic.replace('#', '').toLowerCase() === name.replace('#', '').toLowerCase() || String(vector) === name;
