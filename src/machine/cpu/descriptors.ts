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
const LDTR_BASE = layout.segmentBase + LDTR * 8;
const TR_BASE = layout.segmentBase + TR * 8;
const LDTR_LIMIT = layout.segmentLimit + LDTR * 4;

/** A table entry as it was read last, by words; a shared buffer, so that splitting a bigint allocates nothing. */
const quads = new BigUint64Array(2);
const words = new Uint32Array(quads.buffer);

/** Reads 8 or 16 bytes of a table into `words`. @throws Fault #PF */
const readWords = (cpu: Cpu, low: number, high: number, bytes: 8 | 16): void => {
  const at = cpu.linear.window(low, high, bytes, false, 'supervisor');
  if (at < 0) {
    const address = (BigInt(high) << 32n) | BigInt(low);
    quads[0] = cpu.linear.read(address, 8, 'supervisor');
    if (bytes === 16) quads[1] = cpu.linear.read(address + 8n, 8, 'supervisor');
    return;
  }
  const { view } = cpu.state.memory;
  for (let word = 0; word < bytes / 4; word++) words[word] = view.getUint32(at + word * 4, true);
};

/** Error code of a selector: its RPL bits give way to EXT (bit 0) and IDT (bit 1). */
export const codeOf = (selector: number, external: number): number => (selector & 0xfffc) | external;

/** Null selectors: index 0 of the GDT, whatever the RPL. */
export const isNull = (selector: number): boolean => (selector & 0xfffc) === 0;

/** Offset of the last byte of a selector's table, or -1 without an LDT. */
const tableLimit = (cpu: Cpu, selector: number): number => {
  const { state } = cpu;
  if ((selector & 4) === 0) return state.getU32(layout.gdtrLimit);
  return state.getU32(LDTR_RIGHTS) & access.unusable ? -1 : state.getU32(LDTR_LIMIT);
};

const read = (cpu: Cpu, selector: number): Descriptor => {
  const { state } = cpu;
  const base = selector & 4 ? LDTR_BASE : layout.gdtrBase;
  const low = state.getU32(base) + (selector & 0xfff8);
  const high = high32(cpu, base, low);
  readWords(cpu, low >>> 0, high, 8);
  return new Descriptor(selector, low >>> 0, high, words[0] as number, words[1] as number);
};

/** Upper half of an address in a table, with the carry of the lower half; outside IA-32e mode there is none. */
const high32 = (cpu: Cpu, base: number, low: number): number =>
  isIa32e(cpu.state) ? (cpu.state.getU32(base + 4) + (low > 0xffff_ffff ? 1 : 0)) >>> 0 : 0;

/** The descriptor of a selector, or undefined beyond the limit of its table. @throws Fault #PF */
export const findDescriptor = (cpu: Cpu, selector: number): Descriptor | undefined =>
  (selector | 7) > tableLimit(cpu, selector) ? undefined : read(cpu, selector);

/** The descriptor of a selector. @throws Fault `vector`(selector) beyond the limit of its table */
export const fetchDescriptor = (cpu: Cpu, selector: number, vector: number, external: number): Descriptor => {
  const limit = tableLimit(cpu, selector);
  if ((selector | 7) > limit)
    refuse(vector, 'selector.beyond-limit', codeOf(selector, external), { selector, value: BigInt(limit) });
  return read(cpu, selector);
};

/** The upper 8 bytes of an entry of 16 bytes, or undefined where they lie beyond the limit. */
export const findUpperHalf = (cpu: Cpu, descriptor: Descriptor): Descriptor | undefined => {
  const { selector, addressLow, addressHigh } = descriptor;
  if ((selector & 0xfff8) + 15 > tableLimit(cpu, selector)) return undefined;
  return readWide(cpu, selector, addressLow, addressHigh);
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
  const low = state.getU32(layout.idtrBase) + offset;
  const high = high32(cpu, layout.idtrBase, low);
  const selector = vector * 8 + 2;
  if (long) return readWide(cpu, selector, low >>> 0, high);
  readWords(cpu, low >>> 0, high, 8);
  return new Descriptor(selector, low >>> 0, high, words[0] as number, words[1] as number);
};

const readWide = (cpu: Cpu, selector: number, low: number, high: number): Descriptor => {
  readWords(cpu, low, high, 16);
  return new Descriptor(
    selector,
    low,
    high,
    words[0] as number,
    words[1] as number,
    words[2] as number,
    words[3] as number,
  );
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
export const readTss = (cpu: Cpu, offset: number, size: 2 | 4 | 8): bigint => {
  const { state } = cpu;
  const low = state.getU32(TR_BASE) + offset;
  const high = high32(cpu, TR_BASE, low);
  const at = cpu.linear.window(low >>> 0, high, size, false, 'supervisor');
  if (at < 0) return cpu.linear.read(state.segmentBase(TR) + BigInt(offset), size, 'supervisor');
  const { view } = state.memory;
  if (size === 8) return view.getBigUint64(at, true);
  return BigInt(size === 4 ? view.getUint32(at, true) : view.getUint16(at, true));
};
