/**
 * Stacks as far transfers use them: several values pushed or popped together, with the limits of SS outside 64-bit
 * mode and canonical addresses in it, and the stack pointer written only when all of it succeeded.
 * Intel SDM vol. 1, "Procedure Stack"; vol. 3, "Stack Fault Exception (#SS)".
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
  /** Makes sure that this many values of this size can be pushed. @throws Fault #SS, #PF */
  reserve(count: number, size: OperandSize): void;
  /** After `reserve`. */
  push(value: bigint, size: OperandSize): void;
  /** @throws Fault #SS, #PF */
  pop(size: OperandSize): bigint;
  /** Drops parameters. */
  release(bytes: number): void;
  /** Writes the stack pointer. */
  commit(): void;
}

/** A stack in a segment: offsets wrap at 64 KiB or 4 GiB by the B flag and stay within the segment's limit. */
export class SegmentStack implements Stack {
  private readonly low: number;
  private readonly high: number;
  private readonly big: boolean;

  constructor(
    private readonly cpu: Cpu,
    private readonly base: number,
    limit: number,
    rights: number,
    private pointer: number,
    /** Error code of #SS: 0 or the selector of a stack that is being switched to, with EXT. */
    private readonly code: number,
    private readonly privilege: Privilege,
  ) {
    this.big = (rights & access.big) !== 0;
    const down = (rights & access.expandDown) !== 0;
    const usable = (rights & access.unusable) === 0;
    this.low = down ? limit + 1 : 0;
    this.high = !usable ? -1 : !down ? limit : this.big ? 0xffff_ffff : 0xffff;
  }

  private offset(pointer: number): number {
    return this.big ? pointer >>> 0 : pointer & 0xffff;
  }

  private address(offset: number, size: number): bigint {
    if (offset < this.low || offset + size - 1 > this.high)
      refuse(exception.SS, 'stack.beyond-limit', this.code, {
        linear: BigInt((this.base + offset) >>> 0),
        value: BigInt(offset),
      });
    return BigInt((this.base + offset) >>> 0);
  }

  reserve(count: number, size: OperandSize): void {
    const { cpu, privilege } = this;
    const top = this.offset(this.pointer);
    if (count * size <= top) {
      cpu.linear.probe(this.address(top - count * size, count * size), count * size, privilege);
      return;
    }
    for (let pushed = 1; pushed <= count; pushed++)
      cpu.linear.probe(this.address(this.offset(this.pointer - pushed * size), size), size, privilege);
  }

  push(value: bigint, size: OperandSize): void {
    this.pointer -= size;
    const address = BigInt((this.base + this.offset(this.pointer)) >>> 0);
    this.cpu.linear.write(address, size, BigInt.asUintN(size * 8, value), this.privilege);
  }

  pop(size: OperandSize): bigint {
    const value = this.cpu.linear.read(this.address(this.offset(this.pointer), size), size, this.privilege);
    this.pointer += size;
    return value;
  }

  release(bytes: number): void {
    this.pointer += bytes;
  }

  commit(): void {
    const { state } = this.cpu;
    if (this.big) state.rsp = BigInt(this.pointer >>> 0);
    else state.rsp = (state.rsp & ~0xffffn) | BigInt(this.pointer & 0xffff);
  }
}

/** The stack of 64-bit mode: no base and no limit, addresses must be canonical. */
export class FlatStack implements Stack {
  constructor(
    private readonly cpu: Cpu,
    private pointer: bigint,
    private readonly code: number,
    private readonly privilege: Privilege,
  ) {}

  reserve(count: number, size: OperandSize): void {
    const bytes = count * size;
    const lowest = BigInt.asUintN(64, this.pointer - BigInt(bytes));
    this.check(BigInt.asUintN(64, this.pointer - 1n));
    this.check(lowest);
    this.cpu.linear.probe(lowest, bytes, this.privilege);
  }

  push(value: bigint, size: OperandSize): void {
    this.pointer = BigInt.asUintN(64, this.pointer - BigInt(size));
    this.cpu.linear.write(this.pointer, size, value, this.privilege);
  }

  pop(size: OperandSize): bigint {
    this.check(this.pointer);
    this.check(BigInt.asUintN(64, this.pointer + BigInt(size - 1)));
    const value = this.cpu.linear.read(this.pointer, size, this.privilege);
    this.pointer = BigInt.asUintN(64, this.pointer + BigInt(size));
    return value;
  }

  release(bytes: number): void {
    this.pointer = BigInt.asUintN(64, this.pointer + BigInt(bytes));
  }

  commit(): void {
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
