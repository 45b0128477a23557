/** Names that nothing has: which symbol, event or value was meant is told with the refusal, or beside what was set. */

import { numbersOf } from './events/kinds';
import { eventWords, isEventSpec, readEventSpec } from './events/spec';
import { parseQuery } from './expression/parser';
import { type Expression, ExpressionError } from './expression/syntax';
import { nearest } from './nearest';
import type { Session } from './session';
import type { TriggerOptions } from './trigger';
import { isFieldName } from './vmcs/names';

/** More symbols than that are not looked through. */
const MOST_SYMBOLS = 10_000;

/** Finds a place by its text; where it begins with a name that nothing has, the refusal says which is near. @throws ExpressionError */
export const orSuggest = <Found>(session: Session, index: number, text: string, find: () => Found): Found => {
  try {
    return find();
  } catch (error) {
    const { name, near } = error instanceof ExpressionError ? meant(session, index, text) : {};
    if (name === undefined || near === undefined) throw error;
    const refusal = new ExpressionError(`there is no symbol, register or event \`${name}\`; did you mean ${near}?`, {
      start: text.indexOf(name),
      end: text.indexOf(name) + name.length,
    });
    refusal.text = text;
    throw refusal;
  }
};

const symbolNames = (session: Session): string[] =>
  session.info.symbols.startingWith('', MOST_SYMBOLS).map(({ name }) => name);

const meant = (session: Session, index: number, text: string): { readonly name?: string; readonly near?: string } => {
  const name = /^\s*([a-z_.][\w.-]*)(?::|\s*$)/i.exec(text)?.[1];
  if (name === undefined || session.environment(index).name(name, false) !== undefined) return {};
  const near = nearest(name, [...eventWords, ...symbolNames(session)]);
  return near === undefined ? {} : { name, near };
};

/** Names in a condition or a text to log that nothing has as yet: they are not refused for that, but it is said. */
export const doubts = (
  session: Session,
  index: number,
  spec: string,
  { condition, logMessage = '' }: TriggerOptions,
): string[] => {
  const texts = [condition ?? '', ...[...logMessage.matchAll(/\{([^{}]+)\}/g)].map(([, inner = '']) => inner)];
  const environment = session.environment(index);
  const own = ownNames(session, spec);
  const isKnown = (name: string): boolean =>
    own.some((one) => one.toLowerCase() === name.toLowerCase()) ||
    isFieldName(name) ||
    environment.name(name, false) !== undefined;
  // Local labels are those of the place, parts of tables those of the moment.
  const unknown = texts
    .filter((text) => text.trim() !== '')
    .flatMap((text) => namesIn(parseQuery(text).value))
    .filter((name) => !name.includes('.') && !isKnown(name));
  return [...new Set(unknown)].map((name) => {
    const near = nearest(name, [...own, ...environment.registers.keys(), ...symbolNames(session)]);
    return `nothing is called \`${name}\` now${near === undefined ? '' : `; did you mean ${near}?`}`;
  });
};

/** What an event, or a change of a value, adds to the language. */
const ownNames = (session: Session, spec: string): string[] => {
  if (!isEventSpec(spec) || session.info.symbols.named(spec) !== null) return ['old', 'new'];
  const { kind } = readEventSpec(spec, () => 0n);
  return numbersOf(kind).flatMap(({ name, constants, names }) => [
    name,
    ...(constants === true ? (names?.() ?? []) : []),
  ]);
};

const namesIn = (expression: Expression): string[] => {
  switch (expression.kind) {
    case 'name':
      return [expression.name];
    case 'memory':
      return namesIn(expression.address);
    case 'unary':
    case 'cast':
      return namesIn(expression.operand);
    case 'binary':
      return [...namesIn(expression.left), ...namesIn(expression.right)];
    case 'call':
      return expression.operands.flatMap(namesIn);
    default:
      return [];
  }
};
