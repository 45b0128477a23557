/**
 * Guest-physical mappings of one vCPU: what EPT made of guest-physical pages, whatever guest, VPID or linear address asked.
 * Intel SDM vol. 3, "Information That May Be Cached". As the TLBs they are part of the machine: an EPT entry that software
 * changed counts when INVEPT has been executed, and not before. Kept by 4 KiB; replacement is round robin and moves on fills.
 */

import type { CoreMemory } from '../core/memory';

const SETS = 64;
const WAYS = 4;
/** Page bits 31:0 | page bits 35:32, EP4TA bits 51:44 in 23:16 | EP4TA bits 43:12 | physical page | the rest, 0 when empty. */
const ENTRY_WORDS = 5;
const VALID = 0x8000_0000;
/** In the last word: rights 2:0, dirty flag set 3, memory type 6:4, physical page bits 39:32 in 15:8. */
const DIRTY = 8;
const POINTERS = SETS * WAYS * ENTRY_WORDS;
const WORDS = POINTERS + SETS;

export const GUEST_PHYSICAL_TLB_BYTES = WORDS * 4;

export interface GuestPhysicalEntry {
  readonly guest: bigint;
  readonly physical: bigint;
  /** 1 read, 2 write, 4 execute. */
  readonly rights: number;
  readonly dirty: boolean;
  readonly memoryType: number;
  readonly ep4ta: bigint;
}

export class GuestPhysicalTlb {
  /** After a `lookup` that hit. */
  rights = 0;
  dirty = false;
  memoryType = 0;
  page = 0;
  /** Did the last `fill` push out a valid mapping? */
  evicted = false;

  constructor(
    private readonly memory: CoreMemory,
    /** First word of the region. */
    private readonly start: number,
  ) {}

  reset(): void {
    this.memory.u32.fill(0, this.start, this.start + WORDS);
  }

  /** By page number, under a root table's page number. */
  lookup(page: number, ep4ta: number): boolean {
    const at = this.find(page, ep4ta);
    if (at < 0) return false;
    const words = this.memory.u32;
    const last = words[at + 4] as number;
    this.rights = last & 7;
    this.dirty = (last & DIRTY) !== 0;
    this.memoryType = (last >>> 4) & 7;
    this.page = (words[at + 3] as number) + ((last >>> 8) & 0xff) * 2 ** 32;
    return true;
  }

  fill(page: number, ep4ta: number, host: number, rights: number, dirty: boolean, memoryType: number): void {
    const words = this.memory.u32;
    this.evicted = false;
    let at = this.find(page, ep4ta);
    if (at < 0) {
      const set = page & (SETS - 1);
      const pointer = this.start + POINTERS + set;
      const way = words[pointer] as number;
      words[pointer] = (way + 1) & (WAYS - 1);
      at = this.start + (set * WAYS + way) * ENTRY_WORDS;
      this.evicted = words[at + 4] !== 0;
    }
    words[at] = page;
    words[at + 1] = highWord(page, ep4ta);
    words[at + 2] = ep4ta;
    words[at + 3] = host;
    words[at + 4] = VALID | rights | (dirty ? DIRTY : 0) | (memoryType << 4) | (Math.floor(host / 2 ** 32) << 8);
  }

  /** An EPT violation, and INVEPT's kin for one page; says if there was one. */
  dropPage(page: number, ep4ta: number): boolean {
    const at = this.find(page, ep4ta);
    if (at >= 0) this.memory.u32[at + 4] = 0;
    return at >= 0;
  }

  /** INVEPT: those under one root table, or all. */
  drop(ep4ta: number | undefined): void {
    const words = this.memory.u32;
    for (let at = this.start; at < this.start + POINTERS; at += ENTRY_WORDS)
      if (ep4ta === undefined || this.isUnder(at, ep4ta)) words[at + 4] = 0;
  }

  *entries(): Generator<GuestPhysicalEntry> {
    for (let i = 0; i < POINTERS; i += ENTRY_WORDS) {
      const [page, high, low, host, last] = this.memory.u32.subarray(
        this.start + i,
        this.start + i + ENTRY_WORDS,
      ) as unknown as [number, number, number, number, number];
      if (last === 0) continue;
      yield {
        guest: BigInt(page + (high & 0xf) * 2 ** 32) << 12n,
        physical: BigInt(host + ((last >>> 8) & 0xff) * 2 ** 32) << 12n,
        rights: last & 7,
        dirty: (last & DIRTY) !== 0,
        memoryType: (last >>> 4) & 7,
        ep4ta: BigInt(low + (high >>> 16) * 2 ** 32) << 12n,
      };
    }
  }

  /** What can influence the future, for the state hash. */
  canonical(): number[] {
    const words = this.memory.u32;
    const out: number[] = [];
    for (let i = 0; i < POINTERS; i += ENTRY_WORDS) {
      const at = this.start + i;
      if (words[at + 4] !== 0) out.push(i, ...words.subarray(at, at + ENTRY_WORDS));
    }
    for (let set = 0; set < SETS; set++) {
      const way = words[this.start + POINTERS + set] as number;
      if (way !== 0) out.push(set, way);
    }
    return out;
  }

  private find(page: number, ep4ta: number): number {
    const words = this.memory.u32;
    const low = page >>> 0;
    const first = this.start + (page & (SETS - 1)) * WAYS * ENTRY_WORDS;
    for (let way = 0; way < WAYS; way++) {
      const at = first + way * ENTRY_WORDS;
      if (words[at] !== low || words[at + 4] === 0) continue;
      if (words[at + 2] === ep4ta >>> 0 && words[at + 1] === highWord(page, ep4ta)) return at;
    }
    return -1;
  }

  private isUnder(at: number, ep4ta: number): boolean {
    const words = this.memory.u32;
    return words[at + 2] === ep4ta >>> 0 && (words[at + 1] as number) >>> 16 === Math.floor(ep4ta / 2 ** 32);
  }
}

const highWord = (page: number, ep4ta: number): number =>
  Math.floor(page / 2 ** 32) | (Math.floor(ep4ta / 2 ** 32) << 16);
