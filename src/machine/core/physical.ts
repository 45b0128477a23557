/** Physical memory as TypeScript reads and writes it: frames given on first write, everything else goes to the devices. */

import { CODE_LINES, FRAMES, frame, ZERO_FRAME } from './layout';
import type { CoreMemory } from './memory';

/** What answers where there is no memory. `peek` has no side effect. */
export interface DeviceSpace {
  read(address: number, size: number): bigint;
  write(address: number, size: number, value: bigint): void;
  peek(address: number, size: number): bigint;
}

/** Pages below 4 GiB: those that may be memory. */
const PAGES = 2 ** 20;

export type AccessSize = 1 | 2 | 4 | 8;

export class PhysicalMemory {
  devices: DeviceSpace | undefined;
  /** Called before a frame is written for the first time since the last snapshot. */
  beforeDirty: ((page: number, entry: number) => void) | undefined;
  /** Called after bytes of a line with decoded code were written. */
  codeWritten: ((address: number, size: number) => void) | undefined;

  /** Called before bytes of a watched page are read or written: see `watch`. */
  touched: ((kind: 'read' | 'write', address: number, size: number) => void) | undefined;
  private watchedPages: ReadonlySet<number> = new Set();

  /** Is address bit 20 passed on? Without it, odd mebibytes are the even ones below. */
  a20 = true;
  /** Pages that have a frame of their own. */
  private readonly given = new Set<number>();
  private readonly a20Listeners: (() => void)[] = [];

  constructor(readonly memory: CoreMemory) {}

  setA20(open: boolean): void {
    if (open === this.a20) return;
    this.a20 = open;
    for (const listener of this.a20Listeners) listener();
  }
  onA20(listener: () => void): void {
    this.a20Listeners.push(listener);
  }
  /** The address as it leaves the processor, through the A20 gate. */
  gate(address: number): number {
    return this.a20 || !(Math.floor(address / 0x100000) & 1) ? address : address - 0x100000;
  }

  /** Every access to these pages is told to `touched`; the caller drops the fast tables. */
  watch(pages: ReadonlySet<number>): void {
    const { memory } = this;
    const below = (page: number) => page < PAGES;
    for (const page of [...this.watchedPages].filter(below))
      memory.setFrame(page, memory.frameOf(page) & ~frame.watched);
    for (const page of [...pages].filter(below)) memory.setFrame(page, memory.frameOf(page) | frame.watched);
    this.watchedPages = pages;
  }

  /** Forgets all contents and ROMs: no page has a frame of its own. Decoded code and fast tables are the caller's. */
  clear(): void {
    for (const page of this.given) {
      const entry = this.memory.frameOf(page);
      if (!(entry & (frame.dirty | frame.rom))) this.beforeDirty?.(page, entry);
      this.memory.setFrame(page, 0);
      this.memory.freeFrame((entry & ~0xfff) >>> 0);
    }
    this.given.clear();
  }

  /** Makes the pages from `from` up to `to` RAM that reads zeros, or device space; they have no frames. */
  map(from: number, to: number, kind: 'ram' | 'device'): void {
    this.memory.u32.fill(kind === 'ram' ? 0 : frame.device, FRAMES / 4 + from / 4096, FRAMES / 4 + to / 4096);
  }

  /** Gives a page read-only contents. */
  mapRom(page: number): void {
    const entry = this.memory.frameOf(page);
    const address = (entry & ~0xfff) >>> 0 || this.memory.newFrame();
    this.memory.setFrame(page, address | frame.rom);
    this.given.add(page);
  }

  /** Is all of it memory? */
  isMemory(address: number, size: number): boolean {
    return address + size <= 2 ** 32 && !(this.memory.frameOf(Math.floor(address / 4096)) & frame.device);
  }

  /** The frame of a page, ready to be written; 0 for ROM and devices. */
  writable(page: number): number {
    const entry = this.memory.frameOf(page);
    if (entry & (frame.device | frame.rom)) return 0;
    if (entry & frame.dirty) return (entry & ~0xfff) >>> 0;
    this.beforeDirty?.(page, entry);
    const now = this.memory.frameOf(page);
    const address = (now & ~0xfff) >>> 0 || this.memory.newFrame();
    this.memory.setFrame(page, address | (now & 0xfff) | frame.dirty);
    this.given.add(page);
    return address;
  }

  /** An access that lies within one page. Reads of nothing give all ones. */
  read(address: number, size: AccessSize): bigint {
    if (this.watchedPages.size > 0) this.tell('read', address, size);
    const from = this.source(address);
    if (from < 0) return this.devices?.read(address, size) ?? BigInt.asUintN(size * 8, -1n);
    return this.load(from, size);
  }

  /** As `read`, without a side effect on devices. */
  peek(address: number, size: AccessSize): bigint {
    const from = this.source(address);
    if (from < 0) return this.devices?.peek(address, size) ?? BigInt.asUintN(size * 8, -1n);
    return this.load(from, size);
  }

  /** An access that lies within one page. Writes to ROM are ignored. */
  write(address: number, size: AccessSize, value: bigint): void {
    const page = Math.floor(address / 4096);
    if (this.watchedPages.size > 0) this.tell('write', address, size);
    if (address >= 2 ** 32 || this.memory.frameOf(page) & frame.device) {
      this.devices?.write(address, size, value);
      return;
    }
    const to = this.writable(page);
    if (to === 0) return;
    const at = to + (address & 0xfff);
    const { view } = this.memory;
    if (size === 1) view.setUint8(at, Number(value & 0xffn));
    else if (size === 2) view.setUint16(at, Number(value & 0xffffn), true);
    else if (size === 4) view.setUint32(at, Number(value & 0xffffffffn), true);
    else view.setBigUint64(at, BigInt.asUintN(64, value), true);
    if (this.memory.u32[CODE_LINES / 4 + page] !== 0) this.codeWritten?.(address, size);
  }

  /** 32-bit words of a page table entry: no BigInt on the page walker's way. */
  read32(address: number): number {
    const from = this.source(address);
    return from < 0 ? Number(this.devices?.read(address, 4) ?? 0xffffffffn) : this.memory.view.getUint32(from, true);
  }

  /** Any range of memory, as the debugger looks at it; devices are peeked byte by byte. */
  peekBytes(address: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    for (let done = 0; done < length; ) {
      const at = address + done;
      const run = Math.min(length - done, 4096 - (at % 4096));
      const from = this.source(at);
      if (from < 0) for (let i = 0; i < run; i++) bytes[done + i] = Number(this.peek(at + i, 1));
      else bytes.set(this.memory.u8.subarray(from, from + run), done);
      done += run;
    }
    return bytes;
  }

  /** Any range of memory, as a loader or the debugger writes it; ROM is written too, devices are not. */
  pokeBytes(address: number, bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length; ) {
      const at = address + done;
      const page = Math.floor(at / 4096);
      const run = Math.min(bytes.length - done, 4096 - (at % 4096));
      const entry = this.memory.frameOf(page);
      const to = entry & frame.rom ? (entry & ~0xfff) >>> 0 : this.writable(page);
      if (to !== 0 && at < 2 ** 32) {
        this.memory.u8.set(bytes.subarray(done, done + run), to + (at % 4096));
        if (this.memory.u32[CODE_LINES / 4 + page] !== 0) this.codeWritten?.(at, run);
      }
      done += run;
    }
  }

  private tell(kind: 'read' | 'write', address: number, size: number): void {
    if (this.watchedPages.has(Math.floor(address / 4096))) this.touched?.(kind, address, size);
  }

  /** Address in the linear memory, or -1 where there is no memory. */
  private source(address: number): number {
    if (address >= 2 ** 32) return -1;
    const entry = this.memory.frameOf(Math.floor(address / 4096));
    if (entry & frame.device) return -1;
    return ((entry & ~0xfff) >>> 0 || ZERO_FRAME) + (address & 0xfff);
  }

  private load(at: number, size: AccessSize): bigint {
    const { view } = this.memory;
    if (size === 1) return BigInt(view.getUint8(at));
    if (size === 2) return BigInt(view.getUint16(at, true));
    if (size === 4) return BigInt(view.getUint32(at, true));
    return view.getBigUint64(at, true);
  }
}
