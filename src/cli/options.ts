/**
 * The command line's words: which commands there are, which options each takes, and how they are read. The machine's
 * own options come from the table in debugger/machine-options.ts.
 */

import {
  flagOf,
  isList,
  type MachineOption,
  type MachineSettings,
  machineOptions,
  type OptionName,
  type RawSettings,
  readSettings,
} from '../debugger/machine-options';
import { nearest } from '../debugger/nearest';
import { BadInput } from '../program/program';

/** An option of a command that is not the machine's. */
export interface CommandOption {
  readonly flag: string;
  /** What stands for the value in help; without one the option is a switch. */
  readonly placeholder?: string;
  /** The value may be left out. */
  readonly optional?: true;
  readonly description: string;
}

export interface Command {
  readonly name: string;
  /** What stands behind the name in help. */
  readonly usage: string;
  readonly summary: string;
  /** Takes the machine's options. */
  readonly machine: boolean;
  readonly options: readonly CommandOption[];
  /** Most operands it takes. */
  readonly operands: number;
}

const json: CommandOption = {
  flag: '--json',
  placeholder: 'FILE|-',
  optional: true,
  description:
    'Writes the result as JSON to FILE; `-`, or no value, means stdout, and what the guest prints then goes to stderr.',
};

export const commands: readonly Command[] = [
  {
    name: 'run',
    usage: 'FILE',
    summary: 'Runs a program; what it prints goes to stdout, its exit status is ours.',
    machine: true,
    options: [
      json,
      {
        flag: '--trace',
        placeholder: 'EVENT,…',
        description:
          'Prints one line per event, with position and reason: trap, trap:#PF, int, irq, ring, mode, cr3:w, msr, port:0x3f8, pte:0x400000, stale, …; docs/command-line.md lists all.',
      },
      { flag: '-o', placeholder: 'FILE', description: 'Where the trace goes. By default to stderr.' },
      { flag: '--stdin', description: 'What comes on stdin arrives at COM1.' },
    ],
    operands: 1,
  },
  {
    name: 'debug',
    usage: 'FILE',
    summary: 'Debugs a program in the terminal; reads commands from a pipe where there is no terminal.',
    machine: true,
    options: [{ flag: '-x', placeholder: 'FILE', description: 'Takes commands from FILE first.' }, json],
    operands: 1,
  },
  {
    name: 'asm',
    usage: 'FILE',
    summary: "Assembles NASM syntax into a flat binary, as NASM's `-f bin` does.",
    machine: false,
    options: [
      { flag: '-o', placeholder: 'FILE', description: "The binary. By default FILE's name without its extension." },
      { flag: '-f', placeholder: 'bin', description: 'The format; there is one, bin.' },
      { flag: '-l', placeholder: 'FILE|-', description: 'Writes a listing: address, bytes and source of each line.' },
      json,
    ],
    operands: 1,
  },
  {
    name: 'dap',
    usage: '',
    summary: 'Speaks the Debug Adapter Protocol on stdin and stdout.',
    machine: false,
    options: [{ flag: '--port', placeholder: 'N', description: 'Listens on this TCP port of 127.0.0.1 instead.' }],
    operands: 0,
  },
  {
    name: 'doctor',
    usage: 'FILE',
    summary: 'Says which rules of VM entry a VMCS breaks, and what would mend it.',
    machine: false,
    options: [
      {
        flag: '--cpu',
        placeholder: 'PRESET|FILE',
        description: 'The processor whose data judges a dump, by name or as a file with its MSRs. By default haswell.',
      },
      json,
      { flag: '--strict', description: 'Exit status 3 when a rule cannot be decided because the dump lacks fields.' },
      {
        flag: '--matrix',
        description:
          'FILE is a program: launches it on every processor model, or on that of --cpu, and says which VM entries fail where.',
      },
    ],
    operands: 1,
  },
  {
    name: 'cpu',
    usage: '[PRESET|FILE]',
    summary: 'Lists the processor models, or one with its features, its VMX capability MSRs and what is masked.',
    machine: false,
    options: [json],
    operands: 1,
  },
  {
    name: 'help',
    usage: '[COMMAND]',
    summary: 'Shows this, or the options of a command.',
    machine: false,
    options: [],
    operands: 1,
  },
];

/** A command line, read: operands, options by flag, and the machine's options as they were given. */
export interface Arguments {
  readonly command: Command;
  readonly operands: readonly string[];
  readonly values: ReadonlyMap<string, string>;
  readonly machine: RawSettings;
}

export const commandNamed = (name: string): Command | undefined => commands.find((command) => command.name === name);

/** Words behind the command's name. @throws BadInput naming the nearest right option */
export const readArguments = (command: Command, words: readonly string[]): Arguments => {
  const operands: string[] = [];
  const values = new Map<string, string>();
  const machine: Partial<Record<OptionName, unknown>> = {};
  for (let at = 0; at < words.length; at++) {
    const word = words[at] as string;
    if (word === '--') {
      operands.push(...words.slice(at + 1));
      break;
    }
    if (!word.startsWith('-') || word === '-') {
      operands.push(word);
      continue;
    }
    const equals = word.startsWith('--') ? word.indexOf('=') : -1;
    const flag = equals < 0 ? word : word.slice(0, equals);
    const known = lookUp(command, flag);
    const given = equals < 0 ? undefined : word.slice(equals + 1);
    const value = (): string => given ?? take(flag, known.placeholder, words[++at]);
    if (known.name !== undefined)
      machine[known.name] = machineValue(known.option, machine[known.name], flag, given, value);
    else if (known.placeholder === undefined) noValue(flag, given, () => values.set(flag, ''));
    else if (!known.optional) values.set(flag, value());
    else if (given !== undefined) values.set(flag, given);
    else values.set(flag, isValue(words[at + 1]) ? (words[++at] as string) : '-');
  }
  if (operands.length > command.operands)
    throw new BadInput(`${operands[command.operands]}: one word too many; ${usageOf(command)}`);
  return { command, operands, values, machine };
};

/** `-` is a value, other words that begin with it are options. */
const isValue = (word: string | undefined): boolean => word !== undefined && (word === '-' || !word.startsWith('-'));

interface Known {
  readonly name?: OptionName;
  readonly option?: MachineOption;
  readonly placeholder?: string | undefined;
  readonly optional?: boolean | undefined;
}

const lookUp = (command: Command, flag: string): Known => {
  const own = command.options.find((option) => option.flag === flag);
  if (own !== undefined) return own;
  const option = command.machine ? machineOptions.find(({ name }) => flagOf(name) === flag) : undefined;
  if (option !== undefined) return { name: option.name, option, placeholder: (option as MachineOption).placeholder };
  const flags = flagsOf(command);
  const near = nearest(flag, flags);
  const hint = near === undefined ? `\`ringside help ${command.name}\` lists the options` : `did you mean ${near}?`;
  throw new BadInput(`${flag}: no such option of ${command.name}; ${hint}`);
};

const flagsOf = (command: Command): string[] => [
  ...command.options.map(({ flag }) => flag),
  ...(command.machine ? machineOptions.map(({ name }) => flagOf(name)) : []),
];

const machineValue = (
  option: MachineOption | undefined,
  before: unknown,
  flag: string,
  given: string | undefined,
  value: () => string,
): unknown => {
  if (option?.type === 'switch') {
    if (given !== undefined && given !== 'true' && given !== 'false') throw new BadInput(`${flag} takes no value`);
    return given !== 'false';
  }
  const text = value();
  return isList(option?.type) ? [...((before as string[] | undefined) ?? []), text] : text;
};

const noValue = (flag: string, given: string | undefined, set: () => void): void => {
  if (given !== undefined) throw new BadInput(`${flag} takes no value`);
  set();
};

const take = (flag: string, placeholder: string | undefined, next: string | undefined): string => {
  if (next === undefined) throw new BadInput(`${flag}: a value is missing: ${flag} ${placeholder ?? ''}`.trimEnd());
  return next;
};

/** @throws BadInput */
export const settingsOf = ({ machine }: Arguments): MachineSettings => readSettings(machine, flagOf);

export const usageOf = ({ name, usage, options, machine }: Command): string =>
  `usage: ringside ${name}${usage === '' ? '' : ` ${usage}`}${options.length > 0 || machine ? ' [OPTIONS]' : ''}`;
