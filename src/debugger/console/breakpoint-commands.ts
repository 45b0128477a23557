/** Commands about where and when the machine stops, and what is logged instead. */

import { BadInput } from '../../program/program';
import type { WatchAccess } from '../breakpoints';
import { isEventSpec, splitRequest } from '../events/spec';
import type { TriggerOptions } from '../trigger';
import { readCount, readLocation, readMemoryPlace, splitArguments } from './arguments';
import { type Command, type ConsoleContext, lines, type Output } from './command';
import { type Completion, completeSpec, starting } from './completion';
import { detailsOf, type StopRequest, watchText } from './stops';

const WHERE = 'where? a line, FILE:LINE, a symbol, an address, or an event such as trap:#PF';

/** What stands before and behind `if`, `hits` and `log`. @throws BadInput */
const split = (argument: string): { readonly spec: string; readonly options: TriggerOptions } => {
  const { spec, options } = splitRequest(argument);
  if (spec === '' || /^(if|hits|log)\b/.test(spec)) throw new BadInput(WHERE);
  return { spec, options };
};

const place = (console: ConsoleContext, request: StopRequest): number =>
  console.stops.add(console.session, request, (location) => readLocation(console, location));

const add = (console: ConsoleContext, argument: string, more: TriggerOptions): Output => {
  const { spec, options: written } = split(argument);
  const options = { ...written, ...more };
  const symbol = console.session.info.symbols.named(spec) !== null;
  // `mode` and `ring` may be symbols too: those that are meant more often.
  if (isEventSpec(spec) && !symbol) {
    const id = place(console, { kind: 'event', text: spec, options, logs: false });
    return lines(`breakpoint ${id} on ${spec}${detailsOf(options)}`);
  }
  const id = place(console, { kind: 'code', text: spec, options });
  const found = console.session.breakpoints.list().find((one) => one.id === id);
  return lines(
    ...(found?.addresses ?? []).map(
      (address) => `breakpoint ${id} at ${console.session.info.placeOf(address)}${detailsOf(written)}`,
    ),
  );
};

/** A line each time, and on it goes. */
const log = (console: ConsoleContext, argument: string): Output => {
  const { spec, options } = split(argument);
  if (isEventSpec(spec) && console.session.info.symbols.named(spec) === null) {
    const id = place(console, { kind: 'event', text: spec, options, logs: true });
    return lines(`breakpoint ${id} logs ${spec}${detailsOf(options)}`);
  }
  return add(console, argument, options.logMessage === undefined ? { logMessage: `${spec}: RIP {rip}` } : {});
};

const MOST_WATCHED = 1 << 20;

/** `watch [ADDRESS]:u32`, `watch ADDRESS, LENGTH`. */
const watch = (console: ConsoleContext, argument: string, access: WatchAccess): Output => {
  if (argument === '') throw new BadInput('which memory? watch [address]:u32 or watch ADDRESS, LENGTH');
  const { spec, options } = split(argument);
  const [text = '', digits] = splitArguments(spec);
  const memory = readMemoryPlace(console, text);
  if (memory.size === undefined && digits === undefined)
    throw new BadInput(`${text}: write the memory to watch as [address]:u32, or with its length`);
  const length = (memory.size ?? 1) * (digits === undefined ? 1 : readCount(digits, 'a length', MOST_WATCHED));
  const request = { kind: 'watch', text, options, place: memory, length, access } as const;
  const id = place(console, request);
  return lines(`breakpoint ${id} watches ${watchText(request)}${detailsOf(options)}`);
};

const remove = (console: ConsoleContext, argument: string): Output => {
  const { session, stops } = console;
  if (argument === '') {
    for (const { id } of [...session.breakpoints.list(), ...session.events.list()]) stops.remove(session, id);
    stops.removeAll(session);
    return lines();
  }
  for (const id of argument.split(/[\s,]+/)) stops.remove(session, readCount(id, 'the number of a breakpoint'));
  return lines();
};

const completeIds = ({ session }: ConsoleContext, argument: string): readonly Completion[] =>
  starting(
    /\S*$/.exec(argument)?.[0] ?? '',
    [...session.breakpoints.list(), ...session.events.list()].map(({ id }) => String(id)),
    'value',
  );

const list = (console: ConsoleContext): Output => lines(...console.stops.lines(console.session));

const watches = (names: readonly string[], access: WatchAccess, what: string): Command => ({
  names,
  usage: '[ADDRESS]:u32 [if EXPRESSION] …',
  help: `Stops after memory was ${what}; also \`ADDRESS, LENGTH\`.`,
  complete: completeSpec,
  run: (console, argument) => watch(console, argument, access),
});

export const breakpointCommands: readonly Command[] = [
  {
    names: ['break', 'b'],
    usage: 'WHERE [if EXPRESSION] [hits N] [log TEXT]',
    help: 'Stops at a line, FILE:LINE, symbol or address, or on an event: trap:#PF, port:0x3f8:w, cr3:w, msr:EFER, pte:ADDRESS, mode …; `hits % 5`; with `log TEXT` prints and goes on, {expressions} filled in.',
    complete: completeSpec,
    run: (console, argument) => (argument === '' ? list(console) : add(console, argument, {})),
  },
  {
    names: ['tbreak', 'tb'],
    usage: 'WHERE [if EXPRESSION] …',
    help: 'The same, once.',
    complete: completeSpec,
    run: (console, argument) => add(console, argument, { temporary: true }),
  },
  {
    names: ['log'],
    usage: 'WHERE [if EXPRESSION] [hits N] [log TEXT]',
    help: 'Prints a line each time, and does not stop: `log trap`, `log start.loop log ecx is {ecx}`.',
    complete: completeSpec,
    run: log,
  },
  watches(['watch'], 'write', 'written'),
  watches(['rwatch'], 'read', 'read'),
  watches(['awatch'], 'both', 'read or written'),
  {
    names: ['delete', 'd'],
    usage: '[N …]',
    help: 'Removes breakpoints and watches by number, or all.',
    complete: completeIds,
    run: remove,
  },
  {
    names: ['breakpoints'],
    usage: '',
    help: 'Lists breakpoints, watches and what is logged.',
    run: list,
  },
];
