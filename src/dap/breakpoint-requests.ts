/** Breakpoints of all kinds: by line, by symbol, by address, on data, on exceptions. Each request replaces its own kind. */

import type { DebugProtocol } from '@vscode/debugprotocol';
import { readPlace } from '../debugger/address';
import type { BreakpointOptions } from '../debugger/breakpoints';
import { evaluate, locate } from '../debugger/expression/evaluator';
import { parseExpression } from '../debugger/expression/parser';
import { describeError, ExpressionError } from '../debugger/expression/syntax';
import { readInteger } from '../debugger/machine-options';
import { BadInput } from '../program/program';
import { hex, type LinearAddress, linear } from '../x86/address';
import type { Context } from './context';
import { faultStop, readFilter } from './exception-filters';
import { frameOf } from './frames';
import type { Handlers } from './handlers';

type Answer = DebugProtocol.Breakpoint;

export const breakpointHandlers = (context: Context): Handlers => ({
  setBreakpoints: (args: DebugProtocol.SetBreakpointsArguments) => {
    const path = args.source.path ?? args.source.name ?? '';
    context.wishes.sources.set(path, args);
    return { breakpoints: context.hasSession ? setSource(context, path, args) : pending(args.breakpoints) };
  },
  setFunctionBreakpoints: (args: DebugProtocol.SetFunctionBreakpointsArguments) => {
    context.wishes.functions = args;
    return { breakpoints: context.hasSession ? setFunctions(context, args) : pending(args.breakpoints) };
  },
  setInstructionBreakpoints: (args: DebugProtocol.SetInstructionBreakpointsArguments) => {
    context.wishes.instructions = args;
    return { breakpoints: context.hasSession ? setInstructions(context, args) : pending(args.breakpoints) };
  },
  setDataBreakpoints: (args: DebugProtocol.SetDataBreakpointsArguments) => {
    context.wishes.data = args;
    return { breakpoints: context.hasSession ? setData(context, args) : pending(args.breakpoints) };
  },
  setExceptionBreakpoints: (args: DebugProtocol.SetExceptionBreakpointsArguments) => {
    context.wishes.exceptions = args;
    return { breakpoints: context.hasSession ? setExceptions(context, args) : [] };
  },
  dataBreakpointInfo: (args: DebugProtocol.DataBreakpointInfoArguments) => dataBreakpointInfo(context, args),
  breakpointLocations: (args: DebugProtocol.BreakpointLocationsArguments) => breakpointLocations(context, args),
});

/** Sets again what the client has asked for, on another machine, under the same ids, and tells where they are now. */
export const restoreBreakpoints = (context: Context): void => {
  const { sources, functions, instructions, data, exceptions } = context.wishes;
  context.restoring = true;
  const answers = [
    ...[...sources].flatMap(([path, args]) => setSource(context, path, args)),
    ...(functions === undefined ? [] : setFunctions(context, functions)),
    ...(instructions === undefined ? [] : setInstructions(context, instructions)),
  ];
  context.restoring = false;
  for (const breakpoint of answers) context.send('breakpoint', { reason: 'changed', breakpoint });
  if (data !== undefined) setData(context, data);
  if (exceptions !== undefined) setExceptions(context, exceptions);
};

const pending = (list: readonly unknown[] | undefined): Answer[] =>
  (list ?? []).map(() => ({ verified: false, message: 'the program has not been loaded yet' }));

interface Wish {
  readonly addresses: readonly LinearAddress[];
  readonly options: BreakpointOptions;
  readonly more?: Partial<Answer>;
}

/** One request replaces all breakpoints of its group. @param find throws what becomes a breakpoint's message */
const replace = <Asked>(
  context: Context,
  group: string,
  asked: readonly Asked[],
  find: (one: Asked) => Wish,
): Answer[] => {
  const { breakpoints } = context.session;
  const before = context.breakpoints.get(group) ?? [];
  for (const { id } of before) if (id !== undefined) breakpoints.remove(id);
  const restored = context.restoring ? before : [];
  const answers = asked.map((one, index): Answer => {
    try {
      const { addresses, options, more } = find(one);
      const { id } = breakpoints.add(addresses, options, restored[index]?.id);
      const [first] = addresses;
      return { id, verified: true, ...(first === undefined ? {} : { instructionReference: hex(first) }), ...more };
    } catch (error) {
      return { verified: false, message: problem(error) };
    }
  });
  context.breakpoints.set(group, answers);
  return answers;
};

const problem = (error: unknown): string => {
  if (error instanceof BadInput) return error.message;
  if (error instanceof ExpressionError) return describeError(error);
  throw error;
};

const setSource = (
  context: Context,
  path: string,
  { breakpoints = [] }: DebugProtocol.SetBreakpointsArguments,
): Answer[] => {
  const { info } = context.session;
  const file = info.fileFor(path);
  return replace(context, `source ${path}`, breakpoints, ({ line, condition, hitCondition, logMessage }) => {
    if (file === undefined) throw new BadInput(`${info.program.name} has no code from this file`);
    const found = info.lines.addresses(file, context.lineFromClient(line));
    if (found === null) throw new BadInput('there is no code on this line or after it');
    return {
      addresses: found.addresses,
      options: { condition, hitCondition, logMessage },
      more: {
        line: context.lineToClient(found.line),
        source: context.sourceOf(path),
        ...(found.data ? { message: 'this line holds data: it stops only where that is executed' } : {}),
      },
    };
  });
};

const setFunctions = (context: Context, { breakpoints }: DebugProtocol.SetFunctionBreakpointsArguments): Answer[] =>
  replace(context, 'function', breakpoints, ({ name, condition, hitCondition }) => {
    const address = linear(evaluate(parseExpression(name), context.session.environment(0)).bits);
    return { addresses: [address], options: { condition, hitCondition } };
  });

const setInstructions = (
  context: Context,
  { breakpoints }: DebugProtocol.SetInstructionBreakpointsArguments,
): Answer[] =>
  replace(context, 'instruction', breakpoints, ({ instructionReference, offset, condition, hitCondition }) => {
    const { address } = readPlace(instructionReference, offset);
    return { addresses: [linear(address)], options: { condition, hitCondition } };
  });

const setExceptions = (context: Context, args: DebugProtocol.SetExceptionBreakpointsArguments): Answer[] => {
  const wishes = [
    ...args.filters.map((filterId): DebugProtocol.ExceptionFilterOptions => ({ filterId })),
    ...(args.filterOptions ?? []),
  ];
  const answers = wishes.map(({ filterId, condition }) => {
    try {
      return { answer: { verified: true }, wanted: readFilter(filterId, condition) };
    } catch (error) {
      return { answer: { verified: false, message: problem(error) }, wanted: undefined };
    }
  });
  const wanted = answers.flatMap(({ wanted: one }) => (one === undefined ? [] : [one]));
  const { session } = context;
  session.stopOnFaults(wanted.length === 0 ? undefined : faultStop(session, wanted, (text) => context.note(text)));
  return answers.map(({ answer }) => answer);
};

// Data

const LONGEST_WATCH = 4096;

/** The data id is `address:bytes`, all that is needed to set it again. */
const dataBreakpointInfo = (context: Context, args: DebugProtocol.DataBreakpointInfoArguments): object => {
  const found = watchable(context, args);
  if (found === undefined)
    return { dataId: null, description: `${args.name}: only memory can be watched; write it as [address]:u32` };
  const { address, size } = found;
  return {
    dataId: `${hex(address)}:${size}`,
    description: `${size} ${size === 1 ? 'byte' : 'bytes'} at ${hex(address)}`,
    accessTypes: ['read', 'write', 'readWrite'],
    canPersist: true,
  };
};

const watchable = (
  context: Context,
  args: DebugProtocol.DataBreakpointInfoArguments,
): { readonly address: bigint; readonly size: number } | undefined => {
  if (args.asAddress) {
    const { address, space } = readPlace(args.name);
    const size = Math.min(Math.max(1, args.bytes ?? 1), LONGEST_WATCH);
    return space === 'linear' ? { address, size } : undefined;
  }
  const environment = context.session.environment(frameOf(context, args.frameId).vcpu);
  try {
    const expression = parseExpression(args.name);
    if (expression.kind === 'memory' && expression.space === 'linear') return locate(expression, environment);
    const isSymbol = expression.kind === 'name' && context.session.info.symbols.named(expression.name) !== null;
    if (!isSymbol) return undefined;
    return { address: evaluate(expression, environment).bits, size: args.bytes ?? environment.natural };
  } catch (error) {
    if (error instanceof ExpressionError) return undefined;
    throw error;
  }
};

const setData = (context: Context, args: DebugProtocol.SetDataBreakpointsArguments): Answer[] => {
  const { breakpoints } = context.session;
  for (const watch of context.watched.keys()) breakpoints.unwatch(watch);
  context.watched.clear();
  return args.breakpoints.map(({ dataId, accessType = 'write', condition, hitCondition }, index): Answer => {
    const [address, size] = dataId.split(':').map(readInteger);
    if (address === undefined || size === undefined) return { verified: false, message: `${dataId}: no data id` };
    const id = FIRST_DATA_ID + index;
    const access = accessType === 'readWrite' ? 'both' : accessType;
    try {
      context.watched.set(breakpoints.watch(address, Number(size), access, { condition, hitCondition }), [id]);
    } catch (error) {
      return { verified: false, message: problem(error) };
    }
    return { id, verified: true };
  });
};

const FIRST_DATA_ID = 1_000_000;

const breakpointLocations = (context: Context, args: DebugProtocol.BreakpointLocationsArguments): object => {
  const { info } = context.session;
  const file = info.fileFor(args.source.path ?? '');
  const breakpoints: DebugProtocol.BreakpointLocation[] = [];
  const last = context.lineFromClient(args.endLine ?? args.line);
  for (let line = context.lineFromClient(args.line); file !== undefined && line <= last; line++) {
    const found = info.lines.addresses(file, line);
    if (found === null || found.line > last) break;
    if (!found.data) breakpoints.push({ line: context.lineToClient(found.line) });
    line = found.line;
  }
  return { breakpoints };
};
