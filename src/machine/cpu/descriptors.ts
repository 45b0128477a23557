/**
 * Descriptor tables as the processor reads them: entries of the GDT, LDT and IDT by implicit supervisor accesses, with
 * the tables' limits, and the bits that it writes back. Linear addresses wrap by themselves. Intel SDM vol. 3, "Segment Descriptor Tables".
 */

import { access, Descriptor } from '../../x86/descriptors';
import { exception } from '../../x86/exceptions';
import { state as layout } from '../core/layout';
import { LDTR, TR } from '../core/state';
import type { Cpu } from './cpu';
import { isIa32e } from './mode';
import { refuse, refuseEntry } from './refusal';

const LDTR_RIGHTS = layout.segmentAccess + LDTR * 4;
const LDTR_LIMIT = layout.segmentLimit + LDTR * 4;

/** Two words read at once: splitting a bigint by a shared buffer allocates nothing. */
const quad = new BigUint64Array(1);
const words = new Uint32Array(quad.buffer);

/** Error code of a selector: its RPL bits give way to EXT (bit 0) and IDT (bit 1). */
export const codeOf = (selector: number, external: number): number => (selector & 0xfffc) | external;

/** Null selectors: index 0 of the GDT, whatever the RPL. */
export const isNull = (selector: number): boolean => (selector & 0xfffc) === 0;

const read = (cpu: Cpu, selector: number, address: bigint): Descriptor => {
  quad[0] = cpu.linear.read(address, 8, 'supervisor');
  return new Descriptor(selector, address, words[0] as number, words[1] as number);
};

/** Offset of the last byte of a selector's table, or -1 without an LDT. */
const tableLimit = (cpu: Cpu, selector: number): number => {
  const { state } = cpu;
  if ((selector & 4) === 0) return state.getU32(layout.gdtrLimit);
  return state.getU32(LDTR_RIGHTS) & access.unusable ? -1 : state.getU32(LDTR_LIMIT);
};

const tableAddress = (cpu: Cpu, selector: number): bigint =>
  (selector & 4 ? cpu.state.segmentBase(LDTR) : cpu.state.getU64(layout.gdtrBase)) + BigInt(selector & 0xfff8);

/** The descriptor of a selector, or undefined beyond the limit of its table. @throws Fault #PF */
export const findDescriptor = (cpu: Cpu, selector: number): Descriptor | undefined =>
  (selector | 7) > tableLimit(cpu, selector) ? undefined : read(cpu, selector, tableAddress(cpu, selector));

/** The descriptor of a selector. @throws Fault `vector`(selector) beyond the limit of its table */
export const fetchDescriptor = (cpu: Cpu, selector: number, vector: number, external: number): Descriptor => {
  const limit = tableLimit(cpu, selector);
  if ((selector | 7) > limit)
    refuse(vector, 'selector.beyond-limit', codeOf(selector, external), { selector, value: BigInt(limit) });
  return read(cpu, selector, tableAddress(cpu, selector));
};

/** The upper 8 bytes of an entry of 16 bytes, or undefined where they lie beyond the limit. */
export const findUpperHalf = (cpu: Cpu, descriptor: Descriptor): Descriptor | undefined => {
  const { selector, address, low, high } = descriptor;
  if ((selector & 0xfff8) + 15 > tableLimit(cpu, selector)) return undefined;
  quad[0] = cpu.linear.read(address + 8n, 8, 'supervisor');
  return new Descriptor(selector, address, low, high, words[0] as number, words[1] as number);
};

/** A system descriptor or call gate with its upper 8 bytes in IA-32e mode, itself elsewhere. @throws Fault */
export const fetchUpperHalf = (cpu: Cpu, descriptor: Descriptor, vector: number, external: number): Descriptor => {
  if (!isIa32e(cpu.state)) return descriptor;
  const { selector } = descriptor;
  const whole = findUpperHalf(cpu, descriptor);
  if (whole === undefined)
    return refuse(vector, 'selector.beyond-limit', codeOf(selector, external), {
      selector,
      value: BigInt(tableLimit(cpu, selector)),
    });
  if (whole.upperType !== 0) refuseEntry(vector, 'descriptor.upper-type', codeOf(selector, external), whole);
  return whole;
};

/** The gate of a vector: 8 bytes, 16 in IA-32e mode. @throws Fault #GP beyond the limit of the IDT */
export const fetchGate = (cpu: Cpu, vector: number, external: number): Descriptor => {
  const { state } = cpu;
  const long = isIa32e(state);
  const offset = vector * (long ? 16 : 8);
  const limit = state.getU32(layout.idtrLimit);
  if (offset + (long ? 15 : 7) > limit)
    refuse(exception.GP, 'idt.beyond-limit', vector * 8 + 2 + external, { value: BigInt(limit) });
  const address = state.getU64(layout.idtrBase) + BigInt(offset);
  quad[0] = cpu.linear.read(address, 8, 'supervisor');
  const low = words[0] as number;
  const high = words[1] as number;
  if (!long) return new Descriptor(vector * 8 + 2, address, low, high);
  quad[0] = cpu.linear.read(address + 8n, 8, 'supervisor');
  return new Descriptor(vector * 8 + 2, address, low, high, words[0] as number, words[1] as number);
};

/** Sets the accessed bit in the table, as loading a segment register does. @throws Fault #PF */
export const markAccessed = (cpu: Cpu, descriptor: Descriptor): void => {
  if (!descriptor.isAccessed) writeType(cpu, descriptor, descriptor.high | 0x100);
};

/** Sets or clears the busy bit of a TSS descriptor in the GDT. @throws Fault #PF */
export const markBusy = (cpu: Cpu, descriptor: Descriptor, busy: boolean): void =>
  writeType(cpu, descriptor, busy ? descriptor.high | 0x200 : descriptor.high & ~0x200);

const writeType = (cpu: Cpu, { address }: Descriptor, high: number): void =>
  cpu.linear.write(address + 5n, 1, BigInt((high >>> 8) & 0xff), 'supervisor');

/** Reads a value from the current TSS; the caller has checked the limit. @throws Fault #PF */
export const readTss = (cpu: Cpu, offset: number, size: 2 | 4 | 8): bigint =>
  cpu.linear.read(cpu.state.segmentBase(TR) + BigInt(offset), size, 'supervisor');
