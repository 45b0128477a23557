/** Disassembly as a text with numbered lines: the function around an address, for code that has no source. */

import type { LinearAddress } from '../x86/address';
import { hex, linear } from '../x86/address';
import type { CodeView } from './code-view';
import { type DisassemblyRow, disassembleBackward, disassembleBetween, disassembleForward } from './disassemble';

export interface Listing {
  readonly name: string;
  readonly bits: CodeView['bits'];
  readonly lines: readonly ListingLine[];
}

export interface ListingLine {
  readonly text: string;
  /** Undefined for a label, which belongs to the row below it. */
  readonly row?: DisassemblyRow;
}

/** Rows before an address that no function is known around, and after it at most. */
const BEFORE = 32;
const MOST = 1000;
/** Bytes of a function that are worth showing before the address. */
const FAR = 0x4000n;
/** Width of eight bytes in hexadecimal. */
const BYTES_WIDTH = 24;

/** Undefined where nothing is mapped. */
export const listingAround = (view: CodeView, address: LinearAddress): Listing | undefined => {
  if (view.read(address, 1).length === 0) return undefined;
  const known = view.info.functionRange(address);
  const isNear = known !== undefined && address - known.start <= FAR;
  const before = isNear
    ? disassembleBetween(view, known.start, address, Number(FAR))
    : sure(disassembleBackward(view, address, BEFORE));
  const after = disassembleForward(view, address, MOST);
  const end = after.findIndex((row) => row.bytes.length === 0 || row.address === known?.end);
  const rows = [...before, ...(end < 0 ? after : after.slice(0, Math.max(1, end)))];
  return {
    name: view.info.functionAt(address) ?? hex(rows[0]?.address ?? address),
    bits: view.bits,
    lines: rows.flatMap(linesOf),
  };
};

/** The last rows that are neither guessed nor data. */
const sure = (rows: readonly DisassemblyRow[]): DisassemblyRow[] => {
  const unsure = rows.map(({ invalid }) => invalid === true).lastIndexOf(true);
  return rows.slice(unsure + 1);
};

const linesOf = (row: DisassemblyRow): ListingLine[] => {
  const bytes = [...row.bytes].map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
  const line = { text: `  ${hex(row.address)}  ${bytes.padEnd(BYTES_WIDTH)}  ${row.text}`, row };
  return row.symbol === undefined ? [line] : [{ text: `${row.symbol}:` }, line];
};

/** Does an address still hold what a listing says? */
export const isCurrent = (view: CodeView, listing: Listing, row: DisassemblyRow): boolean => {
  if (listing.bits !== view.bits) return false;
  const bytes = view.read(linear(row.address), row.bytes.length);
  return bytes.length === row.bytes.length && bytes.every((byte, n) => byte === row.bytes[n]);
};
