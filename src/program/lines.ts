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
  /** Ascending; several when the line's code is not in one piece. */
  readonly addresses: readonly LinearAddress[];
}

export class LineTable {
  readonly #rows: readonly LineRow[];
  /** By file, then by line: where each piece of the line's code begins. */
  readonly #starts = new Map<string, Map<number, LinearAddress[]>>();
  /** By file: the lines with code, ascending. */
  readonly #lines = new Map<string, number[]>();

  constructor(rows: readonly LineRow[]) {
    // Of two rows at one address the last counts: the earlier covers no byte.
    this.#rows = rows.filter((row, index) => rows[index + 1]?.address !== row.address);
    this.#rows.forEach((row, index) => {
      const previous = this.#rows[index - 1];
      const continues = previous !== undefined && previous.end !== true && sameLine(previous, row);
      if (row.end !== true && !continues) this.#note(row);
    });
    for (const [file, lines] of this.#starts) {
      this.#lines.set(
        file,
        [...lines.keys()].sort((a, b) => a - b),
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

  /** Where a breakpoint on this line goes: the line's own code, else that of the next line with code. */
  addresses(file: string, line: number): LineAddresses | null {
    const found = this.#lines.get(file)?.find((candidate) => candidate >= line);
    const addresses = found === undefined ? undefined : this.#starts.get(file)?.get(found);
    return found === undefined || addresses === undefined ? null : { line: found, addresses };
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
