/** `setExceptionBreakpoints`: filters, filters with conditions, and exception options, as breakpoints on events. */

import type { DebugProtocol } from '@vscode/debugprotocol';
import type { Wish } from './breakpoint-book';
import { type EventWish, readExceptionOptions, readFilter } from './exception-filters';

/** In the order in which the protocol wants its answers. */
export const exceptionWishes = (args: DebugProtocol.SetExceptionBreakpointsArguments): Wish[] => {
  const { filters, filterOptions = [], exceptionOptions = [] } = args;
  const ofOptions = readExceptionOptions(exceptionOptions);
  return [
    ...filters.map((filterId) => wish(filterId, { filterId }, () => readFilter(filterId, undefined))),
    ...filterOptions.map((one) =>
      wish(`${one.filterId} ${one.condition ?? ''}`, one, () => readFilter(one.filterId, one.condition, one.mode)),
    ),
    // What is left of an option depends on those behind it.
    ...ofOptions.map((read, index) => wish(`option ${index}`, exceptionOptions.slice(index), read)),
  ];
};

const wish = (key: string, asked: object, read: () => EventWish | undefined): Wish => ({
  key,
  asked,
  place: (session, id) => {
    const wanted = read();
    if (wanted === undefined) return { answer: { message: 'nothing is stopped at' }, release: () => {} };
    const { spec, condition, hitCondition } = wanted;
    session.events.break(spec, { condition, hitCondition }, id);
    return { answer: {}, release: () => session.events.remove(id) };
  },
});
