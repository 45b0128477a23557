/** What stands where: threads, stack, scopes, variables, and why it stopped. */

import type { DebugProtocol } from '@vscode/debugprotocol';
import { eventTitle } from '../debugger/events/kinds';
import { explainFault, sectionOf, vectorName, vectorTitle } from '../debugger/explain';
import { scopesOf, scopesOfFrame } from '../debugger/inspect/scopes';
import type { Item, Radix } from '../debugger/item';
import { pauseText, shutdownLinesOf } from '../debugger/session';
import { liveVcpus, modeAndRing } from '../debugger/vcpu-view';
import { eventReport } from '../debugger/why/event-report';
import { shutdownKind } from '../debugger/why/shutdown';
import type { MachineEvent } from '../machine/core/event';
import { BadInput } from '../program/program';
import type { Context } from './context';
import { type FramePlace, frame, frameOf, isLabelId, threadId, vcpuOfThread } from './frames';
import type { Handlers } from './handlers';
import { locationOf } from './locations';
import { stackTrace } from './stack-trace';
import { variablesOf } from './variables';

/** A request of ours: the protocol's formats know hexadecimal only. */
const VALUE_FORMAT = 'ringside/valueFormat';
const radices: readonly Radix[] = ['hex', 'decimal', 'binary'];

export const stateHandlers = (context: Context): Handlers => ({
  threads: () => context.shown.answer('threads', () => threads(context)),

  stackTrace: (args: DebugProtocol.StackTraceArguments) =>
    context.shown.answer('stacks', () => stackTrace(context, args)),

  scopes: (args: DebugProtocol.ScopesArguments) => {
    if (isLabelId(args.frameId)) return { scopes: [] };
    const place = frameOf(context, args.frameId);
    return {
      scopes: scopes(context, place).map(({ name, expensive, items }): DebugProtocol.Scope => {
        const path = `${args.frameId}/${name}`;
        return {
          name,
          expensive,
          variablesReference: context.handles.reference({ vcpu: place.vcpu, path, items }),
          ...(name === 'Registers' ? { presentationHint: 'registers' } : {}),
        };
      }),
    };
  },

  variables: (args: DebugProtocol.VariablesArguments) => {
    const container = context.handles.container(args.variablesReference);
    if (container === undefined)
      throw new BadInput(`there is no tree ${args.variablesReference}: it belongs to a machine that is gone`);
    return { variables: variablesOf(context, container, args) };
  },

  locations: (args: DebugProtocol.LocationsArguments) => locationOf(context, args),

  [VALUE_FORMAT]: ({ radix }: { readonly radix?: unknown }) => {
    const known = radices.find((one) => one === radix);
    if (known === undefined) throw new BadInput(`${VALUE_FORMAT}: radix is one of ${radices.join(', ')}`);
    context.radix = known;
    context.later(() => context.send('invalidated', { areas: ['variables'] }));
  },

  exceptionInfo: (args: Partial<DebugProtocol.ExceptionInfoArguments>): DebugProtocol.ExceptionInfoResponse['body'] => {
    const pause = context.pauseOf(vcpuOfThread(context, args.threadId));
    if (pause?.reason === 'fault') {
      const { fault } = pause;
      const section = sectionOf(fault.why);
      return {
        exceptionId: vectorName(fault.vector),
        description: explainFault({ ...fault, cr2: fault.address }),
        breakMode: 'always',
        details: {
          typeName: vectorTitle(fault.vector),
          message: fault.why.rule,
          ...(section === undefined ? {} : { fullTypeName: section }),
        },
      };
    }
    if (pause?.reason === 'ending' && pause.stop?.reason === 'triple-fault') {
      const lines = shutdownLinesOf(pause).join('\n');
      return {
        exceptionId: shutdownKind(pause.stop),
        description: lines,
        breakMode: 'unhandled',
        details: { stackTrace: lines },
      };
    }
    if (pause === undefined) throw new BadInput('the machine is running');
    const description = pauseText(pause, context.session);
    if (pause.reason === 'event') {
      const report = eventReport(context.session, pause.event).join('\n');
      return {
        exceptionId: eventTitle(pause.event),
        description,
        breakMode: 'always',
        details: {
          typeName: pause.event.kind,
          ...ruleOf(pause.event),
          ...(report === '' ? {} : { stackTrace: report }),
        },
      };
    }
    if (pause.reason === 'ending' && pause.stop?.reason === 'no-progress')
      return { exceptionId: 'no progress', description, breakMode: 'unhandled' };
    throw new BadInput(`there was no exception: ${description}`);
  },
});

/** The row that decided, where the event tells it. */
const ruleOf = (event: MachineEvent): { readonly message?: string } => {
  if (event.kind === 'vmexit') return { message: event.cause.rule };
  return event.kind === 'vmentry-failure' ? { message: event.rule } : {};
};

const threads = (context: Context): DebugProtocol.ThreadsResponse['body'] => ({
  threads: liveVcpus(context.session.machine).map(({ index, state }) => ({
    id: threadId(index),
    name: `vCPU ${index} (${modeAndRing(state)})`,
  })),
});

interface NamedItems {
  readonly name: string;
  readonly expensive: boolean;
  readonly items: () => Item[];
}

/** All of the innermost frame; of those further out what the stack tells, or the VMCS. */
const scopes = (context: Context, place: FramePlace): NamedItems[] => {
  const { machine, info } = context.session;
  if (place.index === 0) return scopesOf(machine, context.session.vcpu(place.vcpu), info);
  return scopesOfFrame(machine, context.session.vcpu(place.vcpu), info, frame(context, place));
};
