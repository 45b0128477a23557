/** Commands about where and when the machine stops, and what is logged instead. */

import { BadInput } from '../../program/program';
import { isEventSpec, splitRequest } from '../events/spec';
import { parseExpression } from '../expression/parser';
import { doubts, orSuggest } from '../misspelled';
import type { TriggerOptions } from '../trigger';
import type { WatchAccess } from '../watches';
import { inText, readCodePlaces, readCount, readMemoryPlace, splitArguments } from './arguments';
import { type Command, type ConsoleContext, lines, type Output } from './command';
import { type Completion, completeSpec, starting } from './completion';
import { detailsOf, idsOf, type StopRequest, stopLines, watchText, whereText } from './stops';

const WHERE = 'where? a line, FILE:LINE, a symbol, an address, or an event such as trap:#PF';

/** What stands before and behind `if`, `hits` and `log`. @throws BadInput */
const split = (argument: string): { readonly spec: string; readonly options: TriggerOptions } => {
  const { spec, options } = splitRequest(argument);
  if (spec === '' || /^(if|hits|log)\b/.test(spec)) throw new BadInput(WHERE);
  const { condition } = options;
  // Here is room for a caret below the place.
  if (condition !== undefined) inText(condition, () => parseExpression(condition));
  return { spec, options };
};

const place = (console: ConsoleContext, request: StopRequest): number =>
  console.stops.add(console.session, request, (location) =>
    orSuggest(console.session, console.vcpu, location, () => readCodePlaces(console, location)),
  );

const doubtsAbout = ({ session, vcpu }: ConsoleContext, spec: string, options: TriggerOptions): string[] =>
  doubts(session, vcpu, spec, options);

const add = (console: ConsoleContext, argument: string, more: TriggerOptions): Output => {
  const { spec, options: written } = split(argument);
  const options = { ...written, ...more };
  const symbol = console.session.info.symbols.named(spec) !== null;
  // `mode` and `ring` may be symbols too: those that are meant more often.
  if (isEventSpec(spec) && !symbol) {
    const id = place(console, { kind: 'event', text: spec, options, logs: false });
    return lines(`breakpoint ${id} on ${spec}${detailsOf(options)}`, ...doubtsAbout(console, spec, options));
  }
  const id = place(console, { kind: 'code', text: spec, options });
  const found = console.session.breakpoints.list().find((one) => one.id === id);
  return lines(
    ...(found?.places ?? []).map(
      (at) => `breakpoint ${id} at ${whereText(console.session.info, at)}${detailsOf(written)}`,
    ),
    ...(GUEST_PHYSICAL.test(spec) ? [STAYS] : []),
    ...doubtsAbout(console, spec, options),
  );
};

const GUEST_PHYSICAL = /^\s*(?:cpu\d+:)?gpa:/i;
const STAYS = 'that is what EPT makes of it now, if a guest has EPT; the breakpoint stays there when EPT changes';

/** A line each time, and on it goes. */
const log = (console: ConsoleContext, argument: string): Output => {
  const { spec, options } = split(argument);
  if (isEventSpec(spec) && console.session.info.symbols.named(spec) === null) {
    const id = place(console, { kind: 'event', text: spec, options, logs: true });
    return lines(`breakpoint ${id} logs ${spec}${detailsOf(options)}`, ...doubtsAbout(console, spec, options));
  }
  return add(console, argument, options.logMessage === undefined ? { logMessage: `${spec}: RIP {rip}` } : {});
};

const MOST_WATCHED = 1 << 20;

/** `watch [ADDRESS]:u32`, `watch ADDRESS, LENGTH`, `watch rax`. */
const watch = (console: ConsoleContext, argument: string, access: WatchAccess): Output => {
  if (argument === '') throw new BadInput('what? watch [address]:u32, watch ADDRESS, LENGTH or watch rax');
  const { spec, options } = split(argument);
  const request = watchRequest(console, spec, options, access);
  const id = place(console, request);
  const found = console.session.breakpoints.listWatches().find((one) => one.id === id);
  const what = found === undefined ? spec : watchText(found);
  return lines(`breakpoint ${id} watches ${what}${detailsOf(options)}`, ...doubtsAbout(console, spec, options));
};

const watchRequest = (
  console: ConsoleContext,
  spec: string,
  options: TriggerOptions,
  access: WatchAccess,
): StopRequest => {
  const [text = '', digits] = splitArguments(spec);
  if (isRegister(console, text)) {
    if (access === 'write' || access === 'change') return { kind: 'register', text, options };
    throw new BadInput(`${text}: reading a register cannot be watched, only that it changes: watch ${text}`);
  }
  const memory = readMemoryPlace(console, text);
  if (memory.size === undefined && digits === undefined)
    throw new BadInput(`${text}: write the memory to watch as [address]:u32, or with its length`);
  const length = (memory.size ?? 1) * (digits === undefined ? 1 : readCount(digits, 'a length', MOST_WATCHED));
  return { kind: 'watch', text, options, place: memory, length, access };
};

const isRegister = ({ session, vcpu }: ConsoleContext, name: string): boolean => {
  const source = session.environment(vcpu).sources.find(({ read }) => read(name) !== undefined);
  return source !== undefined && source.kind !== 'symbol' && source.kind !== 'counter';
};

const remove = (console: ConsoleContext, argument: string): Output => {
  const { session, stops } = console;
  const ids = argument === '' ? idsOf(session) : readIds(argument);
  for (const id of ids) stops.remove(session, id);
  return lines();
};

const readIds = (argument: string): number[] =>
  argument.split(/[\s,]+/).map((text) => readCount(text, 'the number of a breakpoint'));

const completeIds = ({ session }: ConsoleContext, argument: string): readonly Completion[] =>
  starting(/\S*$/.exec(argument)?.[0] ?? '', idsOf(session).map(String), 'value');

const turn = (enabled: boolean): Command => ({
  names: [enabled ? 'enable' : 'disable'],
  usage: '[N …]',
  help: enabled
    ? 'Turns breakpoints on again, by number, or all.'
    : 'Turns breakpoints off, by number, or all; they stay.',
  complete: completeIds,
  run: (console, argument) => {
    const { session, stops } = console;
    const ids = argument === '' ? stops.ids : readIds(argument);
    for (const id of ids) stops.turn(session, id, enabled);
    return lines();
  },
});

const list = ({ session }: ConsoleContext): Output => lines(...stopLines(session));

const watches = (names: readonly string[], access: WatchAccess, what: string): Command => ({
  names,
  usage: 'WHAT [if EXPRESSION] …',
  help: `Stops after ${what}.`,
  more: [
    'WHAT is memory, `[ADDRESS]:u32`, `phys[ADDRESS]:u32` or `ADDRESS, LENGTH`. Conditions may name `old` and `new`.',
  ],
  complete: completeSpec,
  run: (console, argument) => watch(console, argument, access),
});

export const breakpointCommands: readonly Command[] = [
  {
    names: ['break', 'b'],
    usage: 'WHERE [if EXPRESSION] [hits N] [log TEXT]',
    help: 'Stops at a place or on an event.',
    more: [
      'WHERE is a line, FILE:LINE, a symbol, an address, phys:ADDRESS, cpu1:ADDRESS, or an event: trap:#PF, irq:0,',
      'port:0x3f8:w, cr3:w, msr:EFER, pte:ADDRESS, mode, ring, syscall, stale, vmexit:CPUID, vmentry, vmentry-failure, vmfail:7,',
      'hypercall:1, vmcs:GUEST_RIP:w … Conditions may name the fields of the event: break vmexit if reason == HLT.',
      'N is 5 or >= 5 (from the fifth time on), == 5, % 5. With log TEXT it prints and goes on; {expressions} are filled in.',
      'break double if ecx == 2        break trap:#PF if cr2 < 0x1000        break start.loop hits % 100 log ecx is {ecx}',
    ],
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
    help: 'Prints a line each time, and does not stop.',
    more: ['log trap        log port:0x3f8:w if value == 10        log start.loop log ecx is {ecx}'],
    complete: completeSpec,
    run: log,
  },
  watches(['watch'], 'write', 'memory was written, or a register changed'),
  watches(['rwatch'], 'read', 'memory was read'),
  watches(['awatch'], 'both', 'memory was read or written'),
  watches(['cwatch'], 'change', 'memory got another value'),
  {
    names: ['delete', 'd'],
    usage: '[N …]',
    help: 'Removes breakpoints and watches by number, or all.',
    complete: completeIds,
    run: remove,
  },
  turn(false),
  turn(true),
  {
    names: ['breakpoints'],
    usage: '',
    help: 'Lists breakpoints, watches and what is logged.',
    run: list,
  },
];
