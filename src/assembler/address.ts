/**
 * Effective addresses: which register is the base and which the index, as NASM decides it, and their encoding in ModRM,
 * SIB and displacement. Intel SDM vol. 2, "Addressing-Mode Encoding of ModR/M and SIB Bytes".
 */

import { AssemblyProblem, type Place } from './diagnostics';
import type { Bits } from './forms';
import type { AddressSyntax } from './operands';
import type { Register, RegisterClass } from './registers';
import { isPlain, type RegisterTerm, type Value } from './value';

export interface EffectiveAddress {
  readonly addressSize: Bits;
  readonly base?: Register;
  readonly index?: Register;
  readonly scale: 1 | 2 | 4 | 8;
  /** The address without its registers. */
  readonly displacement: Value;
  /** Relative to the next instruction. */
  readonly relative: boolean;
  readonly displacementSize?: number;
  readonly segment?: Register;
  /** No register at all: fit for the short forms of MOV that hold an offset. */
  readonly direct: boolean;
  /** Neither `rel` nor `default rel` asks for a relative address, whether or not there can be one. */
  readonly absolute: boolean;
}

export interface EncodedAddress {
  readonly modrm: number;
  readonly sib?: number;
  readonly displacement: bigint;
  /** In bytes. */
  readonly displacementBytes: number;
  /** Added to registers beyond 7. */
  readonly rexB: number;
  readonly rexX: number;
  /** Bit 4 of a vector index. */
  readonly highIndex: number;
}

const widths: Readonly<Partial<Record<RegisterClass, Bits>>> = { r16: 16, r32: 32, r64: 64 };
const vectors: readonly RegisterClass[] = ['xmm', 'ymm', 'zmm'];

/** @throws AssemblyProblem when the registers make no address. */
export function resolveAddress(
  syntax: AddressSyntax,
  value: Value,
  bits: Bits,
  relativeByDefault: boolean,
  prefixSize: Bits | undefined,
  place: Place,
): EffectiveAddress {
  const displacement: Value = { ...value, registers: [] };
  const terms = merge(value.registers, place);
  const { segment, displacementSize } = syntax;
  const common = {
    displacement,
    ...(segment === undefined ? {} : { segment }),
    ...(displacementSize === undefined ? {} : { displacementSize }),
  };
  if (terms.length === 0) {
    const addressSize = prefixSize ?? directSize(bits, displacementSize, place);
    const wanted =
      syntax.reference === 'rel' ||
      (syntax.reference === undefined && relativeByDefault && !(segment?.name === 'fs' || segment?.name === 'gs'));
    const relative = bits === 64 && wanted && (value.unknown || !isPlain(value));
    return { ...common, addressSize, scale: 1, relative, direct: true, absolute: !wanted };
  }
  const { base, index, factor } = assign(terms, syntax.nosplit, place);
  const baseSize = base === undefined ? undefined : widths[base.class];
  const indexSize = index === undefined ? undefined : widths[index.class];
  if (baseSize !== undefined && indexSize !== undefined && baseSize !== indexSize) {
    throw new AssemblyProblem(place, 'base and index have different sizes: use two of the same size');
  }
  const addressSize = baseSize ?? indexSize ?? (bits === 16 ? 32 : bits);
  if (prefixSize !== undefined && prefixSize !== addressSize) {
    throw new AssemblyProblem(place, `the address has ${addressSize} bits, its prefix a${prefixSize} says otherwise`);
  }
  if (addressSize === 64 && bits !== 64) {
    throw new AssemblyProblem(place, `a 64-bit register is no address in ${bits}-bit code`);
  }
  if (addressSize === 16 && bits === 64) {
    throw new AssemblyProblem(place, 'a 16-bit register is no address in 64-bit code: use 32- or 64-bit registers');
  }
  const needs16 = addressSize === 16;
  if (displacementSize !== undefined && displacementSize !== 1 && displacementSize !== (needs16 ? 2 : 4)) {
    throw new AssemblyProblem(place, `the displacement of this address is byte or ${needs16 ? 'word' : 'dword'}`);
  }
  return {
    ...common,
    addressSize,
    ...(base === undefined ? {} : { base }),
    ...(index === undefined ? {} : { index }),
    scale: factor,
    relative: false,
    direct: false,
    absolute: true,
  };
}

/** The same address with a displacement of full size. */
export const withLongDisplacement = (address: EffectiveAddress): EffectiveAddress =>
  address.direct ? address : { ...address, displacementSize: address.addressSize === 16 ? 2 : 4 };

function directSize(bits: Bits, displacementSize: number | undefined, place: Place): Bits {
  switch (displacementSize) {
    case undefined:
      return bits;
    case 2:
      if (bits === 64) throw new AssemblyProblem(place, '64-bit code has no 16-bit addresses');
      return 16;
    case 4:
      return bits === 64 ? 64 : 32;
    case 8:
      if (bits !== 64) throw new AssemblyProblem(place, `${bits}-bit code has no 64-bit addresses`);
      return 64;
    default:
      return bits;
  }
}

function merge(terms: readonly RegisterTerm[], place: Place): RegisterTerm[] {
  const merged: RegisterTerm[] = [];
  for (const term of terms) {
    const same = merged.findIndex(({ register }) => register === term.register);
    const before = merged[same];
    if (before === undefined) merged.push(term);
    else merged[same] = { ...before, factor: before.factor + term.factor };
  }
  const used = merged.filter(({ factor }) => factor !== 0);
  for (const { register, factor } of used) {
    if (widths[register.class] === undefined && !vectors.includes(register.class)) {
      throw new AssemblyProblem(place, `${register.name} cannot stand in an address`);
    }
    if (![1, 2, 3, 4, 5, 8, 9].includes(factor)) {
      throw new AssemblyProblem(
        place,
        `${register.name}*${factor} is no address: a register counts 1, 2, 4 or 8 times`,
      );
    }
  }
  return used;
}

interface Assignment {
  readonly base?: Register;
  readonly index?: Register;
  readonly factor: 1 | 2 | 4 | 8;
}

/** NASM's choice: the first register is the base unless it is multiplied; eax*2 is split to save the displacement. */
function assign(terms: readonly RegisterTerm[], nosplit: boolean, place: Place): Assignment {
  const [first, second] = terms;
  if (first === undefined || terms.length > 2) {
    throw new AssemblyProblem(place, 'an address has at most two registers: a base and an index');
  }
  if (second === undefined) return assignOne(first, nosplit, place);
  let base = first;
  let index = second;
  const indexed = (term: RegisterTerm): boolean => term.factor !== 1 || vectors.includes(term.register.class);
  if (indexed(first) || (first.multiplied && !indexed(second))) [base, index] = [second, first];
  if (indexed(base)) throw new AssemblyProblem(place, 'only one register of an address can be multiplied');
  if (isStackPointer(index.register) && index.factor === 1) [base, index] = [index, base];
  // 16-bit addresses have no scale: bx and bp are bases, si and di indexes.
  if (base.register.class === 'r16' && base.register.number >= 6) [base, index] = [index, base];
  return { base: base.register, index: index.register, factor: scaleOf(index, place) };
}

function assignOne(term: RegisterTerm, nosplit: boolean, place: Place): Assignment {
  const { register, factor } = term;
  if (vectors.includes(register.class)) return { index: register, factor: scaleOf(term, place) };
  if (factor === 1) return nosplit && term.multiplied ? { index: register, factor: 1 } : { base: register, factor: 1 };
  if (factor === 2 && (nosplit || isStackPointer(register))) return { index: checked(register, place), factor: 2 };
  if (factor === 2 || factor === 3 || factor === 5 || factor === 9) {
    const rest = (factor - 1) as 1 | 2 | 4 | 8;
    return { base: register, index: checked(register, place), factor: rest };
  }
  return { index: register, factor: scaleOf(term, place) };
}

const isStackPointer = (register: Register): boolean => register.number === 4 && widths[register.class] !== undefined;

function checked(register: Register, place: Place): Register {
  if (isStackPointer(register)) throw new AssemblyProblem(place, `${register.name} cannot be an index`);
  return register;
}

function scaleOf({ register, factor }: RegisterTerm, place: Place): 1 | 2 | 4 | 8 {
  checked(register, place);
  if (factor === 1 || factor === 2 || factor === 4 || factor === 8) return factor;
  throw new AssemblyProblem(place, `${register.name}*${factor} with another register is no address`);
}

/** ModRM.rm of 16-bit addresses, by base and index. */
const sixteenBit: Readonly<Record<string, number>> = {
  'bx+si': 0,
  'bx+di': 1,
  'bp+si': 2,
  'bp+di': 3,
  si: 4,
  di: 5,
  bp: 6,
  bx: 7,
};

/**
 * `scale` is what an 8-bit displacement counts in: 1, or more with EVEX. ModRM.reg is left zero. A relative address
 * has its displacement filled in when the length of the instruction is known.
 */
export function encodeAddress(
  address: EffectiveAddress,
  bits: Bits,
  scale: number,
  needsSib: boolean,
  place: Place,
): EncodedAddress {
  const { displacement, base, index } = address;
  const none = { rexB: 0, rexX: 0, highIndex: 0 };
  if (address.direct) {
    if (bits === 64) {
      const full = { displacement: displacement.number, displacementBytes: 4, ...none };
      return address.relative && !needsSib ? { modrm: 0x05, ...full } : { modrm: 0x04, sib: 0x25, ...full };
    }
    if (address.addressSize === 16) {
      return { modrm: 0x06, displacement: displacement.number, displacementBytes: 2, ...none };
    }
    return {
      ...(needsSib ? { modrm: 0x04, sib: 0x25 } : { modrm: 0x05 }),
      displacement: displacement.number,
      displacementBytes: 4,
      ...none,
    };
  }
  if (address.addressSize === 16 && !(index !== undefined && vectors.includes(index.class))) {
    return encodeSixteenBit(address, scale, place);
  }
  const number = displacement.number;
  if (base === undefined) {
    return {
      modrm: 0x04,
      sib: sib(address.scale, index?.number ?? 4, 5),
      displacement: number,
      displacementBytes: 4,
      rexB: 0,
      rexX: ((index?.number ?? 0) >> 3) & 1,
      highIndex: (index?.number ?? 0) >> 4,
    };
  }
  const short = shortDisplacement(address, scale, address.addressSize);
  const size = displacementBytes(address, 4, short, scale, (base.number & 7) === 5);
  const mod = size === 0 ? 0 : size === 1 ? 1 : 2;
  const stored = size === 1 ? (short ?? number) : number;
  const rexB = (base.number >> 3) & 1;
  if (index === undefined && (base.number & 7) !== 4 && !needsSib) {
    return { modrm: (mod << 6) | (base.number & 7), displacement: stored, displacementBytes: size, ...none, rexB };
  }
  return {
    modrm: (mod << 6) | 4,
    sib: sib(address.scale, index?.number ?? 4, base.number),
    displacement: stored,
    displacementBytes: size,
    rexB,
    rexX: ((index?.number ?? 0) >> 3) & 1,
    highIndex: (index?.number ?? 0) >> 4,
  };
}

const sib = (scale: 1 | 2 | 4 | 8, index: number, base: number): number =>
  ((31 - Math.clz32(scale)) << 6) | ((index & 7) << 3) | (base & 7);

/** The displacement as the byte that holds it, or undefined when it needs more. */
function shortDisplacement(address: EffectiveAddress, scale: number, width: 16 | 32 | 64): bigint | undefined {
  const { displacement } = address;
  if (!isPlain(displacement)) return undefined;
  if (displacement.unknown) return 0n;
  const wrapped = BigInt.asIntN(width === 64 ? 64 : width, displacement.number);
  const unit = BigInt(scale);
  if (wrapped % unit !== 0n) return undefined;
  const count = wrapped / unit;
  return count >= -128n && count <= 127n ? count : undefined;
}

/** 0, 1 or `full`: as asked for, else the shortest. */
function displacementBytes(
  { displacement, displacementSize }: EffectiveAddress,
  full: 2 | 4,
  short: bigint | undefined,
  scale: number,
  required: boolean,
): 0 | 1 | 2 | 4 {
  if (displacementSize === full) return full;
  // A byte that counts in more than bytes cannot hold every number.
  if (displacementSize === 1) return scale > 1 && short === undefined ? full : 1;
  if (isPlain(displacement) && !displacement.unknown && displacement.number === 0n && !required) return 0;
  return short === undefined ? full : 1;
}

function encodeSixteenBit(address: EffectiveAddress, scale: number, place: Place): EncodedAddress {
  const { base, index, displacement } = address;
  const key = [base, index].flatMap((register) => register?.name ?? []).join('+');
  const rm = sixteenBit[key];
  if (rm === undefined || address.scale !== 1) {
    throw new AssemblyProblem(place, `[${key}] is no 16-bit address: use bx or bp, si or di, or one of each`);
  }
  const short = shortDisplacement(address, scale, 16);
  const size = displacementBytes(address, 2, short, scale, rm === 6);
  return {
    modrm: (size << 6) | rm,
    displacement: size === 1 ? (short ?? displacement.number) : displacement.number,
    displacementBytes: size,
    rexB: 0,
    rexX: 0,
    highIndex: 0,
  };
}
