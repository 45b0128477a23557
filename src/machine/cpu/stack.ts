/**
 * Stacks as far transfers use them: several values pushed or popped together, with the limits of SS outside 64-bit
 * mode and canonical addresses in it, and the stack pointer written only when all of it succeeded.
 * Intel SDM vol. 1, "Procedure Stack"; vol. 3, "Stack Fault Exception (#SS)".
 *
 * Values that lie in one page of plain memory go through a window on it; the others by single accesses, which may fault.
 */

import { access } from '../../x86/descriptors';
import { exception } from '../../x86/exceptions';
import { state as layout } from '../core/layout';
import { SS } from '../core/state';
import type { Cpu, Privilege } from './cpu';
import { isCanonical, LONG, type Mode } from './mode';
import { refuse } from './refusal';

export type OperandSize = 2 | 4 | 8;

export interface Stack {
  /** Makes sure that this many values of this size can be pushed; all of them then are. @throws Fault #SS, #PF */
  reserve(count: number, size: OperandSize): void;
  /** After `reserve`; a value of up to 32 bits, zero-extended. */
  push(value: number, size: OperandSize): void;
  pushAddress(value: bigint, size: OperandSize): void;
  /** This many values of this size are likely to be popped: says nothing about whether they can. */
  expect(count: number, size: OperandSize): void;
  /** The low 32 bits. @throws Fault #SS, #PF */
  pop(size: OperandSize): number;
  /** @throws Fault #SS, #PF */
  popAddress(size: OperandSize): bigint;
  /** Drops parameters. */
  release(bytes: number): void;
  /** Writes the stack pointer. */
  commit(): void;
}

/** What both kinds do with their window. */
abstract class WindowedStack implements Stack {
  /** Offset in the core's memory of the next byte to pop, or behind the next value to push; -1 without a window. */
  protected host = -1;
  /** Bytes that may still be popped through the window. */
  protected left = 0;

  constructor(
    protected readonly cpu: Cpu,
    /** Error code of #SS: 0 or the selector of a stack that is being switched to, with EXT. */
    protected readonly code: number,
    protected readonly privilege: Privilege,
  ) {}

  abstract reserve(count: number, size: OperandSize): void;
  abstract expect(count: number, size: OperandSize): void;
  abstract commit(): void;
  protected abstract skip(bytes: number): void;
  protected abstract pushSlowly(value: bigint, size: OperandSize): void;
  protected abstract popSlowly(size: OperandSize): bigint;

  push(value: number, size: OperandSize): void {
    if (this.host < 0) {
      this.pushSlowly(BigInt(size === 2 ? value & 0xffff : value), size);
      return;
    }
    this.host -= size;
    const { view } = this.cpu.state.memory;
    if (size === 2) view.setUint16(this.host, value, true);
    else {
      view.setUint32(this.host, value, true);
      if (size === 8) view.setUint32(this.host + 4, 0, true);
    }
  }

  pushAddress(value: bigint, size: OperandSize): void {
    if (this.host < 0) {
      this.pushSlowly(BigInt.asUintN(size * 8, value), size);
      return;
    }
    this.host -= size;
    const { view } = this.cpu.state.memory;
    if (size === 8) view.setBigUint64(this.host, value, true);
    else if (size === 4) view.setUint32(this.host, Number(BigInt.asUintN(32, value)), true);
    else view.setUint16(this.host, Number(BigInt.asUintN(16, value)), true);
  }

  pop(size: OperandSize): number {
    if (this.left < size) return Number(BigInt.asUintN(32, this.popSlowly(size)));
    const { view } = this.cpu.state.memory;
    const value = size === 2 ? view.getUint16(this.host, true) : view.getUint32(this.host, true);
    this.advance(size);
    return value;
  }

  popAddress(size: OperandSize): bigint {
    if (size !== 8) return BigInt(this.pop(size));
    if (this.left < size) return this.popSlowly(size);
    const value = this.cpu.state.memory.view.getBigUint64(this.host, true);
    this.advance(size);
    return value;
  }

  private advance(size: number): void {
    this.host += size;
    this.left -= size;
    this.skip(size);
  }

  release(bytes: number): void {
    this.left = 0;
    this.skip(bytes);
  }
}

/** A stack in a segment: offsets wrap at 64 KiB or 4 GiB by the B flag and stay within the segment's limit. */
export class SegmentStack extends WindowedStack {
  private readonly low: number;
  private readonly high: number;
  private readonly big: boolean;

  constructor(
    cpu: Cpu,
    private readonly base: number,
    limit: number,
    rights: number,
    private pointer: number,
    code: number,
    privilege: Privilege,
  ) {
    super(cpu, code, privilege);
    this.big = (rights & access.big) !== 0;
    const down = (rights & access.expandDown) !== 0;
    const usable = (rights & access.unusable) === 0;
    this.low = down ? limit + 1 : 0;
    this.high = !usable ? -1 : !down ? limit : this.big ? 0xffff_ffff : 0xffff;
  }

  private offset(pointer: number): number {
    return this.big ? pointer >>> 0 : pointer & 0xffff;
  }

  /** Linear address of values within the limits. @throws Fault #SS */
  private address(offset: number, size: number): number {
    if (offset < this.low || offset + size - 1 > this.high)
      refuse(exception.SS, 'stack.beyond-limit', this.code, {
        linear: BigInt((this.base + offset) >>> 0),
        value: BigInt(offset),
      });
    return (this.base + offset) >>> 0;
  }

  reserve(count: number, size: OperandSize): void {
    const { cpu, privilege } = this;
    const bytes = count * size;
    const top = this.offset(this.pointer);
    if (bytes <= top) {
      const lowest = this.address(top - bytes, bytes);
      const at = cpu.linear.window(lowest, 0, bytes, true, privilege);
      if (at >= 0) {
        this.host = at + bytes;
        this.pointer -= bytes;
      } else cpu.linear.probe(BigInt(lowest), bytes, privilege);
      return;
    }
    for (let pushed = 1; pushed <= count; pushed++)
      cpu.linear.probe(BigInt(this.address(this.offset(this.pointer - pushed * size), size)), size, privilege);
  }

  protected pushSlowly(value: bigint, size: OperandSize): void {
    this.pointer -= size;
    const address = (this.base + this.offset(this.pointer)) >>> 0;
    this.cpu.linear.write(BigInt(address), size, value, this.privilege);
  }

  expect(count: number, size: OperandSize): void {
    const bytes = count * size;
    const offset = this.offset(this.pointer);
    if (offset < this.low || offset + bytes - 1 > this.high) return;
    this.host = this.cpu.linear.window((this.base + offset) >>> 0, 0, bytes, false, this.privilege);
    if (this.host >= 0) this.left = bytes;
  }

  protected popSlowly(size: OperandSize): bigint {
    const address = this.address(this.offset(this.pointer), size);
    const value = this.cpu.linear.read(BigInt(address), size, this.privilege);
    this.pointer += size;
    return value;
  }

  protected skip(bytes: number): void {
    this.pointer += bytes;
  }

  commit(): void {
    const { state } = this.cpu;
    if (this.big) {
      state.setU32(RSP, this.pointer);
      state.setU32(RSP + 4, 0);
    } else state.setU32(RSP, (state.getU32(RSP) & 0xffff_0000) | (this.pointer & 0xffff));
  }
}

const RSP = layout.gpr + 4 * 8;

const quad = new BigUint64Array(1);
const words = new Uint32Array(quad.buffer);

/** The stack of 64-bit mode: no base and no limit, addresses must be canonical. */
export class FlatStack extends WindowedStack {
  /** Bytes popped but not yet counted in `pointer`: adding them once is cheaper. */
  private skipped = 0;

  constructor(
    cpu: Cpu,
    private pointer: bigint,
    code: number,
    privilege: Privilege,
  ) {
    super(cpu, code, privilege);
  }

  private window(bottom: bigint, bytes: number, write: boolean): number {
    quad[0] = bottom;
    return this.cpu.linear.window(words[0] as number, words[1] as number, bytes, write, this.privilege);
  }

  reserve(count: number, size: OperandSize): void {
    const bytes = count * size;
    const lowest = BigInt.asUintN(64, this.pointer - BigInt(bytes));
    this.check(BigInt.asUintN(64, this.pointer - 1n));
    this.check(lowest);
    const at = this.window(lowest, bytes, true);
    if (at >= 0) {
      this.host = at + bytes;
      this.pointer = lowest;
    } else this.cpu.linear.probe(lowest, bytes, this.privilege);
  }

  protected pushSlowly(value: bigint, size: OperandSize): void {
    this.pointer = BigInt.asUintN(64, this.pointer - BigInt(size));
    this.cpu.linear.write(this.pointer, size, value, this.privilege);
  }

  expect(count: number, size: OperandSize): void {
    if (!isCanonical(this.pointer)) return;
    const bytes = count * size;
    this.host = this.window(this.pointer, bytes, false);
    if (this.host >= 0) this.left = bytes;
  }

  protected popSlowly(size: OperandSize): bigint {
    this.settle();
    this.check(this.pointer);
    this.check(BigInt.asUintN(64, this.pointer + BigInt(size - 1)));
    const value = this.cpu.linear.read(this.pointer, size, this.privilege);
    this.pointer = BigInt.asUintN(64, this.pointer + BigInt(size));
    return value;
  }

  protected skip(bytes: number): void {
    this.skipped += bytes;
  }

  private settle(): void {
    if (this.skipped === 0) return;
    this.pointer = BigInt.asUintN(64, this.pointer + BigInt(this.skipped));
    this.skipped = 0;
  }

  commit(): void {
    this.settle();
    this.cpu.state.rsp = this.pointer;
  }

  private check(address: bigint): void {
    if (!isCanonical(address)) refuse(exception.SS, 'stack.noncanonical', this.code, { linear: address });
  }
}

/** The stack in use. `external` is the EXT bit of an event's error code. */
export const currentStack = (cpu: Cpu, mode: Mode, external: number): Stack => {
  const { state } = cpu;
  if (mode === LONG) return new FlatStack(cpu, state.rsp, external, 'current');
  return new SegmentStack(
    cpu,
    state.getU32(layout.segmentBase + SS * 8),
    state.getU32(layout.segmentLimit + SS * 4),
    state.getU32(layout.segmentAccess + SS * 4),
    state.gpr32(4),
    external,
    'current',
  );
};
