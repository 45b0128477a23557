/** A program's line table: the line that an address comes from, and the addresses where a line begins. */

import type { LinearAddress } from '../x86/address';
import type { LineRow } from './program';
import { countAtOrBelow } from './symbols';

export interface SourceLine {
  readonly file: string;
  /** From 1. */
  readonly line: number;
}

export interface LineAddresses {
  /** The line asked for, or the next one with code. */
  readonly line: number;
  /** It is the line asked for, and holds data as far as the source says. */
  readonly data?: true;
  /** Ascending; several when the line's code is not in one piece. */
  readonly addresses: readonly LinearAddress[];
}

export class LineTable {
  readonly #rows: readonly LineRow[];
  /** By file, then by line: where each piece of the line's code begins. */
  readonly #starts = new Map<string, Map<number, LinearAddress[]>>();
  /** By file: the lines with code that is not written as data, ascending. */
  readonly #lines = new Map<string, number[]>();

  constructor(rows: readonly LineRow[]) {
    // Of two rows at one address the last counts: the earlier covers no byte.
    this.#rows = rows.filter((row, index) => rows[index + 1]?.address !== row.address);
    this.#rows.forEach((row, index) => {
      const previous = this.#rows[index - 1];
      const continues = previous !== undefined && previous.end !== true && sameLine(previous, row);
      if (row.end !== true && !continues) this.#note(row);
    });
    const code = new Map<string, Set<number>>();
    for (const { file, line, data, end } of this.#rows) {
      if (data === true || end === true) continue;
      const lines = code.get(file) ?? new Set();
      code.set(file, lines.add(line));
    }
    for (const [file, lines] of code) {
      this.#lines.set(
        file,
        [...lines].sort((a, b) => a - b),
      );
    }
  }

  /** The files that have code. */
  get files(): string[] {
    return [...this.#starts.keys()];
  }

  /** The line that the byte at this address comes from. */
  at(address: LinearAddress): SourceLine | null {
    const row = this.#rows[countAtOrBelow(this.#rows, address) - 1];
    return row === undefined || row.end === true ? null : { file: row.file, line: row.line };
  }

  /**
   * Where a breakpoint on this line goes: the line's own bytes, else those of the next line with code. Data is taken
   * only where it is asked for: it may be an instruction that is written in bytes.
   */
  addresses(file: string, line: number): LineAddresses | null {
    const starts = this.#starts.get(file);
    const code = this.#lines.get(file)?.find((candidate) => candidate >= line);
    const found = starts?.has(line) ? line : code;
    const addresses = found === undefined ? undefined : starts?.get(found);
    if (found === undefined || addresses === undefined) return null;
    return { line: found, addresses, ...(found === code ? {} : { data: true }) };
  }

  #note(row: LineRow): void {
    const lines = this.#starts.get(row.file) ?? new Map<number, LinearAddress[]>();
    this.#starts.set(row.file, lines);
    const addresses = lines.get(row.line) ?? [];
    lines.set(row.line, addresses);
    addresses.push(row.address);
  }
}

const sameLine = (a: LineRow, b: LineRow): boolean => a.file === b.file && a.line === b.line;
