/** SYSENTER and SYSEXIT, from and to flat segments around IA32_SYSENTER_CS. Intel SDM vol. 2, "SYSENTER", "SYSEXIT". */

import { exception } from '../../x86/exceptions';
import { flagBits } from '../../x86/registers';
import type { CpuState } from '../core/state';
import { arrive } from './code-segment';
import type { Cpu } from './cpu';
import { setFlatSegments } from './flat-segments';
import { isCanonical, isIa32e, modeOf, REAL } from './mode';
import { msrOffset } from './msrs';
import { refuse } from './refusal';

const SYSENTER_CS = msrOffset('IA32_SYSENTER_CS');
const SYSENTER_ESP = msrOffset('IA32_SYSENTER_ESP');
const SYSENTER_EIP = msrOffset('IA32_SYSENTER_EIP');
const [RCX, RDX] = [1, 2];

/** @throws Fault #GP, before anything changes */
export const sysenter = (cpu: Cpu): void => {
  const { state } = cpu;
  const base = check(state);
  const { cpl } = state;
  const mode = modeOf(state);
  const long = isIa32e(state);
  cpu.surroundings.emit('syscall', () => ({ direction: 'in' }));
  state.clearFlags(flagBits.VM | flagBits.IF | flagBits.RF);
  const selector = base & 0xfffc;
  setFlatSegments(state, selector, (selector + 8) & 0xffff, 0, long);
  state.rsp = narrow(state.getU64(SYSENTER_ESP), long);
  arrive(cpu, mode, cpl, narrow(state.getU64(SYSENTER_EIP), long));
};

/**
 * @param wide operand size 64: to 64-bit mode, else to 32-bit code
 * @throws Fault #GP, before anything changes
 */
export const sysexit = (cpu: Cpu, wide: boolean): void => {
  const { state } = cpu;
  const base = check(state);
  const { cpl } = state;
  if (cpl !== 0) refuse(exception.GP, 'privileged.cpl-0', 0, { instruction: 'sysexit' });
  const rsp = state.gpr(RCX);
  const rip = state.gpr(RDX);
  if (wide) {
    if (!isCanonical(rip)) refuse(exception.GP, 'sysexit.noncanonical', 0, { register: 'rdx', linear: rip });
    if (!isCanonical(rsp)) refuse(exception.GP, 'sysexit.noncanonical', 0, { register: 'rcx', linear: rsp });
  }
  const mode = modeOf(state);
  cpu.surroundings.emit('syscall', () => ({ direction: 'out' }));
  const selector = ((base + (wide ? 32 : 16)) & 0xffff) | 3;
  setFlatSegments(state, selector, ((selector + 8) & 0xffff) | 3, 3, wide);
  state.rsp = narrow(rsp, wide);
  arrive(cpu, mode, 0, narrow(rip, wide));
};

const narrow = (address: bigint, wide: boolean): bigint => (wide ? address : BigInt.asUintN(32, address));

/** IA32_SYSENTER_CS, the selector that all four are counted from. */
const check = (state: CpuState): number => {
  if (modeOf(state) === REAL) refuse(exception.GP, 'sysenter.real-mode', 0);
  const base = state.getU32(SYSENTER_CS);
  if ((base & 0xfffc) === 0)
    refuse(exception.GP, 'sysenter.unset', 0, { register: 'ia32_sysenter_cs', value: BigInt(base) });
  return base;
};
