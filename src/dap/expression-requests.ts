/** What the user types and points at: evaluate, hover, watch, the debug console, set variable, set expression, completions. */

import type { DebugProtocol } from '@vscode/debugprotocol';
import { placeText } from '../debugger/address';
import type { Output } from '../debugger/console/command';
import type { Completion } from '../debugger/console/completion';
import { Console } from '../debugger/console/console';
import type { VcpuEnvironment } from '../debugger/environment';
import { assign, evaluate } from '../debugger/expression/evaluator';
import { parseExpression, parseQuery } from '../debugger/expression/parser';
import { type Expression, ExpressionError } from '../debugger/expression/syntax';
import { type Item, itemValue } from '../debugger/item';
import { readInteger } from '../debugger/machine-options';
import type { OuterFrame } from '../debugger/name-sources';
import { environmentOf, queryItem } from '../debugger/query-item';
import { whyPointedAt } from '../debugger/why/pointed';
import { BadInput } from '../program/program';
import type { Context } from './context';
import { frame, frameOf } from './frames';
import type { Handlers } from './handlers';
import type { Container } from './handles';
import { hasLocation, locationReference } from './locations';
import { childrenOf, formatOf, valueText } from './variables';

type Evaluated = DebugProtocol.EvaluateResponse['body'];

/** @param restart does the request of that name */
export const expressionHandlers = (context: Context, restart: () => Promise<unknown>): Handlers => {
  const console = debugConsole(context, restart);

  return {
    evaluate: async (args: DebugProtocol.EvaluateArguments): Promise<Evaluated> => {
      const { vcpu, frame: outer } = seenFrom(context, args.frameId);
      if (args.context === 'repl') {
        console.frame = outer;
        return converse(context, console, { vcpu, frame: outer }, args.expression);
      }
      const expression = (args.context === 'hover' ? pointedAt(context, vcpu, args) : undefined) ?? args.expression;
      const query = parseQuery(expression);
      if (query.place !== undefined) throw new BadInput('values can be set in the debug console only');
      const viewer = { session: context.session, vcpu, frame: outer, ...formatOf(context, args.format) };
      const item = queryItem(viewer, expression.trim(), query);
      const shown = answer(context, { vcpu, path: `${args.frameId ?? ''}/=` }, item, args.format);
      return args.context === 'clipboard' ? { ...shown, result: wholeText(context, item, args.format) } : shown;
    },

    setVariable: (args: DebugProtocol.SetVariableArguments): DebugProtocol.SetVariableResponse['body'] => {
      const container = context.handles.container(args.variablesReference);
      const item = container === undefined ? undefined : itemIn(container, args.name);
      if (container === undefined || item?.expression === undefined || item.settable !== true)
        throw new BadInput(`${args.name} cannot be set`);
      const environment = context.session.environment(container.vcpu);
      set(context, environment, parseExpression(item.expression), given(environment, args.value));
      const { result: value, ...more } = answer(context, container, itemIn(container, args.name) ?? item, args.format);
      return { value, ...more };
    },

    setExpression: (args: DebugProtocol.SetExpressionArguments): DebugProtocol.SetExpressionResponse['body'] => {
      const { vcpu, frame: outer } = seenFrom(context, args.frameId);
      const query = parseQuery(args.expression);
      if (query.place !== undefined || query.count !== undefined)
        throw new BadInput(`${args.expression}: only a register, a flag or memory can be set`);
      const viewer = { session: context.session, vcpu, frame: outer, ...formatOf(context, args.format) };
      const environment = environmentOf(viewer);
      set(context, environment, query.value, given(environment, args.value));
      const item = queryItem(viewer, args.expression.trim(), query);
      const { result: value, ...more } = answer(context, { vcpu, path: `${args.frameId ?? ''}/=` }, item, args.format);
      return { value, ...more };
    },

    completions: (args: DebugProtocol.CompletionsArguments): DebugProtocol.CompletionsResponse['body'] => {
      const first = context.client.columnsStartAt1 === false ? 0 : 1;
      const line = args.text.split('\n')[Math.max(0, context.lineFromClient(args.line ?? first) - 1)] ?? args.text;
      console.vcpu = frameOf(context, args.frameId).vcpu;
      const cursor = Math.max(0, args.column - first);
      return { targets: console.complete(line.slice(0, cursor)).map((one) => target(one, cursor + first)) };
    },
  };
};

interface Seen {
  readonly vcpu: number;
  readonly frame: OuterFrame | undefined;
}

/** Of the mnemonic of an instruction: why it does what it does. */
const pointedAt = (
  context: Context,
  vcpu: number,
  { expression, line }: DebugProtocol.EvaluateArguments,
): string | undefined => {
  if (context.session.running) return undefined;
  return whyPointedAt(context.session, vcpu, expression.trim(), line && context.lineFromClient(line));
};

/** The vCPU of a frame, and what the stack tells of the frame where it is not the innermost. */
const seenFrom = (context: Context, frameId: number | undefined): Seen => {
  const place = frameOf(context, frameId);
  return { vcpu: place.vcpu, frame: place.index === 0 ? undefined : frame(context, place) };
};

const debugConsole = (context: Context, restart: () => Promise<unknown>): Console => {
  const console = new Console({
    get session() {
      return context.session;
    },
    get radix() {
      return context.radix;
    },
    move: async (motion) => {
      context.move(motion, { unasked: true });
      return { lines: [] };
    },
    restart: async () => {
      await restart();
      return { lines: [] };
    },
    source: async (file) => {
      try {
        return new TextDecoder().decode(await context.files.read(file)).split(/\r?\n/);
      } catch (error) {
        if (error instanceof BadInput) return undefined;
        throw error;
      }
    },
  });
  context.onTake = () => console.restored((text) => context.note(text));
  return console;
};

/** A line of the debug console. What it changed is told to the client afterwards. */
const converse = async (
  context: Context,
  console: Console,
  { vcpu, frame: outer }: Seen,
  line: string,
): Promise<Evaluated> => {
  if (line.trim() === '') return { result: '', variablesReference: 0 };
  console.vcpu = vcpu;
  console.frame = outer;
  const { log } = context.session.machine;
  const before = log.entries.length;
  const output = await console.execute(line);
  const { session } = context;
  const edited = !session.running && log === session.machine.log && log.entries.length !== before;
  if (edited || output.redraw === true) context.later(() => context.invalidate());
  return said(context, vcpu, output);
};

/** What was said stays as it was, whatever the machine does afterwards. */
const said = (context: Context, vcpu: number, { lines, items, title }: Output): Evaluated => {
  const [only, ...others] = items ?? [];
  if (only === undefined) return { result: lines.join('\n'), variablesReference: 0 };
  if (others.length === 0)
    return { ...answer(context, { vcpu }, asItIs(only), undefined), result: title ?? lines[0] ?? '' };
  const all = items ?? [];
  return {
    result: title ?? lines[0] ?? '',
    variablesReference: context.handles.reference({ vcpu, items: () => all }),
    namedVariables: all.length,
  };
};

/** The parts of an item as they are now. */
const asItIs = (item: Item): Item => {
  const rows = item.children?.(0, MOST_KEPT);
  if (rows === undefined || (item.count ?? 0) > MOST_KEPT) return item;
  return { ...item, children: (start = 0, count = rows.length) => rows.slice(start, start + count) };
};

/** Longer arrays are read again when they are paged through. */
const MOST_KEPT = 1000;

const answer = (
  context: Context,
  container: Pick<Container, 'vcpu' | 'path'>,
  item: Item,
  format: DebugProtocol.ValueFormat | undefined,
): Evaluated => {
  const { memory, code, type, settable } = item;
  return {
    result: valueText(context, item, formatOf(context, format)),
    ...(type === undefined || context.client.supportsVariableType !== true ? {} : { type }),
    ...(settable === true ? {} : { presentationHint: { attributes: ['readOnly'] } }),
    ...(memory === undefined ? {} : { memoryReference: placeText(placeSeenBy(context, container.vcpu, memory)) }),
    ...(code !== undefined && hasLocation(context, code)
      ? { valueLocationReference: locationReference(context, code) }
      : {}),
    ...childrenOf(context, container, item),
  };
};

/** A place that is not the stopped vCPU's says whose it is. */
const placeSeenBy = (
  context: Context,
  vcpu: number,
  place: NonNullable<Item['memory']>,
): NonNullable<Item['memory']> =>
  place.space === 'phys' || place.vcpu !== undefined || vcpu === frameOf(context, undefined).vcpu
    ? place
    : { ...place, vcpu };

/** Nothing left out: all elements of an array, not the first few. */
const wholeText = (context: Context, item: Item, format: DebugProtocol.ValueFormat | undefined): string => {
  const shown = formatOf(context, format);
  if (item.count === undefined) return itemValue(item, shown);
  const elements = item.children?.(0, item.count) ?? [];
  return `[${elements.map((one) => itemValue(one, shown)).join(', ')}]`;
};

/** A row by its name; of what is given in pages, by its index. */
const itemIn = (container: Container, name: string): Item | undefined => {
  const index = container.count === undefined ? undefined : /^\[(\d+)\]$/.exec(name)?.[1];
  return index === undefined
    ? container.items().find((item) => item.name === name)
    : container.items(Number(index), 1)[0];
};

/** A value as the user wrote it; of a value as we show it, the number that stands first counts. */
const given = (environment: VcpuEnvironment, text: string): bigint => {
  try {
    return evaluate(parseExpression(text), environment).bits;
  } catch (error) {
    const first = readInteger(/^\s*(\S+)\s/.exec(text)?.[1]);
    if (error instanceof ExpressionError && first !== undefined) return first;
    throw error;
  }
};

/** Writes, and tells the client what may look different now. */
const set = (context: Context, environment: VcpuEnvironment, place: Expression, value: bigint): void => {
  const { session } = context;
  if (session.running) throw new BadInput('the machine is running; pause it first');
  assign(place, value, environment);
  context.later(() => context.invalidate());
};

/** @param column of the cursor, as the client counts */
const target = (
  { label, text, kind, detail, length, cursor }: Completion,
  column: number,
): DebugProtocol.CompletionItem => ({
  label,
  type: kind,
  start: column - length,
  length,
  ...(text === undefined ? {} : { text }),
  ...(detail === undefined ? {} : { detail }),
  ...(cursor === undefined ? {} : { selectionStart: cursor, selectionLength: 0 }),
});
