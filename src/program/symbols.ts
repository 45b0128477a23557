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
  /** Without constants, sorted by address; of several at one address, the best name stands last. */
  readonly #byAddress: readonly ProgramSymbol[];

  constructor(symbols: readonly ProgramSymbol[]) {
    for (const symbol of symbols) {
      if (!this.#byName.has(symbol.name)) this.#byName.set(symbol.name, symbol);
    }
    this.#byAddress = symbols.filter((symbol) => symbol.kind !== 'constant').sort(byAddressThenWorth);
  }

  /** The first symbol of that name in the file's order. */
  named(name: string): ProgramSymbol | null {
    return this.#byName.get(name) ?? null;
  }

  /** Names that start with `prefix`, in alphabetical order, for completion. */
  startingWith(prefix: string): ProgramSymbol[] {
    return [...this.#byName.values()]
      .filter((symbol) => symbol.name.startsWith(prefix))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** The nearest symbol at or below the address. */
  at(address: LinearAddress): NearestSymbol | null {
    const symbol = this.#byAddress[countAtOrBelow(this.#byAddress, address) - 1];
    if (symbol === undefined) return null;
    const offset = address - symbol.address;
    return offset < BigInt(symbol.size) || offset < REACH ? { symbol, offset } : null;
  }
}

/** How many rows of a list sorted by address are at or below `address`. */
export function countAtOrBelow(rows: readonly { readonly address: bigint }[], address: bigint): number {
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
