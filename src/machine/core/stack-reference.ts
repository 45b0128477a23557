/**
 * Which accesses of 64-bit mode go through SS: it has no base and no limit there, but a non-canonical address is #SS
 * instead of #GP. The core's handlers do not know; the instruction is looked at again when one was refused.
 * Intel SDM vol. 3, "Stack Fault Exception (#SS)".
 */

import { type Instruction, OpKind, Register } from 'iced-x86';

/** Value of a base or index register of 32 or 64 bits. */
const registerValue = (register: Register, gpr: (register: number) => bigint): bigint => {
  if (register >= Register.RAX && register <= Register.R15) return gpr(register - Register.RAX);
  if (register >= Register.EAX && register <= Register.R15D) return BigInt.asUintN(32, gpr(register - Register.EAX));
  return 0n;
};

/** Base registers whose segment is SS. */
const stackBases = new Set([Register.RSP, Register.RBP, Register.ESP, Register.EBP]);

const hasMemoryOperand = (instruction: Instruction): boolean => {
  for (let operand = 0; operand < instruction.opCount; operand++)
    if (instruction.opKind(operand) === OpKind.Memory) return true;
  return false;
};

/** Linear address of the explicit memory operand, without the segment's base. */
const effectiveAddress = (instruction: Instruction, gpr: (register: number) => bigint): bigint => {
  const { memoryBase, memoryIndex, memoryIndexScale, memoryDisplacement } = instruction;
  // iced-x86 gives RIP-relative operands their absolute address.
  if (memoryBase === Register.RIP || memoryBase === Register.EIP) return memoryDisplacement;
  const index = registerValue(memoryIndex, gpr) * BigInt(memoryIndexScale);
  const address = registerValue(memoryBase, gpr) + index + memoryDisplacement;
  const narrow = memoryBase >= Register.EAX && memoryBase <= Register.R15D;
  return BigInt.asUintN(narrow ? 32 : 64, address);
};

/** Did the instruction's access to this linear address go through SS? */
export const throughStack = (instruction: Instruction, linear: bigint, gpr: (register: number) => bigint): boolean => {
  const explicit = hasMemoryOperand(instruction);
  // Overrides other than FS and GS change nothing in 64-bit mode, not even this.
  const { segmentPrefix, memoryBase } = instruction;
  if (explicit && stackBases.has(memoryBase) && segmentPrefix !== Register.FS && segmentPrefix !== Register.GS)
    return true;
  if (!instruction.isStackInstruction) return false;
  return !explicit || effectiveAddress(instruction, gpr) !== linear;
};
