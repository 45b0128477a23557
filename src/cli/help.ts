/** Help, made from the tables of commands and options. */

import { flagOf, type MachineOption, machineOptions } from '../debugger/machine-options';
import { type Command, commands, usageOf } from './options';

const WIDTH = 100;
const INDENT = 28;

/** What every exit status of `run` means. */
export const exitStatuses: readonly (readonly [string, string])[] = [
  ['odd', "the guest's: it wrote a value to port 0xf4; the status is (value << 1) | 1, of the value modulo 128"],
  ['0', 'nothing can ever wake the machine again, or the guest powered it off, or a reset with --no-reboot'],
  ['2', 'bad input: one line on stderr says what and where'],
  ['4', 'the instruction budget (--max-instructions) is used up'],
  ['6', 'triple fault, with the chain of faults on stderr'],
  ['8', 'internal error: a bug of Ringside'],
  ['10', 'no progress: a million steps without a completed instruction'],
  ['130', 'Ctrl-C'],
];

export const overview = (): string =>
  [
    'Ringside: a simulated x86-64 PC to run and debug guest programs on.',
    '',
    'usage: ringside COMMAND [OPTIONS]',
    '',
    ...commands.map((command) => row(`  ${command.name} ${command.usage}`.trimEnd(), command.summary, 20)),
    row('  --version', 'Shows the version.', 20),
    '',
    '`ringside help COMMAND` shows the options of a command.',
    '',
  ].join('\n');

export const commandHelp = (command: Command): string => {
  const own = command.options.map((option) => {
    const value =
      option.placeholder === undefined ? '' : option.optional ? ` [${option.placeholder}]` : ` ${option.placeholder}`;
    return row(`  ${option.flag}${value}`, option.description, INDENT);
  });
  const machine = command.machine ? machineOptions.map((option: MachineOption) => machineRow(option)) : [];
  return [
    usageOf(command),
    '',
    command.summary,
    ...(own.length > 0 ? ['', ...own] : []),
    ...(machine.length > 0 ? ['', 'The machine and its program:', ...machine] : []),
    ...(command.name === 'run'
      ? ['', 'Exit status:', ...exitStatuses.map(([status, text]) => row(`  ${status}`, text, 8))]
      : []),
    '',
  ].join('\n');
};

const machineRow = (option: MachineOption): string => {
  const { name, placeholder, description, choices } = option;
  const value = placeholder === undefined ? '' : ` ${placeholder}`;
  const oneOf = name === 'cpu' ? ` One of ${choices?.join(', ')}.` : '';
  const standard =
    option.default === undefined || option.default === false ? '' : ` Default: ${String(option.default)}.`;
  return row(`  ${flagOf(name as never)}${value}`, `${description}${oneOf}${standard}`, INDENT);
};

/** A name and its text, wrapped in a column of its own. */
const row = (name: string, text: string, indent: number): string => {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + word.length + 1 > WIDTH - indent) {
      lines.push(line);
      line = '';
    }
    line = line === '' ? word : `${line} ${word}`;
  }
  lines.push(line);
  const [first = '', ...rest] = lines.map((part) => ' '.repeat(indent) + part);
  const head = name.length < indent - 1 ? name.padEnd(indent) + first.slice(indent) : `${name}\n${first}`;
  return [head, ...rest].join('\n');
};
