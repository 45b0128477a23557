/**
 * Questions about selectors that never fault for their answer: LAR, LSL, VERR, VERW and ARPL put it into ZF.
 * Intel SDM vol. 3, "Pointer Validation"; vol. 2, under their names.
 */

import { type Descriptor, systemType } from '../../x86/descriptors';
import { flagBits } from '../../x86/registers';
import type { Cpu } from './cpu';
import { findDescriptor, findUpperHalf, isNull } from './descriptors';
import { isIa32e } from './mode';
import { checkProtectedMode } from './system-segments';

/** System types about which LAR and LSL answer, as bit sets: outside IA-32e mode and in it. */
const bits = (...types: readonly number[]): number => types.reduce((set, type) => set | (1 << type), 0);
const { tss16, ldt, tss16Busy, callGate16, taskGate, tss32, tss32Busy, callGate32 } = systemType;
const LIMITED = bits(tss16, ldt, tss16Busy, tss32, tss32Busy);
const LIMITED_LONG = bits(ldt, tss32, tss32Busy);
const KNOWN = LIMITED | bits(callGate16, taskGate, callGate32);
const KNOWN_LONG = LIMITED_LONG | bits(callGate32);

/**
 * Access rights as LAR gives them for 32 and 64 bits (mask 0xff00 for 16), or undefined. Sets ZF. Bits 19:16, which the
 * manual leaves open, are those of the descriptor, as on real processors.
 * @throws Fault #UD, #PF
 */
export const lar = (cpu: Cpu, selector: number): number | undefined => {
  const descriptor = visible(cpu, selector, KNOWN, KNOWN_LONG);
  return answer(cpu, descriptor === undefined ? undefined : descriptor.high & 0xff_ff00);
};

/** Limit in bytes, or undefined. Sets ZF. @throws Fault #UD, #PF */
export const lsl = (cpu: Cpu, selector: number): number | undefined =>
  answer(cpu, visible(cpu, selector, LIMITED, LIMITED_LONG)?.limit);

/** ZF: may the segment be read from here? @throws Fault #UD, #PF */
export const verr = (cpu: Cpu, selector: number): void => {
  const descriptor = visible(cpu, selector, 0, 0);
  setZero(cpu, descriptor?.isReadable ?? false);
};

/** ZF: may the segment be written from here? @throws Fault #UD, #PF */
export const verw = (cpu: Cpu, selector: number): void => {
  const descriptor = visible(cpu, selector, 0, 0);
  setZero(cpu, descriptor?.isWritableData ?? false);
};

/** The destination with its RPL raised to the source's, or undefined when it needs none. Sets ZF. @throws Fault #UD */
export const arpl = (cpu: Cpu, destination: number, source: number): number | undefined => {
  checkProtectedMode(cpu);
  const rpl = source & 3;
  return answer(cpu, (destination & 3) < rpl ? (destination & 0xfffc) | rpl : undefined);
};

/** The descriptor when it may be asked about with this CPL and RPL. */
const visible = (cpu: Cpu, selector: number, known: number, knownLong: number): Descriptor | undefined => {
  checkProtectedMode(cpu);
  if (isNull(selector)) return undefined;
  const descriptor = findDescriptor(cpu, selector);
  if (descriptor === undefined) return undefined;
  if (descriptor.isSystem) {
    const long = isIa32e(cpu.state);
    if ((((long ? knownLong : known) >>> descriptor.type) & 1) === 0) return undefined;
    if (long && findUpperHalf(cpu, descriptor)?.upperType !== 0) return undefined;
  }
  if (descriptor.isConformingCode) return descriptor;
  return Math.max(cpu.state.cpl, selector & 3) > descriptor.dpl ? undefined : descriptor;
};

const answer = (cpu: Cpu, value: number | undefined): number | undefined => {
  setZero(cpu, value !== undefined);
  return value;
};

const setZero = ({ state }: Cpu, zero: boolean): void => {
  state.rflags = zero ? state.rflags | flagBits.ZF : state.rflags & ~flagBits.ZF;
};
