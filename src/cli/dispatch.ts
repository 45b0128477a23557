/** Which command is meant, and its code, loaded when it is asked for so that a run starts fast. */

import { nearest } from '../debugger/nearest';
import { BadInput } from '../program/program';
import { type Arguments, commandNamed, commands, readArguments } from './options';
import { version } from './version';

/** Runs a command; gives its exit status. */
export type Run = (given: Arguments) => Promise<number>;

const runners: Readonly<Record<string, () => Promise<Run>>> = {
  run: async () => (await import('./run')).run,
  debug: async () => (await import('./debug')).debug,
  asm: async () => (await import('./asm')).asm,
  dap: async () => (await import('./dap')).dap,
  cpu: async () => (await import('./cpu')).cpu,
  doctor: async () => (await import('./doctor')).doctor,
  help: async () => (await import('./help-command')).help,
};

/** Does a command line; gives its exit status. @throws BadInput */
export const dispatch = async (words: readonly string[]): Promise<number> => {
  const [first = 'help', ...rest] = words;
  if (first === '--version' || first === '-v') {
    process.stdout.write(`ringside ${version}\n`);
    return 0;
  }
  const name = first === '--help' || first === '-h' ? 'help' : first;
  const command = commandNamed(name);
  const runner = runners[name];
  if (command === undefined || runner === undefined) {
    const near = nearest(
      name,
      commands.map((one) => one.name),
    );
    const hint = near === undefined ? `one of ${commands.map((one) => one.name).join(', ')}` : `did you mean ${near}?`;
    throw new BadInput(`${name}: no such command; ${hint}`);
  }
  if (rest.some((word) => word === '--help' || word === '-h')) {
    const { commandHelp } = await import('./help');
    process.stdout.write(commandHelp(command));
    return 0;
  }
  const run = await runner();
  return run(readArguments(command, rest));
};
