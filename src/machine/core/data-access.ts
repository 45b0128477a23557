/**
 * What the core calls when its fast table has no answer: translate, look for watched bytes, reach memory or a device,
 * and fill the fast table if nothing speaks against it. An access that crosses a page is made in two parts.
 */

import type { FastTables } from './fast-tables';
import type { Fault } from './fault';
import { access, CODE_LINES, fast, frame, state } from './layout';
import type { AccessSize, PhysicalMemory } from './physical';
import { type CpuState, CS } from './state';

/** The part of the privileged architecture that turns linear addresses into physical ones. */
export interface Translation {
  /** Physical address, or -1 with the refusal in `fault`. Judges one byte. */
  translate(low: number, high: number, kind: 0 | 1 | 2 | 3, who: 0 | 1 | 2): number;
  /** What the TLB holds for a supervisor's access of this kind, without a walk or a fill; -1: nothing, or not allowed. */
  cached(low: number, high: number, kind: 0 | 1): number;
  /** May the fast table answer for the page just translated? */
  mayDerive(kind: 0 | 1 | 2 | 3): boolean;
  readonly fault: Fault | undefined;
  /** The same in numbers, for a delivery that needs no more. */
  readonly faultVector: number;
  readonly faultCode: number;
  readonly faultLow: number;
  readonly faultHigh: number;
}

/** Bytes of linear memory whose use is to be noticed. */
export interface Watch {
  readonly address: bigint;
  readonly size: number;
  readonly read: boolean;
  readonly write: boolean;
  /** Tells that the instruction at hand touched them; it is completed first. */
  hit(kind: 'read' | 'write', address: bigint, size: number): void;
}

const SUPERVISOR = 0;
const USER = 1;

export class DataAccess {
  watches: readonly Watch[] = [];
  /** CR0.AM, EFLAGS.AC and ring 3: alignment is checked at every access. */
  alignmentChecked = false;
  private alignment: Fault | undefined;

  constructor(
    private readonly cpu: CpuState,
    private readonly physical: PhysicalMemory,
    private readonly tables: FastTables,
    private readonly translation: Translation,
    private readonly misaligned: (low: number, high: number) => Fault,
  ) {}

  /** Makes the access described in the state; 1 when it is refused. */
  readonly call = (): number => {
    const { cpu } = this;
    const low = cpu.getI32(state.accessAddress);
    const high = cpu.getI32(state.accessAddress + 4);
    const size = cpu.getU32(state.accessSize) as AccessSize;
    const kind = cpu.getU32(state.accessKind) as 0 | 1 | 2;
    if (this.alignmentChecked && low & (size - 1)) {
      this.alignment = this.misaligned(low, high);
      return 1;
    }
    this.alignment = undefined;
    const here = 4096 - (low & 0xfff);
    const done = here >= size ? this.within(low, high, size, kind) : this.across(low, high, size, kind, here);
    if (done && this.isWatching && kind !== access.probe)
      this.touched((BigInt(high >>> 0) << 32n) | BigInt(low >>> 0), size, kind === access.read ? 'read' : 'write');
    return done ? 0 : 1;
  };

  /** The refusal behind the last result 1. */
  get fault(): Fault {
    return this.alignment ?? (this.translation.fault as Fault);
  }
  /** Was it the translation's? */
  get refusedByTranslation(): boolean {
    return this.alignment === undefined;
  }

  private translate(low: number, high: number, kind: 0 | 1 | 2): number {
    return this.translation.translate(low, high, kind, this.cpu.cpl === 3 ? USER : SUPERVISOR);
  }

  private within(low: number, high: number, size: AccessSize, kind: 0 | 1 | 2): boolean {
    const physical = this.translate(low, high, kind);
    if (physical < 0) return false;
    const page = Math.floor(physical / 4096);
    const { memory } = this.physical;
    if (physical >= 2 ** 32 || memory.frameOf(page) & frame.device) {
      this.device(physical, size, kind);
      return true;
    }
    if (kind === access.read) {
      const host = memory.readable(page);
      this.cpu.setU64(state.accessValue, this.physical.read(physical, size));
      if (this.mayFill(page, low, high, kind)) {
        if (memory.frameOf(page) < 4096) this.tables.noteZero(page);
        this.tables.fill(fast.read, low, high, host, page, false);
      }
      return true;
    }
    if (kind === access.write) this.physical.write(physical, size, this.cpu.getU64(state.accessValue));
    const host = this.physical.writable(page);
    if (host !== 0 && this.mayFill(page, low, high, kind))
      this.tables.fill(fast.write, low, high, host, page, memory.u32[CODE_LINES / 4 + page] !== 0);
    return true;
  }

  private mayFill(page: number, low: number, high: number, kind: 0 | 1 | 2): boolean {
    if (this.alignmentChecked || this.physical.memory.frameOf(page) & frame.watched) return false;
    return !this.watched(low, high) && this.translation.mayDerive(kind);
  }

  /** Puts a page that the TLB knows into the supervisor's fast table, if nothing speaks against it. */
  prime(linear: bigint, kind: 0 | 1): void {
    const low = Number(BigInt.asIntN(32, linear));
    const high = Number(BigInt.asIntN(32, linear >> 32n));
    const physical = this.translation.cached(low, high, kind);
    const page = Math.floor(physical / 4096);
    const { memory } = this.physical;
    if (physical < 0 || physical >= 2 ** 32 || memory.frameOf(page) & (frame.device | frame.watched)) return;
    if (this.alignmentChecked || this.watched(low, high)) return;
    const write = kind === access.write;
    const host = write ? this.physical.writable(page) : memory.readable(page);
    if (host === 0) return;
    if (!write && memory.frameOf(page) < 4096) this.tables.noteZero(page);
    const code = write && memory.u32[CODE_LINES / 4 + page] !== 0;
    this.tables.fillSupervisor(write ? fast.write : fast.read, low, high, host, page, code);
  }

  /** Eight bytes that a supervisor would read at a linear address, if the TLB knows where they are. */
  peek(linear: bigint): bigint | undefined {
    const physical = this.translation.cached(
      Number(BigInt.asIntN(32, linear)),
      Number(BigInt.asIntN(32, linear >> 32n)),
      access.read,
    );
    return physical < 0 || (physical & 0xfff) > 4088 ? undefined : this.physical.peek(physical, 8);
  }

  /** Does the page of this linear address hold watched bytes? */
  private watched(low: number, high: number): boolean {
    if (this.watches.length === 0) return false;
    const from = (BigInt(high >>> 0) << 32n) | BigInt((low & ~0xfff) >>> 0);
    return this.watches.some((watch) => watch.address < from + 4096n && watch.address + BigInt(watch.size) > from);
  }

  get isWatching(): boolean {
    return this.watches.length > 0;
  }
  /** Tells whoever watches these bytes. */
  touched(address: bigint, size: number, kind: 'read' | 'write'): void {
    for (const watch of this.watches)
      if (watch[kind] && watch.address < address + BigInt(size) && watch.address + BigInt(watch.size) > address)
        watch.hit(kind, address, size);
  }

  private device(physical: number, size: AccessSize, kind: 0 | 1 | 2): void {
    if (kind === access.read) this.cpu.setU64(state.accessValue, this.physical.read(physical, size));
    else if (kind === access.write) this.physical.write(physical, size, this.cpu.getU64(state.accessValue));
  }

  /** 64-bit mode: elsewhere linear addresses wrap at 4 GiB. */
  private long(): boolean {
    return (this.cpu.getU32(state.efer) & (1 << 10)) !== 0 && (this.cpu.segmentAccess(CS) & (1 << 13)) !== 0;
  }

  /** Both pages are judged before the first byte is moved. */
  private across(low: number, high: number, size: number, kind: 0 | 1 | 2, here: number): boolean {
    const nextLow = (low + here) | 0;
    const nextHigh = nextLow === 0 && this.long() ? (high + 1) | 0 : high;
    // Whether all of the operand is canonical is judged before any page.
    if (nextLow === 0 && nextHigh === 0x8000 && this.translate(nextLow, nextHigh, kind) < 0) return false;
    const first = this.translate(low, high, kind);
    if (first < 0) return false;
    const second = this.translate(nextLow, nextHigh, kind);
    if (second < 0) return false;
    if (kind === access.probe) return true;
    let value = kind === access.write ? this.cpu.getU64(state.accessValue) : 0n;
    for (let n = 0; n < size; n++) {
      const at = n < here ? first + n : second + n - here;
      const shift = BigInt(n * 8);
      if (kind === access.write) this.physical.write(at, 1, (value >> shift) & 0xffn);
      else value |= this.physical.read(at, 1) << shift;
    }
    if (kind === access.read) this.cpu.setU64(state.accessValue, value);
    return true;
  }
}
