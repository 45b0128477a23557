/**
 * Guest memory of the past: each snapshot keeps the pages that were written since its parent, so that taking one costs
 * what changed and any snapshot can be restored from any other.
 */

import { frame } from '../core/layout';
import type { PhysicalMemory } from '../core/physical';
import { Hash } from './hash';

export interface PageSnapshot {
  readonly parent: PageSnapshot | undefined;
  readonly depth: number;
  /** Contents of pages written since the parent. */
  readonly pages: ReadonlyMap<number, Uint8Array>;
}

const EMPTY = new Uint8Array(4096);

export class PageStore {
  /** Pages written since `origin`. */
  private dirty = new Set<number>();
  private origin: PageSnapshot | undefined;
  /** Every page that was ever written. */
  private readonly known = new Set<number>();

  constructor(
    private readonly physical: PhysicalMemory,
    /** The fast tables let writes pass without asking: they are to be dropped when pages become clean. */
    private readonly dropFast: () => void,
    /** A page that read as zeros has a frame of its own now. */
    private readonly frameGiven: (page: number) => void,
  ) {
    physical.beforeDirty = (page, entry) => {
      this.dirty.add(page);
      this.known.add(page);
      if (entry < 4096) this.frameGiven(page);
    };
  }

  /** Pages written since the last snapshot. */
  get changed(): ReadonlySet<number> {
    return this.dirty;
  }

  /** Every page that may differ from zeros, in order. */
  touched(): number[] {
    return [...this.known].sort((a, b) => a - b);
  }

  /** 0 for a page of zeros, whether it has a frame or not. */
  hash(page: number): bigint {
    const { memory } = this.physical;
    const from = memory.readable(page);
    const words = memory.u32.subarray(from / 4, from / 4 + 1024);
    if (words.every((word) => word === 0)) return 0n;
    const hash = new Hash();
    hash.words(words);
    return hash.digest64();
  }

  take(): PageSnapshot {
    const { memory } = this.physical;
    const pages = new Map<number, Uint8Array>();
    for (const page of this.dirty) {
      const from = memory.readable(page);
      pages.set(page, memory.u8.slice(from, from + 4096));
      memory.setFrame(page, memory.frameOf(page) & ~frame.dirty);
    }
    this.origin = { parent: this.origin, depth: (this.origin?.depth ?? 0) + 1, pages };
    this.dirty = new Set();
    this.dropFast();
    return this.origin;
  }

  /** @returns the pages that were written back */
  restore(target: PageSnapshot): ReadonlySet<number> {
    const pages = new Set(this.dirty);
    let a: PageSnapshot | undefined = this.origin;
    let b: PageSnapshot | undefined = target;
    while (a !== b) {
      if (!b || (a && a.depth >= b.depth)) {
        for (const page of a?.pages.keys() ?? []) pages.add(page);
        a = a?.parent;
      } else {
        for (const page of b.pages.keys()) pages.add(page);
        b = b.parent;
      }
    }
    const { memory } = this.physical;
    for (const page of pages) {
      this.physical.pokeBytes(page * 4096, find(target, page));
      memory.setFrame(page, memory.frameOf(page) & ~frame.dirty);
    }
    this.origin = target;
    this.dirty = new Set();
    this.dropFast();
    return pages;
  }
}

const find = (snapshot: PageSnapshot, page: number): Uint8Array => {
  for (let at: PageSnapshot | undefined = snapshot; at; at = at.parent) {
    const content = at.pages.get(page);
    if (content) return content;
  }
  return EMPTY;
};
