/**
 * What the arguments of each request are, after the protocol's schema: one table. A request whose arguments are
 * something else is refused with the place and what is wanted there; handlers see only what fits.
 */

import { BadInput } from '../program/program';

/** Finds what is wrong with a value; undefined where it fits. */
type Check = (value: unknown) => Wrong | undefined;
interface Wrong {
  /** Where in the value: `.line`, `[2].condition`. */
  readonly at: string;
  readonly wanted: string;
  readonly found: unknown;
}

const is =
  (wanted: string, fits: (value: unknown) => boolean): Check =>
  (found) =>
    fits(found) ? undefined : { at: '', wanted, found };

const text = is('a text', (value) => typeof value === 'string');
const flag = is('true or false', (value) => typeof value === 'boolean');
const integer = is('a whole number', Number.isSafeInteger);
const natural = is('a whole number of 0 or more', (value) => Number.isSafeInteger(value) && (value as number) >= 0);
const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const oneOf = (...choices: readonly string[]): Check =>
  is(`one of ${choices.join(', ')}`, (value) => choices.includes(value as string));

const list =
  (of: Check): Check =>
  (found) => {
    if (!Array.isArray(found)) return { at: '', wanted: 'a list', found };
    for (const [index, one] of found.entries()) {
      const wrong = of(one);
      if (wrong !== undefined) return { ...wrong, at: `[${index}]${wrong.at}` };
    }
    return undefined;
  };

/** Fields by name; those whose name ends with `?` may be missing or null. Others are not looked at. */
const object =
  (fields: Readonly<Record<string, Check>>): Check =>
  (found) => {
    if (!isObject(found)) return { at: '', wanted: 'an object', found };
    for (const [written, check] of Object.entries(fields)) {
      const name = written.replace('?', '');
      const value = found[name] ?? undefined;
      if (value === undefined && name !== written) continue;
      const wrong = check(value);
      if (wrong !== undefined) return { ...wrong, at: `.${name}${wrong.at}` };
    }
    return undefined;
  };

const source = object({ 'name?': text, 'path?': text, 'sourceReference?': integer });
const format = object({ 'hex?': flag });
const place = { 'line?': natural, 'column?': natural };
const condition = { 'condition?': text, 'hitCondition?': text };
const granularity = oneOf('statement', 'line', 'instruction');
const step = { threadId: integer, 'singleThread?': flag, 'granularity?': granularity };
const path = list(object({ 'negate?': flag, names: list(text) }));

const requests: Readonly<Record<string, Check>> = {
  initialize: object({ 'adapterID?': text, 'linesStartAt1?': flag, 'columnsStartAt1?': flag, 'pathFormat?': text }),
  launch: object({ 'noDebug?': flag, 'stopOnEntry?': flag, 'stepIntoInterrupts?': flag }),
  attach: object({ 'stopOnEntry?': flag }),
  restart: object({ 'arguments?': object({}) }),
  disconnect: object({ 'restart?': flag, 'terminateDebuggee?': flag, 'suspendDebuggee?': flag }),
  terminate: object({ 'restart?': flag }),
  cancel: object({ 'requestId?': integer, 'progressId?': text }),

  setBreakpoints: object({
    source,
    'breakpoints?': list(
      object({ line: natural, 'column?': natural, ...condition, 'logMessage?': text, 'mode?': text }),
    ),
  }),
  setFunctionBreakpoints: object({ breakpoints: list(object({ name: text, ...condition })) }),
  setInstructionBreakpoints: object({
    breakpoints: list(object({ instructionReference: text, 'offset?': integer, ...condition, 'mode?': text })),
  }),
  setDataBreakpoints: object({
    breakpoints: list(object({ dataId: text, 'accessType?': oneOf('read', 'write', 'readWrite'), ...condition })),
  }),
  setExceptionBreakpoints: object({
    filters: list(text),
    'filterOptions?': list(object({ filterId: text, 'condition?': text, 'mode?': text })),
    'exceptionOptions?': list(
      object({ 'path?': path, breakMode: oneOf('never', 'always', 'unhandled', 'userUnhandled') }),
    ),
  }),
  'ringside/events': object({ 'filters?': list(text), 'rate?': natural }),
  'ringside/counts': object({}),
  dataBreakpointInfo: object({
    name: text,
    'variablesReference?': natural,
    'frameId?': integer,
    'bytes?': natural,
    'asAddress?': flag,
    'mode?': text,
  }),
  breakpointLocations: object({
    source,
    line: natural,
    'column?': natural,
    'endLine?': natural,
    'endColumn?': natural,
  }),

  continue: object({ threadId: integer, 'singleThread?': flag }),
  next: object(step),
  stepIn: object({ ...step, 'targetId?': integer }),
  stepOut: object(step),
  pause: object({ 'threadId?': integer }),
  stepInTargets: object({ frameId: integer }),
  gotoTargets: object({ 'source?': source, ...place, 'instructionReference?': text, 'offset?': integer }),
  goto: object({ threadId: integer, targetId: integer }),
  restartFrame: object({ frameId: integer }),
  terminateThreads: object({ 'threadIds?': list(integer) }),

  stackTrace: object({
    threadId: integer,
    'startFrame?': natural,
    'levels?': natural,
    'format?': object({ 'hex?': flag, 'parameters?': flag, 'line?': flag, 'module?': flag, 'includeAll?': flag }),
  }),
  scopes: object({ frameId: integer }),
  variables: object({
    variablesReference: natural,
    'filter?': oneOf('indexed', 'named'),
    'start?': natural,
    'count?': natural,
    'format?': format,
  }),
  exceptionInfo: object({ 'threadId?': integer }),
  evaluate: object({
    expression: text,
    'frameId?': integer,
    'context?': text,
    'source?': source,
    ...place,
    'format?': format,
  }),
  setVariable: object({ variablesReference: natural, name: text, value: text, 'format?': format }),
  setExpression: object({ expression: text, value: text, 'frameId?': integer, 'format?': format }),
  completions: object({ text, column: natural, 'line?': natural, 'frameId?': integer }),

  readMemory: object({ memoryReference: text, 'offset?': integer, count: natural }),
  writeMemory: object({ memoryReference: text, 'offset?': integer, data: text, 'allowPartial?': flag }),
  disassemble: object({
    memoryReference: text,
    'offset?': integer,
    'instructionOffset?': integer,
    instructionCount: natural,
    'resolveSymbols?': flag,
  }),
  source: object({ 'source?': source, sourceReference: natural }),
  modules: object({ 'startModule?': natural, 'moduleCount?': natural }),
  locations: object({ locationReference: natural }),
};

/** @throws BadInput */
export const checkArguments = (command: string, given: unknown): void => {
  const wrong = (requests[command] ?? object({}))(given);
  if (wrong === undefined) return;
  const { at, wanted, found } = wrong;
  const name = at === '' ? 'its arguments' : at.slice(1);
  if (found === undefined) throw new BadInput(`the request ${command} needs the argument ${name}: ${wanted} is wanted`);
  throw new BadInput(`the request ${command}: ${name} is ${show(found)}; ${wanted} is wanted`);
};

const LONGEST = 40;

const show = (value: unknown): string => {
  const written = JSON.stringify(value) ?? String(value);
  return written.length > LONGEST ? `${written.slice(0, LONGEST)}…` : written;
};
