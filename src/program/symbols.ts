/** A program's symbols, looked up by name and by address. Addresses are exact to all 64 bits. */

import type { LinearAddress } from '../x86/address';
import type { ProgramSymbol } from './program';

export interface NearestSymbol {
  readonly symbol: ProgramSymbol;
  /** Bytes from the symbol to the address. */
  readonly offset: bigint;
}

/** Further from the symbol than this, and outside its size, a name says nothing: `_end+0xfec00000` helps nobody. */
const REACH = 0x10_0000n;

export class SymbolTable {
  readonly #byName = new Map<string, ProgramSymbol>();
  /** By name; made when somebody asks. */
  #sorted: readonly ProgramSymbol[] | undefined;
  #data: readonly ProgramSymbol[] | undefined;
  /** Without constants, sorted by address; of several at one address, the best name stands last. */
  readonly #byAddress: readonly ProgramSymbol[];

  constructor(symbols: readonly ProgramSymbol[]) {
    for (const symbol of symbols) {
      if (!this.#byName.has(symbol.name)) this.#byName.set(symbol.name, symbol);
    }
    this.#byAddress = symbols.filter((symbol) => symbol.kind !== 'constant').sort(byAddressThenWorth);
  }

  /** Symbols that name data, by address. */
  get data(): readonly ProgramSymbol[] {
    this.#data ??= this.#byAddress.filter(({ kind }) => kind === 'data');
    return this.#data;
  }

  /** The first symbol of that name in the file's order. */
  named(name: string): ProgramSymbol | null {
    return this.#byName.get(name) ?? null;
  }

  /** Names that start with `prefix`, in alphabetical order, for completion; `most` of them. */
  startingWith(prefix: string, most = Number.POSITIVE_INFINITY): ProgramSymbol[] {
    this.#sorted ??= [...this.#byName.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
    const found: ProgramSymbol[] = [];
    for (let at = firstFrom(this.#sorted, prefix); found.length < most; at++) {
      const symbol = this.#sorted[at];
      if (symbol === undefined || !symbol.name.startsWith(prefix)) break;
      found.push(symbol);
    }
    return found;
  }

  /** The symbols from `start` to before `end`, ascending; of several at one address the best name stands last. */
  between(start: LinearAddress, end: bigint): readonly ProgramSymbol[] {
    const from = start === 0n ? 0 : countAtOrBelow(this.#byAddress, start - 1n);
    return this.#byAddress.slice(from, end === 0n ? 0 : countAtOrBelow(this.#byAddress, end - 1n));
  }

  /** The nearest symbol at or below the address. */
  at(address: LinearAddress): NearestSymbol | null {
    const symbol = this.#byAddress[countAtOrBelow(this.#byAddress, address) - 1];
    if (symbol === undefined) return null;
    const offset = address - symbol.address;
    return offset < BigInt(symbol.size) || offset < REACH ? { symbol, offset } : null;
  }
}

/** Where the first name that is not before `prefix` stands. */
const firstFrom = (sorted: readonly ProgramSymbol[], prefix: string): number => {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] as ProgramSymbol).name < prefix) low = middle + 1;
    else high = middle;
  }
  return low;
};

/** How many rows of a list sorted by address are at or below `address`. */
function countAtOrBelow(rows: readonly { readonly address: bigint }[], address: bigint): number {
  let low = 0;
  let high = rows.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const row = rows[middle];
    if (row !== undefined && row.address <= address) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** A function's name before a data name, a name with a size before one without, a whole label before a local one. */
const worth = (symbol: ProgramSymbol): number =>
  (symbol.kind === 'code' ? 4 : 0) + (symbol.size > 0 ? 2 : 0) + (symbol.name.includes('.') ? 0 : 1);

function byAddressThenWorth(a: ProgramSymbol, b: ProgramSymbol): number {
  if (a.address !== b.address) return a.address < b.address ? -1 : 1;
  return worth(a) - worth(b);
}
