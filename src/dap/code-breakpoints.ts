/** Breakpoints on code: by line, by name, by address; a name may also be an event. */

import type { DebugProtocol } from '@vscode/debugprotocol';
import { type Place, placeText, readPlace } from '../debugger/address';
import { rowOf } from '../debugger/events/kinds';
import { isEventSpec } from '../debugger/events/spec';
import { evaluate } from '../debugger/expression/evaluator';
import { parseExpression } from '../debugger/expression/parser';
import { stopAtSymbol } from '../debugger/function-body';
import { orSuggest } from '../debugger/misspelled';
import type { Session } from '../debugger/session';
import type { TriggerOptions } from '../debugger/trigger';
import { BadInput } from '../program/program';
import { linear } from '../x86/address';
import type { Placed, Wish } from './breakpoint-book';
import { checkMode } from './breakpoint-modes';
import type { Context } from './context';
import { physicalPlace } from './physical-place';
import { addressesAt } from './positions';

/** @throws BadInput */
const inMode = (session: Session, places: readonly Place[], mode: string | undefined): readonly Place[] => {
  checkMode(mode, 'instruction');
  if (mode !== 'physical') return places;
  return places.map((place) => physicalPlace(session, place));
};

const placed = (
  session: Session,
  id: number,
  places: readonly Place[],
  options: TriggerOptions,
  answer: Partial<DebugProtocol.Breakpoint> = {},
): Placed => {
  session.breakpoints.add(places, options, id);
  const [first] = places;
  return {
    answer: { ...(first === undefined ? {} : { instructionReference: placeText(first) }), ...answer },
    release: () => session.breakpoints.remove(id),
  };
};

export const sourceWish = (
  context: Context,
  source: DebugProtocol.Source,
  asked: DebugProtocol.SourceBreakpoint,
): Wish => ({
  key: `${asked.line}:${asked.column ?? ''}`,
  asked,
  place: (session, id) => {
    const { line, mode, condition, hitCondition, logMessage } = asked;
    const found = addressesAt(context, source, context.lineFromClient(line));
    if (found === undefined) throw new BadInput(noCode(context, source));
    const places = found.addresses.map((address): Place => ({ space: 'linear', address }));
    return placed(
      session,
      id,
      inMode(session, places, mode),
      { condition, hitCondition, logMessage },
      {
        line: context.lineToClient(found.line),
        source: source.sourceReference ? source : context.sourceOf(source.path ?? source.name ?? ''),
        ...(found.data === true ? { message: 'this line holds data: it stops only where that is executed' } : {}),
      },
    );
  },
});

const noCode = (context: Context, { sourceReference, path, name }: DebugProtocol.Source): string => {
  const { info } = context.session;
  return sourceReference || info.fileFor(path ?? name ?? '') !== undefined
    ? 'there is no code on this line or after it'
    : `${info.program.name} has no code from this file`;
};

export const functionWish = (asked: DebugProtocol.FunctionBreakpoint): Wish => ({
  key: asked.name,
  asked,
  place: (session, id) => {
    const { name, condition, hitCondition } = asked;
    if (isEventSpec(name) && session.info.symbols.named(name.trim()) === null) {
      const { kind } = session.events.break(name, { condition, hitCondition }, id);
      const { summary, stops } = rowOf(kind);
      return { answer: { message: `${summary}; stops ${stops}` }, release: () => session.events.remove(id) };
    }
    return placed(session, id, [placeNamed(session, name)], { condition, hitCondition });
  },
});

/** `start`, `start.count`, `start + 4`, `0x100000`, `phys:0x100000`. @throws BadInput, ExpressionError */
const placeNamed = (session: Session, name: string): Place => {
  if (/^\s*(cpu\d+|guest|gpa|phys):/.test(name)) return readPlace(name);
  const { current } = session.machine;
  const body = stopAtSymbol(session.codeView(current), name);
  if (body !== undefined) return { space: 'linear', address: body };
  const { bits } = orSuggest(session, current, name, () =>
    evaluate(parseExpression(name), session.environment(current)),
  );
  return { space: 'linear', address: bits };
};

export const instructionWish = (asked: DebugProtocol.InstructionBreakpoint): Wish => ({
  key: `${asked.instructionReference}+${asked.offset ?? 0}`,
  asked,
  place: (session, id) => {
    const { instructionReference, offset, condition, hitCondition, mode } = asked;
    const place = readPlace(instructionReference, offset);
    return placed(session, id, inMode(session, [place], mode), { condition, hitCondition }, lineOf(session, place));
  },
});

const lineOf = (session: Session, { space, address }: Place): Partial<DebugProtocol.Breakpoint> => {
  const name = space === 'linear' ? session.info.nameOf(linear(address)) : undefined;
  return name === undefined ? {} : { message: name };
};

export const breakpointLocations = (context: Context, args: DebugProtocol.BreakpointLocationsArguments): object => {
  const breakpoints: DebugProtocol.BreakpointLocation[] = [];
  const last = context.lineFromClient(args.endLine ?? args.line);
  for (let line = context.lineFromClient(args.line); line <= last; line++) {
    const found = addressesAt(context, args.source, line);
    if (found === undefined || found.line > last) break;
    if (found.data !== true) breakpoints.push({ line: context.lineToClient(found.line) });
    line = found.line;
  }
  return { breakpoints };
};
