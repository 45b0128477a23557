/** The guest's memory as a debugger sees it: no accessed bits, no TLB fills, no side effects on devices. */

import type { PhysicalMemory } from '../machine/core/physical';
import type { Cpu } from '../machine/cpu/cpu';
import { peekTranslation } from '../machine/cpu/look';
import { type LinearAddress, linear } from '../x86/address';
import type { Space } from './address';

const PAGE = 4096;
/** Physical addresses end here. */
const PHYSICAL_END = 1n << 52n;

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
  // Mostly it is a few bytes of one page.
  if (Number(address & 0xfffn) + length <= PAGE) {
    const physical = peekTranslation(cpu, address);
    return physical === undefined ? new Uint8Array() : cpu.physical.peekBytes(physical, length);
  }
  const bytes = new Uint8Array(length);
  let end = 0;
  for (const run of mappedRuns(cpu, address, length)) {
    if (run.offset !== end) break;
    bytes.set(cpu.physical.peekBytes(run.physical, run.length), run.offset);
    end = run.offset + run.length;
  }
  return bytes.subarray(0, end);
};

/** The pieces of a range of any space that can be read; guest-physical is physical as long as there is no guest. */
export const readableRuns = (cpu: Cpu, space: Space, address: bigint, length: number): MappedRun[] => {
  if (space === 'linear') return mappedRuns(cpu, linear(address), length);
  const runs: MappedRun[] = [];
  const rest = physicalLength(address, length);
  for (let offset = 0; offset < rest; ) {
    const physical = Number(address) + offset;
    const size = Math.min(rest - offset, PAGE - (physical % PAGE));
    runs.push({ offset, physical, length: size });
    offset += size;
  }
  return runs;
};

const physicalLength = (address: bigint, length: number): number =>
  address >= PHYSICAL_END ? 0 : Math.min(length, Number(PHYSICAL_END - address));

/** Is a run RAM or ROM, so that bytes can be put there? Devices have registers instead. */
export const isMemory = (cpu: Cpu, { physical, length }: MappedRun): boolean => cpu.physical.isMemory(physical, length);

/** Bytes of any space, up to the first that cannot be read. */
export const peekSpace = (cpu: Cpu, space: Space, address: bigint, length: number): Uint8Array => {
  if (space === 'linear') return peekLinear(cpu, linear(address), length);
  const rest = physicalLength(address, length);
  return rest === 0 ? new Uint8Array() : cpu.physical.peekBytes(Number(address), rest);
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
