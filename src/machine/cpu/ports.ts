/** IN, OUT, INS and OUTS; a repeated one transfers one element a step. Intel SDM vol. 2, under these names. */

import { type Instruction, Mnemonic, OpKind, Register } from 'iced-x86';
import { flagBits } from '../../x86/registers';
import { state as layout } from '../core/layout';
import type { Cpu } from './cpu';
import { checkPort } from './io-permission';
import { readRegister, registerBytes, segmentAddress, writeRegister } from './operands';

const DX = Register.DX;

/** IN and OUT, with the port in DX or in the instruction. @throws Fault #GP(0), #PF */
export const inputOutput = (cpu: Cpu, instruction: Instruction): void => {
  const input = instruction.mnemonic === Mnemonic.In;
  const data = input ? instruction.op0Register : instruction.op1Register;
  const operand = input ? 1 : 0;
  const size = registerBytes(data) as 1 | 2 | 4;
  const port = instruction.opKind(operand) === OpKind.Register ? Number(readRegister(cpu, DX)) : instruction.immediate8;
  checkPort(cpu, port, size);
  if (input) writeRegister(cpu, data, BigInt(cpu.surroundings.portRead(port, size)));
  else cpu.surroundings.portWrite(port, size, Number(readRegister(cpu, data)));
};

/** Bytes of an element, and the direction. */
const elements = new Map<Mnemonic, { readonly size: 1 | 2 | 4; readonly input: boolean }>([
  [Mnemonic.Insb, { size: 1, input: true }],
  [Mnemonic.Insw, { size: 2, input: true }],
  [Mnemonic.Insd, { size: 4, input: true }],
  [Mnemonic.Outsb, { size: 1, input: false }],
  [Mnemonic.Outsw, { size: 2, input: false }],
  [Mnemonic.Outsd, { size: 4, input: false }],
]);

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

/** @throws Fault #GP, #SS, #PF; the port is not touched before memory is known to be accessible */
export const stringPort = (cpu: Cpu, instruction: Instruction): void => {
  const element = elements.get(instruction.mnemonic);
  if (!element) return;
  const { size, input } = element;
  const bits = addressBits.get(instruction.opKind(input ? 0 : 1)) ?? 64;
  const { source, destination, count } = registers[bits];
  const repeated = instruction.hasRepPrefix || instruction.hasRepnePrefix;
  if (repeated && readRegister(cpu, count) === 0n) return;
  const port = Number(readRegister(cpu, DX));
  checkPort(cpu, port, size);
  const index = input ? destination : source;
  const segment = input ? 0 : instruction.segmentPrefix === Register.None ? 3 : instruction.segmentPrefix - Register.ES;
  const address = segmentAddress(cpu, segment, readRegister(cpu, index), size, input);
  if (input) {
    cpu.linear.probe(address, size);
    cpu.linear.write(address, size, BigInt(cpu.surroundings.portRead(port, size)));
  } else cpu.surroundings.portWrite(port, size, Number(cpu.linear.read(address, size)));
  const step = cpu.state.getU32(layout.flags) & flagBits.DF ? -BigInt(size) : BigInt(size);
  writeRegister(cpu, index, readRegister(cpu, index) + step);
  if (!repeated) return;
  const left = readRegister(cpu, count) - 1n;
  writeRegister(cpu, count, left);
  cpu.state.repeating = left !== 0n;
};
