/**
 * Breakpoints on data: memory by variable, expression and address, and registers. The data id is all that is needed to
 * set one again: `PLACE:BYTES` for memory, `register NAME` or `cpuN register NAME` for a register.
 */

import type { DebugProtocol } from '@vscode/debugprotocol';
import { type Place, placeText, readPlace, type Space } from '../debugger/address';
import type { WatchAccess } from '../debugger/breakpoints';
import { evaluate, locate } from '../debugger/expression/evaluator';
import { parseExpression } from '../debugger/expression/parser';
import type { Expression } from '../debugger/expression/syntax';
import { ExpressionError } from '../debugger/expression/syntax';
import type { Item } from '../debugger/item';
import { readInteger } from '../debugger/machine-options';
import type { Session } from '../debugger/session';
import { BadInput } from '../program/program';
import type { Wish } from './breakpoint-book';
import { checkMode } from './breakpoint-modes';
import type { Context } from './context';
import { frameOf } from './frames';
import { physicalPlace } from './physical-place';

type Target = { readonly place: Place; readonly size: number } | { readonly register: string; readonly vcpu?: number };

const bytesText = (size: number): string => (size === 1 ? '1 byte' : `${size} bytes`);

export const dataBreakpointInfo = (
  context: Context,
  args: DebugProtocol.DataBreakpointInfoArguments,
): DebugProtocol.DataBreakpointInfoResponse['body'] => {
  const { mode } = args;
  checkMode(mode, 'data');
  const vcpu = frameOf(context, args.frameId).vcpu;
  const found = targetOf(context, args, vcpu);
  if (typeof found === 'string') return { dataId: null, description: found };
  if ('register' in found)
    return {
      dataId: `${context.session.machine.cpus.length > 1 ? `cpu${vcpu} ` : ''}register ${found.register}`,
      description: `${found.register}, when it changes`,
      accessTypes: ['write'],
      canPersist: true,
    };
  const { size } = found;
  const place = mode === 'physical' ? physicalPlace(context.session, found.place, vcpu) : found.place;
  return {
    dataId: `${mode === 'change' ? 'change ' : ''}${placeText(place)}:${size}`,
    description: `${bytesText(size)} at ${placeText(place)}${mode === 'change' ? ', when they change' : ''}`,
    accessTypes: mode === 'change' ? ['write'] : ['read', 'write', 'readWrite'],
    canPersist: true,
  };
};

/** What is to be watched, or why that cannot be. */
const targetOf = (context: Context, args: DebugProtocol.DataBreakpointInfoArguments, vcpu: number): Target | string => {
  const { name, bytes, variablesReference } = args;
  if (args.asAddress === true) return { place: readPlace(name), size: Math.max(1, bytes ?? 1) };
  const item = variablesReference
    ? context.handles
        .container(variablesReference)
        ?.items()
        .find((one) => one.name === name)
    : undefined;
  if (variablesReference && item === undefined) return `${name}: there is no such variable`;
  try {
    if (item !== undefined) return ofItem(context, item, vcpu, bytes);
    return ofExpression(context, parseExpression(name), name, vcpu, bytes);
  } catch (error) {
    if (error instanceof ExpressionError) return `${name}: ${error.message}`;
    throw error;
  }
};

const ofItem = (context: Context, item: Item, vcpu: number, bytes: number | undefined): Target | string => {
  if (item.expression === undefined) return `${item.name}: this has no place of its own that could be watched`;
  return ofExpression(context, parseExpression(item.expression), item.expression, vcpu, bytes);
};

const ofExpression = (
  context: Context,
  expression: Expression,
  text: string,
  vcpu: number,
  bytes: number | undefined,
): Target | string => {
  const environment = context.session.environment(vcpu);
  if (expression.kind === 'memory' && expression.space !== 'msr') {
    const { space, address, size } = locate(expression, environment);
    return { place: { space: space as Space, address }, size: bytes ?? size };
  }
  if (expression.kind === 'name') {
    const symbol = context.session.info.symbols.named(expression.name);
    if (environment.registers.has(expression.name.toLowerCase()) && !expression.symbolOnly)
      return { register: expression.name.toLowerCase() };
    if (symbol !== null)
      return {
        place: { space: 'linear', address: evaluate(expression, environment).bits },
        size: bytes ?? environment.natural,
      };
    // What is no symbol and has a value is a model-specific register.
    evaluate(expression, environment);
    return { register: expression.name };
  }
  return `${text}: only memory and registers can be watched; write [address]:u32 or the name of a register`;
};

export const dataWish = (asked: DebugProtocol.DataBreakpoint): Wish => ({
  key: `${asked.dataId} ${asked.accessType ?? ''}`,
  asked,
  place: (session, id) => {
    const { dataId, accessType = 'write', condition, hitCondition } = asked;
    const options = { condition, hitCondition };
    const target = readDataId(session, dataId);
    if ('register' in target) session.breakpoints.watchRegister(target.register, options, target.vcpu, id);
    else {
      const access: WatchAccess = target.change ? 'change' : accessType === 'readWrite' ? 'both' : accessType;
      session.breakpoints.watch(target.place, target.size, access, options, id);
    }
    return { answer: {}, release: () => session.breakpoints.unwatch(id) };
  },
});

/** @throws BadInput */
const readDataId = (
  session: Session,
  text: string,
):
  | { readonly register: string; readonly vcpu?: number }
  | { readonly place: Place; readonly size: number; readonly change: boolean } => {
  const [, cpu, register] = /^(?:cpu(\d+) )?register (\S+)$/.exec(text) ?? [];
  if (register !== undefined) {
    if (cpu !== undefined) session.vcpu(Number(cpu));
    return { register, ...(cpu === undefined ? {} : { vcpu: Number(cpu) }) };
  }
  const [, change, where = '', bytes = ''] = /^(change )?(.+):(\w+)$/.exec(text) ?? [];
  const size = readInteger(bytes);
  if (size === undefined) throw new BadInput(`${text}: no data id; dataBreakpointInfo gives one`);
  return { place: readPlace(where), size: Number(size), change: change !== undefined };
};
