/**
 * The page walk (Intel SDM vol. 3, "Paging"): 32-bit, PAE and 4-level paging. Entries are read as two 32-bit words
 * and physical addresses are numbers, because walks are frequent and BigInt is slow. A walk has three parts: `descend`
 * reads the entries, `refusal` judges the access against them, `mark` sets accessed and dirty bits.
 */

import { CR0, CR4, EFER } from '../../x86/control-registers';
import type { PagingRule } from '../../x86/rules/paging';
import { state } from '../core/layout';
import type { PhysicalMemory } from '../core/physical';
import type { CpuState } from '../core/state';
import { type EptWalk, eptAccess } from './ept';
import { tableAccess } from './ept-exit';
import type { CpuModel } from './model';

/** Combined rights of a translation, as a walk finds them and a TLB entry keeps them. */
export const right = {
  write: 1,
  user: 2,
  noExecute: 4,
  dirty: 8,
  global: 16,
  pageSize: 0x60,
  /** What EPT forbids, and whether a write has to set its dirty flag first. */
  eptNoRead: 0x80,
  eptNoWrite: 0x100,
  eptNoExecute: 0x200,
  eptClean: 0x400,
} as const;
/** Codes in `right.pageSize`. */
export const pageSize = { small: 0, twoMiB: 0x20, fourMiB: 0x40, oneGiB: 0x60 } as const;
export const pageBytes = (rights: number): number =>
  [4096, 2 ** 21, 2 ** 22, 2 ** 30][(rights & right.pageSize) >> 5] as number;

export const levels = ['PML4E', 'PDPTE', 'PDE', 'PTE'] as const;
const PDPT = 1;
const PD = 2;
const PT = 3;

export type PagingMode = 'none' | '32-bit' | 'pae' | '4-level';

/** Bits of an entry. */
const P = 1;
const RW = 2;
const US = 4;
const A = 0x20;
const D = 0x40;
const PS = 0x80;
const G = 0x100;
const XD = 0x80000000;
const HIGH = 2 ** 32;

export const pagingMode = (cpu: CpuState): PagingMode => {
  if (!(cpu.getU32(state.cr0) & CR0.PG)) return 'none';
  if (!(cpu.getU32(state.cr4) & CR4.PAE)) return '32-bit';
  return cpu.getU32(state.efer) & EFER.LMA ? '4-level' : 'pae';
};

/** Reserved bits of a PDPTE register: 2:1, 8:5 and everything from MAXPHYADDR up. */
export const pdpteReserved = (model: CpuModel): bigint =>
  0x1e6n | (BigInt.asUintN(64, -1n) ^ ((1n << BigInt(model.physicalBits)) - 1n));

export class PageWalk {
  /** Entries of the last walk from the top: low and high words, physical address and level (index into `levels`). */
  readonly low = new Int32Array(4);
  readonly high = new Int32Array(4);
  readonly address = new Float64Array(4);
  readonly level = new Int32Array(4);
  depth = 0;
  /** Rights and first byte of the page found. */
  rights = 0;
  base = 0;
  /** The guest's physical addresses are translated by this, where a guest runs with EPT. */
  ept: EptWalk | undefined;
  private readonly host = new Float64Array(4);
  /** Guest-physical address of the entry that EPT did not let the walk read or mark, and what it was wanted for; -1: none. */
  refusedEntry = -1;
  refusedAccess = 0;
  private entryLow = 0;
  private entryHost = 0;
  private entryHigh = 0;
  private readonly beyond: number;
  private readonly oneGiB: boolean;
  private readonly pse36: boolean;
  private readonly physicalBits: number;

  constructor(
    private readonly state: CpuState,
    private readonly physical: PhysicalMemory,
    model: CpuModel,
    /** Walks for a debugger read devices without side effects. */
    private readonly looking = false,
  ) {
    this.physicalBits = model.physicalBits;
    this.beyond = -(2 ** (model.physicalBits - 32)) | 0;
    this.oneGiB = model.has('pdpe1gb');
    this.pse36 = model.has('pse36');
  }

  /**
   * Walks to the page of a linear address, given as two halves. Undefined when a page is mapped: `base` and `rights`
   * hold it; otherwise the rule that the last entry read breaks, or 'walk.ept' where EPT forbids reading the entry.
   */
  descend(linearLow: number, linearHigh: number): 'walk.present' | 'walk.reserved' | 'walk.ept' | undefined {
    const cr4 = this.state.getU32(state.cr4);
    this.depth = 0;
    this.refusedEntry = -1;
    if (!(cr4 & CR4.PAE)) return this.descend32(linearLow, cr4);
    const efer = this.state.getU32(state.efer);
    const cr3 = this.state.getU32(state.cr3);
    const noXd = efer & EFER.NXE ? 0 : XD;
    let reservedHigh: number;
    let table: number;
    let level: number;
    let every = RW | US;
    let any = 0;
    if (efer & EFER.LMA) {
      reservedHigh = (this.beyond & 0xfffff) | noXd;
      table = (this.state.getU32(state.cr3 + 4) & 0xfffff) * HIGH + ((cr3 & 0xfffff000) >>> 0);
      level = 0;
    } else {
      const slot = linearLow >>> 30;
      const low = this.state.getU32(state.pdpte + slot * 8);
      const high = this.state.getU32(state.pdpte + slot * 8 + 4);
      this.record(((cr3 & 0xffffffe0) >>> 0) + slot * 8, low, high, PDPT);
      if (!(low & P)) return 'walk.present';
      reservedHigh = (this.beyond & 0x7fffffff) | noXd;
      table = (high & 0xfffff) * HIGH + ((low & 0xfffff000) >>> 0);
      level = PD;
    }
    for (; ; level++) {
      const address = table + this.index(level, linearLow, linearHigh) * 8;
      if (!this.fetch(address, 8)) return 'walk.ept';
      const low = this.entryLow;
      const high = this.entryHigh;
      this.record(address, low, high, level);
      if (!(low & P)) return 'walk.present';
      if (high & reservedHigh) return 'walk.reserved';
      every &= low;
      any |= high;
      const leaf = level === PT || (level !== 0 && low & PS);
      if (level === 0 && low & PS) return 'walk.reserved';
      const frame = (high & 0xfffff) * HIGH;
      if (!leaf) {
        table = frame + ((low & 0xfffff000) >>> 0);
        continue;
      }
      let size: number = pageSize.small;
      let mask = 0xfffff000;
      if (level === PD) {
        if (low & 0x001fe000) return 'walk.reserved';
        size = pageSize.twoMiB;
        mask = 0xffe00000;
      } else if (level === PDPT) {
        if (!this.oneGiB || low & 0x3fffe000) return 'walk.reserved';
        size = pageSize.oneGiB;
        mask = 0xc0000000;
      }
      this.base = frame + ((low & mask) >>> 0);
      this.rights = this.combine(every, any < 0 && noXd === 0, low, cr4) | size;
      return undefined;
    }
  }

  private descend32(linear: number, cr4: number): 'walk.present' | 'walk.reserved' | 'walk.ept' | undefined {
    const directory = ((this.state.getU32(state.cr3) & 0xfffff000) >>> 0) + (linear >>> 22) * 4;
    if (!this.fetch(directory, 4)) return 'walk.ept';
    const pde = this.entryLow;
    this.record(directory, pde, 0, PD);
    if (!(pde & P)) return 'walk.present';
    if (pde & PS && cr4 & CR4.PSE) {
      const extension = this.pse36 ? Math.min(40, this.physicalBits) - 32 : 0;
      // Bits 20:13 are bits 39:32 of the address as far as they exist; the others up to bit 21 are reserved.
      const reserved = 0x3fe000 & ~(((1 << extension) - 1) << 13);
      if (pde & reserved) return 'walk.reserved';
      this.base = ((pde & 0xffc00000) >>> 0) + ((pde >>> 13) & ((1 << extension) - 1)) * HIGH;
      this.rights = this.combine(pde, false, pde, cr4) | pageSize.fourMiB;
      return undefined;
    }
    const table = ((pde & 0xfffff000) >>> 0) + ((linear >>> 12) & 0x3ff) * 4;
    if (!this.fetch(table, 4)) return 'walk.ept';
    const pte = this.entryLow;
    this.record(table, pte, 0, PT);
    if (!(pte & P)) return 'walk.present';
    this.base = (pte & 0xfffff000) >>> 0;
    this.rights = this.combine(pde & pte, false, pte, cr4);
    return undefined;
  }

  /**
   * Sets the accessed bits of the walk and, for a write, the dirty bit of its leaf; from the top, as they were read. False
   * where EPT does not let it: `refusedEntry` says which.
   */
  mark(write: boolean): boolean {
    const leaf = this.depth - 1;
    for (let i = 0; i <= leaf; i++) {
      const wanted = this.marked(i, write);
      if (wanted === this.low[i]) continue;
      if (!this.mayMark(i)) return false;
      this.physical.write(this.physical.gate(this.host[i] as number), 1, BigInt(wanted & 0xff));
    }
    if (write) this.rights |= right.dirty;
    return true;
  }

  /** Would `mark` be let? Nothing is written. */
  markable(write: boolean): boolean {
    for (let i = 0; i < this.depth; i++) if (this.marked(i, write) !== this.low[i] && !this.mayMark(i)) return false;
    return true;
  }

  /** Low word of an entry with the bits that an access sets. */
  private marked(i: number, write: boolean): number {
    const low = this.low[i] as number;
    if (this.isRegister(i)) return low;
    return write && i === this.depth - 1 ? low | A | D : low | A;
  }

  private mayMark(i: number): boolean {
    if (this.ept === undefined || this.ept.translate(this.address[i] as number, eptAccess.write) >= 0) return true;
    this.refusedEntry = this.address[i] as number;
    this.refusedAccess = eptAccess.write | (tableAccess(this.ept) & eptAccess.write ? eptAccess.read : 0);
    return false;
  }

  /** Index of the entry that refuses: the first from the top without the right; for `walk.smep` and `walk.smap` the leaf. */
  refusing(rule: PagingRule): number {
    const leaf = this.depth - 1;
    for (let i = 0; i < leaf; i++) {
      if (this.isRegister(i)) continue;
      if (rule === 'walk.writable' && !((this.low[i] as number) & RW)) return i;
      if (rule === 'walk.user' && !((this.low[i] as number) & US)) return i;
      if (rule === 'walk.nx' && (this.high[i] as number) < 0) return i;
    }
    return leaf;
  }

  entry(index: number): bigint {
    return (BigInt((this.high[index] as number) >>> 0) << 32n) | BigInt((this.low[index] as number) >>> 0);
  }

  /** Where an entry lies in physical memory. */
  hostOf(index: number): number {
    return this.host[index] as number;
  }

  /** Is this entry a PDPTE register (PAE), which has no rights and no accessed bit? */
  isRegister(index: number): boolean {
    return index === 0 && this.level[0] === PDPT;
  }

  private index(level: number, low: number, high: number): number {
    if (level === 0) return (high >>> 7) & 0x1ff;
    if (level === PDPT) return ((high << 2) | (low >>> 30)) & 0x1ff;
    return (low >>> (level === PD ? 21 : 12)) & 0x1ff;
  }

  private combine(every: number, noExecute: boolean, leaf: number, cr4: number): number {
    return (
      (every & RW ? right.write : 0) |
      (every & US ? right.user : 0) |
      (noExecute ? right.noExecute : 0) |
      (leaf & D ? right.dirty : 0) |
      (leaf & G && cr4 & CR4.PGE ? right.global : 0)
    );
  }

  private record(address: number, low: number, high: number, level: number): void {
    const at = this.depth++;
    this.address[at] = address;
    this.low[at] = low;
    this.high[at] = high;
    this.level[at] = level;
    this.host[at] = this.entryHost;
  }

  /** Reads an entry of 4 or 8 bytes, aligned, as every access through the A20 gate; false where EPT forbids it. */
  private fetch(address: number, bytes: 4 | 8): boolean {
    const { physical, ept } = this;
    const host = ept === undefined ? address : ept.translate(address, tableAccess(ept));
    this.entryHost = host;
    if (host < 0) {
      this.refusedEntry = address;
      this.refusedAccess = ept === undefined ? 0 : tableAccess(ept);
      return false;
    }
    const at = physical.gate(host);
    const { memory } = physical;
    const frame = at < HIGH ? memory.readable(at >>> 12) : 0;
    if (frame !== 0) {
      const word = (frame + (at & 0xfff)) >>> 2;
      this.entryLow = memory.u32[word] as number;
      this.entryHigh = bytes === 8 ? (memory.u32[word + 1] as number) : 0;
    } else {
      this.entryLow = this.ask(at);
      this.entryHigh = bytes === 8 ? this.ask(at + 4) : 0;
    }
    return true;
  }

  /** Tables in a device's window, or where nothing is. */
  private ask(address: number): number {
    return this.looking ? Number(this.physical.peek(address, 4)) : this.physical.read32(address);
  }
}
