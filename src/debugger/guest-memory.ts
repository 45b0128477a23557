/** The guest's memory as a debugger sees it: no accessed bits, no TLB fills, no side effects on devices. */

import type { Cpu } from '../machine/cpu/cpu';
import { peekGuestPhysical, peekTranslation, presentView } from '../machine/cpu/look';
import { isCanonical } from '../machine/cpu/mode';
import { BadInput } from '../program/program';
import { hex, type LinearAddress, linear } from '../x86/address';
import { type Place, placeText, type Space } from './address';

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
const mappedRuns = (cpu: Cpu, address: LinearAddress, length: number): MappedRun[] =>
  readableRuns(cpu, 'linear', address, length);

/** Bytes from an address up to the first that is not mapped. */
export const peekLinear = (cpu: Cpu, address: LinearAddress, length: number): Uint8Array => {
  // Mostly it is a few bytes of one page.
  if (Number(address & 0xfffn) + length <= PAGE) {
    const physical = peekTranslation(cpu, address);
    return physical === undefined ? new Uint8Array() : cpu.physical.peekBytes(physical, length);
  }
  return gathered(cpu, mappedRuns(cpu, address, length), length);
};

const gathered = (cpu: Cpu, runs: readonly MappedRun[], length: number): Uint8Array => {
  const bytes = new Uint8Array(length);
  let end = 0;
  for (const run of runs) {
    if (run.offset !== end) break;
    bytes.set(cpu.physical.peekBytes(run.physical, run.length), run.offset);
    end = run.offset + run.length;
  }
  return bytes.subarray(0, end);
};

/** Where the addresses of a space lie in physical memory; undefined where nothing is mapped. Made for one look. */
export const translator = (cpu: Cpu, space: Space): ((address: bigint) => number | undefined) => {
  if (space === 'phys') return (address) => (address >= PHYSICAL_END ? undefined : Number(address));
  if (space === 'linear' || (space === 'guest' && cpu.vmx?.nonRoot)) return (address) => peekTranslation(cpu, address);
  const guest = cpu.vmx?.guestSide;
  if (space === 'guest') return (address) => (guest === undefined ? undefined : peekTranslation(cpu, address, guest));
  return (address) =>
    address >= PHYSICAL_END ? undefined : peekGuestPhysical(cpu, Number(address), guest ?? presentView(cpu));
};

/** Refuses addresses that nothing can ever be at. @throws BadInput */
export const checkReachable = (place: Place): void => {
  const { space, address } = place;
  const isPhysical = space === 'phys' || space === 'gpa';
  if (isPhysical && address >= PHYSICAL_END)
    throw new BadInput(`${placeText(place)}: physical addresses end at ${hex(PHYSICAL_END)}`);
  if (!isPhysical && !isCanonical(address))
    throw new BadInput(`${placeText(place)}: not canonical, bits 63:47 must be equal`);
};

/** A place in physical memory: what an address of any space reaches now. @throws BadInput where nothing is mapped */
export const physicalPlace = (cpu: Cpu, place: Place): Place => {
  if (place.space === 'phys') return place;
  const physical = translator(cpu, place.space)(place.address);
  if (physical === undefined) throw new BadInput(`${placeText(place)}: nothing is mapped here`);
  return { space: 'phys', address: BigInt(physical), ...(place.vcpu === undefined ? {} : { vcpu: place.vcpu }) };
};

/** The pieces of a range of any space that can be read, in order, none crossing a page. */
export const readableRuns = (cpu: Cpu, space: Space, address: bigint, length: number): MappedRun[] => {
  const runs: MappedRun[] = [];
  const translate = translator(cpu, space);
  const rest = space === 'phys' || space === 'gpa' ? physicalLength(address, length) : length;
  for (let offset = 0; offset < rest; ) {
    const at = BigInt.asUintN(64, address + BigInt(offset));
    const size = Math.min(rest - offset, PAGE - Number(at & 0xfffn));
    const physical = translate(at);
    if (physical !== undefined) runs.push({ offset, physical, length: size });
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
  if (space !== 'phys') return gathered(cpu, readableRuns(cpu, space, address, length), length);
  const rest = physicalLength(address, length);
  return rest === 0 ? new Uint8Array() : cpu.physical.peekBytes(Number(address), rest);
};

/** A little-endian value, or undefined where a byte of it is not mapped. */
export const peekValue = (cpu: Cpu, address: LinearAddress, size: number): bigint | undefined => {
  const bytes = peekLinear(cpu, address, size);
  return bytes.length < size ? undefined : littleEndian(bytes);
};

export const littleEndian = (bytes: Uint8Array): bigint =>
  bytes.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n);

export const bytesOf = (value: bigint, size: number): Uint8Array =>
  Uint8Array.from({ length: size }, (_, i) => Number((value >> BigInt(i * 8)) & 0xffn));
