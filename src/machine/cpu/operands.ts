/** Operands of the instructions that TypeScript executes: registers by iced's numbers, memory through a segment. */

import { Code, type Instruction, OpKind, Register } from 'iced-x86';
import { exception } from '../../x86/exceptions';
import { state as layout } from '../core/layout';
import type { AccessSize } from '../core/physical';
import { SS } from '../core/state';
import type { Cpu } from './cpu';
import { isCanonical, LONG, modeOf } from './mode';
import { refuse } from './refusal';

const masks = { 16: 0xffffn, 32: 0xffff_ffffn, 64: 0xffff_ffff_ffff_ffffn } as const;

/** Number and bits of a general register. */
const general = (register: Register): { number: number; bits: 8 | 16 | 32 | 64; high: boolean } | undefined => {
  if (register >= Register.RAX && register <= Register.R15)
    return { number: register - Register.RAX, bits: 64, high: false };
  if (register >= Register.EAX && register <= Register.R15D)
    return { number: register - Register.EAX, bits: 32, high: false };
  if (register >= Register.AX && register <= Register.R15W)
    return { number: register - Register.AX, bits: 16, high: false };
  if (register < Register.AL || register > Register.R15L) return undefined;
  const n = register - Register.AL;
  return { number: n < 4 ? n : n - 4, bits: 8, high: n >= 4 && n < 8 };
};

export const readRegister = (cpu: Cpu, register: Register): bigint => {
  const place = general(register);
  if (!place)
    return register >= Register.ES && register <= Register.GS
      ? BigInt(cpu.state.selector((register - Register.ES) as 0))
      : 0n;
  const value = cpu.state.gpr(place.number);
  return place.bits === 8 ? (value >> (place.high ? 8n : 0n)) & 0xffn : value & masks[place.bits];
};

/** Writes of 32 bits clear the upper half; narrower ones leave the rest. */
export const writeRegister = (cpu: Cpu, register: Register, value: bigint): void => {
  const place = general(register);
  if (!place) return;
  const old = cpu.state.gpr(place.number);
  const shift = place.high ? 8n : 0n;
  if (place.bits >= 32) cpu.state.setGpr(place.number, value & masks[place.bits as 32 | 64]);
  else {
    const mask = (place.bits === 16 ? 0xffffn : 0xffn) << shift;
    cpu.state.setGpr(place.number, (old & ~mask) | ((value << shift) & mask));
  }
};

/** Bytes of a register operand. */
export const registerBytes = (register: Register): 1 | 2 | 4 | 8 =>
  ((general(register)?.bits ?? 16) / 8) as 1 | 2 | 4 | 8;

/** Offset of the memory operand within its segment. */
export const memoryOffset = (cpu: Cpu, instruction: Instruction): bigint => {
  const { memoryBase: base, memoryIndex: index } = instruction;
  // iced resolves RIP-relative displacements to the address they mean.
  const relative = base === Register.RIP || base === Register.EIP;
  const bits = general(relative ? (base === Register.RIP ? Register.RAX : Register.EAX) : base || index)?.bits;
  const size = (bits ?? (instruction.memoryDisplSize * 8 || 64)) as 16 | 32 | 64;
  const sum =
    (relative ? 0n : readRegister(cpu, base)) +
    readRegister(cpu, index) * BigInt(instruction.memoryIndexScale) +
    instruction.memoryDisplacement;
  return sum & masks[size];
};

/**
 * Linear address of `size` bytes at `offset` in a segment register (ES CS SS DS FS GS = 0-5), with the checks that a
 * data access makes. @throws Fault #GP, #SS
 */
export const segmentAddress = (cpu: Cpu, segment: number, offset: bigint, size: number, write: boolean): bigint => {
  const { state } = cpu;
  const vector = segment === SS ? exception.SS : exception.GP;
  if (modeOf(state) === LONG) {
    const address = BigInt.asUintN(64, offset + (segment >= 4 ? state.segmentBase(segment as 4) : 0n));
    if (!isCanonical(address) || !isCanonical(BigInt.asUintN(64, address + BigInt(size - 1))))
      refuse(vector, 'linear.canonical', 0, { linear: address });
    return address;
  }
  const low = BigInt(state.getU32((write ? layout.writeLow : layout.readLow) + segment * 4));
  const high = BigInt(state.getU32((write ? layout.writeHigh : layout.readHigh) + segment * 4));
  if (offset < low || offset + BigInt(size - 1) > high)
    refuse(vector, 'segment.limit', 0, { selector: state.selector(segment as 0), linear: offset });
  return BigInt.asUintN(32, state.segmentBase(segment as 0) + offset);
};

/** What an offset in a segment means, without asking whether it may be accessed. */
export const segmentLinear = ({ state }: Cpu, segment: number, offset: bigint): bigint => {
  const long = modeOf(state) === LONG;
  const base = long && segment < 4 ? 0n : state.segmentBase(segment as 4);
  return BigInt.asUintN(long ? 64 : 32, base + offset);
};

/** Linear address of the instruction's memory operand. @throws Fault #GP, #SS */
export const memoryAddress = (
  cpu: Cpu,
  instruction: Instruction,
  size: number,
  write: boolean,
  displacement = 0n,
): bigint => {
  const offset = memoryOffset(cpu, instruction) + displacement;
  return segmentAddress(cpu, instruction.memorySegment - Register.ES, offset, size, write);
};

/** The operand's value: a register, or `size` bytes of memory. @throws Fault */
export const readOperand = (cpu: Cpu, instruction: Instruction, operand: number, size: AccessSize): bigint => {
  if (instruction.opKind(operand) !== OpKind.Memory) return readRegister(cpu, instruction.opRegister(operand));
  return cpu.linear.read(memoryAddress(cpu, instruction, size, false), size);
};

/** @throws Fault, before anything changes */
export const writeOperand = (
  cpu: Cpu,
  instruction: Instruction,
  operand: number,
  size: AccessSize,
  value: bigint,
): void => {
  if (instruction.opKind(operand) !== OpKind.Memory) writeRegister(cpu, instruction.opRegister(operand), value);
  else cpu.linear.write(memoryAddress(cpu, instruction, size, true), size, value);
};

const letters: Readonly<Record<string, 2 | 4 | 8>> = { w: 2, d: 4, q: 8, '16': 2, '32': 4, '64': 8 };

/**
 * Operand size in bytes of far transfers, IRET, PUSH and POP of segments, LGDT and the like: the code's name tells it
 * (`Iretq`, `Retfw_imm16`, `Popd_DS`, `Jmp_m1632`, `Lgdt_m1632_16`); the mode's own where it tells none.
 */
export const operandBytes = (instruction: Instruction, otherwise: 2 | 4 | 8): 2 | 4 | 8 => {
  const name = Code[instruction.code] as string;
  const [, suffix, far, narrow] = /^(?:(?:Iret|Retf|Push|Pop)([wdq])|.*_m16(16|32|64)(_16)?$)/.exec(name) ?? [];
  return narrow ? 2 : (letters[suffix ?? far ?? ''] ?? otherwise);
};
