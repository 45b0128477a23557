/** Commands that only make sense where somebody sits at a terminal; all others are the console's. */

import { readCount } from '../../debugger/console/arguments';
import { type Command, lines } from '../../debugger/console/command';
import { sideText } from '../../debugger/sides';
import { framesOf } from '../../debugger/stack';
import { BadInput } from '../../program/program';

const MOST_VCPUS = 255;
const MOST_FRAMES = 512;

/** @param history the lines so far @param leave ends the session */
export const ownCommands = (history: readonly string[], leave: () => void): readonly Command[] => [
  {
    names: ['vcpu'],
    usage: '[N]',
    help: 'Looks at another vCPU.',
    run: (console, argument) => {
      if (argument !== '')
        console.vcpu = console.session.vcpu(readCount(argument, 'the number of a vCPU', MOST_VCPUS, 0)).index;
      console.frame = undefined;
      return lines(`vCPU ${console.vcpu}`);
    },
  },
  {
    names: ['frame', 'f'],
    usage: '[N]',
    help: 'Looks from a frame of the stack: its RIP, RSP and RBP, its local labels; 0 is the innermost.',
    more: [
      'At a VM exit the guest stands below its hypervisor: its registers are those of the VMCS, its memory is its own.',
    ],
    run: (console, argument) => {
      const { session, vcpu } = console;
      const all = framesOf(session.vcpu(vcpu), session.info);
      const now = all.findIndex(({ rip, rsp }) => rip === console.frame?.rip && rsp === console.frame?.rsp);
      const index = argument === '' ? Math.max(0, now) : readCount(argument, 'the number of a frame', MOST_FRAMES, 0);
      const found = all[index];
      if (found === undefined) throw new BadInput(`there is no frame ${index}; \`stack\` shows them`);
      console.frame = index === 0 ? undefined : found;
      return lines(
        `#${index} ${session.info.placeOf(found.address)} (${found.side === undefined ? '' : `${sideText(found.side)}, `}${found.mode}, ring ${found.ring})`,
      );
    },
  },
  {
    names: ['history'],
    usage: '',
    help: 'Shows the commands so far.',
    run: () => lines(...history.map((line, index) => `${String(index + 1).padStart(4)}  ${line}`)),
  },
  {
    names: ['quit', 'q', 'exit'],
    usage: '',
    help: 'Leaves.',
    run: () => {
      leave();
      return lines();
    },
  },
];
