/**
 * Extended page tables: from guest-physical to physical addresses. Intel SDM vol. 3, "The Extended Page Table Mechanism
 * (EPT)". As page-walk.ts, without BigInt: it is asked for every entry of a guest's own walk.
 */

import type { PhysicalMemory } from '../core/physical';
import type { GuestPhysicalTlb } from './guest-physical-tlb';
import type { CpuModel } from './model';

const HIGH = 2 ** 32;
const READ = 1;
const WRITE = 2;
const EXECUTE = 4;
const LARGE = 0x80;
const ACCESSED = 0x100;
const DIRTY = 0x200;

/** Kinds of access, as in bits 2:0 of the exit qualification. */
export const eptAccess = { read: 1, write: 2, execute: 4 } as const;

export const eptLevels = ['EPT PML4E', 'EPT PDPTE', 'EPT PDE', 'EPT PTE'] as const;

/** Why an entry is misconfigured. Intel SDM vol. 3, "EPT Misconfigurations". */
export type Misconfiguration = 'write-only' | 'execute-only' | 'reserved' | 'memory-type';

/** Capability bits of IA32_VMX_EPT_VPID_CAP. */
const EXECUTE_ONLY = 1n;
const PAGES_2M = 1n << 16n;
const PAGES_1G = 1n << 17n;

/** Number of the root table's page. Translations are cached by it. */
export const ep4taOf = (pointer: bigint): number => Number((pointer >> 12n) & 0xff_ffff_ffffn);

/** One level of a walk for a person. */
export interface EptEntry {
  readonly level: (typeof eptLevels)[number];
  readonly entry: bigint;
  readonly address: bigint;
}

export class EptWalk {
  /** Entries of the last walk from the top. */
  readonly low = new Int32Array(4);
  readonly high = new Int32Array(4);
  readonly address = new Float64Array(4);
  depth = 0;
  /** After a walk that found a page: rights that all levels allow (READ, WRITE, EXECUTE), bytes of the page, is its dirty flag set. */
  rights = 0;
  size = 4096;
  dirty = true;
  memoryType = 0;
  /** After a walk that found none. */
  misconfigured: Misconfiguration | undefined;
  /** Bit of the last entry that is wrong. */
  badBit = 0;
  private root = 0;
  private ep4ta = 0;
  private flagged = false;
  private readonly executeOnly: boolean;
  private readonly twoMiB: boolean;
  private readonly oneGiB: boolean;
  private readonly beyond: number;

  constructor(
    private readonly physical: PhysicalMemory,
    model: CpuModel,
    /** Walks for a debugger set no flags and read devices without side effects. */
    private readonly looking = false,
    /** Guest-physical mappings to use and to fill. */
    readonly cache: GuestPhysicalTlb | undefined = undefined,
  ) {
    const capabilities = model.vmx?.IA32_VMX_EPT_VPID_CAP ?? 0n;
    this.executeOnly = (capabilities & EXECUTE_ONLY) !== 0n;
    this.twoMiB = (capabilities & PAGES_2M) !== 0n;
    this.oneGiB = (capabilities & PAGES_1G) !== 0n;
    this.beyond = -(2 ** (model.physicalBits - 32)) & 0xfffff;
  }

  /** Takes an EPT pointer. */
  select(pointer: bigint): void {
    this.ep4ta = ep4taOf(pointer);
    this.root = this.ep4ta * 4096;
    this.flagged = (pointer & 0x40n) !== 0n;
  }
  /** Does the pointer enable accessed and dirty flags? A guest's walk then counts as a write of its tables. */
  get accessedDirty(): boolean {
    return this.flagged;
  }

  /**
   * Physical address, or -1: then `misconfigured` tells whether an entry was illegal, else the access was not allowed
   * and `rights` says what would have been.
   */
  translate(guest: number, kind: number): number {
    const { cache } = this;
    if (cache === undefined) return this.walk(guest, kind);
    const page = Math.floor(guest / 4096);
    const host = this.cached(page, kind);
    if (host >= 0) return host + (guest % 4096);
    const found = this.walk(guest, kind);
    if (found < 0) cache.dropPage(page, this.ep4ta);
    else cache.fill(page, this.ep4ta, Math.floor(found / 4096), this.rights, this.dirty, this.memoryType);
    return found;
  }

  /** Of a page that is cached and may be used so, else -1: then the tables decide. A write that has to set the dirty flag walks. */
  private cached(page: number, kind: number): number {
    const { cache } = this;
    if (!cache?.lookup(page, this.ep4ta)) return -1;
    if ((cache.rights & kind) !== kind || (kind & WRITE && !cache.dirty)) return -1;
    this.depth = 0;
    this.misconfigured = undefined;
    this.rights = cache.rights;
    this.dirty = cache.dirty;
    this.memoryType = cache.memoryType;
    this.size = 4096;
    return cache.page * 4096;
  }

  private walk(guest: number, kind: number): number {
    this.depth = 0;
    this.misconfigured = undefined;
    this.rights = READ | WRITE | EXECUTE;
    let table = this.root;
    const low = guest >>> 0;
    const high = Math.floor(guest / HIGH);
    // Four levels translate 48 bits.
    if (high >>> 16) {
      this.rights = 0;
      return -1;
    }
    for (let level = 0; ; level++) {
      const index =
        level === 0
          ? (high >>> 7) & 0x1ff
          : level === 1
            ? ((high << 2) | (low >>> 30)) & 0x1ff
            : (low >>> (level === 2 ? 21 : 12)) & 0x1ff;
      const address = table + index * 8;
      const entryLow = this.fetch(address);
      const entryHigh = this.fetch(address + 4);
      this.low[level] = entryLow;
      this.high[level] = entryHigh;
      this.address[level] = address;
      this.depth = level + 1;
      this.rights &= entryLow;
      if (!(entryLow & 7)) {
        this.rights = 0;
        return -1;
      }
      if (this.isIllegal(entryLow, entryHigh, level)) return -1;
      const base = (entryHigh & 0xfffff) * HIGH;
      if (level < 3 && !(entryLow & LARGE && level > 0)) {
        table = base + ((entryLow & 0xfffff000) >>> 0);
        continue;
      }
      const mask = level === 3 ? 0xfff : level === 2 ? 0x1fffff : 0x3fffffff;
      this.size = mask + 1;
      this.memoryType = (entryLow >>> 3) & 7;
      if ((this.rights & kind) !== kind) return -1;
      if (!this.looking) this.mark(kind);
      this.dirty = !this.flagged || ((this.low[level] as number) & DIRTY) !== 0;
      return base + ((entryLow & ~mask & 0xfffff000) >>> 0) + (low & mask);
    }
  }

  private isIllegal(low: number, high: number, level: number): boolean {
    const wrong = (why: Misconfiguration, bit: number): true => {
      this.misconfigured = why;
      this.badBit = bit;
      return true;
    };
    if ((low & 3) === 2) return wrong('write-only', 1);
    if ((low & 7) === 4 && !this.executeOnly) return wrong('execute-only', 2);
    const beyond = high & this.beyond;
    if (beyond) return wrong('reserved', 32 + lowestBit(beyond));
    const leaf = level === 3 || (level > 0 && (low & LARGE) !== 0);
    const reserved = !leaf
      ? low & (level === 0 ? 0xf8 : 0x78)
      : level === 2
        ? this.twoMiB
          ? low & 0x1ff000
          : LARGE
        : level === 1
          ? this.oneGiB
            ? low & 0x3ffff000
            : LARGE
          : 0;
    if (reserved) return wrong('reserved', lowestBit(reserved));
    const type = (low >>> 3) & 7;
    return leaf && (type === 2 || type === 3 || type === 7) ? wrong('memory-type', 3) : false;
  }

  /** Sets accessed flags, and the dirty flag for a write. */
  private mark(kind: number): void {
    if (!this.flagged) return;
    const leaf = this.depth - 1;
    for (let level = 0; level <= leaf; level++) {
      const low = this.low[level] as number;
      const wanted = low | ACCESSED | (level === leaf && kind & WRITE ? DIRTY : 0);
      if (wanted === low) continue;
      this.low[level] = wanted;
      this.physical.write(this.physical.gate((this.address[level] as number) + 1), 1, BigInt((wanted >>> 8) & 0xff));
    }
  }

  private fetch(address: number): number {
    const at = this.physical.gate(address);
    const frame = at < HIGH ? this.physical.memory.readable(at >>> 12) : 0;
    if (frame !== 0) return this.physical.memory.i32[(frame + (at & 0xfff)) >>> 2] as number;
    return (this.looking ? Number(this.physical.peek(at, 4)) : this.physical.read32(at)) | 0;
  }

  /** The entries of the last walk. */
  entries(): EptEntry[] {
    return Array.from({ length: this.depth }, (_, level) => ({
      level: eptLevels[level] as EptEntry['level'],
      entry: this.entry(level),
      address: BigInt(this.address[level] as number),
    }));
  }
  entry(level: number): bigint {
    return (BigInt((this.high[level] as number) >>> 0) << 32n) | BigInt((this.low[level] as number) >>> 0);
  }
}

const lowestBit = (value: number): number => 31 - Math.clz32(value & -value);
