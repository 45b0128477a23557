/**
 * Decoded code: blocks of micro-op records, keyed by the physical address of their first instruction and the decoding
 * mode. A block never leaves its page. Code is marked in lines of 128 bytes; writing to a marked line makes the blocks
 * on it stale.
 */

import { Instruction } from 'iced-x86';
import { type DecodeMode, type Decoder, decodeMode } from './decoder';
import type { Handlers } from './handlers';
import { CODE_LINES, RECORD_POOL, RECORD_SIZE, RECORDS, record } from './layout';
import type { CoreMemory } from './memory';
import type { PhysicalMemory } from './physical';

/** The longest block, in instructions: how far a run may be from the exact step it was asked for. */
export const LONGEST_BLOCK = 64;
const SHORT_BLOCK = 4;
/** Blocks of a page made stale after which its blocks become short. */
const OFTEN = 32;

interface Block {
  readonly mode: DecodeMode;
  readonly first: number;
  /** Records, stubs included. */
  readonly records: number;
  /** Bytes of code, from the place of the first record. */
  readonly start: number;
  readonly end: number;
}

interface Fusible {
  readonly at: number;
  readonly flags: 'sets' | 'ignores' | undefined;
  readonly sure: boolean;
}

/** The blocks of one page in one mode, by the offset of any of their instructions. */
interface CodePage {
  readonly heads: Uint32Array;
  readonly any: Uint32Array;
  blocks: Block[];
  /** Blocks that writes have made stale. */
  stale: number;
}

export class CodeCache {
  /** Each vCPU's jump cache and fast tables may hold what is gone, or let writes to new code pass. */
  readonly listeners: { codeAdded(page: number): void; allDropped(): void }[] = [];
  private free = RECORDS + RECORD_SIZE;
  private readonly pages = new Map<number, CodePage>();
  /** Offsets in the page before which somebody is asked. */
  private readonly breaks = new Uint8Array(4096);
  /** Physical addresses before which somebody is asked, and the handlers that do. */
  private readonly physicalBreaks = new Map<number, number>();
  private physicalOffsets: ReadonlySet<number> = new Set();
  private readonly crossings = new Map<string, number>();
  private readonly crossingsOf = new Map<number, Set<string>>();
  private readonly scratch = new Instruction();
  /** Counts how often everything was thrown away: whoever keeps a record must forget it then. */
  generation = 0;

  constructor(
    private readonly memory: CoreMemory,
    private readonly physical: PhysicalMemory,
    private readonly decoder: Decoder,
    private readonly handlers: Handlers,
  ) {}

  private readonly changed = {
    codeAdded: (page: number) => {
      for (const listener of this.listeners) listener.codeAdded(page);
    },
    allDropped: () => {
      for (const listener of this.listeners) listener.allDropped();
    },
  };

  /** The head of the block that starts at a physical address; decoded when it is new. 0 when nothing can be decoded in this page. */
  block(address: number, mode: DecodeMode): number {
    const page = this.page(address, mode);
    return page.heads[address & 0xfff] || this.decode(address, mode);
  }

  /** Any record of the instruction at a physical address, to execute it alone. */
  instruction(address: number, mode: DecodeMode): number {
    const page = this.page(address, mode);
    return page.any[address & 0xfff] || this.decode(address, mode);
  }

  /** May an instruction at this offset of its page have a breakpoint? */
  /** By offset in a physical page, not 0 where an instruction was decoded: for who shows code. */
  instructionsOf(page: number, mode: DecodeMode): Uint32Array | undefined {
    return this.pages.get(page * 4 + mode)?.any;
  }

  hasBreak(offset: number): boolean {
    return this.breaks[offset] !== 0 || this.physicalOffsets.has(offset);
  }

  /**
   * Instructions at this offset of any page are judged before they are executed, or no longer. That other pages' are
   * met too costs little, and no translation has to be known.
   */
  setBreak(offset: number, on: boolean): void {
    this.breaks[offset] = on ? 1 : 0;
    for (const key of this.pages.keys()) this.arm(key, offset);
  }

  /** The instruction at a physical address is judged by a handler of its own; undefined: no longer. */
  setPhysicalBreak(address: number, handler: number | undefined): void {
    if (handler === undefined) this.physicalBreaks.delete(address);
    else this.physicalBreaks.set(address, handler);
    this.physicalOffsets = new Set([...this.physicalBreaks.keys()].map((at) => at % 4096));
    for (let mode = 0; mode < 4; mode++) this.arm(Math.floor(address / 4096) * 4 + mode, address % 4096);
  }

  private judgeOf(page: number, offset: number): number | undefined {
    const own = this.physicalBreaks.size > 0 ? this.physicalBreaks.get(page * 4096 + offset) : undefined;
    return own ?? (this.breaks[offset] ? this.handlers.leaver('breakpoint') : undefined);
  }

  /** Gives the records up to one that is judged, or no longer, the handlers that are right for each alone. */
  private arm(key: number, offset: number): void {
    const stale = this.handlers.leaver('stale');
    const { u32, view } = this.memory;
    for (const block of this.pages.get(key)?.blocks ?? []) {
      if (offset < block.start || offset >= block.end) continue;
      for (let at = block.first, here = block.start; here <= offset; at += RECORD_SIZE) {
        const plain = view.getUint16(at + record.plain, true);
        // A pair would pass the breakpoint, a silent handler would leave flags unset before it.
        if (plain !== stale) u32[at / 4] = this.judgeOf(Math.floor(key / 4), here) ?? plain;
        here = (u32[(at + record.extra) / 4] as number) + (here === offset ? 4096 : 0);
      }
    }
  }

  private page(address: number, mode: DecodeMode): CodePage {
    const key = Math.floor(address / 4096) * 4 + mode;
    let page = this.pages.get(key);
    if (!page) {
      page = { heads: new Uint32Array(4096), any: new Uint32Array(4096), blocks: [], stale: 0 };
      this.pages.set(key, page);
    }
    return page;
  }

  private decode(address: number, mode: DecodeMode): number {
    if (this.free + (LONGEST_BLOCK * 3 + 4) * RECORD_SIZE > RECORDS + RECORD_POOL) this.dropAll();
    const page = this.page(address, mode);
    const start = address & 0xfff;
    const bytes = this.physical.peekBytes(address, Math.min(4096 - start, FETCH));
    const iced = this.decoder.open(bytes, start, mode);
    const first = this.free;
    const flat = mode === decodeMode.code64 || mode === decodeMode.flat32;
    let offset = start;
    let count = 0;
    let at = first;
    let ended = false;
    const stubs: (() => void)[] = [];
    const plain: Fusible[] = [];
    try {
      // Where code changes again and again, less is decoded that is never executed.
      const longest = page.stale > OFTEN ? SHORT_BLOCK : LONGEST_BLOCK;
      while (!ended && count < longest && offset < 4096) {
        if (iced.position >= bytes.length) break;
        iced.decodeOut(this.scratch);
        // Not all of the instruction is here: in the next page, or beyond the bytes that were fetched for this block.
        if (this.scratch.length > 0 && iced.lastError === NO_MORE_BYTES) break;
        const decoded = this.decoder.encode(at, this.scratch, offset, mode);
        const judge = this.judgeOf(Math.floor(address / 4096), offset);
        if (judge !== undefined) this.memory.u32[at / 4] = judge;
        if (decoded.flow === 'rep' && count > 0) break;
        this.memory.u8[at + record.before] = count;
        if (page.any[offset] === 0) page.any[offset] = at;
        const length = decoded.length;
        plain.push({ at, flags: decoded.flags, sure: decoded.sure });
        if (decoded.flow === 'branch') {
          const here = at;
          const next = offset + length;
          if (decoded.linked) stubs.push(() => this.stub(here + record.taken, decoded.target));
          stubs.push(() => this.stub(here + record.notTaken, next));
        }
        at += RECORD_SIZE;
        offset += length;
        count++;
        ended = decoded.flow !== 'next';
        if (decoded.flow === 'rep' || decoded.flow === 'last') {
          at = this.end(at, offset, 0, mode, flat, stubs);
        }
      }
    } finally {
      iced.free();
    }
    if (count === 0) return 0;
    if (!ended) at = this.end(at, offset, count, mode, flat, stubs);
    this.free = at;
    for (const stub of stubs) stub();
    this.fuse(plain, mode === decodeMode.flat32);
    page.heads[start] = first;
    page.blocks.push({ mode, first, records: (this.free - first) / RECORD_SIZE, start, end: offset });
    this.mark(address, address + (offset - start));
    return first;
  }

  /**
   * Gives the records of a block the handlers that are right for them together: two in one where there is such a
   * handler, and none that sets flags which are overwritten before anything can stop. `plain` stays as it is.
   */
  private fuse(records: readonly Fusible[], flat32: boolean): void {
    const { u32, view } = this.memory;
    const handlerOf = (n: number) => view.getUint16((records[n]?.at ?? 0) + record.plain, true);
    const stops = (n: number) => u32[(records[n]?.at ?? 0) / 4] !== handlerOf(n);
    // Fewest dispatches from each record to the end of the block.
    const left: number[] = [];
    left[records.length] = 0;
    let flagsDead = false;
    for (let n = records.length - 1; n >= 0; n--) {
      const { at, flags, sure } = records[n] as Fusible;
      const handler = handlerOf(n);
      left[n] = 1 + (left[n + 1] as number);
      if (stops(n)) flagsDead = false;
      else {
        const pair =
          n + 1 < records.length && !stops(n + 1) ? this.handlers.pair(handler, handlerOf(n + 1), flat32) : undefined;
        if (pair !== undefined && (left[n + 2] as number) + 1 < (left[n] as number)) {
          left[n] = (left[n + 2] as number) + 1;
          u32[at / 4] = pair;
        } else if (flagsDead && flags === 'sets') u32[at / 4] = this.handlers.silent(handler, flat32) ?? handler;
        flagsDead = sure && (flags === 'sets' || (flags === 'ignores' && flagsDead));
      }
    }
  }

  /**
   * A record for the instruction at `address` whose last bytes are in another page, at physical page `second`; the
   * record after it and its links lead out through stubs.
   */
  crossing(address: number, second: number, mode: DecodeMode): number {
    const key = `${address}:${second}:${mode}`;
    const known = this.crossings.get(key);
    if (known) return known;
    if (this.free + 8 * RECORD_SIZE > RECORDS + RECORD_POOL) this.dropAll();
    const start = address & 0xfff;
    const bytes = new Uint8Array(30);
    bytes.set(this.physical.peekBytes(address, 4096 - start));
    bytes.set(this.physical.peekBytes(second * 4096, 15), 4096 - start);
    const iced = this.decoder.open(bytes, start, mode);
    iced.decodeOut(this.scratch);
    iced.free();
    const at = this.free;
    const decoded = this.decoder.encode(at, this.scratch, start, mode, false);
    const next = start + decoded.length;
    this.free += 2 * RECORD_SIZE;
    this.stub(at + RECORD_SIZE + record.taken, next);
    // What follows in the pool is that stub, met when the instruction simply ends.
    this.memory.u8.copyWithin(at + RECORD_SIZE, this.free - RECORD_SIZE, this.free);
    if (decoded.flow === 'branch') this.stub(at + record.notTaken, next);
    this.mark(address, address - start + 4096);
    if (next > 4096) this.mark(second * 4096, second * 4096 + next - 4096);
    this.crossings.set(key, at);
    for (const page of [Math.floor(address / 4096), second]) {
      const keys = this.crossingsOf.get(page) ?? new Set();
      this.crossingsOf.set(page, keys.add(key));
    }
    return at;
  }

  /** A record that leads from the end of a block to what follows it. */
  private end(
    at: number,
    offset: number,
    before: number,
    mode: DecodeMode,
    flat: boolean,
    stubs: (() => void)[],
  ): number {
    const { u8, u32, view } = this.memory;
    this.memory.u64.fill(0n, at / 8, at / 8 + 4);
    const linked = flat && offset < 4096;
    const flat32 = mode === decodeMode.flat32;
    const size = mode === decodeMode.code64 ? 64 : 32;
    const handler = linked
      ? this.handlers.number('end.linked', 64, '', '', flat32)
      : this.handlers.number('end.unlinked', size, '', mode === decodeMode.code64 ? 'q' : 'l', flat32);
    u32[at / 4] = handler;
    view.setUint16(at + record.plain, handler, true);
    view.setUint16(at + record.place, offset & 0xfff, true);
    u8[at + record.before] = before;
    u32[(at + record.displacement) / 4] = offset;
    u32[(at + record.extra) / 4] = offset + 1;
    if (linked) stubs.push(() => this.stub(at + record.taken, offset));
    return at + RECORD_SIZE;
  }

  /** Points the link at `link` to the block at `offset` of this page, through a stub as long as that is not decoded. */
  private stub(link: number, offset: number): void {
    const at = this.free;
    this.free += RECORD_SIZE;
    const { u32, view } = this.memory;
    this.memory.u64.fill(0n, at / 8, at / 8 + 4);
    const handler = this.handlers.leaver('link');
    u32[at / 4] = handler;
    view.setUint16(at + record.plain, handler, true);
    view.setUint16(at + record.place, offset & 0xfff, true);
    u32[(at + record.extra) / 4] = offset + 1;
    u32[(at + record.taken) / 4] = link;
    u32[link / 4] = at;
  }

  /** Resolves the stub at `stub`: whoever led to it leads to `head` from now on. */
  link(stub: number, head: number): void {
    const link = this.memory.u32[(stub + record.taken) / 4] as number;
    this.memory.u32[link / 4] = head;
  }

  /** Leads from a stale record to the block that took its place. */
  forward(stale: number, head: number): void {
    const { u32, u8, view } = this.memory;
    const handler = this.handlers.number('end.linked', 64, '', '', false);
    u32[stale / 4] = handler;
    view.setUint16(stale + record.plain, handler, true);
    u8[stale + record.before] = 0;
    u32[(stale + record.taken) / 4] = head;
  }

  private mark(from: number, to: number): void {
    const page = Math.floor(from / 4096);
    const word = CODE_LINES / 4 + page;
    const before = this.memory.u32[word] as number;
    let lines = before;
    for (let line = (from & 0xfff) >>> 7; line <= ((to - 1) & 0xfff) >>> 7; line++) lines |= 1 << line;
    this.memory.u32[word] = lines >>> 0;
    if (before === 0) this.changed.codeAdded(page);
  }

  /**
   * Code bytes were written: the blocks on the lines touched become stale. Their records stay where they are (one of
   * them may be executing) and leave when they are met.
   */
  written(address: number, size: number): void {
    const page = Math.floor(address / 4096);
    const word = CODE_LINES / 4 + page;
    if (!this.memory.u32[word]) return;
    const from = address & 0xfff & ~127;
    const to = (((address & 0xfff) + size - 1) | 127) + 1;
    this.forgetCrossings(page);
    let lines = 0;
    const stale = this.handlers.leaver('stale');
    for (let mode = 0; mode < 4; mode++) {
      const code = this.pages.get(page * 4 + mode);
      if (!code) continue;
      code.blocks = code.blocks.filter((block) => {
        if (block.end <= from || block.start >= to) {
          for (let line = block.start >>> 7; line <= (block.end - 1) >>> 7 && line < 32; line++) lines |= 1 << line;
          return true;
        }
        this.retire(code, block, stale);
        return false;
      });
      // What another block recorded for the same instructions must be found again.
      for (const block of code.blocks) this.remember(code, block);
    }
    this.memory.u32[word] = lines >>> 0;
  }

  /** Instructions that cross into or out of the page are decoded again. */
  private forgetCrossings(page: number): void {
    for (const key of this.crossingsOf.get(page) ?? []) this.crossings.delete(key);
    this.crossingsOf.delete(page);
  }

  private retire(code: CodePage, block: Block, stale: number): void {
    const { u32, view } = this.memory;
    for (let n = 0; n < block.records; n++) {
      const at = block.first + n * RECORD_SIZE;
      u32[at / 4] = stale;
      view.setUint16(at + record.plain, stale, true);
    }
    code.stale++;
    code.heads[block.start] = 0;
    code.any.fill(0, block.start, block.end);
  }

  private remember(code: CodePage, block: Block): void {
    for (let at = block.first, offset = block.start; offset < block.end; at += RECORD_SIZE) {
      if (code.any[offset] === 0) code.any[offset] = at;
      offset = this.memory.u32[(at + record.extra) / 4] as number;
    }
  }

  /** Forgets all code: the pool is full, or the memory behind it was replaced. */
  dropAll(): void {
    for (const key of this.pages.keys()) this.memory.u32[CODE_LINES / 4 + (key >>> 2)] = 0;
    this.pages.clear();
    for (const page of this.crossingsOf.keys()) this.memory.u32[CODE_LINES / 4 + page] = 0;
    this.crossings.clear();
    this.crossingsOf.clear();
    this.free = RECORDS + RECORD_SIZE;
    this.generation++;
    this.changed.allDropped();
  }
}

/** Bytes looked at for one block: enough for most, and little to copy for code that changes itself. */
const FETCH = 192;

/** iced's DecoderError.NoMoreBytes. */
const NO_MORE_BYTES = 2;
