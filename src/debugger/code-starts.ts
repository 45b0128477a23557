/**
 * Where instructions are known to begin: rows of the line table, symbols, and what the machine has decoded. Looked up
 * page by page.
 */

import { type LinearAddress, linear } from '../x86/address';
import type { CodeView } from './code-view';

const PAGE = 4096;
const OFFSET = 0xfffn;

interface Page {
  /** Ascending. */
  readonly starts: readonly LinearAddress[];
  readonly decoded: readonly Uint32Array[];
}

export class CodeStarts {
  private readonly view: CodeView;
  private readonly pages = new Map<bigint, Page>();

  constructor(view: CodeView) {
    this.view = view;
  }

  /** Did the machine decode an instruction here, or is it about to? */
  isExecuted(address: LinearAddress): boolean {
    if (address === this.view.current) return true;
    const offset = Number(address & OFFSET);
    return this.page(address).decoded.some((starts) => starts[offset] !== 0);
  }

  /** The first known start in (`address`, `address` + `reach`). */
  after(address: LinearAddress, reach: number): LinearAddress | undefined {
    const end = address + BigInt(reach);
    for (let base = address & ~OFFSET; base < end; base += BigInt(PAGE)) {
      const { starts } = this.page(linear(base));
      const found = starts[firstAbove(starts, address)];
      if (found !== undefined) return found < end ? found : undefined;
    }
    return undefined;
  }

  /**
   * A known start before `end`: the nearest that is at least `wanted` bytes before it, or else the furthest within
   * 4 KiB.
   */
  before(end: LinearAddress, wanted: number): LinearAddress | undefined {
    const from = end > BigInt(PAGE) ? end - BigInt(PAGE) : 0n;
    const enough = end - BigInt(wanted);
    let furthest: LinearAddress | undefined;
    for (let base = (end - 1n) & ~OFFSET; base + BigInt(PAGE) > from; base -= BigInt(PAGE)) {
      const { starts } = this.page(linear(base));
      for (let n = firstAbove(starts, end - 1n) - 1; n >= 0; n--) {
        const start = starts[n] as LinearAddress;
        if (start < from) return furthest;
        furthest = start;
        if (start <= enough) return start;
      }
      if (base === 0n) break;
    }
    return furthest;
  }

  private page(address: LinearAddress): Page {
    const base = address & ~OFFSET;
    let page = this.pages.get(base);
    if (page === undefined) {
      page = this.look(linear(base));
      this.pages.set(base, page);
    }
    return page;
  }

  private look(base: LinearAddress): Page {
    const { info, decoded: decodedIn } = this.view;
    const end = base + BigInt(PAGE);
    const decoded = decodedIn?.(base) ?? [];
    const starts = new Set<LinearAddress>(info.lines.starts(base, end));
    for (const { address } of info.symbols.between(base, end)) starts.add(address);
    for (const offsets of decoded)
      for (let offset = 0; offset < PAGE; offset++)
        if (offsets[offset] !== 0) starts.add(linear(base + BigInt(offset)));
    return { starts: [...starts].sort((a, b) => (a < b ? -1 : 1)), decoded };
  }
}

/** Index of the first entry above an address. */
const firstAbove = (starts: readonly LinearAddress[], address: bigint): number => {
  let low = 0;
  let high = starts.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((starts[middle] as bigint) <= address) low = middle + 1;
    else high = middle;
  }
  return low;
};
