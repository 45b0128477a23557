/**
 * The fast tables and jump caches of one vCPU: derived from the architectural TLBs and from decoded code, there to be
 * dropped at any time. What was filled in is remembered, so that dropping costs what filling cost.
 */

import { FAST_ENTRIES, fast, JUMP_CACHE_SIZE, JUMP_ENTRIES, state, TAG_CODE, vcpu, vcpuBase } from './layout';
import type { CoreMemory } from './memory';

/** Above this many entries a table is cleared whole. */
const WORTH_REMEMBERING = 256;

export class FastTables {
  private readonly base: number;
  private filled: number[] = [];
  private jumps: number[] = [];
  private readonly zeroPages = new Set<number>();

  constructor(
    private readonly memory: CoreMemory,
    index: number,
  ) {
    this.base = vcpuBase(index);
    this.clear(this.base + vcpu.fastTables, 2 * fast.size);
    this.clear(this.base + vcpu.jumpCaches, 2 * JUMP_CACHE_SIZE);
    memory.u32[(this.base + state.fastSupervisor) / 4] = this.base + vcpu.fastTables;
    memory.u32[(this.base + state.jumpsSupervisor) / 4] = this.base + vcpu.jumpCaches;
  }

  /** Selects the tables of the present privilege. */
  select(user: boolean): void {
    const { u32 } = this.memory;
    u32[(this.base + state.fast) / 4] = this.base + vcpu.fastTables + (user ? fast.size : 0);
    u32[(this.base + state.jumps) / 4] = this.base + vcpu.jumpCaches + (user ? JUMP_CACHE_SIZE : 0);
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
    this.fillAt(this.base + vcpu.fastTables, table, low, high, host, page, holdsCode);
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
    this.filled.push(word);
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
    this.jumps.push(word);
  }

  /** Forgets all translations of data. */
  dropTranslations(): void {
    this.zeroPages.clear();
    this.filled = this.forget(this.filled, this.base + vcpu.fastTables, 2 * fast.size);
  }

  /** Forgets the translations of one page of data. */
  dropPage(low: number, high: number): void {
    const { i32, u32 } = this.memory;
    const at = (low >>> 8) & ((FAST_ENTRIES - 1) << 4);
    for (const table of [fast.read, fast.write, fast.size + fast.read, fast.size + fast.write]) {
      const word = (this.base + vcpu.fastTables + table + at) / 4;
      if (i32[word + 1] === (high | 0) && ((i32[word] as number) & ~0xfff) === (low & ~0xfff))
        u32.fill(0xffffffff, word, word + 4);
    }
  }

  /** Forgets where jumps lead. */
  dropJumps(): void {
    this.jumps = this.forget(this.jumps, this.base + vcpu.jumpCaches, 2 * JUMP_CACHE_SIZE);
  }

  private forget(words: number[], at: number, size: number): number[] {
    if (words.length > WORTH_REMEMBERING) this.clear(at, size);
    else for (const word of words) this.memory.u32.fill(0xffffffff, word, word + 4);
    return [];
  }

  /** A physical page holds code from now on: writes to it go the slow way. */
  codeAdded(page: number): void {
    const { i32 } = this.memory;
    for (const user of [0, fast.size]) {
      const first = (this.base + vcpu.fastTables + user + fast.write) / 4;
      for (let word = first; word < first + FAST_ENTRIES * 4; word += 4)
        if (i32[word + 3] === page) i32[word] = (i32[word] as number) | TAG_CODE;
    }
  }
}
