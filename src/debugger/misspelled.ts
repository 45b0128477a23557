/** Places to stop at that nothing is called: which symbol or kind of event was meant is told with the refusal. */

import { eventWords } from './events/spec';
import { ExpressionError } from './expression/syntax';
import { nearest } from './nearest';
import type { Session } from './session';

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

const meant = (session: Session, index: number, text: string): { readonly name?: string; readonly near?: string } => {
  const name = /^\s*([a-z_.][\w.-]*)(?::|\s*$)/i.exec(text)?.[1];
  if (name === undefined || session.environment(index).name(name, false) !== undefined) return {};
  const symbols = session.info.symbols.startingWith('', MOST_SYMBOLS).map((symbol) => symbol.name);
  const near = nearest(name, [...eventWords, ...symbols]);
  return near === undefined ? {} : { name, near };
};
