/**
 * What is the same for all instructions of one opcode form: which definition executes them and with what operand
 * size. Worked out once per form, from the first such instruction and the table of names (iced-x86's opcode table would
 * tell too, and takes tens of milliseconds to make).
 */

import { type Instruction, MemorySize, MemorySizeExt, Mnemonic, OpKind, Register } from 'iced-x86';
import type { Definition } from './definition';
import type { Size } from './emitter';
import { instructions } from './instructions';
import { type Naming, namingOf } from './instructions/naming';

export interface Plan {
  readonly definition: Definition;
  readonly size: Size;
  /** Operands of the record where they are not the instruction's. */
  readonly form: Naming['form'];
  /** A relative branch. */
  readonly branch: boolean;
}

const definitions = new Map<string, Definition>(instructions.map((definition) => [definition.name, definition]));
const plans = new Map<Naming | number, Plan | null>();

/** The instruction's plan, or null when no definition executes it (it is TypeScript's, or not implemented). */
export const planOf = (instruction: Instruction, bitness: number): Plan | null => {
  const naming = namingOf(instruction);
  const key = naming ?? instruction.code * 4 + (bitness >> 5);
  const known = plans.get(key);
  if (known !== undefined) return known;
  const plan = makePlan(instruction, naming, bitness);
  plans.set(key, plan);
  return plan;
};

const makePlan = (instruction: Instruction, naming: Naming | undefined, bitness: number): Plan | null => {
  const kinds = Array.from({ length: instruction.opCount }, (_, index) => instruction.opKind(index));
  if (!kinds.every((kind, index) => isUnderstood(instruction, kind, index))) return null;
  const branch = kinds.some((kind) => branchBits.has(kind));
  const mnemonic = (Mnemonic[instruction.mnemonic] as string).toLowerCase();
  const definition =
    (branch ? definitions.get(`${mnemonic}.unlinked`) : undefined) ?? definitions.get(naming?.name ?? mnemonic);
  if (!definition) return null;
  const only = definition.sizes.length === 1 ? definition.sizes[0] : undefined;
  const size = naming?.size ?? only ?? firstBits(instruction) ?? bitness;
  if (!definition.sizes.includes(size as Size)) return null;
  return { definition, size: size as Size, form: naming?.form, branch };
};

const branchBits = new Map<OpKind, Size>([
  [OpKind.NearBranch16, 16],
  [OpKind.NearBranch32, 32],
  [OpKind.NearBranch64, 64],
]);
const farPointers: ReadonlySet<MemorySize> = new Set([MemorySize.SegPtr16, MemorySize.SegPtr32, MemorySize.SegPtr64]);

/** Can a record hold the operand: general and segment registers, memory, immediates, near branches? */
const isUnderstood = (instruction: Instruction, kind: OpKind, index: number): boolean => {
  if (kind === OpKind.FarBranch16 || kind === OpKind.FarBranch32) return false;
  // JMP and CALL through a far pointer in memory are the privileged architecture's.
  if (kind === OpKind.Memory) return !farPointers.has(instruction.memorySize);
  if (kind !== OpKind.Register) return true;
  const register = instruction.opRegister(index);
  return bitsOf(register) !== undefined || (register >= Register.ES && register <= Register.GS);
};

/** Size in bits of a general register. */
const bitsOf = (register: Register): Size | undefined => {
  if (register >= Register.AL && register <= Register.R15L) return 8;
  if (register >= Register.AX && register <= Register.R15W) return 16;
  if (register >= Register.EAX && register <= Register.R15D) return 32;
  return register >= Register.RAX && register <= Register.R15 ? 64 : undefined;
};

/** Size in bits of the first operand, if it tells one. */
const firstBits = (instruction: Instruction): number | undefined => {
  if (instruction.opCount === 0) return undefined;
  const kind = instruction.op0Kind;
  if (kind === OpKind.Register) return bitsOf(instruction.op0Register);
  if (kind === OpKind.Memory) return MemorySizeExt.size(instruction.memorySize) * 8 || undefined;
  return branchBits.get(kind);
};
