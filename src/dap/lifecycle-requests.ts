/** From the first greeting to the end: initialize, launch, configurationDone, restart, terminate, disconnect. */

import type { DebugProtocol } from '@vscode/debugprotocol';
import { parseEventFilters } from '../debugger/event-filter';
import { traceLine } from '../debugger/event-text';
import { machineOptions, type OptionName, readSettings } from '../debugger/machine-options';
import { Session } from '../debugger/session';
import { BadInput } from '../program/program';
import { restoreBreakpoints } from './breakpoint-requests';
import { capabilities } from './capabilities';
import type { Context } from './context';
import type { Handlers } from './handlers';

type Launch = DebugProtocol.LaunchRequestArguments & Record<string, unknown>;

export const lifecycleHandlers = (context: Context, end: () => void): Handlers => ({
  initialize: (args: DebugProtocol.InitializeRequestArguments) => {
    context.client = args;
    return capabilities();
  },

  launch: async (args: Launch) => {
    context.launched = args;
    context.session = await start(context, args);
    context.later(() => context.send('initialized'));
  },

  attach: () => {
    throw new BadInput('a simulated machine cannot be attached to; use "request": "launch"');
  },

  configurationDone: () => begin(context),

  restart: async (args: { readonly arguments?: Launch }) => {
    await context.quiesce();
    context.text.flush();
    const next = args.arguments ?? context.launched;
    context.session = await start(context, next);
    context.launched = next;
    restoreBreakpoints(context);
    begin(context);
  },

  terminate: async () => {
    await context.quiesce();
    context.later(() => context.finish(undefined));
  },

  disconnect: () => {
    context.end();
    context.later(end);
  },
});

/** Stops before the first instruction or lets the machine run. */
const begin = (context: Context): void => {
  const { stopOnEntry, noDebug } = context.launched;
  if (stopOnEntry === true && noDebug !== true)
    context.move((session) => Promise.resolve({ reason: 'entry', vcpu: session.machine.current }));
  else context.move((session) => session.continue());
};

/** @throws BadInput */
const start = async (context: Context, args: Launch): Promise<Session> => {
  const program = optionalText(args, 'program');
  const settings = readSettings(
    Object.fromEntries(machineOptions.map(({ name }) => [name, args[name]])) as Partial<Record<OptionName, unknown>>,
    (name) => name,
  );
  if (program === undefined && settings.bios === undefined)
    throw new BadInput('program: which program? give the name of a file');
  const session = await Session.start({
    files: context.files,
    program: program ?? null,
    settings,
    sinks: { serial: context.text.put, console: context.text.put },
    note: (line, breakpoint) => context.note(line, breakpoint),
    stepIntoInterrupts: args.stepIntoInterrupts === true,
  });
  trace(context, session, args.trace);
  return session;
};

const optionalText = (args: Launch, name: string): string | undefined => {
  const value = args[name];
  if (value === undefined || value === null || value === '') return undefined;
  if (typeof value !== 'string') throw new BadInput(`${name}: the name of a file is wanted`);
  return value;
};

/** `trace`: kinds of events that are printed to the console as they happen. @throws BadInput */
const trace = (context: Context, session: Session, wanted: unknown): void => {
  const list = typeof wanted === 'string' ? [wanted] : Array.isArray(wanted) ? wanted.map(String) : [];
  const filters = list.filter((text) => text.trim() !== '').flatMap(parseEventFilters);
  if (filters.length === 0) return;
  const { machine } = session;
  machine.events.on([...new Set(filters.map(({ kind }) => kind))], (event) => {
    if (!filters.some((filter) => filter.matches(event))) return;
    context.send('output', { category: 'console', output: `${traceLine(event, machine.cpus.length)}\n` });
  });
};
