/**
 * The segment registers of the system: LDTR and TR, by LLDT, LTR, SLDT and STR. Intel SDM vol. 2, under these names.
 */

import { CR4 } from '../../x86/control-registers';
import { access, type Descriptor, systemType } from '../../x86/descriptors';
import { exception } from '../../x86/exceptions';
import { state as layout } from '../core/layout';
import { LDTR, TR } from '../core/state';
import type { Cpu } from './cpu';
import { codeOf, fetchDescriptor, fetchUpperHalf, isNull, markBusy } from './descriptors';
import { isCanonical, isIa32e, modeOf, PROTECTED } from './mode';
import { refuse, refuseEntry } from './refusal';
import { setNull } from './segment-load';

/** @throws Fault #UD, #GP, #NP, #PF, before anything changes */
export const lldt = (cpu: Cpu, selector: number): void => {
  checkPrivileged(cpu);
  loadLocalTable(cpu, selector);
};

/** LDTR by its selector, whoever asks. @throws Fault #UD, #GP, #NP, #PF, before anything changes */
export const loadLocalTable = (cpu: Cpu, selector: number): void => {
  const { state } = cpu;
  checkProtectedMode(cpu);
  if (isNull(selector)) {
    setNull(state, LDTR, selector);
    return;
  }
  const descriptor = fetchGlobal(cpu, selector);
  const code = codeOf(selector, 0);
  if (!descriptor.isSystem || descriptor.type !== systemType.ldt)
    refuseEntry(exception.GP, 'lldt.type', code, descriptor);
  if (!descriptor.isPresent) refuseEntry(exception.NP, 'lldt.not-present', code, descriptor);
  load(cpu, LDTR, descriptor, descriptor.rights);
};

/** Marks the TSS busy. @throws Fault #UD, #GP, #NP, #PF, before anything changes */
export const ltr = (cpu: Cpu, selector: number): void => {
  checkPrivileged(cpu);
  loadTask(cpu, selector);
};

/** TR by its selector, whoever asks. @throws Fault #UD, #GP, #NP, #PF, before anything changes */
export const loadTask = (cpu: Cpu, selector: number): void => {
  checkProtectedMode(cpu);
  if (isNull(selector)) refuse(exception.GP, 'ltr.null', 0, { selector });
  const descriptor = fetchGlobal(cpu, selector);
  const code = codeOf(selector, 0);
  const { type } = descriptor;
  const available = type === systemType.tss32 || (type === systemType.tss16 && !isIa32e(cpu.state));
  if (!descriptor.isSystem || !available) refuseEntry(exception.GP, 'ltr.type', code, descriptor);
  if (!descriptor.isPresent) refuseEntry(exception.NP, 'ltr.not-present', code, descriptor);
  load(cpu, TR, descriptor, descriptor.rights | 2);
};

/** Selector of LDTR. @throws Fault #UD, #GP with UMIP */
export const sldt = (cpu: Cpu): number => {
  checkReadable(cpu);
  return cpu.state.selector(LDTR);
};

/** Selector of TR. @throws Fault #UD, #GP with UMIP */
export const str = (cpu: Cpu): number => {
  checkReadable(cpu);
  return cpu.state.selector(TR);
};

/** These instructions know no real and no virtual-8086 mode. @throws Fault #UD */
export const checkProtectedMode = (cpu: Cpu): void => {
  if (modeOf(cpu.state) < PROTECTED) refuse(exception.UD, 'system.protected-mode-only');
};

const checkPrivileged = (cpu: Cpu): void => {
  checkProtectedMode(cpu);
  if (cpu.state.cpl !== 0) refuse(exception.GP, 'privileged.cpl-0', 0);
};

/** SLDT and STR. @throws Fault #UD, #GP(0) with UMIP */
export const checkReadable = (cpu: Cpu): void => {
  checkProtectedMode(cpu);
  if (cpu.state.cpl !== 0 && (cpu.state.getU32(layout.cr4) & CR4.UMIP) !== 0)
    refuse(exception.GP, 'umip.user', 0, { register: 'cr4', bit: 11 });
};

const fetchGlobal = (cpu: Cpu, selector: number): Descriptor => {
  if (selector & 4) refuse(exception.GP, 'system.local', codeOf(selector, 0), { selector });
  return fetchDescriptor(cpu, selector, exception.GP, 0);
};

const load = (cpu: Cpu, index: typeof LDTR | typeof TR, narrow: Descriptor, rights: number): void => {
  const descriptor = fetchUpperHalf(cpu, narrow, exception.GP, 0);
  const { selector, limit } = descriptor;
  const base = isIa32e(cpu.state) ? descriptor.base64 : BigInt(descriptor.base);
  if (!isCanonical(base)) refuseEntry(exception.GP, 'system.base-noncanonical', codeOf(selector, 0), descriptor);
  if (index === TR) markBusy(cpu, descriptor, true);
  cpu.state.setSegment(index, { selector, base, limit, access: rights & ~access.unusable });
};
