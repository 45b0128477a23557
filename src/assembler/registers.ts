/** The names of registers, and what the encoder needs to know of each. */

export type RegisterClass =
  | 'r8'
  | 'r8-high'
  | 'r16'
  | 'r32'
  | 'r64'
  | 'instruction-pointer'
  | 'segment'
  | 'control'
  | 'debug'
  | 'test'
  | 'x87'
  | 'mmx'
  | 'xmm'
  | 'ymm'
  | 'zmm'
  | 'mask'
  | 'bound'
  | 'tile';

export interface Register {
  readonly name: string;
  readonly class: RegisterClass;
  /** As encoded; ah, ch, dh and bh are 4 to 7. */
  readonly number: number;
  /** spl, bpl, sil and dil exist only with a REX prefix. */
  readonly needsRex: boolean;
}

const byName = new Map<string, Register>();

function add(registerClass: RegisterClass, names: readonly string[], first = 0, needsRex = false): void {
  names.forEach((name, index) => {
    byName.set(name, { name, class: registerClass, number: first + index, needsRex });
  });
}

const count = (length: number, name: (index: number) => string): string[] =>
  Array.from({ length }, (_, index) => name(index));

const legacy = ['ax', 'cx', 'dx', 'bx', 'sp', 'bp', 'si', 'di'];
add('r8', ['al', 'cl', 'dl', 'bl']);
add('r8', ['spl', 'bpl', 'sil', 'dil'], 4, true);
add('r8-high', ['ah', 'ch', 'dh', 'bh'], 4);
add('r16', legacy);
add(
  'r32',
  legacy.map((name) => `e${name}`),
);
add(
  'r64',
  legacy.map((name) => `r${name}`),
);
const extended = count(8, (index) => `r${index + 8}`);
add(
  'r8',
  extended.map((name) => `${name}b`),
  8,
);
add(
  'r8',
  extended.map((name) => `${name}l`),
  8,
);
add(
  'r16',
  extended.map((name) => `${name}w`),
  8,
);
add(
  'r32',
  extended.map((name) => `${name}d`),
  8,
);
add('r64', extended, 8);
add('instruction-pointer', ['rip', 'eip']);
add('segment', ['es', 'cs', 'ss', 'ds', 'fs', 'gs']);
add(
  'control',
  count(16, (index) => `cr${index}`),
);
add(
  'debug',
  count(16, (index) => `dr${index}`),
);
add(
  'test',
  count(8, (index) => `tr${index}`),
);
add(
  'x87',
  count(8, (index) => `st${index}`),
);
add(
  'mmx',
  count(8, (index) => `mm${index}`),
);
add(
  'xmm',
  count(32, (index) => `xmm${index}`),
);
add(
  'ymm',
  count(32, (index) => `ymm${index}`),
);
add(
  'zmm',
  count(32, (index) => `zmm${index}`),
);
add(
  'mask',
  count(8, (index) => `k${index}`),
);
add(
  'bound',
  count(4, (index) => `bnd${index}`),
);
add(
  'tile',
  count(8, (index) => `tmm${index}`),
);

/** `name` in any case. rip and eip are not names in NASM's syntax: they are found here only to explain that. */
export const registerNamed = (name: string): Register | undefined => byName.get(name.toLowerCase());

const general = new Map(
  [...byName.values()]
    .filter(({ name }) => !/^r\d+l$/.test(name))
    .map((register) => [`${register.class}:${register.number}`, register]),
);

/** The register of a class by its number. */
export const generalRegister = (registerClass: RegisterClass, number: number): Register | undefined =>
  general.get(`${registerClass}:${number}`);
