/** What a configuration wants to stop at or to have logged: `breakOn` and `trace`, in the grammar of events. */

import type { Session } from '../debugger/session';
import { BadInput } from '../program/program';

/** @throws BadInput */
const eventTexts = (name: string, given: unknown): readonly string[] => {
  if (given === undefined || given === null) return [];
  const list = Array.isArray(given) ? given : [given];
  const wrong = list.find((one) => typeof one !== 'string');
  if (wrong !== undefined)
    throw new BadInput(`${name} ${JSON.stringify(wrong)}: an event is wanted, such as "trap:#PF"`);
  return list.filter((text) => text.trim() !== '');
};

/** @returns ends both. @throws BadInput */
export const launchEvents = (session: Session, { breakOn, trace }: Readonly<Record<string, unknown>>): (() => void) => {
  const set = [
    ...eventTexts('breakOn', breakOn).map((text) => session.events.break(text)),
    // Without conditions several may stand in one text, as on the command line.
    ...eventTexts('trace', trace)
      .flatMap((text) => (/\s(if|log|hits)\s/.test(text) ? [text] : text.split(',')))
      .map((text) => session.events.log(text)),
  ];
  return () => {
    for (const { id } of set) session.events.remove(id);
  };
};
