/**
 * The architectural TLBs of one vCPU (Intel SDM vol. 3, "Caching Translation Information"). They are part of the machine:
 * what they hold changes what a guest sees, so they lie in the vCPU's block and in its snapshots. Replacement is
 * round robin per set and moves on fills alone; hits leave no trace, and a derived table may answer them.
 *
 * An address space is a context (VPID, PCID, EP4TA) with a current tag; entries carry the tag. Dropping a context is
 * giving it a new tag: entries with the old one can never match again. Global translations belong to a context of
 * their own, which every PCID sees.
 */

import { vcpu } from '../core/layout';
import type { CpuState } from '../core/state';
import { GUEST_PHYSICAL_TLB_BYTES, GuestPhysicalTlb } from './guest-physical-tlb';
import { pageBytes, pageSize, right } from './page-walk';

/** Sets and ways of each structure; 2 MiB and 4 MiB pages share one. */
const geometry = [
  { instruction: true, size: 'small', sets: 128, ways: 4 },
  { instruction: true, size: 'large', sets: 8, ways: 4 },
  { instruction: true, size: 'huge', sets: 1, ways: 4 },
  { instruction: false, size: 'small', sets: 256, ways: 4 },
  { instruction: false, size: 'large', sets: 16, ways: 4 },
  { instruction: false, size: 'huge', sets: 1, ways: 4 },
] as const;

/** An entry: linear page bits 31:0 | tag (0 empty) | physical page bits 31:0 | rights 12+, linear 35:32 in 8-11, physical 39:32. */
const ENTRY_WORDS = 4;
const RIGHTS_SHIFT = 12;

/** Words of the region before the entries. */
const TAG = 0;
const GLOBAL_TAG = 1;
const NEXT_TAG = 2;
const NEXT_CONTEXT = 3;
const CURRENT = 4;
const CURRENT_GLOBAL = 5;
const CONTEXTS = 16;
/** A context: tag (0 free) | PCID, VPID << 16 | EP4TA bits 43:12 | EP4TA bits 51:44 and WITH_EPT. */
const CONTEXT_WORDS = 4;
const CONTEXT_COUNT = 64;
const ENTRIES = CONTEXTS + CONTEXT_COUNT * CONTEXT_WORDS;
/** The PCID that stands for all: global translations. */
const ALL_PCIDS = 0x1000;

interface Structure {
  readonly instruction: boolean;
  readonly size: 'small' | 'large' | 'huge';
  readonly sets: number;
  readonly ways: number;
  /** Words from the start of the region. */
  readonly entries: number;
  readonly pointers: number;
}

const structures: readonly Structure[] = (() => {
  let at = ENTRIES;
  const placed = geometry.map((shape) => {
    const entries = at;
    at += shape.sets * shape.ways * ENTRY_WORDS;
    return { ...shape, entries };
  });
  return placed.map((shape) => {
    const pointers = at;
    at += shape.sets;
    return { ...shape, pointers };
  });
})();

/** A context's last word where EPT is in force: its root table may be the page at 0. */
const WITH_EPT = 0x100;
/** No EPT is in force. */
export const NO_EPT = -1;

/** Where the guest-physical mappings begin. */
const GUEST_PHYSICAL = structures.reduce((end, { pointers, sets }) => Math.max(end, (pointers + sets) * 4), 0);
/** Bytes of the vCPU's TLB region that are in use. */
export const TLB_BYTES = GUEST_PHYSICAL + GUEST_PHYSICAL_TLB_BYTES;

const LINEAR_SHIFT = { small: 0, large: 9, huge: 18 } as const;

/** A valid entry, as the debugger shows it. */
export interface TlbEntry {
  readonly instruction: boolean;
  readonly linear: bigint;
  readonly physical: bigint;
  /** In bytes. */
  readonly size: number;
  readonly writable: boolean;
  readonly user: boolean;
  readonly noExecute: boolean;
  readonly dirty: boolean;
  readonly global: boolean;
  readonly vpid: number;
  /** Undefined for global translations. */
  readonly pcid: number | undefined;
  /** The root table of the EPT that it went through. */
  readonly ep4ta: bigint | undefined;
  /** What that EPT allows: 1 read, 2 write, 4 execute; all without one. */
  readonly eptRights: number;
}

export class Tlb {
  /** First word of the region. */
  private readonly start: number;
  private readonly instruction = structures.filter((one) => one.instruction);
  private readonly data = structures.filter((one) => !one.instruction);

  /** After a `lookup` that hit: rights, and number of the 4 KiB physical page of the address. */
  rights = 0;
  page = 0;
  /** After a `fill`: did it push out a valid translation, and which page was that. */
  evicted = false;
  evictedLow = 0;
  evictedHigh = 0;
  evictedSize = 0;

  /** What EPT alone made of addresses. */
  readonly guestPhysical: GuestPhysicalTlb;

  constructor(private readonly state: CpuState) {
    this.start = (state.base + vcpu.tlb) >>> 2;
    this.guestPhysical = new GuestPhysicalTlb(state.memory, this.start + GUEST_PHYSICAL / 4);
    if (this.words[this.start + TAG] === 0) this.reset();
  }

  private get words(): Uint32Array {
    return this.state.memory.u32;
  }

  /** Power-up: nothing cached, context of PCID 0. */
  reset(): void {
    this.words.fill(0, this.start, this.start + TLB_BYTES / 4);
    this.words[this.start + NEXT_TAG] = 1;
    this.select(0);
  }

  /** Makes this the context of lookups and fills; its translations are those it had when it was last current. */
  select(pcid: number, vpid = 0, ep4ta = NO_EPT): void {
    const words = this.words;
    const context = this.context(pcid, vpid, ep4ta);
    if (words[this.start + CURRENT] === context) return;
    this.leftTag = this.tag;
    this.leftGlobalTag = this.globalTag;
    words[this.start + CURRENT] = context;
    words[this.start + TAG] = words[this.start + context] as number;
    const global = this.context(ALL_PCIDS, vpid, ep4ta);
    words[this.start + CURRENT_GLOBAL] = global;
    words[this.start + GLOBAL_TAG] = words[this.start + global] as number;
  }

  /** Tags of the context that was current before: the derived tables of the other side of VT-x may rest on its entries. */
  private leftTag = 0;
  private leftGlobalTag = 0;

  /** How often the tags were given out anew. */
  renumberings = 0;

  /** What marks the entries of the current context; another one once they were dropped. */
  get tag(): number {
    return this.words[this.start + TAG] as number;
  }
  get globalTag(): number {
    return this.words[this.start + GLOBAL_TAG] as number;
  }

  /** Finds the translation of a linear address (two halves); leaves `rights` and `page`. */
  lookup(instruction: boolean, low: number, high: number): boolean {
    const words = this.words;
    const { start } = this;
    const tag = words[start + TAG];
    const globalTag = words[start + GLOBAL_TAG];
    const small = ((high << 20) | (low >>> 12)) >>> 0;
    const top = (high >>> 12) & 15;
    const kinds = instruction ? this.instruction : this.data;
    for (let kind = 0; kind < 3; kind++) {
      const { entries, sets, ways } = kinds[kind] as Structure;
      // Bits 47:12 shifted by 9 or 18 fit one word: the upper four come down into it.
      const key = kind === 0 ? small : ((small >>> (kind * 9)) | (top << (32 - kind * 9))) >>> 0;
      let at = start + entries + (key & (sets - 1)) * ways * ENTRY_WORDS;
      for (let way = 0; way < ways; way++, at += ENTRY_WORDS) {
        if (words[at] !== key) continue;
        const own = words[at + 1];
        if (own !== tag && own !== globalTag) continue;
        const last = words[at + 3] as number;
        if (kind === 0 && ((last >>> 8) & 15) !== top) continue;
        this.rights = last >>> RIGHTS_SHIFT;
        const inPage = kind === 0 ? 0 : (low >>> 12) & (kind === 1 ? 0x1ff : 0x3ffff);
        this.page = (words[at + 2] as number) + (last & 0xff) * 2 ** 32 + inPage;
        return true;
      }
    }
    return false;
  }

  /**
   * Caches a translation: linear address in halves, first byte of the page. A 4 MiB page is cached in halves of 2 MiB. An
   * older entry for the same page gives way in place.
   */
  fill(instruction: boolean, low: number, high: number, base: number, rights: number): void {
    const words = this.words;
    const { start } = this;
    const size = rights & right.pageSize;
    const kind = size === pageSize.small ? 0 : size === pageSize.oneGiB ? 2 : 1;
    const { entries, pointers, sets, ways } = (instruction ? this.instruction : this.data)[kind] as Structure;
    const small = ((high << 20) | (low >>> 12)) >>> 0;
    const top = (high >>> 12) & 15;
    const key = kind === 0 ? small : ((small >>> (kind * 9)) | (top << (32 - kind * 9))) >>> 0;
    const set = key & (sets - 1);
    const first = start + entries + set * ways * ENTRY_WORDS;
    const tag = words[start + TAG] as number;
    const globalTag = words[start + GLOBAL_TAG] as number;
    let at = -1;
    this.evicted = false;
    for (let way = 0; way < ways; way++) {
      const one = first + way * ENTRY_WORDS;
      const own = words[one + 1];
      if (words[one] !== key || (own !== tag && own !== globalTag)) continue;
      if (kind === 0 && (((words[one + 3] as number) >>> 8) & 15) !== top) continue;
      if (at < 0) at = one;
      else words[one + 1] = 0;
    }
    if (at < 0) {
      const way = words[start + pointers + set] as number;
      words[start + pointers + set] = (way + 1) & (ways - 1);
      at = first + way * ENTRY_WORDS;
      const own = words[at + 1];
      const rested = own === tag || own === globalTag || own === this.leftTag || own === this.leftGlobalTag;
      if (own !== 0 && rested) this.noteEvicted(at, kind);
    }
    let page = base / 4096;
    if (size === pageSize.fourMiB && low & 0x200000) page += 512;
    words[at] = key;
    words[at + 1] = rights & right.global ? globalTag : tag;
    words[at + 2] = page;
    words[at + 3] = (rights << RIGHTS_SHIFT) | (kind === 0 ? top << 8 : 0) | Math.floor(page / 2 ** 32);
  }

  private noteEvicted(at: number, kind: number): void {
    const words = this.words;
    const key = words[at] as number;
    const last = words[at + 3] as number;
    this.evicted = true;
    this.evictedSize = kind;
    this.evictedLow = (key << (12 + kind * 9)) >>> 0;
    this.evictedHigh = kind === 0 ? (key >>> 20) | (((last >>> 8) & 15) << 12) : key >>> (20 - kind * 9);
  }

  /** Drops every translation of a linear address under the current PCID, and the global ones; says if there was one. */
  dropPage(low: number, high: number): boolean {
    const tag = this.words[this.start + TAG] as number;
    return this.dropTagged(low, high, tag, this.words[this.start + GLOBAL_TAG] as number);
  }

  /** INVLPG: under one PCID of a VPID, through whatever EPT, and the global ones of the VPID. */
  dropPageUnder(low: number, high: number, pcid: number, vpid: number): void {
    this.dropPageWhere(low, high, (key) => key === keyOf(pcid, vpid) || key === keyOf(ALL_PCIDS, vpid));
  }
  /** INVPCID type 0: the non-global translations of a linear address under one PCID. */
  dropPageOf(low: number, high: number, pcid: number, vpid: number): void {
    this.dropPageWhere(low, high, (key) => key === keyOf(pcid, vpid));
  }
  /** INVVPID of one address: under every PCID and EPT of the VPID. */
  dropPageOfVpid(low: number, high: number, vpid: number): void {
    this.dropPageWhere(low, high, (key) => key >>> 16 === vpid);
  }
  private dropPageWhere(low: number, high: number, wanted: (key: number) => boolean): void {
    for (let i = 0; i < CONTEXT_COUNT; i++) {
      const at = this.start + CONTEXTS + i * CONTEXT_WORDS;
      const tag = this.words[at] as number;
      if (tag !== 0 && wanted(this.words[at + 1] as number)) this.dropTagged(low, high, tag, 0);
    }
  }

  private dropTagged(low: number, high: number, tag: number, other: number): boolean {
    const words = this.words;
    const small = ((high << 20) | (low >>> 12)) >>> 0;
    const top = (high >>> 12) & 15;
    let dropped = false;
    for (const { size, entries, sets, ways } of structures) {
      const shift = LINEAR_SHIFT[size];
      const key = shift === 0 ? small : ((small >>> shift) | (top << (32 - shift))) >>> 0;
      // The other half of a 4 MiB page lies in the neighbouring set.
      for (const one of size === 'large' ? [key, (key ^ 1) >>> 0] : [key]) {
        let at = this.start + entries + (one & (sets - 1)) * ways * ENTRY_WORDS;
        for (let way = 0; way < ways; way++, at += ENTRY_WORDS) {
          const own = words[at + 1] as number;
          if (own === 0 || words[at] !== one || (own !== tag && own !== other)) continue;
          const last = words[at + 3] as number;
          if (shift === 0 && ((last >>> 8) & 15) !== top) continue;
          if (one !== key && ((last >>> RIGHTS_SHIFT) & right.pageSize) !== pageSize.fourMiB) continue;
          words[at + 1] = 0;
          dropped = true;
        }
      }
    }
    return dropped;
  }

  // Whatever the EPT. Intel SDM vol. 3, "Operations that Invalidate Cached Mappings"

  /** Drops the non-global translations of one PCID of a VPID. */
  dropPcid(pcid: number, vpid: number): void {
    const wanted = keyOf(pcid, vpid);
    this.dropContexts((key) => key === wanted);
  }
  /** Drops the global translations of a VPID. */
  dropGlobals(vpid: number): void {
    const wanted = keyOf(ALL_PCIDS, vpid);
    this.dropContexts((key) => key === wanted);
  }
  /** Drops the translations of a VPID, whatever their PCID, with or without the global ones. */
  dropVpid(vpid: number, globals: boolean): void {
    const words = this.words;
    for (let at = CONTEXTS; at < ENTRIES && words[this.start + at] !== 0; at += CONTEXT_WORDS) {
      const key = words[this.start + at + 1] as number;
      if (key >>> 16 === vpid && (globals || !(key & ALL_PCIDS))) this.retag(at);
    }
  }
  /** Drops those of all VPIDs but 0. */
  dropGuests(): void {
    this.dropContexts((key) => key >>> 16 !== 0);
  }
  /** INVEPT: drops what was translated by an EPT, whatever the VPID, guest-physical mappings too; by any EPT without a number. */
  dropEpt(ep4ta: number | undefined): void {
    this.guestPhysical.drop(ep4ta);
    this.dropContexts((_, low, high) =>
      ep4ta === undefined ? (high & WITH_EPT) !== 0 : low === ep4ta >>> 0 && high === highOf(ep4ta),
    );
  }

  private dropContexts(wanted: (key: number, low: number, high: number) => boolean): void {
    const words = this.words;
    // They are given out one after the other: behind a free one there is none.
    for (let at = CONTEXTS; at < ENTRIES && words[this.start + at] !== 0; at += CONTEXT_WORDS) {
      const one = this.start + at;
      if (wanted(words[one + 1] as number, words[one + 2] as number, words[one + 3] as number)) this.retag(at);
    }
  }

  private retag(at: number): void {
    const words = this.words;
    const { start } = this;
    words[start + at] = this.newTag();
    if (words[start + CURRENT] === at) words[start + TAG] = words[start + at] as number;
    if (words[start + CURRENT_GLOBAL] === at) words[start + GLOBAL_TAG] = words[start + at] as number;
  }

  private newTag(): number {
    const at = this.start + NEXT_TAG;
    const tag = this.words[at] as number;
    // Tags are never used twice: when they run out, everything is forgotten and counting starts again.
    if (tag === 0xffffffff) this.renumber();
    const fresh = this.words[at] as number;
    this.words[at] = fresh + 1;
    return fresh;
  }

  private renumber(): void {
    const words = this.words;
    this.renumberings++;
    for (const { entries, sets, ways } of structures)
      words.fill(0, this.start + entries, this.start + entries + sets * ways * ENTRY_WORDS);
    let tag = 1;
    for (let i = 0; i < CONTEXT_COUNT; i++) {
      const at = this.start + CONTEXTS + i * CONTEXT_WORDS;
      if (words[at] !== 0) words[at] = tag++;
    }
    words[this.start + NEXT_TAG] = tag;
    words[this.start + TAG] = words[this.start + (words[this.start + CURRENT] as number)] as number;
    words[this.start + GLOBAL_TAG] = words[this.start + (words[this.start + CURRENT_GLOBAL] as number)] as number;
  }

  /** Word offset of a context in the region, 0 if there is none. `ep4ta` is a physical page number. */
  private find(pcid: number, vpid: number, ep4ta: number): number {
    const words = this.words;
    const key = keyOf(pcid, vpid);
    const low = ep4ta === NO_EPT ? 0 : ep4ta >>> 0;
    const high = highOf(ep4ta);
    // Most often it is the current one that is wanted.
    const current = words[this.start + CURRENT] as number;
    if (current !== 0 && this.isContext(current, key, low, high)) return current;
    for (let i = 0; i < CONTEXT_COUNT; i++) {
      const offset = CONTEXTS + i * CONTEXT_WORDS;
      if (this.isContext(offset, key, low, high)) return offset;
    }
    return 0;
  }
  private isContext(offset: number, key: number, low: number, high: number): boolean {
    const words = this.words;
    const at = this.start + offset;
    return words[at + 1] === key && words[at] !== 0 && words[at + 2] === low && words[at + 3] === high;
  }

  private context(pcid: number, vpid: number, ep4ta: number): number {
    const found = this.find(pcid, vpid, ep4ta);
    if (found) return found;
    const words = this.words;
    const { start } = this;
    let offset = 0;
    // A context that loses its slot loses its translations; the current ones stay.
    do {
      const next = words[start + NEXT_CONTEXT] as number;
      words[start + NEXT_CONTEXT] = (next + 1) % CONTEXT_COUNT;
      offset = CONTEXTS + next * CONTEXT_WORDS;
    } while (words[start + CURRENT] === offset || words[start + CURRENT_GLOBAL] === offset);
    const tag = this.newTag();
    words.set([tag, keyOf(pcid, vpid), ep4ta === NO_EPT ? 0 : ep4ta >>> 0, highOf(ep4ta)], start + offset);
    return offset;
  }

  /** Every valid entry, in the order of the structures. */
  *entries(): Generator<TlbEntry> {
    const words = this.words;
    const contexts = this.tags();
    for (const { instruction, size, entries, sets, ways } of structures)
      for (let i = 0; i < sets * ways; i++) {
        const at = this.start + entries + i * ENTRY_WORDS;
        const context = contexts.get(words[at + 1] as number);
        if (context === undefined) continue;
        const [key, , page, last] = words.subarray(at, at + 4) as unknown as [number, number, number, number];
        const rights = last >>> RIGHTS_SHIFT;
        const number = (BigInt(size === 'small' ? (last >>> 8) & 15 : 0) << 32n) | BigInt(key);
        const [id, root, above] = words.subarray(this.start + context + 1, this.start + context + 4) as unknown as [
          number,
          number,
          number,
        ];
        yield {
          instruction,
          linear: BigInt.asUintN(64, BigInt.asIntN(48, number << BigInt(12 + LINEAR_SHIFT[size]))),
          physical: BigInt(page + (last & 0xff) * 2 ** 32) << 12n,
          size: size === 'large' ? 2 ** 21 : pageBytes(rights),
          writable: (rights & right.write) !== 0,
          user: (rights & right.user) !== 0,
          noExecute: (rights & right.noExecute) !== 0,
          dirty: (rights & right.dirty) !== 0,
          global: (rights & right.global) !== 0,
          vpid: id >>> 16,
          pcid: id & ALL_PCIDS ? undefined : id & 0xfff,
          eptRights: ((rights / right.eptNoRead) & 7) ^ 7,
          ep4ta: above & WITH_EPT ? BigInt(root + (above & 0xff) * 2 ** 32) << 12n : undefined,
        };
      }
  }

  /** Contexts by current tag. */
  private tags(): Map<number, number> {
    const map = new Map<number, number>();
    for (let i = 0; i < CONTEXT_COUNT; i++) {
      const offset = CONTEXTS + i * CONTEXT_WORDS;
      const tag = this.words[this.start + offset] as number;
      if (tag !== 0) map.set(tag, offset);
    }
    return map;
  }

  /**
   * What of the region can influence the future, for the state hash: contexts, replacement pointers and valid entries,
   * with contexts in place of tags. Two machines with equal results behave alike from here on.
   */
  canonical(): Uint32Array {
    const words = this.words;
    const { start } = this;
    const contexts = this.tags();
    const out: number[] = [];
    for (const header of [NEXT_CONTEXT, CURRENT, CURRENT_GLOBAL]) out.push(words[start + header] as number);
    for (const offset of contexts.values()) out.push(offset, ...words.subarray(start + offset + 1, start + offset + 4));
    for (const { entries, pointers, sets, ways } of structures) {
      for (let set = 0; set < sets; set++) out.push(words[start + pointers + set] as number);
      for (let i = 0; i < sets * ways; i++) {
        const at = start + entries + i * ENTRY_WORDS;
        const context = contexts.get(words[at + 1] as number);
        if (context === undefined) continue;
        out.push(entries + i, context, words[at] as number, words[at + 2] as number, words[at + 3] as number);
      }
    }
    out.push(...this.guestPhysical.canonical());
    return Uint32Array.from(out);
  }
}

const keyOf = (pcid: number, vpid: number): number => (pcid | (vpid << 16)) >>> 0;
/** The last word of a context. */
const highOf = (ep4ta: number): number => (ep4ta === NO_EPT ? 0 : Math.floor(ep4ta / 2 ** 32) | WITH_EPT);
