/** The attributes of launch.json: their schema, as package.json declares it, and what the adapter says of others. */

import { flagOf, launchProperties, machineOptions } from '../debugger/machine-options';
import { nearest } from '../debugger/nearest';

const stopOnEntry = (description: string): object => ({ type: 'boolean', default: false, description });

export const launchAttributes = (): Record<string, object> => ({
  program: {
    type: 'string',
    default: '$' + '{file}',
    description:
      'The program: assembly source (.asm, .nasm), an ELF executable, a Multiboot kernel, a boot sector, or with `load` a flat binary.',
  },
  stopOnEntry: stopOnEntry("Stops before the program's first instruction."),
  ...launchProperties(),
});

export const attachAttributes = (): Record<string, object> => ({
  port: {
    type: 'integer',
    minimum: 1,
    maximum: 65535,
    description:
      'The port on which `ringside dap --port` serves the machine. Without it, a machine of this window that was disconnected from.',
  },
  host: { type: 'string', default: '127.0.0.1', description: 'The computer on which that port is.' },
  machine: {
    type: 'integer',
    minimum: 1,
    description: 'The number of the machine, as it was told when its client left it; by default the last one.',
  },
  stopOnEntry: stopOnEntry('Stops the machine if it is running.'),
});

/** What clients put into a configuration for themselves. */
const clientsOwn = new Set([
  ...['type', 'request', 'name', 'noDebug', 'cwd', 'env', 'debugServer', 'preLaunchTask', 'postDebugTask'],
  ...['presentation', 'internalConsoleOptions', 'suppressMultipleSessionWarning', 'serverReadyAction'],
  ...['windows', 'osx', 'linux', 'order', 'hidden', 'adapterID', 'dap-server-path', 'program-to-start'],
]);

/** Below, a setting is called as on the command line: `--load` is the attribute `load`. */
export const inAttributes = (text: string): string =>
  text.replace(/--[a-z-]+/g, (flag) => {
    const option = machineOptions.find(({ name }) => flagOf(name) === flag);
    return option === undefined ? flag : `\`${option.name}\``;
  });

/** One line about attributes that nobody reads; undefined when there are none. */
export const unknownAttributes = (
  given: Readonly<Record<string, unknown>>,
  attributes: Readonly<Record<string, object>>,
): string | undefined => {
  const known = Object.keys(attributes);
  const unknown = Object.keys(given).filter(
    (name) => !known.includes(name) && !clientsOwn.has(name) && !name.startsWith('__') && !name.startsWith(':'),
  );
  if (unknown.length === 0) return undefined;
  const words = unknown.map((name) => {
    const near = nearest(name, known);
    return `${name}${near === undefined ? '' : ` (did you mean ${near}?)`}`;
  });
  return `no such attribute of a configuration: ${words.join(', ')}`;
};
