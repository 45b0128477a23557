/** From the first greeting to the end: initialize, launch or attach, configurationDone, restart, terminate, disconnect. */

import type { DebugProtocol } from '@vscode/debugprotocol';
import { machineOptions, type OptionName, readInteger, readSettings } from '../debugger/machine-options';
import { Session } from '../debugger/session';
import { bitness } from '../debugger/vcpu-view';
import { BadInput } from '../program/program';
import { restoreBreakpoints } from './breakpoint-requests';
import { capabilities, capabilitiesFor } from './capabilities';
import type { Context } from './context';
import { Cancelled, type Handlers } from './handlers';
import { attachAttributes, inAttributes, launchAttributes, unknownAttributes } from './launch-attributes';
import { launchEvents } from './launch-events';
import type { Debuggee } from './left-machines';
import { announceLoaded } from './modules';
import { Outlet } from './outlet';
import { announce } from './stopped-event';

type Launch = DebugProtocol.LaunchRequestArguments & Record<string, unknown>;
type Attach = DebugProtocol.AttachRequestArguments & Record<string, unknown>;

export const lifecycleHandlers = (context: Context, end: () => void): Handlers => {
  /** What is done when the client has set its breakpoints. */
  let configured: (() => void) | undefined;

  /** The machine is there, and the client is asked for its breakpoints. */
  const ready = (startMethod: 'launch' | 'attach', begin: () => void): void => {
    configured = begin;
    context.later(() => {
      // What the client set before there was a machine.
      restoreBreakpoints(context);
      tellProcess(context, startMethod);
      const changed = capabilitiesFor(context.session.machine.cpus.length);
      if (changed !== undefined) context.send('capabilities', { capabilities: changed });
      context.send('initialized');
    });
  };
  const refuseSecond = (): void => {
    if (context.isOver) throw new BadInput('the program is over');
    if (context.hasSession) throw new BadInput('a program is being debugged already; restart starts it again');
  };

  return {
    initialize: (args: DebugProtocol.InitializeRequestArguments) => {
      if (context.greeted) throw new BadInput('initialize is the first request, and comes once');
      context.greeted = true;
      context.client = args;
      return capabilities(context.left !== undefined);
    },

    launch: async (args: Launch) => {
      refuseSecond();
      warn(context, args, launchAttributes());
      const debuggee = await load(context, args, 'Loading');
      context.take(debuggee, { reason: 'entry', vcpu: debuggee.session.machine.current });
      ready('launch', () => begin(context));
    },

    attach: async (args: Attach) => {
      refuseSecond();
      warn(context, args, attachAttributes());
      if (context.left === undefined)
        throw new BadInput(
          'there is no machine to attach to: this adapter serves one client and ends with it; `ringside dap --port` serves machines that stay',
        );
      const { debuggee, pause, wasRunning } = await context.left.take(machineNumber(args.machine));
      context.attached = true;
      context.take(debuggee, pause);
      debuggee.outlet.connect(context);
      ready('attach', () => {
        if (wasRunning && args.stopOnEntry !== true) context.move((session) => session.continue());
        else context.later(() => announce(context, pause));
      });
    },

    configurationDone: () => {
      const go = configured;
      configured = undefined;
      if (go === undefined)
        throw new BadInput(context.hasSession ? 'the configuration is done already' : 'no program was launched yet');
      go();
    },

    restart: async (args: { readonly arguments?: Launch }) => {
      const { session } = context;
      if (context.isOver) throw new BadInput('the program is over');
      const stood = context.pause !== undefined;
      await context.quiesce();
      context.text.flush();
      const { launched } = context;
      const next = context.attached || !isLaunch(args.arguments) ? launched : { ...args.arguments };
      let debuggee: Debuggee;
      try {
        debuggee = await load(context, next, 'Restarting');
      } catch (error) {
        // The machine that was there is still there, but stands still now.
        if (!stood && !context.isOver) context.later(() => announce(context, context.pauseOf(session.machine.current)));
        throw error;
      }
      context.take(debuggee, { reason: 'entry', vcpu: debuggee.session.machine.current });
      restoreBreakpoints(context);
      configured = undefined;
      context.later(() => tellProcess(context, 'launch'));
      begin(context, stood);
    },

    terminate: async () => {
      await context.quiesce();
      context.later(() => context.finish(undefined));
    },

    disconnect: async (args: DebugProtocol.DisconnectArguments) => {
      const stays =
        args.terminateDebuggee === undefined
          ? context.attached || args.suspendDebuggee === true
          : !args.terminateDebuggee;
      if (stays && context.hasSession && !context.isOver) await leave(context, args.suspendDebuggee === true);
      context.later(() => {
        context.end();
        end();
      });
    },
  };
};

const tellProcess = (context: Context, startMethod: 'launch' | 'attach'): void => {
  const { machine } = context.session;
  const first = machine.cpus[0];
  const { program, bios } = context.launched;
  context.send('process', {
    name: String(program ?? bios),
    isLocalProcess: true,
    startMethod,
    ...(first === undefined ? {} : { pointerSize: bitness(first.state) }),
  });
  announceLoaded(context);
};

const warn = (context: Context, args: Launch | Attach, attributes: Readonly<Record<string, object>>): void => {
  const line = unknownAttributes(args, attributes);
  if (line !== undefined) context.note(line);
};

const isLaunch = (args: Launch | undefined): args is Launch =>
  args !== undefined && (args.program !== undefined || args.bios !== undefined);

/** @throws BadInput */
const machineNumber = (given: unknown): number | undefined => {
  if (given === undefined) return undefined;
  const number = readInteger(given);
  if (number === undefined) throw new BadInput('machine: the number of a machine is wanted');
  return Number(number);
};

/** The client goes and the machine stays, where somebody can come back to it. */
export const leave = async (context: Context, suspended: boolean): Promise<void> => {
  if (context.left === undefined) {
    context.note(
      'the machine ends with this connection: nobody could come back to it (`ringside dap --port` serves machines that stay)',
    );
    return;
  }
  const number = await context.leave(suspended, () => releaseBreakpoints(context));
  if (number === undefined) return;
  context.note(`the machine stays, ${suspended ? 'suspended' : 'running'}: attach to machine ${number}`);
};

/** Whatever this client wanted to stop at. */
const releaseBreakpoints = (context: Context): void => {
  context.breakpoints.clear();
  context.stream.subscribe(undefined);
  const { breakpoints, events } = context.session;
  for (const { id } of breakpoints.list()) breakpoints.remove(id);
  for (const { id } of breakpoints.listWatches()) breakpoints.unwatch(id);
  for (const { id } of events.list()) events.remove(id);
  for (const release of context.untilLeft.splice(0)) release();
};

/** Stops before the first instruction or lets the machine run. @param unasked the client believes that it stands */
const begin = (context: Context, unasked = false): void => {
  const { stopOnEntry, noDebug } = context.launched;
  if (stopOnEntry === true && noDebug !== true)
    context.later(() => announce(context, { reason: 'entry', vcpu: context.session.machine.current }));
  else context.move((session) => session.continue(), { unasked });
};

/** @throws BadInput */
const load = async (context: Context, args: Launch, title: string): Promise<Debuggee> => {
  let cancelled = false;
  const shown = context.progress.start(title, () => {
    cancelled = true;
  });
  try {
    const debuggee = await start(context, args);
    if (cancelled || context.isOver) throw new Cancelled();
    return debuggee;
  } finally {
    shown?.end();
  }
};

const start = async (context: Context, args: Launch): Promise<Debuggee> => {
  const program = optionalText(args, 'program');
  const settings = readSettings(
    Object.fromEntries(machineOptions.map(({ name }) => [name, args[name]])) as Partial<Record<OptionName, unknown>>,
    (name) => name,
  );
  if (program === undefined && settings.bios === undefined)
    throw new BadInput('program: which program? give the name of a file');
  const outlet = new Outlet(context);
  const session = await inOurWords(
    Session.start({
      files: context.files,
      program: program ?? null,
      settings,
      sinks: { serial: outlet.put, console: outlet.put },
      note: outlet.note,
      noteEvent: outlet.noteEvent,
      stepIntoInterrupts: args.stepIntoInterrupts === true,
    }),
  );
  context.breakpoints.reserve(session);
  context.untilLeft.push(launchEvents(session, args));
  return { session, outlet, launched: args };
};

const inOurWords = async <Result>(work: Promise<Result>): Promise<Result> => {
  try {
    return await work;
  } catch (error) {
    if (error instanceof BadInput) throw new BadInput(inAttributes(error.message));
    throw error;
  }
};

const optionalText = (args: Launch, name: string): string | undefined => {
  const value = args[name];
  if (value === undefined || value === null || value === '') return undefined;
  if (typeof value !== 'string') throw new BadInput(`${name}: the name of a file is wanted`);
  return value;
};
