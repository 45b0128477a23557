/** Motion: continue, pause, the steps, and setting where it goes on. */

import type { DebugProtocol } from '@vscode/debugprotocol';
import { readPlace } from '../debugger/address';
import { restartFrame } from '../debugger/restart-frame';
import type { StepInTarget } from '../debugger/step-in-targets';
import type { Depth, Granularity } from '../debugger/stepping';
import { codeAddress } from '../debugger/vcpu-view';
import { BadInput } from '../program/program';
import { hex, type LinearAddress, linear } from '../x86/address';
import type { Context } from './context';
import { frameOf, threadId, vcpuOfThread } from './frames';
import { type Handlers, Numbered } from './handlers';
import { addressesAt } from './positions';

/** The protocol's statements are lines. */
const granularityOf = (asked: DebugProtocol.SteppingGranularity | undefined): Granularity =>
  asked === 'instruction' ? 'instruction' : 'line';

/** A target is found by its line, or by an address as every other reference is written. */
type GotoTargetsArguments = Partial<DebugProtocol.GotoTargetsArguments> & {
  readonly instructionReference?: string;
  readonly offset?: number;
};

export const executionHandlers = (context: Context): Handlers => {
  const targets = new Numbered<LinearAddress>('goto target');
  const calls = new Numbered<{ readonly vcpu: number; readonly target: StepInTarget }>('step-in target');

  /** The vCPU that is to run alone, if one is. @throws BadInput where it cannot */
  const alone = (vcpu: number, singleThread: boolean | undefined): number | undefined => {
    if (singleThread !== true) return undefined;
    context.session.checkAlone(vcpu);
    return vcpu;
  };

  /** The same for a step, which a vCPU that was stopped for good never makes. @throws BadInput */
  const stepping = (vcpu: number, singleThread: boolean | undefined): number | undefined => {
    context.session.checkAlone(vcpu);
    return alone(vcpu, singleThread);
  };

  const step = (args: DebugProtocol.NextArguments, depth: Depth): void => {
    const vcpu = vcpuOfThread(context, args.threadId);
    const only = stepping(vcpu, args.singleThread);
    context.move((session) => session.step(vcpu, depth, granularityOf(args.granularity), only), {
      only,
      title: depth === 'over' ? 'Stepping over' : 'Stepping in',
    });
  };

  /** The vCPU has been put somewhere else: it stands there now. */
  const stand = (vcpu: number, reason: 'goto' | 'restart'): void => {
    const stood = context.pause?.vcpu;
    context.stand({ reason: 'step', vcpu });
    context.later(() => {
      context.invalidate();
      context.send('stopped', {
        reason,
        description: reason === 'goto' ? 'Set to go on from here' : 'Frame restarted',
        threadId: threadId(vcpu),
        allThreadsStopped: true,
        ...(stood !== undefined && stood !== vcpu ? { preserveFocusHint: true } : {}),
      });
    });
  };

  return {
    continue: (args: DebugProtocol.ContinueArguments) => {
      const only = alone(vcpuOfThread(context, args.threadId), args.singleThread);
      context.move((session) => session.continue(only), { only });
      return { allThreadsContinued: only === undefined };
    },
    pause: (args: DebugProtocol.PauseArguments) => {
      if (args.threadId !== undefined) context.pauseFor(vcpuOfThread(context, args.threadId));
      context.session.pause();
    },
    next: (args: DebugProtocol.NextArguments) => step(args, 'over'),
    stepIn: (args: DebugProtocol.StepInArguments) => {
      if (args.targetId === undefined) return step(args, 'into');
      const { vcpu, target } = calls.get(args.targetId);
      if (vcpu !== vcpuOfThread(context, args.threadId))
        throw new BadInput(`step-in target ${args.targetId} is of another thread`);
      const only = stepping(vcpu, args.singleThread);
      context.move((session) => session.stepInto(vcpu, target, only), { only, title: `Stepping into ${target.label}` });
    },
    stepOut: (args: DebugProtocol.StepOutArguments) => {
      const vcpu = vcpuOfThread(context, args.threadId);
      const only = stepping(vcpu, args.singleThread);
      context.move((session) => session.stepOut(vcpu, only), { only, title: 'Stepping out' });
    },

    stepInTargets: (args: DebugProtocol.StepInTargetsArguments) => {
      const { vcpu, index } = frameOf(context, args.frameId);
      const { session } = context;
      // What frames further out call is being executed already.
      const found = index === 0 ? session.stepInTargets(vcpu) : [];
      return {
        targets: found.map((target): DebugProtocol.StepInTarget => {
          const line = target.address === undefined ? null : session.info.lines.at(target.address);
          return {
            id: calls.add({ vcpu, target }),
            label: target.label,
            ...(line === null ? {} : { line: context.lineToClient(line.line) }),
          };
        }),
      };
    },

    gotoTargets: (args: GotoTargetsArguments) => {
      const { addresses, line } = gotoAddresses(context, args);
      const { info } = context.session;
      return {
        targets: addresses.map(
          (address): DebugProtocol.GotoTarget => ({
            id: targets.add(address),
            label: info.nameOf(address) ?? hex(address),
            line: context.lineToClient(line),
            instructionPointerReference: hex(address),
          }),
        ),
      };
    },
    goto: (args: DebugProtocol.GotoArguments) => {
      const vcpu = vcpuOfThread(context, args.threadId);
      const session = context.standing();
      const { state } = session.vcpu(vcpu);
      // RIP counts from the base of the code segment.
      const target = targets.get(args.targetId);
      session.environment(vcpu).setName('rip', BigInt.asUintN(64, target - codeAddress(state, 0n)));
      stand(vcpu, 'goto');
    },

    restartFrame: (args: DebugProtocol.RestartFrameArguments) => {
      const { vcpu, index } = frameOf(context, args.frameId);
      const session = context.standing();
      context.note(restartFrame(session.machine, vcpu, index, session.info));
      stand(vcpu, 'restart');
    },

    terminateThreads: (args: DebugProtocol.TerminateThreadsArguments) => {
      const vcpus = (args.threadIds ?? []).map((id) => vcpuOfThread(context, id));
      const { session } = context;
      for (const vcpu of vcpus) session.stopVcpu(vcpu);
      context.later(() => context.tellThreads());
    },
  };
};

/** @throws BadInput */
const gotoAddresses = (
  context: Context,
  { source, line, instructionReference, offset }: GotoTargetsArguments,
): { readonly addresses: readonly LinearAddress[]; readonly line: number } => {
  const { info } = context.session;
  if (instructionReference !== undefined) {
    const place = readPlace(instructionReference, offset);
    if (place.space !== 'linear') throw new BadInput(`${instructionReference}: a linear address is wanted`);
    const address = linear(place.address);
    return { addresses: [address], line: info.lines.at(address)?.line ?? 0 };
  }
  if (source === undefined || line === undefined)
    throw new BadInput('gotoTargets needs a source and a line, or an instructionReference');
  const found = addressesAt(context, source, context.lineFromClient(line));
  if (found === undefined) throw new BadInput('there is no code on this line or after it');
  return found;
};
