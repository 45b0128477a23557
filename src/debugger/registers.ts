/**
 * The names by which a person reaches the registers of one vCPU: `rax`, `al`, `cs.base`, `cr0.pg`, `zf`, `cpl`. Each
 * name is a place that reads and says which register of the input log a write becomes.
 */

import { state as layout } from '../machine/core/layout';
import { type CpuState, CS, type SegmentIndex, SS } from '../machine/core/state';
import { LONG, modeOf } from '../machine/cpu/mode';
import { cr0Bits, cr4Bits, dr6Bits, dr7Bits, eferBits, type RegisterBits } from '../x86/control-registers';
import { accessBits, selectorBits } from '../x86/descriptors';
import { flagBits, gprNames64, segmentNames } from '../x86/registers';

export interface RegisterPlace {
  readonly size: 1 | 2 | 4 | 8;
  readonly read: () => bigint;
  /** The register that is written in the end, and its whole new value; undefined for what cannot be set. */
  readonly write?: (value: bigint) => { readonly name: string; readonly value: bigint };
  /** One bit or a field of a few: shown as a number of that width. */
  readonly bits?: number;
}

/** Registers with named bits. */
export const decodedRegisters: Readonly<Record<string, RegisterBits>> = {
  cr0: cr0Bits,
  cr4: cr4Bits,
  efer: eferBits,
  dr6: dr6Bits,
  dr7: dr7Bits,
};

/** Numbers of the general registers whose second byte has a name: `ah` `ch` `dh` `bh`. */
const HIGH_BYTES = 4;

interface Part {
  readonly register: number;
  readonly size: 1 | 2 | 4 | 8;
  readonly shift: bigint;
}

/** `rax eax ax al ah`, `rsi esi si sil`, `r8 r8d r8w r8b`. */
const parts: ReadonlyMap<string, Part> = new Map(
  gprNames64.flatMap((name, register): [string, Part][] => {
    const part = (text: string, size: 1 | 2 | 4 | 8, shift = 0n): [string, Part] => [text, { register, size, shift }];
    if (register >= 8)
      return [part(name, 8), part(`${name}d`, 4), part(`${name}w`, 2), part(`${name}b`, 1), part(`${name}l`, 1)];
    const word = name.slice(1);
    const wide = [part(name, 8), part(`e${word}`, 4), part(word, 2)];
    if (register >= HIGH_BYTES) return [...wide, part(`${word}l`, 1)];
    const letter = word.charAt(0);
    return [...wide, part(`${letter}l`, 1), part(`${letter}h`, 1, 8n)];
  }),
);

const MASKS: Readonly<Record<number, bigint>> = { 1: 0xffn, 2: 0xffffn, 4: 0xffff_ffffn, 8: 0xffff_ffff_ffff_ffffn };
const mask = (size: 1 | 2 | 4 | 8): bigint => MASKS[size] as bigint;

const generalRegister = (state: CpuState, { register, size, shift }: Part): RegisterPlace => {
  const name = gprNames64[register] as string;
  const field = mask(size) << shift;
  const ones = mask(size);
  return {
    size,
    // Conditions of breakpoints read registers very often: nothing is computed that need not be.
    read: size === 8 ? () => state.gpr(register) : () => (state.gpr(register) >> shift) & ones,
    // A 32-bit register is written as the processor writes it: the upper half becomes 0.
    write: (value) => ({
      name,
      value: size === 4 ? value & field : (state.gpr(register) & ~field) | ((value << shift) & field),
    }),
  };
};

/** One field of a register that has a place of its own. */
const field = (whole: RegisterPlace, name: string, bit: number, width: number): RegisterPlace => {
  const ones = ((1n << BigInt(width)) - 1n) << BigInt(bit);
  return {
    size: width > 8 ? 2 : 1,
    bits: width,
    read: () => (whole.read() & ones) >> BigInt(bit),
    write: (value) => ({ name, value: (whole.read() & ~ones) | ((value << BigInt(bit)) & ones) }),
  };
};

const plain = (name: string, size: 2 | 4 | 8, read: () => bigint): RegisterPlace => ({
  size,
  read,
  write: (value) => ({ name, value: value & mask(size) }),
});
const readOnly = (size: 1 | 2 | 4 | 8, read: () => bigint): RegisterPlace => ({ size, read });

/** Bit number and width of each flag. */
export const flags: readonly { readonly name: string; readonly bit: number; readonly width: number }[] = Object.entries(
  flagBits,
).map(([name, bits]) => ({ name, bit: 31 - Math.clz32(bits & -bits), width: name === 'IOPL' ? 2 : 1 }));

const segmentPlaces = (state: CpuState, name: string, index: SegmentIndex): [string, RegisterPlace][] => [
  // The register loads the descriptor; its parts are set as they are.
  [name, plain(name, 2, () => BigInt(state.selector(index)))],
  [`${name}.selector`, plain(`${name}.selector`, 2, () => BigInt(state.selector(index)))],
  [`${name}.base`, plain(`${name}.base`, 8, () => state.segmentBase(index))],
  [`${name}.limit`, plain(`${name}.limit`, 4, () => BigInt(state.segmentLimit(index)))],
  [`${name}.access`, plain(`${name}.access`, 4, () => BigInt(state.segmentAccess(index)))],
  ...partPlaces(
    `${name}.access`,
    name,
    plain(`${name}.access`, 4, () => BigInt(state.segmentAccess(index))),
    accessBits,
  ),
  ...partPlaces(
    `${name}.selector`,
    name,
    plain(`${name}.selector`, 2, () => BigInt(state.selector(index))),
    selectorBits,
  ),
];

/** Parts of a register's part: `cs.dpl` of `cs.access`. */
const partPlaces = (whole: string, name: string, place: RegisterPlace, bits: RegisterBits): [string, RegisterPlace][] =>
  Object.entries(bits).map(([part, { bit, width = 1 }]) => [`${name}.${part}`, field(place, whole, bit, width)]);

const bitPlaces = (name: string, whole: RegisterPlace): [string, RegisterPlace][] =>
  Object.entries(decodedRegisters[name] ?? {}).map(([bitName, { bit, width = 1 }]) => [
    `${name}.${bitName.toLowerCase()}`,
    field(whole, name, bit, width),
  ]);

/** Bits that no instruction sets by itself: VM comes by IRET and task switches, LMA with paging, ET is always 1. */
export const fixedBits: ReadonlySet<string> = new Set(['vm', 'efer.lma', 'ia32_efer.lma', 'cr0.et']);

/** All registers of a vCPU by lower-case name. */
export const registerPlaces = (state: CpuState, taskPriority: () => number): ReadonlyMap<string, RegisterPlace> => {
  const places = new Map<string, RegisterPlace>();
  for (const [name, part] of parts) places.set(name, generalRegister(state, part));

  const rip = plain('rip', 8, () => state.rip);
  places.set('rip', rip);
  for (const [name, size] of [
    ['eip', 4],
    ['ip', 2],
  ] as const)
    places.set(name, {
      size,
      read: () => rip.read() & mask(size),
      write: (value) => ({ name: 'rip', value: value & mask(size) }),
    });

  const rflags = plain('rflags', 8, () => BigInt(state.rflags));
  places.set('rflags', rflags);
  places.set('eflags', { ...rflags, size: 4 });
  places.set('flags', { ...rflags, size: 2, read: () => rflags.read() & 0xffffn });
  for (const { name, bit, width } of flags) places.set(name.toLowerCase(), field(rflags, 'rflags', bit, width));

  segmentNames.forEach((name, index) => {
    for (const [key, place] of segmentPlaces(state, name, index as SegmentIndex)) places.set(key, place);
  });
  for (const table of ['gdtr', 'idtr'] as const) {
    places.set(
      `${table}.base`,
      plain(`${table}.base`, 8, () => state[table].base),
    );
    places.set(
      `${table}.limit`,
      plain(`${table}.limit`, 2, () => BigInt(state[table].limit)),
    );
    places.set(
      table,
      readOnly(8, () => state[table].base),
    );
  }

  const wide: [string, () => bigint][] = [
    ['cr0', () => state.cr0],
    ['cr2', () => state.cr2],
    ['cr3', () => state.cr3],
    ['cr4', () => state.cr4],
    ['efer', () => state.efer],
    ...[0, 1, 2, 3, 6, 7].map((n): [string, () => bigint] => [`dr${n}`, () => state.dr(n)]),
  ];
  for (const [name, read] of wide) {
    const place = plain(name, 8, read);
    places.set(name, place);
    for (const [key, bit] of bitPlaces(name, place)) places.set(key, bit);
  }
  places.set('cr8', { ...plain('cr8', 8, () => BigInt(taskPriority())), bits: 4 });
  places.set(
    'cpl',
    readOnly(1, () => BigInt(state.cpl)),
  );
  places.set(
    'nonroot',
    readOnly(1, () => BigInt(state.getU32(layout.vmxNonRoot))),
  );
  for (const name of fixedBits) {
    const place = places.get(name);
    if (place === undefined) continue;
    const { write: _, ...shown } = place;
    places.set(name, shown);
  }
  return places;
};

/** The parts of a general register that have a name: `eax`, `ax`, `al`, `ah` of `rax`. */
export const partNames = (name: string): readonly string[] => {
  const register = gprNames64.indexOf(name as (typeof gprNames64)[number]);
  return [...parts]
    .filter(([part, of]) => of.register === register && part !== name && !/^r\d+l$/.test(part))
    .map(([part]) => part);
};

/** The name that an instruction pointer or stack pointer of this width has. */
export const naturalSize = (state: CpuState): 2 | 4 | 8 => {
  if (modeOf(state) === LONG) return 8;
  return state.segmentAccess(CS) & BIG ? 4 : 2;
};
/** Width of the stack pointer. Intel SDM vol. 3, "Stack Segment Descriptor" (the B flag). */
export const stackSize = (state: CpuState): 2 | 4 | 8 => {
  if (modeOf(state) === LONG) return 8;
  return state.segmentAccess(SS) & BIG ? 4 : 2;
};
const BIG = 1 << 14;
