/**
 * Which form of an instruction NASM would choose for the operands given: all forms that accept them are tried, and the
 * shortest encoding wins; among equals the first in the order of opcodes.
 */

import { arrangements, completed } from './arrangements';
import { AssemblyProblem } from './diagnostics';
import { type Assignment, type Encoded, encode } from './encoder';
import { type Bits, type Form, formsOf, modeBit, rarity } from './forms';
import type { Instruction, Operand } from './instruction';
import { type OperandKind, operandKind } from './operand-kinds';
import type { Register } from './registers';
import { rejection } from './rejection';
import { isPlain, signed, type Value } from './value';

export interface Choice {
  readonly form: Form;
  readonly encoded: Encoded;
}

interface Candidate extends Choice {
  /** Of an operand without size word; undefined when its size does not matter. */
  readonly openMemorySize: number | undefined;
  readonly arrangement: number;
}

const encodingRank = { legacy: 0, vex: 0, '3dnow': 0, xop: 1, evex: 2 } as const;

/** @throws AssemblyProblem with what would be right when no form takes the operands. */
export function choose(written: Instruction): Choice {
  const instruction = completed(written);
  const candidates: Candidate[] = [];
  let problem: AssemblyProblem | undefined;
  let arrangement = 0;
  for (const { operands, exclusive } of arrangements(instruction)) {
    arrangement++;
    for (const form of formsFor(instruction)) {
      const assigned = match(form, operands, instruction);
      if (assigned === undefined) continue;
      try {
        const encoded = encode(form, assigned, instruction);
        if (encoded !== undefined) {
          candidates.push({ form, encoded, openMemorySize: openMemorySize(form, operands), arrangement });
        }
      } catch (error) {
        if (!(error instanceof AssemblyProblem)) throw error;
        problem ??= error;
      }
    }
    if (exclusive && candidates.length > 0) break;
  }
  if (candidates.length === 0) throw problem ?? rejection(instruction);
  const settled = settleMemorySize(candidates, instruction);
  return settled.reduce((best, candidate) => (isBetter(candidate, best, instruction.bits) ? candidate : best));
}

function isBetter(candidate: Candidate, best: Candidate, bits: Bits): boolean {
  const order =
    rarity(candidate.form, bits) - rarity(best.form, bits) ||
    encodingRank[candidate.form.encoding] - encodingRank[best.form.encoding] ||
    candidate.encoded.weight - best.encoded.weight ||
    preference(candidate) - preference(best) ||
    candidate.arrangement - best.arrangement;
  return order < 0;
}

/** Among equals NASM takes the sign-extended byte, the x87 form that writes the register named first, and a few more. */
const preference = ({ form, arrangement }: Candidate): number =>
  form.kinds.some((kind) => kind.startsWith('imm8sex')) ||
  (form.kinds[0] === 'sti_opcode' && arrangement === 1) ||
  (form.mnemonic === 'vmovq' && form.kinds.includes('xmm_or_mem')) ||
  (form.mnemonic === 'vpperm' && form.w === 1)
    ? 0
    : 1;

/** Instructions that had EVEX before they got VEX: NASM takes the younger form on `{vex}` only. */
const evexFirst = new Set([
  ...['vpdpbusd', 'vpdpbusds', 'vpdpwssd', 'vpdpwssds', 'vpmadd52luq', 'vpmadd52huq', 'vcvtneps2bf16'],
]);

/** Forms of the instruction in the current mode that agree with its explicit prefixes. */
function formsFor({ named, bits, prefixes }: Instruction): readonly Form[] {
  const mode = modeBit(bits);
  const all = named.mnemonics.flatMap(formsOf).filter((form) => {
    if ((form.modes & mode) === 0) return false;
    if (named.operandSize !== undefined && form.operandSize !== named.operandSize) return false;
    if (prefixes.encoding === 'evex') return form.encoding === 'evex';
    if (prefixes.encoding !== undefined) return form.encoding === 'vex';
    return form.encoding !== 'vex' || !evexFirst.has(form.mnemonic);
  });
  const { operandSize } = prefixes;
  if (operandSize === undefined) return all;
  const fitting = all.filter((form) => form.operandSize === operandSize);
  return fitting.length > 0 ? fitting : all;
}

/** The operands with the kinds of the form, or undefined when they do not fit. */
function match(form: Form, operands: readonly Operand[], instruction: Instruction): Assignment[] | undefined {
  const kinds = writtenKinds(form);
  if (kinds.length !== operands.length) return undefined;
  if (!decorationsFit(form, operands, instruction)) return undefined;
  const assigned: Assignment[] = [];
  for (const [index, kind] of kinds.entries()) {
    const operand = operands[index];
    if (operand === undefined || !accepts(form, kind, operand, instruction, operands)) return undefined;
    assigned.push({ kind, operand });
  }
  return assigned;
}

const visibleKinds = new WeakMap<Form, readonly string[]>();

/** Kinds that stand in the source: string instructions name none of theirs. */
export function writtenKinds(form: Form): readonly string[] {
  let kinds = visibleKinds.get(form);
  if (kinds === undefined) {
    const explicit = form.kinds.filter((kind) => operandKind(kind).field !== 'implied');
    const isString =
      explicit.length < form.kinds.length && explicit.every((kind) => operandKind(kind).field === 'fixed');
    kinds = isString ? [] : explicit;
    visibleKinds.set(form, kinds);
  }
  return kinds;
}

function decorationsFit(form: Form, operands: readonly Operand[], { rounding }: Instruction): boolean {
  const needsRounding = rounding !== undefined;
  if (needsRounding) {
    if (rounding === 'sae' ? !form.suppressesExceptions : !form.rounds) return false;
    if (operands.some((operand) => operand.kind === 'memory')) return false;
  }
  let masked = false;
  for (const operand of operands) {
    if (operand.kind !== 'register' && operand.kind !== 'memory') continue;
    const { mask, zeroing, broadcast } = operand.decorations;
    if (mask !== undefined) masked = true;
    if (mask !== undefined && !form.maskable) return false;
    if (zeroing === true && !form.zeroable) return false;
    if (broadcast !== undefined) {
      if (!form.broadcasts || operand.kind !== 'memory') return false;
      if (form.memorySize / form.broadcastSize !== broadcast) return false;
    }
  }
  return masked || !form.needsMask;
}

function accepts(
  form: Form,
  name: string,
  operand: Operand,
  instruction: Instruction,
  operands: readonly Operand[],
): boolean {
  const kind = operandKind(name);
  switch (operand.kind) {
    case 'register':
      return (
        kind.classes.includes(operand.register.class) &&
        (kind.fixed === undefined || kind.fixed === operand.register.name) &&
        (operand.register.number < 16 || form.encoding === 'evex') &&
        (operand.size === undefined ||
          operand.register.class === 'x87' ||
          operand.size === classSize(operand.register.class)) &&
        (name !== 'kp1_reg' || operand.register.number % 2 === 0) &&
        !isNop(form, kind, operand.register, instruction)
      );
    case 'memory':
      return kind.memory && kind.field !== 'implied' && acceptsMemory(form, name, kind, operand, instruction, operands);
    case 'immediate':
      if (kind.field === 'relative') return acceptsTarget(form, kind, operand, instruction);
      return (
        kind.field === 'immediate' &&
        (form.mnemonic !== 'push' || operand.size !== undefined || form.operandSize === defaultSize(instruction)) &&
        acceptsImmediate(form, name, kind, operand, operands)
      );
    case 'far-pointer':
      return kind.field === 'far-pointer' && (operand.size ?? defaultFar(instruction)) === kind.bytes;
  }
}

/** In 64-bit code 90 does nothing, while XCHG EAX, EAX clears the upper half of RAX. */
const isNop = (form: Form, kind: OperandKind, register: Register, { bits }: Instruction): boolean =>
  bits === 64 && form.mnemonic === 'xchg' && kind.field === 'opcode' && register.name === 'eax';

const defaultSize = ({ bits, prefixes }: Instruction): number => prefixes.operandSize ?? bits;

const defaultFar = ({ bits, prefixes }: Instruction): number =>
  prefixes.operandSize === undefined ? (bits === 16 ? 2 : 4) : prefixes.operandSize / 8;

const classSizes: Readonly<Record<string, number>> = {
  r8: 1,
  'r8-high': 1,
  r16: 2,
  r32: 4,
  r64: 8,
  mmx: 8,
  xmm: 16,
  ymm: 32,
  zmm: 64,
};

const classSize = (registerClass: string): number => classSizes[registerClass] ?? 0;

const namedSizes = [1, 2, 4, 8, 10, 16, 32, 64];
const branches = new Set(['call', 'jmp']);

function acceptsMemory(
  form: Form,
  name: string,
  kind: OperandKind,
  operand: Extract<Operand, { kind: 'memory' }>,
  instruction: Instruction,
  operands: readonly Operand[],
): boolean {
  const { address, size } = operand;
  const isVector = address.index !== undefined && ['xmm', 'ymm', 'zmm'].includes(address.index.class);
  if (isVector ? kind.vectorIndex !== address.index?.class : kind.vectorIndex !== undefined) return false;
  if (isVector && (address.index?.number ?? 0) > 15 && form.encoding !== 'evex') return false;
  if (kind.field === 'offset' && !acceptsOffset(operand, instruction)) return false;
  if (kind.field === 'rm' && hasLongOffset(form, operand, operands)) return false;
  if (form.kinds.some((other) => other.endsWith('_reg_mem')) && !directoryFits(form, address.addressSize)) return false;
  if (branches.has(form.mnemonic)) return acceptsBranchMemory(form, name, operand, instruction);
  if (operand.far) return false;
  if (operand.decorations.broadcast !== undefined) return size === undefined || size === form.broadcastSize;
  if (size === undefined) {
    const immediate = operands.length === 2 ? operands[1] : undefined;
    return immediate?.kind !== 'immediate' || immediate.size === undefined || immediate.size === form.memorySize;
  }
  return size === form.memorySize || !namedSizes.includes(form.memorySize) || form.mnemonic === 'lea';
}

/** MOVDIR64B and its like: the register has the size of addresses. */
const directoryFits = (form: Form, addressSize: number): boolean =>
  form.kinds.some((kind) => kind === `r${addressSize}_reg_mem`);

function acceptsOffset({ address }: Extract<Operand, { kind: 'memory' }>, { bits }: Instruction): boolean {
  if (!address.direct) return false;
  return bits !== 64 || address.displacementSize === 8;
}

/** `mov eax, [qword address]` asks for the form with a 64-bit offset. */
const hasLongOffset = (
  form: Form,
  { address }: Extract<Operand, { kind: 'memory' }>,
  operands: readonly Operand[],
): boolean =>
  form.mnemonic === 'mov' &&
  address.displacementSize === 8 &&
  operands.some(
    (operand) => operand.kind === 'register' && operand.register.number === 0 && operand.register.class !== 'segment',
  );

function acceptsBranchMemory(
  form: Form,
  name: string,
  { far, size }: Extract<Operand, { kind: 'memory' }>,
  { bits, prefixes }: Instruction,
): boolean {
  if (far !== (name === 'mem')) return false;
  const wanted = size === undefined ? (prefixes.operandSize ?? bits) : size * 8;
  return form.operandSize === wanted;
}

function acceptsTarget(
  form: Form,
  kind: OperandKind,
  { size, distance, value }: Extract<Operand, { kind: 'immediate' }>,
  { bits, prefixes, section, keepNear, named }: Instruction,
): boolean {
  if (distance === 'far') return false;
  const operandSize = size !== undefined && size > 1 ? size * 8 : (prefixes.operandSize ?? named.operandSize ?? bits);
  if (form.operandSize !== 0 && form.operandSize !== targetSize(form, operandSize, bits)) return false;
  if (
    form.addressSize !== 0 &&
    form.addressSize !== (prefixes.addressSize ?? bits) &&
    form.mnemonic.startsWith('loop')
  ) {
    return false;
  }
  const shortOnly = distance === 'short';
  if (kind.bytes > 1) return !shortOnly;
  if (distance === 'near') return false;
  const onlyShort = !formsOf(form.mnemonic).some((other) => other.kinds.some((name) => operandKind(name).bytes > 1));
  if (shortOnly || onlyShort) return true;
  return !keepNear && (value.unknown || inThisSection(value, section));
}

/** In 64-bit code targets are 64 bits wide even when they are called dword; XBEGIN knows only 16 and 32. */
function targetSize(form: Form, operandSize: number, bits: Bits): number {
  if (form.mnemonic === 'xbegin') return Math.min(operandSize, 32);
  return bits === 64 && operandSize === 32 ? 64 : operandSize;
}

const inThisSection = (value: Value, section: unknown): boolean => {
  const [only] = value.sections;
  return section === undefined ? value.sections.size === 0 : value.sections.size === 1 && only?.[0] === section;
};

function acceptsImmediate(
  form: Form,
  name: string,
  kind: OperandKind,
  { size, strict, value, distance }: Extract<Operand, { kind: 'immediate' }>,
  operands: readonly Operand[],
): boolean {
  if (distance !== undefined) return false;
  const known = isPlain(value);
  if (name === 'imm8_const_1') return known && !value.unknown && value.number === 1n && !strict && (size ?? 1) === 1;
  if (kind.bytes === kind.extendsTo) return size === undefined || size === kind.bytes;
  if (kind.bytes === 1) {
    if (size === 1) return true;
    if (strict || !known || !sizeFits(form, kind, size)) return false;
    const wrapped = BigInt.asIntN(8 * kind.extendsTo, value.number);
    return value.unknown || (wrapped >= -128n && wrapped <= 127n);
  }
  if (!sizeFits(form, kind, size)) return false;
  // MOV has a form with all 64 bits for what a signed dword cannot hold.
  if (form.mnemonic !== 'mov' || operands[0]?.kind !== 'register') return true;
  if (strict) return size === 4;
  const number = signed(value);
  return known && number >= -(1n << 31n) && number < 1n << 31n;
}

/** A 64-bit push calls what it holds a dword, or a qword by what it becomes. */
const sizeFits = (form: Form, kind: OperandKind, size: number | undefined): boolean =>
  size === undefined ||
  size === kind.extendsTo ||
  (size === 4 && kind.extendsTo === 8 && (form.mnemonic === 'push' || form.mnemonic === 'mov'));

/** The size that the form gives to a memory operand written without one. */
function openMemorySize(form: Form, operands: readonly Operand[]): number | undefined {
  const open = operands.some((operand) => operand.kind === 'memory' && operand.size === undefined);
  return open && form.memorySize !== 0 && !branches.has(form.mnemonic) ? form.memorySize : undefined;
}

/** What NASM assumes without asking, in bytes. */
function assumedSize({ name, operands }: Instruction, sizes: readonly number[]): number | undefined {
  if (/^v?cvtu?si2s[sdh]$/.test(name)) return 4;
  const [first] = operands;
  if (/^mov[sz]x$/.test(name) && first?.kind === 'register' && first.register.class === 'r16') return 1;
  return sizes.every((size) => size >= 16) ? Math.min(...sizes) : undefined;
}

function settleMemorySize(candidates: readonly Candidate[], instruction: Instruction): readonly Candidate[] {
  const sizes = new Set(
    candidates
      .filter(({ form }) => rarity(form, instruction.bits) === 0)
      .flatMap(({ openMemorySize }) => openMemorySize ?? []),
  );
  const standard = [...sizes].filter((size) => namedSizes.includes(size));
  if (standard.length < 2) return candidates;
  const assumed = assumedSize(instruction, standard);
  if (assumed !== undefined) return candidates.filter(({ openMemorySize }) => openMemorySize === assumed);
  const names = ['byte', 'word', 'dword', 'qword', 'tword', 'oword', 'yword', 'zword'];
  const words = namedSizes.flatMap((size, index) => (sizes.has(size) ? (names[index] ?? []) : []));
  const place = instruction.operands.find((operand) => operand.kind === 'memory') ?? instruction;
  throw new AssemblyProblem(
    place,
    `the size of the memory operand is not clear: write ${alternatives(words)} before it`,
  );
}

const alternatives = (words: readonly string[]): string =>
  words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`;
