/** `ringside help [COMMAND]`. */

import { BadInput } from '../program/program';
import type { Run } from './dispatch';
import { commandHelp, overview } from './help';
import { commandNamed, commands } from './options';

export const help: Run = async ({ operands }) => {
  const [name] = operands;
  if (name === undefined) {
    process.stdout.write(overview());
    return 0;
  }
  const command = commandNamed(name);
  if (command === undefined)
    throw new BadInput(`${name}: no such command; one of ${commands.map((one) => one.name).join(', ')}`);
  process.stdout.write(commandHelp(command));
  return 0;
};
