/** What the user types and points at: evaluate, hover, watch, set variable, set expression, completions. */

import type { DebugProtocol } from '@vscode/debugprotocol';
import { assign, evaluate, type Value } from '../debugger/expression/evaluator';
import { parseExpression, parseQuery } from '../debugger/expression/parser';
import { type Expression, ExpressionError } from '../debugger/expression/syntax';
import { scopesOf } from '../debugger/inspect/scopes';
import { type Item, itemValue } from '../debugger/item';
import { readInteger } from '../debugger/machine-options';
import { describeValue } from '../debugger/value-text';
import { BadInput } from '../program/program';
import { hex } from '../x86/address';
import type { Context } from './context';
import { frameOf } from './frames';
import type { Handlers } from './handlers';

export const expressionHandlers = (context: Context): Handlers => ({
  evaluate: (args: DebugProtocol.EvaluateArguments): DebugProtocol.EvaluateResponse['body'] => {
    const { vcpu } = frameOf(context, args.frameId);
    const { place, value } = parseQuery(args.expression);
    if (place !== undefined) {
      if (args.context !== 'repl') throw new BadInput('values can be set in the debug console only');
      const written = read(context, vcpu, value);
      set(context, vcpu, place, written.bits);
      // What was set may have unmapped itself.
      if (!isReadable(context, vcpu, place))
        return { result: describeValue(written, context.session.info), variablesReference: 0 };
    }
    return result(context, vcpu, place ?? value, args.frameId);
  },

  setVariable: (args: DebugProtocol.SetVariableArguments): DebugProtocol.SetVariableResponse['body'] => {
    const container = context.handles.container(args.variablesReference);
    const item = container?.items().find(({ name }) => name === args.name);
    if (container === undefined || item?.expression === undefined || item.settable !== true)
      throw new BadInput(`${args.name} cannot be set`);
    const place = parseExpression(item.expression);
    set(context, container.vcpu, place, given(context, container.vcpu, args.value));
    const now = container.items().find(({ name }) => name === args.name) ?? item;
    return { value: itemValue(now) };
  },

  setExpression: (args: DebugProtocol.SetExpressionArguments): DebugProtocol.SetExpressionResponse['body'] => {
    const { vcpu } = frameOf(context, args.frameId);
    const place = parseExpression(args.expression);
    set(context, vcpu, place, given(context, vcpu, args.value));
    const { result: value } = result(context, vcpu, place, args.frameId);
    return { value };
  },

  completions: (args: DebugProtocol.CompletionsArguments) => {
    const { vcpu } = frameOf(context, args.frameId);
    const before = args.text.slice(0, Math.max(0, args.column - (context.client.columnsStartAt1 === false ? 0 : 1)));
    const prefix = /[$%]?[A-Za-z_.?@][\w.?@$#~]*$/.exec(before)?.[0] ?? '';
    return { targets: complete(context, vcpu, prefix) };
  },
});

const read = (context: Context, vcpu: number, expression: Expression): Value =>
  evaluate(expression, context.session.environment(vcpu));

const isReadable = (context: Context, vcpu: number, place: Expression): boolean => {
  try {
    read(context, vcpu, place);
    return true;
  } catch (error) {
    if (error instanceof ExpressionError) return false;
    throw error;
  }
};

/** A value as the user wrote it; of a value as we show it, the number that stands first counts. */
const given = (context: Context, vcpu: number, text: string): bigint => {
  try {
    return read(context, vcpu, parseExpression(text)).bits;
  } catch (error) {
    const first = readInteger(/^\s*(\S+)\s/.exec(text)?.[1]);
    if (error instanceof ExpressionError && first !== undefined) return first;
    throw error;
  }
};

/** Writes, and tells the client what may look different now. */
const set = (context: Context, vcpu: number, place: Expression, value: bigint): void => {
  const { session } = context;
  if (session.running) throw new BadInput('the machine is running; pause it first');
  assign(place, value, session.environment(vcpu));
  context.later(() => context.invalidate());
};

const result = (
  context: Context,
  vcpu: number,
  expression: Expression,
  frame: number | undefined,
): DebugProtocol.EvaluateResponse['body'] => {
  const { session } = context;
  const value = read(context, vcpu, expression);
  const item = expression.kind === 'name' ? itemNamed(context, vcpu, expression.name.toLowerCase()) : undefined;
  const path = `${frame ?? ''}/=${item?.name ?? ''}`;
  return {
    result: item === undefined ? describeValue(value, session.info) : itemValue(item),
    memoryReference: hex(value.bits),
    variablesReference:
      item?.children === undefined ? 0 : context.handles.reference({ vcpu, path, items: item.children }),
  };
};

/** The row of a scope that shows a register: its decoding and parts are shown here too. */
const itemNamed = (context: Context, vcpu: number, name: string): Item | undefined => {
  const { machine, info } = context.session;
  for (const { items } of scopesOf(machine, context.session.vcpu(vcpu), info)) {
    const found = items().find((item) => item.expression === name);
    if (found !== undefined) return found;
  }
  return undefined;
};

const MOST = 200;

const complete = (context: Context, vcpu: number, written: string): DebugProtocol.CompletionItem[] => {
  const { session } = context;
  const mark = /^[$%]/.exec(written)?.[0] ?? '';
  const prefix = written.slice(mark.length);
  const target = (label: string, type: DebugProtocol.CompletionItemType): DebugProtocol.CompletionItem => ({
    label: mark + label,
    type,
    length: written.length,
  });
  const registers = mark === '$' ? [] : [...session.environment(vcpu).registers.keys()];
  return [
    ...registers.filter((name) => name.startsWith(prefix.toLowerCase())).map((name) => target(name, 'variable')),
    ...session.info.symbols
      .startingWith(prefix)
      .map(({ name, kind }) => target(name, kind === 'code' ? 'function' : 'value')),
  ].slice(0, MOST);
};
