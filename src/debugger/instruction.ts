/** One instruction of guest code, decoded by iced-x86, and its text in NASM's syntax. */

import { Decoder, DecoderOptions, Formatter, FormatterSyntax, Instruction, OpKind } from 'iced-x86';
import { type LinearAddress, linear } from '../x86/address';
import type { CodeView } from './code-view';

export const LONGEST = 15;

let formatter: Formatter | undefined;

/** One instruction as NASM would be given it, without symbols. */
const formatInstruction = (instruction: Instruction): string => {
  if (formatter === undefined) {
    formatter = new Formatter(FormatterSyntax.Nasm);
    formatter.hexPrefix = '0x';
    formatter.hexSuffix = '';
    formatter.uppercaseHex = false;
    formatter.spaceAfterOperandSeparator = true;
    formatter.smallHexNumbersInDecimal = true;
    formatter.branchLeadingZeros = false;
    formatter.ripRelativeAddresses = false;
    formatter.showBranchSize = false;
  }
  return formatter.format(instruction);
};

/** Decodes one instruction and hands it to `use`; undefined where nothing is mapped. Invalid ones are handed over too. */
export const withInstruction = <Result>(
  view: CodeView,
  address: LinearAddress,
  use: (instruction: Instruction, bytes: Uint8Array) => Result,
): Result | undefined => {
  const bytes = view.read(address, LONGEST);
  if (bytes.length === 0) return undefined;
  const decoder = new Decoder(view.bits, bytes, DecoderOptions.None);
  decoder.ip = offsetOf(view, address);
  const instruction = decoder.decode();
  try {
    return use(instruction, bytes);
  } finally {
    instruction.free();
    decoder.free();
  }
};

export const offsetOf = ({ bits, base }: CodeView, address: LinearAddress): bigint =>
  bits === 64 ? address : BigInt.asUintN(32, address - base);

export const linearOf = ({ bits, base }: CodeView, offset: bigint): LinearAddress =>
  bits === 64 ? linear(offset) : linear(BigInt.asUintN(32, offset + base));

/** Where a near branch goes, or the memory that is addressed absolutely or relative to RIP. */
export const targetOf = (view: CodeView, instruction: Instruction): LinearAddress | undefined => {
  for (let operand = 0; operand < instruction.opCount; operand++) {
    const kind = instruction.opKind(operand);
    if (kind === OpKind.NearBranch16 || kind === OpKind.NearBranch32 || kind === OpKind.NearBranch64)
      return linearOf(view, instruction.nearBranchTarget);
    if (kind !== OpKind.Memory || instruction.memoryIndex !== 0) continue;
    if (instruction.isIpRelMemoryOperand) return linear(instruction.ipRelMemoryAddress);
    if (instruction.memoryBase === 0) return linear(instruction.memoryDisplacement);
  }
  return undefined;
};

/** An instruction as NASM would be given it; `<print>` behind the address of a branch or of memory relative to RIP. */
export const textOf = (view: CodeView, instruction: Instruction): string => {
  const text = formatInstruction(instruction);
  const target = targetOf(view, instruction);
  const name = target === undefined ? undefined : view.info.nameOf(target);
  return name === undefined ? text : `${text} <${name}>`;
};

/** Decodes one instruction after the other; each is valid until the next is asked for. */
export interface InstructionReader {
  /** Undefined where nothing is mapped. */
  at(address: LinearAddress): Instruction | undefined;
}

const PAGE = 4096n;

/** Decoders take long to make: one serves for a page. */
export const readInstructions = <Result>(view: CodeView, work: (reader: InstructionReader) => Result): Result => {
  const instruction = new Instruction();
  let decoder: Decoder | undefined;
  let first = linear(0n);
  let length = 0;
  const open = (address: LinearAddress): void => {
    decoder?.free();
    decoder = undefined;
    first = linear(address & ~(PAGE - 1n));
    // Of a page of which not all can be read, only the part from here on is certain.
    let bytes = view.read(first, Number(PAGE) + LONGEST);
    if (address - first >= BigInt(bytes.length)) {
      first = address;
      bytes = view.read(first, LONGEST);
    }
    length = bytes.length;
    if (length > 0) decoder = new Decoder(view.bits, bytes, DecoderOptions.None);
  };
  const at = (address: LinearAddress): Instruction | undefined => {
    const isOpen = decoder !== undefined && address >= first && address - first < PAGE && address - first < length;
    if (!isOpen) open(address);
    if (decoder === undefined) return undefined;
    decoder.position = Number(address - first);
    decoder.ip = offsetOf(view, address);
    decoder.decodeOut(instruction);
    return instruction;
  };
  try {
    return work({ at });
  } finally {
    instruction.free();
    decoder?.free();
  }
};
