/**
 * Loading SS, DS, ES, FS and GS: MOV, POP, LDS/LES/LFS/LGS/LSS, and the same checks where far transfers load a stack
 * or give up data segments. Intel SDM vol. 2, "MOV"; vol. 3, "Privilege Level Checking when Accessing Data Segments".
 */

import { access, type Descriptor, dplOf } from '../../x86/descriptors';
import { exception } from '../../x86/exceptions';
import { type CpuState, DS, ES, FS, GS, type SegmentIndex, SS } from '../core/state';
import type { Cpu } from './cpu';
import { codeOf, fetchDescriptor, isNull, markAccessed } from './descriptors';
import { LONG, modeOf, PROTECTED, REAL } from './mode';
import { refuse, refuseEntry } from './refusal';

export type DataSegment = typeof ES | typeof SS | typeof DS | typeof FS | typeof GS;

/** Present, S, DPL 3, data read/write accessed: what virtual-8086 mode gives every segment. */
const VIRTUAL_8086_RIGHTS = 0xf3;
/** The same with DPL 0. */
const REAL_RIGHTS = 0x93;

/** Loads a segment register as an instruction does. @throws Fault #GP, #SS, #NP, #PF, before anything changes */
export const loadSegment = (cpu: Cpu, index: DataSegment, selector: number): void => {
  const { state } = cpu;
  const mode = modeOf(state);
  if (mode < PROTECTED) {
    if (mode === REAL) loadReal(state, index, selector);
    else loadVirtual8086(state, index, selector);
  } else if (index === SS) {
    if (isNull(selector)) {
      if (mode !== LONG || state.cpl === 3 || (selector & 3) !== state.cpl)
        refuse(exception.GP, 'stack-segment.null', 0, { selector });
      setNullStack(state, selector);
    } else {
      const descriptor = fetchDescriptor(cpu, selector, exception.GP, 0);
      checkStackSegment(descriptor, state.cpl, exception.GP, 0);
      markAccessed(cpu, descriptor);
      setDescriptor(state, SS, selector, descriptor);
    }
  } else loadData(cpu, index, selector, exception.GP);
  cpu.modeChanged();
};

/** DS, ES, FS or GS outside real and virtual-8086 mode. @throws Fault `vector` (#GP, or #TS in a task switch), #NP */
export const loadData = (cpu: Cpu, index: DataSegment, selector: number, vector: number, external = 0): void => {
  const { state } = cpu;
  if (isNull(selector)) {
    setNull(state, index, selector);
    return;
  }
  const descriptor = fetchDescriptor(cpu, selector, vector, external);
  const code = codeOf(selector, external);
  if (!descriptor.isReadable) refuseEntry(vector, 'data-segment.type', code, descriptor);
  if (!descriptor.isConformingCode) {
    if ((selector & 3) > descriptor.dpl) refuseEntry(vector, 'data-segment.rpl', code, descriptor);
    if (state.cpl > descriptor.dpl) refuseEntry(vector, 'data-segment.cpl', code, descriptor);
  }
  if (!descriptor.isPresent) refuseEntry(exception.NP, 'data-segment.not-present', code, descriptor);
  markAccessed(cpu, descriptor);
  setDescriptor(state, index, selector, descriptor);
};

/** A stack for `cpl`: RPL and DPL equal it, the segment is writable data and present. @throws Fault `vector`, #SS */
export const checkStackSegment = (descriptor: Descriptor, cpl: number, vector: number, external: number): void => {
  const code = codeOf(descriptor.selector, external);
  if ((descriptor.selector & 3) !== cpl) refuseEntry(vector, 'stack-segment.rpl', code, descriptor);
  if (!descriptor.isWritableData) refuseEntry(vector, 'stack-segment.type', code, descriptor);
  if (descriptor.dpl !== cpl) refuseEntry(vector, 'stack-segment.dpl', code, descriptor);
  if (!descriptor.isPresent) refuseEntry(exception.SS, 'stack-segment.not-present', code, descriptor);
};

/** Fills the register and its hidden part from a checked descriptor, which now counts as accessed. */
export const setDescriptor = (
  state: CpuState,
  index: SegmentIndex,
  selector: number,
  { base, limit, rights }: Descriptor,
): void => state.setHidden(index, selector, base, limit, rights | access.accessed);

/** A null selector makes the register unusable; Intel processors clear its base. */
export const setNull = (state: CpuState, index: SegmentIndex, selector: number): void =>
  state.setHidden(index, selector, 0, 0, access.unusable);

/** SS with a null selector, as 64-bit mode has it at privilege 0 to 2: DPL stays the privilege level. */
export const setNullStack = (state: CpuState, selector: number): void =>
  state.setHidden(SS, selector, 0, 0, access.unusable | ((selector & 3) << access.dplShift));

/** Real mode sets the base alone: a limit from protected mode survives ("unreal mode"), as on real processors. */
const loadReal = (state: CpuState, index: DataSegment, selector: number): void => {
  const rights = state.segmentAccess(index);
  if (rights & access.unusable) state.setHidden(index, selector, selector << 4, 0xffff, REAL_RIGHTS);
  else state.setHidden(index, selector, selector << 4, state.segmentLimit(index), (rights & 0xf000) | REAL_RIGHTS);
};

export const loadVirtual8086 = (state: CpuState, index: SegmentIndex, selector: number): void =>
  state.setHidden(index, selector, selector << 4, 0xffff, VIRTUAL_8086_RIGHTS);

/**
 * A return to a less privileged ring gives up data segments that only the more privileged one may use. Registers that
 * are null already keep their base: 64-bit programs have FS and GS bases without a selector.
 */
export const giveUpDataSegments = (state: CpuState, cpl: number): void => {
  giveUp(state, ES, cpl);
  giveUp(state, DS, cpl);
  giveUp(state, FS, cpl);
  giveUp(state, GS, cpl);
};

const giveUp = (state: CpuState, index: DataSegment, cpl: number): void => {
  const rights = state.segmentAccess(index);
  if ((rights & access.unusable) !== 0 || dplOf(rights) >= cpl) return;
  if ((rights & (access.code | access.conforming)) === (access.code | access.conforming)) return;
  state.setSegment(index, { ...state.segment(index), selector: 0, access: rights | access.unusable });
};
