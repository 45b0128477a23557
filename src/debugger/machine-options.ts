/**
 * Every option of the machine and of the program it starts: one table. The command line, its help, the page
 * docs/command-line.md, launch.json's schema and the adapter's validation are all made from it.
 */

import { namesFile } from '../program/processor';
import { BadInput } from '../program/program';
import type { SourceMap } from '../program/source-paths';
import type { SymbolFile } from '../program/symbol-files';
import { presets } from '../x86/presets';

/** What an option's value is, and thereby how it is written in launch.json and on the command line. */
export type OptionType =
  /** Bytes: `64M`, `2G`, `1048576`. */
  | 'size'
  /** A count, decimal or hexadecimal. */
  | 'count'
  /** An address: a number or a string with one. */
  | 'address'
  /** An address or a symbol of the program. */
  | 'address-or-symbol'
  | 'choice'
  /** One of the choices, or a file, whose name has a dot or a slash. */
  | 'choice-or-file'
  | 'text'
  /** May be given several times; an array in launch.json. */
  | 'texts'
  | 'file'
  /** Files with symbols, each perhaps with an offset; may be given several times. */
  | 'symbols'
  /** Beginnings of paths and what stands for them: an object in launch.json, several `FROM=TO` on the command line. */
  | 'paths'
  | 'switch';

/** May be given several times on the command line. */
export const isList = (type: OptionType | undefined): boolean =>
  type === 'texts' || type === 'symbols' || type === 'paths';

export interface MachineOption {
  /** As in launch.json; the command line writes `maxInstructions` as `--max-instructions`. */
  readonly name: string;
  readonly type: OptionType;
  /** What stands for the value in help. */
  readonly placeholder?: string;
  readonly choices?: readonly string[];
  readonly default?: string | number | boolean;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly description: string;
}

const MIB = 1024 * 1024;

export const machineOptions = [
  {
    name: 'memory',
    type: 'size',
    placeholder: 'SIZE',
    default: '64M',
    minimum: MIB,
    maximum: 2048 * MIB,
    description: 'Size of RAM, from 1M to 2G.',
  },
  {
    name: 'cpu',
    type: 'choice-or-file',
    placeholder: 'PRESET|FILE',
    choices: presets.map(({ name }) => name),
    default: 'haswell',
    description:
      'The processor model: its CPUID and MSRs. `ringside cpu` lists them. Or a file such as ./cpu.txt with those of your own processor, as rdmsr and `cpuid -r` print them.',
  },
  {
    name: 'cpus',
    type: 'count',
    placeholder: 'N',
    default: 1,
    minimum: 1,
    maximum: 8,
    description: 'Number of vCPUs.',
  },
  {
    name: 'mode',
    type: 'choice',
    placeholder: 'BITS',
    choices: ['16', '32', '64'],
    description:
      'Mode in which the program starts: 16 (real), 32 (protected) or 64 (long). By default that of its first `bits` directive or its ELF class; 64 for flat binaries.',
  },
  {
    name: 'load',
    type: 'address',
    placeholder: 'ADDRESS',
    description: 'Says that the file is a flat binary, and the physical address where it is loaded.',
  },
  {
    name: 'entry',
    type: 'address-or-symbol',
    placeholder: 'ADDRESS|SYMBOL',
    description: 'Where execution starts. By default the ELF entry or the first byte of the image.',
  },
  { name: 'cmdline', type: 'text', placeholder: 'TEXT', description: 'Command line of a Multiboot kernel.' },
  {
    name: 'module',
    type: 'texts',
    placeholder: "'FILE ARGS'",
    description: 'A module for a Multiboot kernel, with its arguments. May be given several times.',
  },
  {
    name: 'initrd',
    type: 'file',
    placeholder: 'FILE',
    description: 'The initial RAM disk: for a Multiboot kernel its first module.',
  },
  {
    name: 'bios',
    type: 'file',
    placeholder: 'FILE',
    description: 'A ROM that is mapped below 1 MiB and below 4 GiB and starts at the reset vector.',
  },
  {
    name: 'symbols',
    type: 'symbols',
    placeholder: 'FILE[@OFFSET]',
    description:
      'A further file that says what addresses mean: ELF of any kind, a map as nm, ld or NASM write them, or assembly source. The offset is added to its addresses. May be given several times.',
  },
  {
    name: 'sourceMap',
    type: 'paths',
    placeholder: 'FROM=TO',
    description:
      'Where source files are now: the beginning of a path as the compiler wrote it, and what stands there instead. May be given several times.',
  },
  {
    name: 'serial',
    type: 'choice',
    placeholder: 'stdout|none',
    choices: ['stdout', 'none'],
    default: 'stdout',
    description: 'Where the output of COM1 goes.',
  },
  {
    name: 'tlb',
    type: 'choice',
    placeholder: 'keep|none',
    choices: ['keep', 'none'],
    default: 'keep',
    description:
      'keep: translations stay until they are invalidated, as on real processors. none: the page tables are walked at every access.',
  },
  {
    name: 'featureControl',
    type: 'count',
    placeholder: 'N',
    minimum: 0,
    maximum: 2 ** 32 - 1,
    description: 'Value of IA32_FEATURE_CONTROL at the start.',
  },
  {
    name: 'maxInstructions',
    type: 'count',
    placeholder: 'N',
    minimum: 0,
    maximum: Number.MAX_SAFE_INTEGER,
    description: 'Stops after exactly so many instructions. Without it there is no limit.',
  },
  {
    name: 'noReboot',
    type: 'switch',
    default: false,
    description: 'A reset ends the run instead of restarting the machine.',
  },
] as const satisfies readonly MachineOption[];

export type OptionName = (typeof machineOptions)[number]['name'];

/** The options as values. */
export interface MachineSettings {
  /** Bytes. */
  readonly memory: number;
  readonly cpu: string;
  readonly cpus: number;
  readonly mode?: 16 | 32 | 64;
  readonly load?: bigint;
  readonly entry?: bigint | string;
  readonly cmdline?: string;
  readonly module: readonly string[];
  readonly initrd?: string;
  readonly bios?: string;
  readonly symbols: readonly SymbolFile[];
  readonly sourceMap: SourceMap;
  readonly serial: 'stdout' | 'none';
  readonly tlb: 'keep' | 'none';
  readonly featureControl?: number;
  readonly maxInstructions?: number;
  readonly noReboot: boolean;
}

/** `maxInstructions` as `--max-instructions`. */
export const flagOf = (name: OptionName): string =>
  `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;

/** Values as they were given: text on the command line, JSON in launch.json. */
export type RawSettings = Readonly<Partial<Record<OptionName, unknown>>>;

/**
 * Checks every value and fills in the defaults.
 * @param label how the user writes an option: `--max-instructions`, `maxInstructions`
 * @throws BadInput with one line that says what would be right
 */
export const readSettings = (raw: RawSettings, label: (name: OptionName) => string): MachineSettings => {
  const value = <Type>(name: OptionName): Type => {
    const option = optionNamed(name);
    const given = raw[name];
    return (
      given === undefined || given === null || (given === '' && option.type !== 'text')
        ? defaultOf(option)
        : readValue(option, given, label(name))
    ) as Type;
  };
  const mode = value<string | undefined>('mode');
  const optional = <Name extends OptionName>(name: Name): Partial<Record<Name, never>> => {
    const given = value(name);
    return (given === undefined ? {} : { [name]: given }) as Partial<Record<Name, never>>;
  };
  return {
    memory: value('memory'),
    cpu: value('cpu'),
    cpus: value('cpus'),
    ...(mode === undefined ? {} : { mode: Number(mode) as 16 | 32 | 64 }),
    ...optional('load'),
    ...optional('entry'),
    ...optional('cmdline'),
    module: value<string[] | undefined>('module') ?? [],
    ...optional('initrd'),
    ...optional('bios'),
    symbols: value<SymbolFile[] | undefined>('symbols') ?? [],
    sourceMap: value<SourceMap | undefined>('sourceMap') ?? {},
    serial: value('serial'),
    tlb: value('tlb'),
    ...optional('featureControl'),
    ...optional('maxInstructions'),
    noReboot: value('noReboot'),
  };
};

const optionNamed = (name: OptionName): MachineOption =>
  machineOptions.find((option) => option.name === name) as MachineOption;

const defaultOf = (option: MachineOption): unknown =>
  option.default === undefined ? undefined : readValue(option, option.default, option.name);

const readers: Readonly<Record<OptionType, (given: unknown, option: MachineOption) => unknown>> = {
  size: (given, option) => inRange(readSize(given), option),
  count: (given, option) => inRange(readInteger(given), option),
  address: (given) => {
    const value = readInteger(given);
    return value === undefined || value < 0n || value >> 64n !== 0n ? undefined : value;
  },
  'address-or-symbol': (given) => {
    const value = readInteger(given);
    if (value !== undefined) return value < 0n || value >> 64n !== 0n ? undefined : value;
    return typeof given === 'string' && /^[^\d\s-]\S*$/.test(given) ? given : undefined;
  },
  choice: (given, { choices = [] }) => choices.find((choice) => choice === String(given)),
  'choice-or-file': (given, { choices = [] }) =>
    typeof given === 'string' && namesFile(given) ? given : choices.find((choice) => choice === given),
  text: (given) => (typeof given === 'string' ? given : undefined),
  texts: (given) => {
    const list = Array.isArray(given) ? given : [given];
    return list.every((item) => typeof item === 'string' && item.trim() !== '') ? list : undefined;
  },
  file: (given) => (typeof given === 'string' && given.trim() !== '' ? given : undefined),
  symbols: (given) => every(given, readSymbolFile),
  paths: (given) => {
    if (typeof given === 'object' && given !== null && !Array.isArray(given))
      return Object.values(given).every((to) => typeof to === 'string') ? given : undefined;
    const pairs = every(
      given,
      (pair) => /^([^=]+)=(.+)$/.exec(String(pair))?.slice(1, 3) as [string, string] | undefined,
    );
    return pairs === undefined ? undefined : Object.fromEntries(pairs);
  },
  switch: (given) => (typeof given === 'boolean' ? given : undefined),
};

/** The values of a list, or of one that stands alone; undefined when one of them is wrong. */
const every = <Value>(given: unknown, read: (one: unknown) => Value | undefined): Value[] | undefined => {
  const values = (Array.isArray(given) ? given : [given]).map(read);
  return values.includes(undefined) ? undefined : (values as Value[]);
};

/** `FILE@OFFSET`, or an object with `file`, `offset` and, for object files, `sections`. */
const readSymbolFile = (given: unknown): SymbolFile | undefined => {
  if (typeof given === 'string') {
    const [, file = given, offset = '0'] = /^(.+)@(-?\w+)$/.exec(given) ?? [];
    const value = readOffset(offset);
    if (given.trim() === '') return undefined;
    return value === undefined ? { file: given, offset: 0n } : { file, offset: value };
  }
  if (typeof given !== 'object' || given === null || !('file' in given) || typeof given.file !== 'string')
    return undefined;
  const offset = 'offset' in given ? readOffset(given.offset) : 0n;
  if (given.file.trim() === '' || offset === undefined) return undefined;
  if (!('sections' in given)) return { file: given.file, offset };
  if (typeof given.sections !== 'object' || given.sections === null) return undefined;
  const sections = Object.entries(given.sections).map(([name, at]) => [name, readInteger(at)] as const);
  if (sections.some(([, at]) => at === undefined)) return undefined;
  return { file: given.file, offset, sections: Object.fromEntries(sections) as Record<string, bigint> };
};

const readOffset = (given: unknown): bigint | undefined => {
  const negative = typeof given === 'string' && given.startsWith('-');
  const value = readInteger(negative ? given.slice(1) : given);
  return value === undefined || value >> 64n > 0n ? undefined : negative ? -value : value;
};

const readValue = (option: MachineOption, given: unknown, label: string): unknown => {
  const value = readers[option.type](given, option);
  if (value !== undefined) return value;
  throw new BadInput(`${label} ${show(given)}: ${right(option)}`);
};

const show = (given: unknown): string =>
  typeof given === 'string' ? (given === '' ? "''" : given) : (JSON.stringify(given) ?? String(given));

/** What would be right. */
const right = ({ type, choices = [], minimum, maximum }: MachineOption): string => {
  switch (type) {
    case 'size':
      return `a size from ${sizeText(minimum ?? 0)} to ${sizeText(maximum ?? 0)} is wanted, such as 64M`;
    case 'count':
      return `a number from ${minimum} to ${maximum} is wanted`;
    case 'address':
      return 'an address is wanted, such as 0x100000';
    case 'address-or-symbol':
      return 'an address such as 0x100000 or the name of a symbol is wanted';
    case 'choice':
      return `one of ${choices.join(', ')} is wanted`;
    case 'choice-or-file':
      return `one of ${choices.join(', ')}, or a file such as ./cpu.txt, is wanted`;
    case 'switch':
      return 'true or false is wanted';
    case 'file':
      return 'the name of a file is wanted';
    case 'text':
      return 'a text is wanted';
    case 'texts':
      return 'texts are wanted';
    case 'symbols':
      return 'a file is wanted, such as kernel.elf or kernel.elf@0x100000';
    case 'paths':
      return 'a folder and what stands for it are wanted, such as /build=/home/me/src';
  }
};

const sizeText = (bytes: number): string => (bytes % (1024 * MIB) === 0 ? `${bytes / MIB / 1024}G` : `${bytes / MIB}M`);

const units: Readonly<Record<string, bigint>> = { '': 1n, k: 1n << 10n, m: 1n << 20n, g: 1n << 30n };

const readSize = (given: unknown): bigint | undefined => {
  if (typeof given === 'number') return readInteger(given);
  if (typeof given !== 'string') return undefined;
  const [, digits = '', unit = ''] = /^\s*(\w+?)\s*([kmg]?)(?:i?b)?\s*$/i.exec(given) ?? [];
  const value = readInteger(digits);
  return value === undefined ? undefined : value * (units[unit.toLowerCase()] ?? 1n);
};

/** Decimal or hexadecimal; `0x…`, `…h`, with `_` between digits; JSON numbers that are exact. */
export const readInteger = (given: unknown): bigint | undefined => {
  if (typeof given === 'bigint') return given;
  if (typeof given === 'number') return Number.isSafeInteger(given) ? BigInt(given) : undefined;
  if (typeof given !== 'string') return undefined;
  const text = given.trim().replace(/_/g, '');
  if (/^0x[0-9a-f]+$/i.test(text) || /^[0-9]+$/.test(text)) return BigInt(text);
  const nasm = /^([0-9][0-9a-f]*)h$/i.exec(text)?.[1];
  return nasm === undefined ? undefined : BigInt(`0x${nasm}`);
};

const inRange = (value: bigint | undefined, { minimum, maximum }: MachineOption): number | undefined =>
  value === undefined ||
  (minimum !== undefined && value < BigInt(minimum)) ||
  (maximum !== undefined && value > BigInt(maximum))
    ? undefined
    : Number(value);

/** Attributes of launch.json that are about the session, not about the machine. */
const sessionProperties: Readonly<Record<string, object>> = {
  breakOn: {
    type: ['string', 'array'],
    items: { type: 'string' },
    description:
      'Events that stop the machine: `trap:#PF`, `int:0x80`, `cr3:w`, `msr:IA32_LSTAR:w`, `port:0x3f8 if value == 10`, … with ` if CONDITION`, ` hits COUNT` and ` log TEXT`.',
  },
  trace: {
    type: ['string', 'array'],
    items: { type: 'string' },
    description:
      'Events that are printed to the debug console as they happen, written as in `breakOn`: `trap`, `port:0x3f8:w`, `cr3:w if value != 0`, …',
  },
  stepIntoInterrupts: {
    type: 'boolean',
    description:
      'Steps by line go into the handlers of interrupts that come in meanwhile, instead of past them. Steps by instruction always do.',
    default: false,
  },
};

/** The properties of launch.json's schema, one per option, as package.json declares them. */
export const launchProperties = (): Record<string, object> => ({
  ...Object.fromEntries(machineOptions.map((option: MachineOption) => [option.name, schemaOf(option)])),
  ...sessionProperties,
});

const addressSchema = { type: ['string', 'integer'] };
const symbolFileSchema = {
  anyOf: [
    { type: 'string' },
    {
      type: 'object',
      required: ['file'],
      properties: {
        file: { type: 'string', description: 'The file with the symbols.' },
        offset: { ...addressSchema, description: 'Added to every address in the file.' },
        sections: {
          type: 'object',
          additionalProperties: addressSchema,
          description: 'Of an object file: where its sections lie, by name.',
        },
      },
    },
  ],
};

const schemaOf = (option: MachineOption): object => {
  const { type, description, choices, minimum, maximum } = option;
  const common = { description, ...(option.default === undefined ? {} : { default: option.default }) };
  switch (type) {
    case 'size':
      return { type: ['string', 'integer'], ...common };
    case 'count':
      return { type: ['integer', 'string'], minimum, maximum, ...common };
    case 'address':
    case 'address-or-symbol':
      return { type: ['string', 'integer'], ...common };
    case 'choice':
      return choices?.every((choice) => /^\d+$/.test(choice))
        ? { enum: choices.map(Number), ...common }
        : { type: 'string', enum: choices, ...common };
    case 'choice-or-file':
      return { type: 'string', examples: choices, ...common };
    case 'texts':
      return { type: 'array', items: { type: 'string' }, ...common };
    case 'symbols':
      return { type: ['array', 'string'], items: symbolFileSchema, ...common };
    case 'paths':
      return { type: 'object', additionalProperties: { type: 'string' }, ...common };
    case 'switch':
      return { type: 'boolean', ...common };
    case 'text':
    case 'file':
      return { type: 'string', ...common };
  }
};
