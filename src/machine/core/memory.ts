/**
 * The linear memory shared by the core and TypeScript, and the only place that keeps views on it: growing the memory
 * detaches them, so everything else asks here each time.
 */

import { FRAMES, frame, POOL, ZERO_FRAME } from './layout';

const WASM_PAGE = 65536;
const FRAME = 4096;
/** Frames are added in lots: 4 MiB at first, then an eighth of what there is. */
const GROWTH = (4 * 1024 * 1024) / WASM_PAGE;

export class CoreMemory {
  readonly wasm = new WebAssembly.Memory({ initial: POOL / WASM_PAGE + GROWTH, maximum: 65536 });
  u8!: Uint8Array;
  u16!: Uint16Array;
  u32!: Uint32Array;
  i32!: Int32Array;
  u64!: BigUint64Array;
  f64!: Float64Array;
  view!: DataView;
  /** First address of the pool that is not a frame yet. */
  private free: number;
  private readonly returned: number[] = [];

  /** @param unused bytes at the start of the pool to leave alone: tests run above 2 GiB */
  constructor(unused = 0) {
    this.free = POOL + unused;
    if (unused > 0) this.wasm.grow(unused / WASM_PAGE);
    this.look();
  }

  private look(): void {
    const buffer = this.wasm.buffer;
    this.u8 = new Uint8Array(buffer);
    this.u16 = new Uint16Array(buffer);
    this.u32 = new Uint32Array(buffer);
    this.i32 = new Int32Array(buffer);
    this.u64 = new BigUint64Array(buffer);
    this.f64 = new Float64Array(buffer);
    this.view = new DataView(buffer);
  }

  /** Address of a fresh frame of zeros. */
  newFrame(): number {
    const used = this.returned.pop();
    if (used !== undefined) {
      this.u8.fill(0, used, used + FRAME);
      return used;
    }
    if (this.free + FRAME > this.u8.length) {
      const pages = Math.min(Math.max(GROWTH, this.u8.length / WASM_PAGE / 8), 65536 - this.u8.length / WASM_PAGE);
      this.wasm.grow(Math.floor(pages));
      this.look();
    }
    const address = this.free;
    this.free += FRAME;
    return address;
  }

  /** Gives a frame back to the pool. */
  freeFrame(address: number): void {
    this.returned.push(address);
  }

  /** Frame table entry of a physical page below 4 GiB. */
  frameOf(page: number): number {
    return this.u32[FRAMES / 4 + page] ?? 0;
  }

  setFrame(page: number, entry: number): void {
    this.u32[FRAMES / 4 + page] = entry;
  }

  /** Where a physical page of memory can be read: its frame, or the frame of zeros; 0 when it is not memory. */
  readable(page: number): number {
    const entry = this.frameOf(page);
    return entry & frame.device ? 0 : (entry & ~0xfff) >>> 0 || ZERO_FRAME;
  }
}
