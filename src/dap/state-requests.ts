/** What stands where: threads, stack, scopes, variables, and why it stopped. */

import type { DebugProtocol } from '@vscode/debugprotocol';
import { placeText } from '../debugger/address';
import { explainChain, explainFault, sectionOf, vectorName, vectorTitle } from '../debugger/explain';
import { outerFrameItems } from '../debugger/inspect/outer-frame';
import { scopesOf } from '../debugger/inspect/scopes';
import { type Item, itemValue } from '../debugger/item';
import { pauseText } from '../debugger/session';
import { modeAndRing } from '../debugger/vcpu-view';
import { BadInput } from '../program/program';
import { hex } from '../x86/address';
import type { Context } from './context';
import { type FramePlace, frame, frameId, frameOf, frames, threadId, vcpuOfThread } from './frames';
import type { Handlers } from './handlers';

export const stateHandlers = (context: Context): Handlers => ({
  threads: () => ({
    threads: context.session.machine.cpus.map(({ index, state }) => ({
      id: threadId(index),
      name: `vCPU ${index} (${modeAndRing(state)})`,
    })),
  }),

  stackTrace: (args: DebugProtocol.StackTraceArguments) => {
    const vcpu = vcpuOfThread(context, args.threadId);
    const all = frames(context, vcpu);
    const start = args.startFrame ?? 0;
    const wanted = all.slice(start, args.levels ? start + args.levels : undefined);
    const { info } = context.session;
    return {
      totalFrames: all.length,
      stackFrames: wanted.map((one, n): DebugProtocol.StackFrame => {
        const at = info.lines.at(one.address);
        return {
          id: frameId(vcpu, start + n),
          name: `${one.name ?? hex(one.address)} (${one.mode}, ring ${one.ring})`,
          line: at === null ? 0 : context.lineToClient(at.line),
          column: at === null || context.client.columnsStartAt1 === false ? 0 : 1,
          instructionPointerReference: hex(one.address),
          ...(at === null ? { presentationHint: 'subtle' as const } : { source: context.sourceOf(at.file) }),
        };
      }),
    };
  },

  scopes: (args: DebugProtocol.ScopesArguments) => {
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
    if (container === undefined) throw new BadInput('this tree is of a machine that is gone');
    const items = container.items();
    const start = args.start ?? 0;
    return {
      variables: items
        .slice(start, args.count ? start + args.count : undefined)
        .map((item) => variable(context, container.vcpu, container.path, item)),
    };
  },

  exceptionInfo: (): DebugProtocol.ExceptionInfoResponse['body'] => {
    const { pause } = context;
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
      const chain = explainChain(pause.stop.chain).join('\n');
      return {
        exceptionId: 'triple fault',
        description: chain,
        breakMode: 'unhandled',
        details: { stackTrace: chain },
      };
    }
    if (pause === undefined) throw new BadInput('the machine is running');
    return { exceptionId: pause.reason, description: pauseText(pause), breakMode: 'always' };
  },
});

interface NamedItems {
  readonly name: string;
  readonly expensive: boolean;
  readonly items: () => Item[];
}

/** All of the innermost frame; of those further out only what the stack tells. */
const scopes = (context: Context, place: FramePlace): NamedItems[] => {
  const { machine, info } = context.session;
  if (place.index === 0) return scopesOf(machine, context.session.vcpu(place.vcpu), info);
  const items = (): Item[] => outerFrameItems(frame(context, place), info);
  return [{ name: 'Registers', expensive: false, items }];
};

/** One row of a tree, with a reference of its own when it can be opened. */
const variable = (context: Context, vcpu: number, parent: string, item: Item): DebugProtocol.Variable => {
  const { name, expression, settable, memory, type, children } = item;
  const path = `${parent}/${name}`;
  return {
    name,
    value: itemValue(item),
    ...(type === undefined || context.client.supportsVariableType !== true ? {} : { type }),
    ...(expression === undefined ? {} : { evaluateName: expression }),
    ...(memory === undefined ? {} : { memoryReference: placeText(memory) }),
    ...(settable === true ? {} : { presentationHint: { attributes: ['readOnly'] } }),
    variablesReference: children === undefined ? 0 : context.handles.reference({ vcpu, path, items: children }),
  };
};
