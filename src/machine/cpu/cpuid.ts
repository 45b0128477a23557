/** CPUID: the model's leaf, with the bits that follow the processor's state. Intel SDM vol. 2, "CPUID". */

import { CR4 } from '../../x86/control-registers';
import { featureBits } from '../../x86/cpuid';
import { miscEnable, msrSlots } from '../../x86/msrs';
import { state as layout } from '../core/layout';
import type { Cpu } from './cpu';
import { LONG, modeOf } from './mode';
import type { CpuidResult } from './model';

const APIC_ENABLED = 1 << 11;
const mask = (feature: string): number => 1 << (featureBits.get(feature)?.bit ?? 0);
const LAST_LIMITED = 3;

/** What the guest would read now; no side effect. */
export const peekCpuid = (cpu: Cpu, leaf: number, subleaf: number): CpuidResult => {
  const { state, model } = cpu;
  const misc = state.getU64(layout.msr + msrSlots.IA32_MISC_ENABLE * 8);
  const limited = (misc & miscEnable.limitCpuid) !== 0n && leaf < 0x80000000 && leaf > LAST_LIMITED;
  const result = model.cpuid(limited ? LAST_LIMITED : leaf, subleaf);
  if (leaf === 0 && misc & miscEnable.limitCpuid) result.eax = Math.min(result.eax, LAST_LIMITED);
  if (leaf === 1) {
    result.ebx = (result.ebx & 0xffffff) | (state.index << 24);
    if (!(state.getU32(layout.msr + msrSlots.IA32_APIC_BASE * 8) & APIC_ENABLED)) result.edx &= ~mask('apic');
    if (!(misc & miscEnable.monitor)) result.ecx &= ~mask('monitor');
    if (model.has('xsave') && state.getU32(layout.cr4) & CR4.OSXSAVE) result.ecx |= mask('osxsave');
  } else if (leaf === 0xb && model.has('x2apic')) {
    result.edx = state.index;
  } else if (leaf === 0x80000001) {
    if (modeOf(state) !== LONG) result.edx &= ~mask('syscall');
    if (misc & miscEnable.executeDisableOff) result.edx &= ~mask('nx');
  }
  return { eax: result.eax >>> 0, ebx: result.ebx >>> 0, ecx: result.ecx >>> 0, edx: result.edx >>> 0 };
};

const RAX = 0;
const RCX = 1;
const RDX = 2;
const RBX = 3;

export const cpuid = (cpu: Cpu): void => {
  const { state } = cpu;
  const leaf = state.gpr32(RAX);
  const subleaf = state.gpr32(RCX);
  const { eax, ebx, ecx, edx } = peekCpuid(cpu, leaf, subleaf);
  state.setGpr(RAX, BigInt(eax));
  state.setGpr(RBX, BigInt(ebx));
  state.setGpr(RCX, BigInt(ecx));
  state.setGpr(RDX, BigInt(edx));
  cpu.surroundings.emit('cpuid', () => ({ leaf, subleaf }));
};
