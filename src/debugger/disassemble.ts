/**
 * Guest code as rows of text, with symbols and lines. Code has no fixed length: rows follow what is known of where
 * instructions begin, and the row of the address that was asked for is always in its place.
 */

import { hex, type LinearAddress, linear } from '../x86/address';
import { guessBackward } from './code-guess';
import { CodeStarts } from './code-starts';
import type { CodeView } from './code-view';
import { type InstructionReader, LONGEST, readInstructions, textOf } from './instruction';

export interface DisassemblyRow {
  readonly address: LinearAddress;
  readonly bytes: Uint8Array;
  /** `??` where no memory is mapped, `db 0x…` where the bytes are no instruction. */
  readonly text: string;
  /** The label at exactly this address. */
  readonly symbol?: string;
  readonly line?: { readonly file: string; readonly line: number };
  /** Nothing that is executed, as far as anybody knows: data, no memory, or a guess. */
  readonly invalid?: true;
}

/** Bytes of data in one row. */
const DATA_ROW = 8;

/** `count` rows from an address on. */
export const disassembleForward = (view: CodeView, address: LinearAddress, count: number): DisassemblyRow[] =>
  readInstructions(view, (reader) => rowsFrom(view, reader, new CodeStarts(view), address, { count }));

/** All rows from an address to exactly another, at most `count`. */
export const disassembleBetween = (
  view: CodeView,
  address: LinearAddress,
  end: LinearAddress,
  count: number,
): DisassemblyRow[] =>
  readInstructions(view, (reader) => rowsFrom(view, reader, new CodeStarts(view), address, { count, end }));

export const disassembleOne = (view: CodeView, address: LinearAddress): DisassemblyRow =>
  disassembleForward(view, address, 1)[0] as DisassemblyRow;

/**
 * `count` rows that end right before an address. Where nobody knows the beginning of an instruction within 4 KiB, they
 * are a guess and marked so; rows of memory that is not mapped fill up what is missing.
 */
export const disassembleBackward = (view: CodeView, address: LinearAddress, count: number): DisassemblyRow[] =>
  readInstructions(view, (reader) => {
    const starts = new CodeStarts(view);
    const pieces: DisassemblyRow[][] = [];
    let end = address;
    let missing = count;
    while (missing > 0 && end > 0n) {
      const start = starts.before(end, missing * TYPICAL);
      if (start === undefined) break;
      const piece = rowsFrom(view, reader, starts, start, { end }).slice(-missing);
      pieces.push(piece);
      missing -= piece.length;
      end = piece[0]?.address ?? start;
    }
    if (missing > 0) {
      const guess = guessBackward(view, end, missing).map((start, n, all) => {
        const next = all[n + 1] ?? end;
        return { ...rowAt(view, reader, start, Number(BigInt.asUintN(64, next - start))), invalid: true as const };
      });
      pieces.push(guess);
      missing -= guess.length;
      end = guess[0]?.address ?? end;
    }
    const filling = Array.from({ length: missing }, (_, n) => nothing(linear(end - BigInt(missing - n))));
    return [...filling, ...pieces.reverse().flat()];
  });

/** Bytes of an instruction with which to try first. */
const TYPICAL = 8;

interface Extent {
  readonly count?: number;
  /** A row begins exactly here if one comes this far. */
  readonly end?: LinearAddress;
}

const rowsFrom = (
  view: CodeView,
  reader: InstructionReader,
  starts: CodeStarts,
  address: LinearAddress,
  { count = Number.POSITIVE_INFINITY, end }: Extent,
): DisassemblyRow[] => {
  const rows: DisassemblyRow[] = [];
  for (let at = address; rows.length < count && at !== end; ) {
    const next = nextStart(starts, at, end);
    const room = next === undefined ? LONGEST : Number(next - at);
    const data = starts.isExecuted(at) ? 0 : dataLength(view, at, Math.min(room, DATA_ROW));
    const row = data > 0 ? dataRow(view, at, data) : rowAt(view, reader, at, LONGEST);
    const length = Math.max(1, row.bytes.length);
    // What reaches into a known instruction is none, unless it is what was executed.
    const fits = length <= room || (next !== end && starts.isExecuted(at));
    const kept = fits ? row : dataRow(view, at, Math.min(room, DATA_ROW));
    rows.push(kept);
    at = linear(at + BigInt(Math.max(1, kept.bytes.length)));
  }
  return rows;
};

const nextStart = (
  starts: CodeStarts,
  address: LinearAddress,
  end: LinearAddress | undefined,
): LinearAddress | undefined => {
  const known = starts.after(address, LONGEST);
  if (end === undefined || end < address || end - address > BigInt(LONGEST)) return known;
  return known === undefined || end <= known ? end : known;
};

/** So many bytes are data as far as the source says, `most` at most. */
const dataLength = ({ info }: CodeView, address: LinearAddress, most: number): number => {
  let length = 0;
  while (length < most && info.lines.isData(linear(address + BigInt(length)))) length++;
  return length;
};

const nothing = (address: LinearAddress): DisassemblyRow => ({
  address,
  bytes: new Uint8Array(),
  text: '??',
  invalid: true,
});

/** What is known about an address whatever lies there. */
const common = ({ info }: CodeView, address: LinearAddress): Pick<DisassemblyRow, 'address' | 'symbol' | 'line'> => {
  const near = info.symbols.at(address);
  const line = info.lines.at(address);
  return {
    address,
    ...(near !== null && near.offset === 0n ? { symbol: near.symbol.name } : {}),
    ...(line === null ? {} : { line }),
  };
};

const dataRow = (view: CodeView, address: LinearAddress, length: number): DisassemblyRow => {
  const bytes = view.read(address, length);
  if (bytes.length === 0) return { ...nothing(address), ...common(view, address) };
  return { ...common(view, address), bytes, text: `db ${[...bytes].map(hex).join(', ')}`, invalid: true };
};

/** The instruction at an address if it has at most `longest` bytes. */
const rowAt = (view: CodeView, reader: InstructionReader, address: LinearAddress, longest: number): DisassemblyRow => {
  if (view.isNative?.(address)) {
    const text = `; native code: ${view.info.nameOf(address) ?? 'of the machine'}`;
    return { ...common(view, address), bytes: view.read(address, 1), text };
  }
  const instruction = reader.at(address);
  if (instruction === undefined || instruction.length === 0 || instruction.isInvalid || instruction.length > longest)
    return dataRow(view, address, 1);
  const bytes = view.read(address, instruction.length);
  return { ...common(view, address), bytes, text: textOf(view, instruction) };
};
