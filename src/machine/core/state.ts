/** The architectural state of one vCPU as TypeScript sees it: named accessors over the layout. */

import { type CpuFlag, flagBits } from '../../x86/registers';
import { state, vcpuBase } from './layout';
import type { CoreMemory } from './memory';

/** Indices of the segment registers in the layout; the first six are the encodings of Sreg operands. */
export const ES = 0;
export const CS = 1;
export const SS = 2;
export const DS = 3;
export const FS = 4;
export const GS = 5;
export const LDTR = 6;
export const TR = 7;
export type SegmentIndex = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7;

/** A segment register: the visible selector and the hidden descriptor cache. */
export interface Segment {
  selector: number;
  base: bigint;
  /** In bytes, granularity applied. */
  limit: number;
  /** Access rights in the VMCS's format: type 0-3, S 4, DPL 5-6, P 7, AVL 12, L 13, D/B 14, G 15, unusable 16. */
  access: number;
}

export const UNUSABLE = 1 << 16;

/** EFLAGS bits that live in the lazy pair instead of the flags word. */
const ARITHMETIC = 0x8d5;

export class CpuState {
  readonly base: number;
  /** A segment register was written: the decoding mode may have changed. */
  segmentsChanged = false;
  /** The instruction just executed by TypeScript was a REP iteration that is not the last. */
  repeating = false;

  constructor(
    readonly memory: CoreMemory,
    readonly index: number,
    /** Elsewhere for a copy. */
    base = vcpuBase(index),
  ) {
    this.base = base;
  }

  getU64(offset: number): bigint {
    return this.memory.u64[(this.base + offset) >>> 3] as bigint;
  }
  setU64(offset: number, value: bigint): void {
    this.memory.u64[(this.base + offset) >>> 3] = value;
  }
  /** The same by halves, where making a BigInt would be most of the work. */
  setHalves(offset: number, low: number, high: number): void {
    const { u32 } = this.memory;
    const word = (this.base + offset) >>> 2;
    u32[word] = low;
    u32[word + 1] = high;
  }
  getF64(offset: number): number {
    return this.memory.f64[(this.base + offset) >>> 3] as number;
  }
  setF64(offset: number, value: number): void {
    this.memory.f64[(this.base + offset) >>> 3] = value;
  }
  getU32(offset: number): number {
    return this.memory.u32[(this.base + offset) >>> 2] as number;
  }
  setU32(offset: number, value: number): void {
    this.memory.u32[(this.base + offset) >>> 2] = value;
  }
  getI32(offset: number): number {
    return this.memory.i32[(this.base + offset) >>> 2] as number;
  }

  /** General register by number: 0 RAX, 1 RCX, 2 RDX, 3 RBX, 4 RSP, 5 RBP, 6 RSI, 7 RDI, 8-15. */
  gpr(register: number): bigint {
    return this.getU64(state.gpr + register * 8);
  }
  setGpr(register: number, value: bigint): void {
    this.setU64(state.gpr + register * 8, value);
  }
  gpr32(register: number): number {
    return this.getU32(state.gpr + register * 8);
  }

  get rip(): bigint {
    return this.getU64(state.rip);
  }
  set rip(value: bigint) {
    this.setU64(state.rip, value);
  }
  get rsp(): bigint {
    return this.gpr(4);
  }
  set rsp(value: bigint) {
    this.setGpr(4, value);
  }

  get cpl(): number {
    return this.getU32(state.cpl);
  }
  set cpl(value: number) {
    this.setU32(state.cpl, value);
  }

  get cr0(): bigint {
    return this.getU64(state.cr0);
  }
  set cr0(value: bigint) {
    this.setU64(state.cr0, value);
  }
  get cr2(): bigint {
    return this.getU64(state.cr2);
  }
  set cr2(value: bigint) {
    this.setU64(state.cr2, value);
  }
  get cr3(): bigint {
    return this.getU64(state.cr3);
  }
  set cr3(value: bigint) {
    this.setU64(state.cr3, value);
  }
  get cr4(): bigint {
    return this.getU64(state.cr4);
  }
  set cr4(value: bigint) {
    this.setU64(state.cr4, value);
  }
  get efer(): bigint {
    return this.getU64(state.efer);
  }
  set efer(value: bigint) {
    this.setU64(state.efer, value);
  }
  /** Debug register 0-7; 4 and 5 are not used. */
  dr(register: number): bigint {
    return this.getU64(state.dr + register * 8);
  }
  setDr(register: number, value: bigint): void {
    this.setU64(state.dr + register * 8, value);
  }

  get gdtr(): { base: bigint; limit: number } {
    return { base: this.getU64(state.gdtrBase), limit: this.getU32(state.gdtrLimit) };
  }
  set gdtr(table: { base: bigint; limit: number }) {
    this.setU64(state.gdtrBase, table.base);
    this.setU32(state.gdtrLimit, table.limit);
  }
  get idtr(): { base: bigint; limit: number } {
    return { base: this.getU64(state.idtrBase), limit: this.getU32(state.idtrLimit) };
  }
  set idtr(table: { base: bigint; limit: number }) {
    this.setU64(state.idtrBase, table.base);
    this.setU32(state.idtrLimit, table.limit);
  }

  segment(index: SegmentIndex): Segment {
    return {
      selector: this.selector(index),
      base: this.segmentBase(index),
      limit: this.getU32(state.segmentLimit + index * 4),
      access: this.getU32(state.segmentAccess + index * 4),
    };
  }
  /** Writes the register without any check; whoever changes CS, SS or a mode calls `modeChanged` afterwards. */
  setSegment(index: SegmentIndex, segment: Segment): void {
    this.setHidden(index, segment.selector, 0, segment.limit, segment.access);
    this.setU64(state.segmentBase + index * 8, segment.base);
  }
  /** The same for a base below 4 GiB, without an object. */
  setHidden(index: SegmentIndex, selector: number, base: number, limit: number, access: number): void {
    this.setU32(state.segmentSelector + index * 4, selector);
    this.setU32(state.segmentBase + index * 8, base);
    this.setU32(state.segmentBase + index * 8 + 4, 0);
    this.setU32(state.segmentLimit + index * 4, limit);
    this.setU32(state.segmentAccess + index * 4, access);
    this.segmentsChanged = true;
    if (index <= GS) this.deriveLimits(index, limit, access);
  }
  /** Lowest and highest offsets that may be read and written outside 64-bit mode, for all segments, from their hidden parts. */
  deriveAllLimits(): void {
    for (let index = ES; index <= GS; index++)
      this.deriveLimits(
        index,
        this.getU32(state.segmentLimit + index * 4),
        this.getU32(state.segmentAccess + index * 4),
      );
  }
  private deriveLimits(index: number, limit: number, access: number): void {
    const code = (access & 8) !== 0;
    const expandDown = !code && (access & 4) !== 0;
    const protectedMode = (this.getU32(state.cr0) & 1) !== 0 && !(this.getU32(state.flags) & (1 << 17));
    const low = expandDown ? limit + 1 : 0;
    const high = expandDown ? (access & (1 << 14) ? 0xffffffff : 0xffff) : limit;
    const usable = !(access & UNUSABLE) && low <= high;
    const readable = usable && (!protectedMode || !code || (access & 2) !== 0);
    const writable = usable && (!protectedMode || (!code && (access & 2) !== 0));
    this.setU32(state.readLow + index * 4, readable ? low : 1);
    this.setU32(state.readHigh + index * 4, readable ? high : 0);
    this.setU32(state.writeLow + index * 4, writable ? low : 1);
    this.setU32(state.writeHigh + index * 4, writable ? high : 0);
  }
  selector(index: SegmentIndex): number {
    return this.getU32(state.segmentSelector + index * 4);
  }
  segmentBase(index: SegmentIndex): bigint {
    return this.getU64(state.segmentBase + index * 8);
  }
  segmentLimit(index: SegmentIndex): number {
    return this.getU32(state.segmentLimit + index * 4);
  }
  segmentAccess(index: SegmentIndex): number {
    return this.getU32(state.segmentAccess + index * 4);
  }

  /** EFLAGS with the lazy flags worked out; bit 1 is always 1. */
  get rflags(): number {
    const low = this.memory.i32[(this.base + state.result) >>> 2] as number;
    const high = this.memory.i32[(this.base + state.result + 4) >>> 2] as number;
    const aux = this.memory.i32[(this.base + state.aux) >>> 2] as number;
    const auxHigh = this.memory.i32[(this.base + state.aux + 4) >>> 2] as number;
    let parity = low ^ (low >> 4);
    parity ^= parity >> 2;
    parity ^= parity >> 1;
    const cf = auxHigh >>> 31;
    return (
      (this.getU32(state.flags) & ~ARITHMETIC) |
      2 |
      cf |
      (((parity & 1) ^ 1 ^ ((aux >> 1) & 1)) << 2) |
      (((aux >> 3) & 1) << 4) |
      ((low | high) === 0 ? 0x40 : 0) |
      (((high >>> 31) ^ (aux & 1)) << 7) |
      ((cf ^ ((auxHigh >>> 30) & 1)) << 11)
    );
  }
  set rflags(value: number) {
    this.setU32(state.flags, (value & ~ARITHMETIC) | 2);
    const zf = (value >> 6) & 1;
    const sf = (value >> 7) & 1;
    const pf = (value >> 2) & 1;
    const cf = value & 1;
    const of = (value >> 11) & 1;
    // With ZF the result must be 0, whose SF is 0 and PF is 1: the inverting bits make up for other combinations.
    const word = this.base >>> 2;
    const { i32 } = this.memory;
    i32[word + (state.result >>> 2)] = zf ? 0 : 1 | (pf << 1);
    i32[word + (state.result >>> 2) + 1] = !zf && sf ? -0x80000000 : 0;
    i32[word + (state.aux >>> 2)] = (((value >> 4) & 1) << 3) | (zf ? sf | ((pf ^ 1) << 1) : 0);
    i32[word + (state.aux >>> 2) + 1] = (cf << 31) | ((cf ^ of) << 30);
  }
  /** Clears flags other than the arithmetic ones. */
  clearFlags(mask: number): void {
    this.setU32(state.flags, this.getU32(state.flags) & ~mask);
  }
  flag(name: CpuFlag): boolean {
    return (this.rflags & flagBits[name]) !== 0;
  }
}
