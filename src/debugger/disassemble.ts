/**
 * Guest code as text, in NASM's syntax, with symbols. Backwards too: code has no fixed length, so known beginnings of
 * instructions (line table, symbols) are decoded from, and without one the start whose rows meet the target best.
 */

import { Decoder, DecoderOptions, Formatter, FormatterSyntax, type Instruction, OpKind } from 'iced-x86';
import { hex, type LinearAddress, linear } from '../x86/address';
import type { ProgramInfo } from './program-info';

export interface DisassemblyRow {
  readonly address: LinearAddress;
  readonly bytes: Uint8Array;
  /** `??` where no memory is mapped, `db 0x…` where the bytes are no instruction. */
  readonly text: string;
  /** The label at exactly this address. */
  readonly symbol?: string;
  readonly line?: { readonly file: string; readonly line: number };
  readonly invalid?: true;
}

/** Guest memory from an address up to the first byte that is not mapped. */
export type CodeReader = (address: LinearAddress, length: number) => Uint8Array;

export interface CodeView {
  readonly read: CodeReader;
  readonly bits: 16 | 32 | 64;
  readonly info: ProgramInfo;
  /** Base of the code segment: what is added to the targets of near branches. */
  readonly base: bigint;
  /** Is a byte no instruction, but something that the machine itself does? */
  readonly isNative?: (address: LinearAddress) => boolean;
}

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

const offsetOf = ({ bits, base }: CodeView, address: LinearAddress): bigint =>
  bits === 64 ? address : BigInt.asUintN(32, address - base);

export const linearOf = ({ bits, base }: CodeView, offset: bigint): LinearAddress =>
  bits === 64 ? linear(offset) : linear(BigInt.asUintN(32, offset + base));

/** `count` rows from an address on. */
export const disassembleForward = (view: CodeView, address: LinearAddress, count: number): DisassemblyRow[] => {
  const rows: DisassemblyRow[] = [];
  for (let at = address; rows.length < count; ) {
    const row = disassembleOne(view, at);
    rows.push(row);
    at = linear(at + BigInt(Math.max(1, row.bytes.length)));
  }
  return rows;
};

export const disassembleOne = (view: CodeView, address: LinearAddress): DisassemblyRow => {
  const { info } = view;
  const near = info.symbols.at(address);
  const line = info.lines.at(address);
  const common = {
    address,
    ...(near !== null && near.offset === 0n ? { symbol: near.symbol.name } : {}),
    ...(line === null ? {} : { line }),
  };
  if (view.isNative?.(address))
    return {
      ...common,
      bytes: view.read(address, 1),
      text: `; native code: ${info.nameOf(address) ?? 'of the machine'}`,
    };
  const row = withInstruction(view, address, (instruction, bytes): DisassemblyRow => {
    if (instruction.length === 0 || instruction.isInvalid) {
      const byte = bytes.slice(0, 1);
      return { ...common, bytes: byte, text: `db ${hex(byte[0] ?? 0)}`, invalid: true };
    }
    const text = withSymbols(view, instruction, formatInstruction(instruction));
    return { ...common, bytes: bytes.slice(0, instruction.length), text };
  });
  return row ?? { ...common, bytes: new Uint8Array(), text: '??', invalid: true };
};

/** Adds `<print>` behind the address of a branch or of memory relative to RIP. */
const withSymbols = (view: CodeView, instruction: Instruction, text: string): string => {
  const target = targetOf(view, instruction);
  const name = target === undefined ? undefined : view.info.nameOf(target);
  return name === undefined ? text : `${text} <${name}>`;
};

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

/** `count` rows that end right before an address; rows of memory that is not mapped fill up what is missing. */
export const disassembleBackward = (view: CodeView, address: LinearAddress, count: number): DisassemblyRow[] => {
  if (count <= 0) return [];
  const rows = backwardFrom(view, address, count).slice(-count);
  for (let at = rows[0]?.address ?? address; rows.length < count; ) {
    at = linear(at - 1n);
    rows.unshift({ address: at, bytes: new Uint8Array(), text: '??', invalid: true });
  }
  return rows;
};

const backwardFrom = (view: CodeView, address: LinearAddress, count: number): DisassemblyRow[] => {
  const known = knownStart(view.info, address, count);
  if (known !== undefined) {
    const rows = rowsUpTo(view, known, address);
    if (rows !== undefined)
      return rows.length >= count ? rows : [...backwardFrom(view, known, count - rows.length), ...rows];
  }
  let best: DisassemblyRow[] = [];
  let bestScore = -1;
  const furthest = count * LONGEST;
  for (let back = Math.min(furthest, count * 4 + LONGEST); back > 0; back--) {
    const start = linear(address - BigInt(back));
    if (start > address || view.read(start, 1).length === 0) continue;
    const rows = rowsUpTo(view, start, address);
    if (rows === undefined) continue;
    const invalid = rows.filter((row) => row.invalid).length;
    const score = Math.min(rows.length, count) - invalid * 2;
    if (score > bestScore) {
      best = rows;
      bestScore = score;
    }
    if (invalid === 0 && rows.length >= count) break;
  }
  return best;
};

/** Rows from a start to exactly an address; undefined when they step over it. */
const rowsUpTo = (view: CodeView, start: LinearAddress, end: LinearAddress): DisassemblyRow[] | undefined => {
  const rows: DisassemblyRow[] = [];
  let at = start;
  while (at < end) {
    const row = disassembleOne(view, at);
    rows.push(row);
    at = linear(at + BigInt(Math.max(1, row.bytes.length)));
  }
  return at === end ? rows : undefined;
};

/** A beginning of an instruction that the line table knows, with enough before the address for the rows wanted. */
const knownStart = (info: ProgramInfo, address: LinearAddress, count: number): LinearAddress | undefined => {
  const reach = BigInt((count + 1) * LONGEST);
  const starts = info.lines.starts(linear(address > reach ? address - reach : 0n), address);
  // A row of the table covers at least one instruction: so many rows back are enough.
  return starts[Math.max(0, starts.length - count)];
};
