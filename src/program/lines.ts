/**
 * The line tables of a program and of its symbol files: the line that an address comes from, and the addresses where a
 * line begins. A table is decoded when an address or a file in it is asked for the first time.
 */

import { type LinearAddress, linear } from '../x86/address';
import { LineRows, rowFlags } from './line-rows';
import type { LineRow } from './program';

export interface SourceLine {
  readonly file: string;
  /** From 1. */
  readonly line: number;
  /** From 1, where the table says. */
  readonly column?: number;
}

export interface LineAddresses {
  /** The line asked for, or the next one with code. */
  readonly line: number;
  /** It is the line asked for, and holds data as far as the source says. */
  readonly data?: true;
  /** Ascending; several when the line's code is not in one piece. */
  readonly addresses: readonly LinearAddress[];
}

export interface AddressRange {
  readonly start: LinearAddress;
  /** The first address behind it. */
  readonly end: bigint;
}

export const movedRange = ({ start, end }: AddressRange, offset: bigint): AddressRange => {
  const moved = linear(BigInt.asUintN(64, start + offset));
  return { start: moved, end: moved + (end - start) };
};

/** One file's line table. */
export interface LineSource {
  /** Files that it may have code of. */
  readonly files: readonly string[];
  /** No address outside has a line; undefined where that is not known. */
  readonly ranges?: readonly AddressRange[];
  /** Called at most once. */
  rows(): LineRows;
}

export class LineTable {
  readonly #parts: readonly Part[];
  #files: readonly string[] | undefined;

  constructor(sources: readonly (LineSource | Part)[]) {
    this.#parts = sources.map((source) => (source instanceof Part ? source : new Part(source)));
  }

  static of(rows: readonly LineRow[] | LineTable): LineTable {
    if (rows instanceof LineTable) return rows;
    const files = [...new Set(rows.map(({ file }) => file))];
    return new LineTable(rows.length === 0 ? [] : [{ files, rows: () => LineRows.of(rows) }]);
  }

  /** One table of several; where they overlap, the first that knows an address tells its line. */
  static join(tables: readonly LineTable[]): LineTable {
    return new LineTable(tables.flatMap((table) => table.#parts));
  }

  /** The same table for code that lies elsewhere. */
  moved(offset: bigint): LineTable {
    if (offset === 0n) return this;
    return new LineTable(this.#parts.map((part) => part.moved(offset)));
  }

  /** Is there no table at all? */
  get isEmpty(): boolean {
    return this.#parts.length === 0;
  }

  /** The files that may have code. */
  get files(): readonly string[] {
    this.#files ??= [...new Set(this.#parts.flatMap(({ files }) => files))];
    return this.#files;
  }

  /** The line that the byte at this address comes from. */
  at(address: LinearAddress): SourceLine | null {
    for (const part of this.#parts) {
      const found = part.covers(address) ? part.at(address) : null;
      if (found !== null) return found;
    }
    return null;
  }

  /** Is the byte at this address data as far as the source says? */
  isData(address: LinearAddress): boolean {
    return this.#parts.some((part) => part.covers(address) && part.isData(address));
  }

  /** Does a statement begin at exactly this address? */
  beginsAt(address: LinearAddress): boolean {
    return this.#parts.some((part) => part.covers(address) && part.beginsAt(address));
  }

  /** The bytes around an address that come from the same line in one piece. */
  pieceAt(address: LinearAddress): AddressRange | null {
    for (const part of this.#parts) {
      const found = part.covers(address) ? part.pieceAt(address) : null;
      if (found !== null) return found;
    }
    return null;
  }

  /** Where the body of the function that begins at an address is marked (`prologue_end`), before `end`. */
  markedBody(address: LinearAddress, end: bigint): LinearAddress | null {
    for (const part of this.#parts) {
      const found = part.covers(address) ? part.markedBody(address, end) : null;
      if (found !== null) return found;
    }
    return null;
  }

  /** The addresses of rows from `start` to before `end`, ascending: at each of them an instruction begins. */
  starts(start: LinearAddress, end: bigint): LinearAddress[] {
    return this.#parts.flatMap((part) => (part.reaches(start, end) ? part.starts(start, end) : []));
  }

  /**
   * Where a breakpoint on this line goes: the line's own bytes, else those of the next line with code. Data is taken
   * only where it is asked for: it may be an instruction that is written in bytes.
   */
  addresses(file: string, line: number): LineAddresses | null {
    const found = this.#parts.flatMap((part) => {
      const one = part.files.includes(file) ? part.addresses(file, line) : null;
      return one === null ? [] : [one];
    });
    if (found.length <= 1) return found[0] ?? null;
    const nearest = Math.min(...found.map((one) => one.line));
    const same = found.filter((one) => one.line === nearest);
    const data = same.every((one) => one.data === true);
    const addresses = [...new Set(same.flatMap((one) => one.addresses))].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
    return { line: nearest, addresses, ...(data ? { data: true } : {}) };
  }

  /** The lines of a file from `first` to `last` that have code, ascending. */
  linesWithCode(file: string, first = 1, last = Number.MAX_SAFE_INTEGER): number[] {
    const lines = this.#parts.flatMap((part) => (part.files.includes(file) ? part.lines(file) : []));
    return [...new Set(lines)].filter((line) => line >= first && line <= last).sort((a, b) => a - b);
  }
}

interface FileIndex {
  /** By line: where each piece of the line's code begins. */
  readonly starts: ReadonlyMap<number, LinearAddress[]>;
  /** The lines with code that is not written as data, ascending. */
  readonly lines: readonly number[];
}

const { statement: STATEMENT, end: END, data: DATA, body: BODY } = rowFlags;

class Part {
  readonly files: readonly string[];
  readonly #source: LineSource;
  #decoded: LineRows | undefined;
  readonly #indexes = new Map<string, FileIndex>();

  constructor(source: LineSource) {
    this.#source = source;
    this.files = source.files;
  }

  moved(offset: bigint): LineSource {
    const { files, ranges } = this.#source;
    return {
      files,
      ...(ranges === undefined ? {} : { ranges: ranges.map((range) => movedRange(range, offset)) }),
      rows: () => this.#rows.moved(offset),
    };
  }

  covers(address: bigint): boolean {
    const { ranges } = this.#source;
    return ranges === undefined || ranges.some(({ start, end }) => address >= start && address < end);
  }

  reaches(from: bigint, to: bigint): boolean {
    const { ranges } = this.#source;
    return ranges === undefined || ranges.some(({ start, end }) => from < end && to > start);
  }

  at(address: LinearAddress): SourceLine | null {
    const index = this.#covering(address);
    if (index < 0) return null;
    const { file, line, column } = this.#rows.row(index);
    return { file, line, ...(column === undefined ? {} : { column }) };
  }

  isData(address: LinearAddress): boolean {
    const index = this.#covering(address);
    return index >= 0 && ((this.#rows.flags[index] as number) & DATA) !== 0;
  }

  beginsAt(address: LinearAddress): boolean {
    const rows = this.#rows;
    const index = this.#covering(address);
    return index >= 0 && rows.addresses[index] === address && ((rows.flags[index] as number) & STATEMENT) !== 0;
  }

  pieceAt(address: LinearAddress): AddressRange | null {
    const rows = this.#rows;
    const index = this.#covering(address);
    if (index < 0) return null;
    let first = index;
    while (first > 0 && this.#continues(first)) first--;
    let last = index + 1;
    while (last < rows.length && this.#continues(last)) last++;
    const end = rows.addresses[last] ?? address + 1n;
    return { start: linear(rows.addresses[first] as bigint), end };
  }

  markedBody(address: LinearAddress, end: bigint): LinearAddress | null {
    const rows = this.#rows;
    for (let index = rows.countAtOrBelow(address - 1n); index < rows.length; index++) {
      const at = rows.addresses[index] as bigint;
      if (at >= end) break;
      if ((rows.flags[index] as number) & BODY) return linear(at);
    }
    return null;
  }

  starts(start: LinearAddress, end: bigint): LinearAddress[] {
    const rows = this.#rows;
    const found: LinearAddress[] = [];
    for (let index = start === 0n ? 0 : rows.countAtOrBelow(start - 1n); index < rows.length; index++) {
      const at = rows.addresses[index] as bigint;
      if (at >= end) break;
      if (((rows.flags[index] as number) & END) === 0 && found.at(-1) !== at) found.push(linear(at));
    }
    return found;
  }

  addresses(file: string, line: number): LineAddresses | null {
    const { starts, lines } = this.#index(file);
    const code = lines.find((candidate) => candidate >= line);
    const found = starts.has(line) ? line : code;
    const addresses = found === undefined ? undefined : starts.get(found);
    if (found === undefined || addresses === undefined) return null;
    return { line: found, addresses, ...(found === code ? {} : { data: true }) };
  }

  lines(file: string): readonly number[] {
    return this.#index(file).lines;
  }

  get #rows(): LineRows {
    this.#decoded ??= this.#source.rows().onePerAddress();
    return this.#decoded;
  }

  /** The row whose line the byte at an address has; -1 where there is none. */
  #covering(address: bigint): number {
    const rows = this.#rows;
    const index = rows.countAtOrBelow(address) - 1;
    return index < 0 || (rows.flags[index] as number) & END ? -1 : index;
  }

  /** Does a row only go on with the line of the row before it? */
  #continues(index: number): boolean {
    const { fileIndexes, lines, flags } = this.#rows;
    const before = index - 1;
    return (
      before >= 0 &&
      (((flags[before] as number) | (flags[index] as number)) & END) === 0 &&
      fileIndexes[before] === fileIndexes[index] &&
      lines[before] === lines[index]
    );
  }

  #index(file: string): FileIndex {
    const known = this.#indexes.get(file);
    if (known !== undefined) return known;
    const { files, addresses, fileIndexes, lines, flags, length } = this.#rows;
    const wanted = files.indexOf(file);
    const starts = new Map<number, LinearAddress[]>();
    const code = new Set<number>();
    /** A statement of the piece that the rows are in has been met: only the first is where a breakpoint goes. */
    let begun = false;
    let before = -1;
    for (let index = 0; index < length; index++) {
      const flag = flags[index] as number;
      const isOurs = fileIndexes[index] === wanted && (flag & END) === 0;
      const line = isOurs ? (lines[index] as number) : -1;
      if (line !== before) begun = false;
      before = line;
      if (!isOurs || (flag & STATEMENT) === 0) continue;
      if (!begun) {
        const list = starts.get(line);
        const at = linear(addresses[index] as bigint);
        if (list === undefined) starts.set(line, [at]);
        else list.push(at);
        if ((flag & DATA) === 0) code.add(line);
        begun = true;
      } else if ((flag & DATA) === 0) code.add(line);
    }
    const made = { starts, lines: [...code].sort((a, b) => a - b) };
    this.#indexes.set(file, made);
    return made;
  }
}
