/** Motion: continue, pause, the steps, and setting where it goes on. */

import type { DebugProtocol } from '@vscode/debugprotocol';
import type { Depth, Granularity } from '../debugger/stepping';
import { codeAddress } from '../debugger/vcpu-view';
import { BadInput } from '../program/program';
import { hex, type LinearAddress } from '../x86/address';
import type { Context } from './context';
import { threadId, vcpuOfThread } from './frames';
import type { Handlers } from './handlers';

/** The protocol's statements are lines. */
const granularityOf = (asked: DebugProtocol.SteppingGranularity | undefined): Granularity =>
  asked === 'instruction' ? 'instruction' : 'line';

export const executionHandlers = (context: Context): Handlers => {
  /** Targets of a goto by number, as given to the client. */
  const targets: LinearAddress[] = [];

  const step = (args: DebugProtocol.NextArguments, depth: Depth): void => {
    const vcpu = vcpuOfThread(context, args.threadId);
    context.move((session) => session.step(vcpu, depth, granularityOf(args.granularity)));
  };

  return {
    continue: () => {
      context.move((session) => session.continue());
      return { allThreadsContinued: true };
    },
    pause: () => context.session.pause(),
    next: (args: DebugProtocol.NextArguments) => step(args, 'over'),
    stepIn: (args: DebugProtocol.StepInArguments) => step(args, 'into'),
    stepOut: (args: DebugProtocol.StepOutArguments) => {
      const vcpu = vcpuOfThread(context, args.threadId);
      context.move((session) => session.stepOut(vcpu));
    },

    gotoTargets: (args: DebugProtocol.GotoTargetsArguments) => {
      const { info } = context.session;
      const file = info.fileFor(args.source.path ?? '');
      const found = file === undefined ? null : info.lines.addresses(file, context.lineFromClient(args.line));
      if (found === null) throw new BadInput('there is no code on this line or after it');
      return {
        targets: found.addresses.map((address) => ({
          id: targets.push(address) - 1,
          label: info.nameOf(address) ?? hex(address),
          line: context.lineToClient(found.line),
          instructionPointerReference: hex(address),
        })),
      };
    },
    goto: (args: DebugProtocol.GotoArguments) => {
      const { session } = context;
      const vcpu = vcpuOfThread(context, args.threadId);
      const target = targets[args.targetId];
      if (target === undefined) throw new BadInput('this target is not known');
      const { state } = session.vcpu(vcpu);
      // RIP counts from the base of the code segment.
      session.environment(vcpu).setName('rip', BigInt.asUintN(64, target - codeAddress(state, 0n)));
      context.pause = { reason: 'step', vcpu };
      context.later(() =>
        context.send('stopped', { reason: 'goto', threadId: threadId(vcpu), allThreadsStopped: true }),
      );
    },
  };
};
