/** Commands that only make sense where somebody sits at a terminal; all others are the console's. */

import { readCount } from '../../debugger/console/arguments';
import { type Command, lines } from '../../debugger/console/command';

const MOST_VCPUS = 255;

/** @param history the lines so far @param leave ends the session */
export const ownCommands = (history: readonly string[], leave: () => void): readonly Command[] => [
  {
    names: ['vcpu'],
    usage: '[N]',
    help: 'Looks at another vCPU.',
    run: (console, argument) => {
      if (argument !== '')
        console.vcpu = console.session.vcpu(readCount(argument, 'the number of a vCPU', MOST_VCPUS, 0)).index;
      return lines(`vCPU ${console.vcpu}`);
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
