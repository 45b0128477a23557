/** Line tables in columns: a large kernel has millions of rows, and a row takes 19 bytes here instead of an object. */

import { linear } from '../x86/address';
import type { LineRow } from './program';

/** What a row says besides its place. */
export const rowFlags = {
  /** A breakpoint may go here: `is_stmt`. */
  statement: 1,
  /** The row only ends the sequence before it, or says that what follows comes from no line. */
  end: 2,
  data: 4,
  /** Here the function has made its frame: `prologue_end`. */
  body: 8,
} as const;

/** Sorted by address; of several rows at one address the last covers the bytes. */
export class LineRows {
  readonly files: readonly string[];
  readonly addresses: BigUint64Array;
  readonly fileIndexes: Uint32Array;
  readonly lines: Uint32Array;
  readonly columns: Uint16Array;
  readonly flags: Uint8Array;

  constructor(
    files: readonly string[],
    columns: Pick<LineRows, 'addresses' | 'fileIndexes' | 'lines' | 'columns' | 'flags'>,
  ) {
    this.files = files;
    this.addresses = columns.addresses;
    this.fileIndexes = columns.fileIndexes;
    this.lines = columns.lines;
    this.columns = columns.columns;
    this.flags = columns.flags;
  }

  static of(rows: readonly LineRow[]): LineRows {
    const writer = new LineRowWriter();
    for (const { address, file, line, column = 0, data, end, statement, body } of rows) {
      const flags =
        (end ? rowFlags.end : statement === false ? 0 : rowFlags.statement) |
        (data ? rowFlags.data : 0) |
        (body ? rowFlags.body : 0);
      writer.add(address, writer.file(file), line, column, flags);
    }
    return writer.finish();
  }

  get length(): number {
    return this.addresses.length;
  }

  /** How many rows are at or below an address. */
  countAtOrBelow(address: bigint): number {
    let low = 0;
    let high = this.addresses.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.addresses[middle] as bigint) <= address) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /**
   * Leaves one row of those that lie at the same address: the last statement, else the last. A row that ends where it
   * begins covers no byte.
   */
  onePerAddress(): LineRows {
    const { addresses, flags } = this;
    const kept: number[] = [];
    let merged = false;
    for (let index = 0; index < addresses.length; index++) {
      const last = kept.at(-1);
      if (last === undefined || addresses[last] !== addresses[index]) kept.push(index);
      else {
        merged = true;
        const flag = flags[index] as number;
        const before = flags[last] as number;
        const worse =
          (before & (rowFlags.statement | rowFlags.end)) === rowFlags.statement && !(flag & rowFlags.statement);
        if (flag & rowFlags.end || !worse) kept[kept.length - 1] = index;
      }
    }
    return merged ? this.#take(kept) : this;
  }

  #take(kept: readonly number[]): LineRows {
    const pick = <Value>(column: { readonly [index: number]: Value }): Value[] => kept.map((at) => column[at] as Value);
    return new LineRows(this.files, {
      addresses: BigUint64Array.from(pick(this.addresses)),
      fileIndexes: Uint32Array.from(pick(this.fileIndexes)),
      lines: Uint32Array.from(pick(this.lines)),
      columns: Uint16Array.from(pick(this.columns)),
      flags: Uint8Array.from(pick(this.flags)),
    });
  }

  /** Every address moved by as much. */
  moved(offset: bigint): LineRows {
    const { files, fileIndexes, lines, columns, flags } = this;
    const addresses = this.addresses.map((address) => address + offset);
    return new LineRows(files, { addresses, fileIndexes, lines, columns, flags });
  }

  row(index: number): LineRow {
    const flags = this.flags[index] as number;
    const column = this.columns[index] as number;
    return {
      address: linear(this.addresses[index] as bigint),
      file: this.files[this.fileIndexes[index] as number] as string,
      line: this.lines[index] as number,
      ...(column === 0 ? {} : { column }),
      ...(flags & rowFlags.data ? { data: true as const } : {}),
      ...(flags & rowFlags.end ? { end: true as const } : {}),
      ...(flags & (rowFlags.statement | rowFlags.end) ? {} : { statement: false as const }),
      ...(flags & rowFlags.body ? { body: true as const } : {}),
    };
  }

  *[Symbol.iterator](): IterableIterator<LineRow> {
    for (let index = 0; index < this.length; index++) yield this.row(index);
  }
}

const WIDEST_COLUMN = 0xffff;

/** Takes rows in any number and any order. */
export class LineRowWriter {
  readonly #files = new Map<string, number>();
  #addresses = new BigUint64Array(256);
  #fileIndexes = new Uint32Array(256);
  #lines = new Uint32Array(256);
  #columns = new Uint16Array(256);
  #flags = new Uint8Array(256);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** The number of a file; the same name has the same number. */
  file(name: string): number {
    const known = this.#files.get(name);
    if (known !== undefined) return known;
    this.#files.set(name, this.#files.size);
    return this.#files.size - 1;
  }

  add(address: bigint, file: number, line: number, column: number, flags: number): void {
    const at = this.#length++;
    if (at === this.#flags.length) this.#grow();
    this.#addresses[at] = address;
    this.#fileIndexes[at] = file;
    this.#lines[at] = line;
    this.#columns[at] = column > WIDEST_COLUMN ? 0 : column;
    this.#flags[at] = flags;
  }

  address(index: number): bigint {
    return this.#addresses[index] as bigint;
  }

  /** @param order the rows wanted, in the order wanted; all as they came without it */
  finish(order?: Uint32Array): LineRows {
    const length = order?.length ?? this.#length;
    const columns = {
      addresses: new BigUint64Array(length),
      fileIndexes: new Uint32Array(length),
      lines: new Uint32Array(length),
      columns: new Uint16Array(length),
      flags: new Uint8Array(length),
    };
    for (let at = 0; at < length; at++) {
      const from = order === undefined ? at : (order[at] as number);
      columns.addresses[at] = this.address(from);
      columns.fileIndexes[at] = this.#fileIndexes[from] as number;
      columns.lines[at] = this.#lines[from] as number;
      columns.columns[at] = this.#columns[from] as number;
      columns.flags[at] = this.#flags[from] as number;
    }
    return new LineRows([...this.#files.keys()], columns);
  }

  #grow(): void {
    const size = this.#flags.length * 2;
    const grown = <Column extends { set(from: Column): void }>(column: Column, empty: Column): Column => {
      empty.set(column);
      return empty;
    };
    this.#addresses = grown(this.#addresses, new BigUint64Array(size));
    this.#fileIndexes = grown(this.#fileIndexes, new Uint32Array(size));
    this.#lines = grown(this.#lines, new Uint32Array(size));
    this.#columns = grown(this.#columns, new Uint16Array(size));
    this.#flags = grown(this.#flags, new Uint8Array(size));
  }
}
