/** The guest's memory as a debugger sees it: no accessed bits, no TLB fills, no side effects on devices. */

import type { PhysicalMemory } from '../machine/core/physical';
import type { Cpu } from '../machine/cpu/cpu';
import { peekTranslation } from '../machine/cpu/paging';
import type { LinearAddress } from '../x86/address';

const PAGE = 4096;

export interface MappedRun {
  /** Offset in what was asked for. */
  readonly offset: number;
  readonly physical: number;
  readonly length: number;
}

/** The pieces of a linear range that are mapped, in order, none crossing a page. */
export const mappedRuns = (cpu: Cpu, address: LinearAddress, length: number): MappedRun[] => {
  const runs: MappedRun[] = [];
  for (let offset = 0; offset < length; ) {
    const at = BigInt.asUintN(64, address + BigInt(offset));
    const size = Math.min(length - offset, PAGE - Number(at & 0xfffn));
    const physical = peekTranslation(cpu, at);
    if (physical !== undefined) runs.push({ offset, physical, length: size });
    offset += size;
  }
  return runs;
};

/** Bytes from an address up to the first that is not mapped. */
export const peekLinear = (cpu: Cpu, address: LinearAddress, length: number): Uint8Array => {
  const bytes = new Uint8Array(length);
  let end = 0;
  for (const run of mappedRuns(cpu, address, length)) {
    if (run.offset !== end) break;
    bytes.set(cpu.physical.peekBytes(run.physical, run.length), run.offset);
    end = run.offset + run.length;
  }
  return bytes.subarray(0, end);
};

/** A little-endian value, or undefined where a byte of it is not mapped. */
export const peekValue = (cpu: Cpu, address: LinearAddress, size: number): bigint | undefined => {
  const bytes = peekLinear(cpu, address, size);
  return bytes.length < size ? undefined : littleEndian(bytes);
};

/** A little-endian value of physical memory; devices are peeked. */
export const peekPhysical = (physical: PhysicalMemory, address: number, size: number): bigint =>
  littleEndian(physical.peekBytes(address, size));

const littleEndian = (bytes: Uint8Array): bigint => bytes.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n);

export const bytesOf = (value: bigint, size: number): Uint8Array =>
  Uint8Array.from({ length: size }, (_, i) => Number((value >> BigInt(i * 8)) & 0xffn));
