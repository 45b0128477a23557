/** VM-exit instruction information and the displacement in the qualification. Intel SDM vol. 3, "Information for VM Exits Due to Instruction Execution". */

import { Code, type Instruction, OpKind, Register } from 'iced-x86';

const addressSizes: Readonly<Record<number, number>> = { 2: 0, 4: 1, 8: 2 };
const NO_INDEX = 1 << 22;
const NO_BASE = 1 << 27;
const IS_REGISTER = 1 << 10;

/** Number of a general register of any width; 0 for none. */
export const registerNumber = (register: Register): number => {
  if (register >= Register.RAX && register <= Register.R15) return register - Register.RAX;
  if (register >= Register.EAX && register <= Register.R15D) return register - Register.EAX;
  if (register >= Register.AX && register <= Register.R15W) return register - Register.AX;
  return 0;
};

/** Bytes of the address of a memory operand: by its registers, or by the displacement's size. */
const addressBytes = (instruction: Instruction): 2 | 4 | 8 => {
  const register = instruction.memoryBase || instruction.memoryIndex;
  if (register === Register.RIP || (register >= Register.RAX && register <= Register.R15)) return 8;
  if (register === Register.EIP || (register >= Register.EAX && register <= Register.R15D)) return 4;
  if (register >= Register.AX && register <= Register.R15W) return 2;
  return (instruction.memoryDisplSize || 8) as 2 | 4 | 8;
};

const memoryPart = (instruction: Instruction): number => {
  const { memoryBase: base, memoryIndex: index } = instruction;
  const relative = base === Register.RIP || base === Register.EIP;
  const scale = { 1: 0, 2: 1, 4: 2, 8: 3 }[instruction.memoryIndexScale] ?? 0;
  return (
    (index ? scale | (registerNumber(index) << 18) : NO_INDEX) |
    ((addressSizes[addressBytes(instruction)] ?? 0) << 7) |
    ((instruction.memorySegment - Register.ES) << 15) |
    (base && !relative ? registerNumber(base) << 23 : NO_BASE)
  );
};

const hasMemory = (instruction: Instruction): boolean => {
  for (let n = 0; n < instruction.opCount; n++) if (instruction.opKind(n) === OpKind.Memory) return true;
  return false;
};

/** One operand in memory or in `reg1`; a second one, always a register, in `reg2`. */
export const operandInformation = (instruction: Instruction, operand: number, second?: Register): number => {
  const other = second === undefined ? 0 : registerNumber(second) << 28;
  if (instruction.opKind(operand) === OpKind.Memory) return (memoryPart(instruction) | other) >>> 0;
  return ((registerNumber(instruction.opRegister(operand)) << 3) | IS_REGISTER | other) >>> 0;
};

/** Bits that name which of several instructions it was, and the operand size of those of GDTR and IDTR. */
export const tableInformation = (instruction: Instruction, identity: number, sized: boolean): number => {
  const wide = sized && !shortTables.has(instruction.code);
  return (operandInformation(instruction, 0) | (wide ? 1 << 11 : 0) | (identity << 28)) >>> 0;
};
const shortTables: ReadonlySet<Code> = new Set([
  Code.Sgdt_m1632_16,
  Code.Sidt_m1632_16,
  Code.Lgdt_m1632_16,
  Code.Lidt_m1632_16,
]);

/** The displacement, in 64-bit mode sign-extended; RIP-relative operands give the address that they mean. */
export const displacement = (instruction: Instruction, long: boolean): bigint => {
  if (!hasMemory(instruction)) return 0n;
  const value = instruction.memoryDisplacement;
  const narrow = long && addressBytes(instruction) === 4 && instruction.memoryBase !== Register.EIP;
  return BigInt.asUintN(64, narrow ? BigInt.asIntN(32, value) : value);
};

/** INS and OUTS: address size and segment. */
export const stringInformation = (instruction: Instruction, segment: number): number => {
  const bytes = stringAddressBytes.get(instruction.op0Kind) ?? stringAddressBytes.get(instruction.op1Kind) ?? 8;
  return ((addressSizes[bytes] ?? 0) << 7) | (segment << 15);
};

const stringAddressBytes: ReadonlyMap<OpKind, 2 | 4 | 8> = new Map([
  [OpKind.MemorySegSI, 2],
  [OpKind.MemorySegESI, 4],
  [OpKind.MemorySegRSI, 8],
  [OpKind.MemoryESDI, 2],
  [OpKind.MemoryESEDI, 4],
  [OpKind.MemoryESRDI, 8],
]);
