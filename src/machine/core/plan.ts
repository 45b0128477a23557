/**
 * What is the same for all instructions of one opcode form: which definition executes them and with what operand
 * size. Worked out once per form from iced-x86's opcode table and the table of names.
 */

import { CodeExt, type Instruction, OpCodeOperandKind as Kind, Mnemonic } from 'iced-x86';
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
  const info = CodeExt.opCode(instruction.code);
  const kinds = Array.from({ length: info.opCount }, (_, index) => Kind[info.opKind(index)] as string);
  const { operandSize } = info;
  info.free();
  if (!kinds.every((kind) => understood.test(kind))) return null;
  const branch = kinds.some((kind) => kind.startsWith('br'));
  const mnemonic = (Mnemonic[instruction.mnemonic] as string).toLowerCase();
  const definition =
    (branch ? definitions.get(`${mnemonic}.unlinked`) : undefined) ?? definitions.get(naming?.name ?? mnemonic);
  if (!definition) return null;
  // JMP and CALL through a far pointer in memory are the privileged architecture's.
  if (definition.flow === 'branch' && kinds[0] === 'mem') return null;
  const only = definition.sizes.length === 1 ? definition.sizes[0] : undefined;
  const size = naming?.size ?? only ?? (kinds[0] && sizeOf(kinds[0])) ?? (operandSize || bitness);
  if (!definition.sizes.includes(size as Size)) return null;
  return { definition, size: size as Size, form: naming?.form, branch };
};

/** Operand kinds that records can hold: general and segment registers, memory, immediates, near branches. */
const understood = /^(r(8|16|32|64)_|[aecd][lsx]$|[efgrs]a?[sx]$|eax$|rax$|ds$|seg_r|es_r|imm|mem|br)/;

const accumulators: Readonly<Record<string, number>> = { al: 8, ax: 16, eax: 32, rax: 64 };

/** Size in bits that an operand kind's name tells: `r32_or_mem`, `br16_2`, `eax`. */
const sizeOf = (kind: string): number | undefined =>
  accumulators[kind] ?? (/^(?:r|br)(\d+)_/.exec(kind) ? Number(/^(?:r|br)(\d+)_/.exec(kind)?.[1]) : undefined);
