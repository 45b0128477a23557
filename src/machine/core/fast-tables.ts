/**
 * The fast tables and jump caches of one vCPU: derived from the architectural TLBs and from decoded code, there to be
 * dropped at any time. What was filled in is remembered, so that dropping costs what filling cost.
 *
 * There are two banks, because VM exits and entries come and go between two address spaces: what one of them derived is
 * still there when it is entered again, if what it was derived from is.
 */

import {
  FAST_BANK,
  FAST_ENTRIES,
  fast,
  JUMP_BANK,
  JUMP_CACHE_SIZE,
  JUMP_ENTRIES,
  state,
  TAG_CODE,
  vcpu,
  vcpuBase,
} from './layout';
import type { CoreMemory } from './memory';

/** Above this many entries a table is cleared whole. */
const WORTH_REMEMBERING = 256;

class Bank {
  filled: number[] = [];
  jumps: number[] = [];
  /** How the code is decoded that its jumps lead to. */
  mode = -1;
  /** What it was derived from, as numbers; undefined where that may have changed since. */
  source: readonly number[] | undefined;

  constructor(
    readonly fast: number,
    readonly jumpCaches: number,
  ) {}
}

export class FastTables {
  private readonly base: number;
  private readonly banks: readonly [Bank, Bank];
  private bank: Bank;
  private readonly zeroPages = new Set<number>();

  constructor(
    private readonly memory: CoreMemory,
    index: number,
  ) {
    this.base = vcpuBase(index);
    const bank = (n: number): Bank =>
      new Bank(this.base + vcpu.fastTables + n * FAST_BANK, this.base + vcpu.jumpCaches + n * JUMP_BANK);
    this.banks = [bank(0), bank(1)];
    this.bank = this.banks[0];
    this.clear(this.base + vcpu.fastTables, 2 * FAST_BANK);
    this.clear(this.base + vcpu.jumpCaches, 2 * JUMP_BANK);
    this.point();
  }

  private point(): void {
    const { u32 } = this.memory;
    u32[(this.base + state.fastSupervisor) / 4] = this.bank.fast;
    u32[(this.base + state.jumpsSupervisor) / 4] = this.bank.jumpCaches;
  }

  /** The other bank from now on, with what it holds if that was derived from the same; `select` follows. */
  enter(bank: 0 | 1, source: readonly number[]): void {
    this.bank = this.banks[bank];
    this.point();
    const before = this.bank.source;
    if (before !== undefined && source.every((value, n) => value === before[n])) return;
    this.dropTranslationsOf(this.bank);
    this.dropJumpsOf(this.bank);
    this.bank.source = source;
  }

  /** Selects the tables of the present privilege. */
  select(user: boolean): void {
    const { u32 } = this.memory;
    u32[(this.base + state.fast) / 4] = this.bank.fast + (user ? fast.size : 0);
    u32[(this.base + state.jumps) / 4] = this.bank.jumpCaches + (user ? JUMP_CACHE_SIZE : 0);
  }

  /** How code is decoded now; `fixed`: what a RIP means cannot change in this mode. */
  decodeAs(mode: number, fixed: boolean): void {
    if (fixed && mode === this.bank.mode) return;
    this.dropJumpsOf(this.bank);
    this.bank.mode = mode;
  }

  private clear(at: number, size: number): void {
    this.memory.u32.fill(0xffffffff, at / 4, (at + size) / 4);
  }

  /** The page of a linear address is at `host` in the linear memory, for reads or for writes at the present privilege. */
  fill(table: number, low: number, high: number, host: number, page: number, holdsCode: boolean): void {
    this.fillAt(this.memory.i32[(this.base + state.fast) / 4] as number, table, low, high, host, page, holdsCode);
  }
  /** As `fill`, in the supervisor's tables. */
  fillSupervisor(table: number, low: number, high: number, host: number, page: number, holdsCode: boolean): void {
    this.fillAt(this.bank.fast, table, low, high, host, page, holdsCode);
  }
  private fillAt(
    tables: number,
    table: number,
    low: number,
    high: number,
    host: number,
    page: number,
    holdsCode: boolean,
  ): void {
    const { i32 } = this.memory;
    const at = tables + table + ((low >>> 8) & ((FAST_ENTRIES - 1) << 4));
    const word = at / 4;
    const linearPage = low & ~0xfff;
    i32[word] = holdsCode ? linearPage | TAG_CODE : linearPage;
    i32[word + 1] = high;
    i32[word + 2] = (host - linearPage) | 0;
    i32[word + 3] = page;
    this.bank.filled.push(word);
  }

  /** Notes that reads of a page go to the frame of zeros, so that its first frame changes what was filled. */
  noteZero(page: number): void {
    this.zeroPages.add(page);
  }
  frameGiven(page: number): void {
    if (this.zeroPages.size > 0 && this.zeroPages.has(page)) this.dropTranslations();
  }

  /** Where code at `rip` is: record and offset in its page. */
  fillJump(ripLow: number, ripHigh: number, record: number, offset: number): void {
    const { i32 } = this.memory;
    const index = ((ripLow << 4) ^ (ripLow >>> 8)) & ((JUMP_ENTRIES - 1) << 4);
    const word = ((i32[(this.base + state.jumps) / 4] as number) + index) / 4;
    i32[word] = ripLow;
    i32[word + 1] = ripHigh;
    i32[word + 2] = record;
    i32[word + 3] = offset;
    this.bank.jumps.push(word);
  }

  /** Forgets all translations of data. */
  dropTranslations(): void {
    this.zeroPages.clear();
    for (const bank of this.banks) {
      this.dropTranslationsOf(bank);
      bank.source = undefined;
    }
  }
  private dropTranslationsOf(bank: Bank): void {
    bank.filled = this.forget(bank.filled, bank.fast, FAST_BANK);
  }

  /** Forgets the translations of one page of data. */
  dropPage(low: number, high: number): void {
    const { i32 } = this.memory;
    const at = (low >>> 8) & ((FAST_ENTRIES - 1) << 4);
    for (const bank of this.banks)
      for (const table of [fast.read, fast.write, fast.size + fast.read, fast.size + fast.write]) {
        const word = (bank.fast + table + at) / 4;
        if (i32[word + 1] === (high | 0) && ((i32[word] as number) & ~0xfff) === (low & ~0xfff)) this.empty(word);
      }
  }

  /** Forgets where jumps lead. */
  dropJumps(): void {
    for (const bank of this.banks) this.dropJumpsOf(bank);
  }
  private dropJumpsOf(bank: Bank): void {
    bank.jumps = this.forget(bank.jumps, bank.jumpCaches, JUMP_BANK);
  }

  /** An entry of four words. */
  private empty(word: number): void {
    const { u32 } = this.memory;
    u32[word] = 0xffffffff;
    u32[word + 1] = 0xffffffff;
    u32[word + 2] = 0xffffffff;
    u32[word + 3] = 0xffffffff;
  }
  private forget(words: number[], at: number, size: number): number[] {
    if (words.length === 0) return words;
    if (words.length > WORTH_REMEMBERING) this.clear(at, size);
    else for (const word of words) this.empty(word);
    return [];
  }

  /** A physical page holds code from now on: writes to it go the slow way. */
  codeAdded(page: number): void {
    const { i32 } = this.memory;
    for (const bank of this.banks)
      for (const user of [0, fast.size]) {
        const first = (bank.fast + user + fast.write) / 4;
        for (let word = first; word < first + FAST_ENTRIES * 4; word += 4)
          if (i32[word + 3] === page) i32[word] = (i32[word] as number) | TAG_CODE;
      }
  }
}
