/** The schema of launch.json's attributes, as package.json has to declare it: the adapter's own and the machine's options. */

import { launchProperties } from '../debugger/machine-options';

export const launchAttributes = (): Record<string, object> => ({
  program: {
    type: 'string',
    default: '$' + '{file}',
    description:
      'The program: assembly source (.asm, .nasm), an ELF executable, a Multiboot kernel, a boot sector, or with `load` a flat binary.',
  },
  stopOnEntry: {
    type: 'boolean',
    default: false,
    description: "Stops before the program's first instruction.",
  },
  ...launchProperties(),
});
