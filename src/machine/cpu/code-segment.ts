/**
 * Code segments as far transfers load them: which one may be entered from where, whether the target lies in it, and
 * what changes when CS does. Intel SDM vol. 3, "Privilege Level Checking when Transferring Program Control Between Code
 * Segments".
 */

import { access, type Descriptor } from '../../x86/descriptors';
import { exception } from '../../x86/exceptions';
import { type CpuState, CS } from '../core/state';
import type { Cpu } from './cpu';
import { codeOf, fetchDescriptor, isNull } from './descriptors';
import { isCanonical, isIa32e, type Mode, modeNames, modeOf, REAL } from './mode';
import { refuse, refuseEntry } from './refusal';
import { loadVirtual8086 } from './segment-load';

/** Far JMP and CALL without a gate: the privilege level stays. @throws Fault #GP, #NP */
export const checkDirect = (cpu: Cpu, descriptor: Descriptor): void => {
  const code = codeOf(descriptor.selector, 0);
  const { cpl } = cpu.state;
  checkLong(cpu, descriptor, code);
  if (descriptor.isConformingCode) {
    if (descriptor.dpl > cpl) refuseEntry(exception.GP, 'code-segment.conforming-dpl', code, descriptor);
  } else {
    if ((descriptor.selector & 3) > cpl) refuseEntry(exception.GP, 'code-segment.rpl', code, descriptor);
    if (descriptor.dpl !== cpl) refuseEntry(exception.GP, 'code-segment.dpl', code, descriptor);
  }
  if (!descriptor.isPresent) refuseEntry(exception.NP, 'code-segment.not-present', code, descriptor);
};

/** The code segment that RET or IRET goes to. @throws Fault #GP, #NP */
export const fetchReturn = (cpu: Cpu, selector: number): Descriptor => {
  if (isNull(selector)) refuse(exception.GP, 'code-segment.null', 0, { selector });
  const descriptor = fetchDescriptor(cpu, selector, exception.GP, 0);
  const code = codeOf(selector, 0);
  const rpl = selector & 3;
  if (!descriptor.isCode) refuseEntry(exception.GP, 'code-segment.type', code, descriptor);
  checkLong(cpu, descriptor, code);
  if (rpl < cpu.state.cpl) refuseEntry(exception.GP, 'return.rpl', code, descriptor);
  if (descriptor.isConformingCode) {
    if (descriptor.dpl > rpl) refuseEntry(exception.GP, 'return.conforming-dpl', code, descriptor);
  } else if (descriptor.dpl !== rpl) refuseEntry(exception.GP, 'return.dpl', code, descriptor);
  if (!descriptor.isPresent) refuseEntry(exception.NP, 'code-segment.not-present', code, descriptor);
  return descriptor;
};

const checkLong = (cpu: Cpu, descriptor: Descriptor, code: number): void => {
  if (descriptor.isLong && descriptor.isBig && isIa32e(cpu.state))
    refuseEntry(exception.GP, 'code-segment.long-and-big', code, descriptor);
};

/** The target of a transfer into a segment. `external` is EXT. @throws Fault #GP(EXT) */
export const checkTarget = (cpu: Cpu, descriptor: Descriptor, offset: bigint, external: number): void => {
  if (descriptor.isLong && isIa32e(cpu.state)) {
    if (!isCanonical(offset)) refuse(exception.GP, 'code-segment.noncanonical', external, { linear: offset });
  } else if (offset > descriptor.limit)
    refuse(exception.GP, 'code-segment.beyond-limit', external, {
      selector: descriptor.selector,
      value: offset,
      entry: descriptor.entry,
      entryAddress: descriptor.address,
    });
};

/** Real and virtual-8086 mode check the offset against the limit that CS has already. @throws Fault #GP(0) */
export const checkRealTarget = (cpu: Cpu, target: bigint): void => {
  const limit = cpu.state.segmentLimit(CS);
  if (target > limit) refuse(exception.GP, 'code-segment.beyond-limit', 0, { value: target });
};

/** Real mode keeps the limit and the rights of CS, with them the default operand size. */
export const setRealCode = (cpu: Cpu, mode: Mode, selector: number): void => {
  const { state } = cpu;
  if (mode !== REAL) {
    loadVirtual8086(state, CS, selector);
    return;
  }
  state.setHidden(CS, selector, selector << 4, state.segmentLimit(CS), state.segmentAccess(CS));
};

/** Gives CS a checked descriptor; the RPL becomes the privilege level. */
export const setCode = (state: CpuState, descriptor: Descriptor, cpl: number): void => {
  const { base, limit, rights, selector } = descriptor;
  state.setHidden(CS, (selector & 0xfffc) | cpl, base, limit, rights | access.accessed);
  state.cpl = cpl;
};

/**
 * The end of a transfer, when CS, SS, the flags and the privilege level are in place: tells the world, sets RIP and
 * lets the core follow. Events carry the RIP that the transfer left from.
 */
export const arrive = (cpu: Cpu, fromMode: Mode, fromCpl: number, rip: bigint): void => {
  const { state, surroundings } = cpu;
  const { cpl } = state;
  if (cpl !== fromCpl) surroundings.emit('ring', () => ({ from: fromCpl, to: cpl }));
  const mode = modeOf(state);
  if (mode !== fromMode) surroundings.emit('mode', () => ({ from: modeNames[fromMode], to: modeNames[mode] }));
  state.rip = rip;
  cpu.modeChanged();
};
