/** IN, OUT, INS and OUTS; a repeated one transfers one element a step. Intel SDM vol. 2, under these names. */

import { type Instruction, Mnemonic, OpKind, Register } from 'iced-x86';
import { flagBits } from '../../x86/registers';
import { state as layout } from '../core/layout';
import { DS, ES } from '../core/state';
import type { Cpu } from './cpu';
import { checkPort } from './io-permission';
import { readRegister, registerBytes, segmentAddress, writeRegister } from './operands';

const DX = Register.DX;

/** What a port instruction is about to do. */
export interface PortAccess {
  readonly port: number;
  readonly size: 1 | 2 | 4;
  readonly input: boolean;
  /** The port is an immediate operand. */
  readonly immediate: boolean;
  /** INS and OUTS: the element in memory, and the registers that move. */
  readonly string?: {
    readonly repeated: boolean;
    readonly segment: number;
    readonly index: Register;
    readonly count: Register;
  };
}

const strings = new Map<Mnemonic, { readonly size: 1 | 2 | 4; readonly input: boolean }>([
  [Mnemonic.Insb, { size: 1, input: true }],
  [Mnemonic.Insw, { size: 2, input: true }],
  [Mnemonic.Insd, { size: 4, input: true }],
  [Mnemonic.Outsb, { size: 1, input: false }],
  [Mnemonic.Outsw, { size: 2, input: false }],
  [Mnemonic.Outsd, { size: 4, input: false }],
]);
export const stringPorts: readonly Mnemonic[] = [...strings.keys()];

/** The index and count registers of an address size. */
const registers = {
  16: { source: Register.SI, destination: Register.DI, count: Register.CX },
  32: { source: Register.ESI, destination: Register.EDI, count: Register.ECX },
  64: { source: Register.RSI, destination: Register.RDI, count: Register.RCX },
} as const;

const addressBits = new Map<OpKind, 16 | 32 | 64>([
  [OpKind.MemorySegSI, 16],
  [OpKind.MemorySegESI, 32],
  [OpKind.MemorySegRSI, 64],
  [OpKind.MemoryESDI, 16],
  [OpKind.MemoryESEDI, 32],
  [OpKind.MemoryESRDI, 64],
]);

/** Undefined for a repetition whose count is 0: no port is accessed. */
export const portAccess = (cpu: Cpu, instruction: Instruction): PortAccess | undefined => {
  const element = strings.get(instruction.mnemonic);
  if (element === undefined) {
    const input = instruction.mnemonic === Mnemonic.In;
    const size = registerBytes(input ? instruction.op0Register : instruction.op1Register) as 1 | 2 | 4;
    const immediate = instruction.opKind(input ? 1 : 0) !== OpKind.Register;
    return { port: immediate ? instruction.immediate8 : Number(readRegister(cpu, DX)), size, input, immediate };
  }
  const { size, input } = element;
  const { source, destination, count } = registers[addressBits.get(instruction.opKind(input ? 0 : 1)) ?? 64];
  const repeated = instruction.hasRepPrefix || instruction.hasRepnePrefix;
  if (repeated && readRegister(cpu, count) === 0n) return undefined;
  const overridden = instruction.segmentPrefix !== Register.None;
  const segment = input ? ES : overridden ? instruction.segmentPrefix - Register.ES : DS;
  const string = { repeated, segment, index: input ? destination : source, count };
  return { port: Number(readRegister(cpu, DX)), size, input, immediate: false, string };
};

/** Linear address of the element of INS or OUTS. @throws Fault #GP, #SS */
const portElement = (cpu: Cpu, { size, input, string }: PortAccess): bigint =>
  string === undefined ? 0n : segmentAddress(cpu, string.segment, readRegister(cpu, string.index), size, input);

/** IN and OUT, with the port in DX or in the instruction. @throws Fault #GP(0), #PF */
export const inputOutput = (cpu: Cpu, instruction: Instruction): void => {
  const access = portAccess(cpu, instruction);
  if (access === undefined) return;
  const { port, size, input } = access;
  checkPort(cpu, port, size);
  if (input) writeRegister(cpu, instruction.op0Register, BigInt(cpu.surroundings.portRead(port, size)));
  else cpu.surroundings.portWrite(port, size, Number(readRegister(cpu, instruction.op1Register)));
};

/** @throws Fault #GP, #SS, #PF; the port is not touched before memory is known to be accessible */
export const stringPort = (cpu: Cpu, instruction: Instruction): void => {
  const access = portAccess(cpu, instruction);
  if (access?.string === undefined) return;
  const { port, size, input, string } = access;
  checkPort(cpu, port, size);
  const address = portElement(cpu, access);
  if (input) {
    cpu.linear.probe(address, size);
    cpu.linear.write(address, size, BigInt(cpu.surroundings.portRead(port, size)));
  } else cpu.surroundings.portWrite(port, size, Number(cpu.linear.read(address, size)));
  const step = cpu.state.getU32(layout.flags) & flagBits.DF ? -BigInt(size) : BigInt(size);
  writeRegister(cpu, string.index, readRegister(cpu, string.index) + step);
  if (!string.repeated) return;
  const left = readRegister(cpu, string.count) - 1n;
  writeRegister(cpu, string.count, left);
  cpu.state.repeating = left !== 0n;
};
