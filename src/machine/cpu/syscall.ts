/**
 * SYSCALL and SYSRET as Intel processors have them: in 64-bit mode only, with flat segments that no table is asked
 * for. Intel SDM vol. 2, "SYSCALL", "SYSRET".
 */

import { EFER } from '../../x86/control-registers';
import { exception } from '../../x86/exceptions';
import { flagBits } from '../../x86/registers';
import { state as layout } from '../core/layout';
import type { CpuState } from '../core/state';
import { arrive } from './code-segment';
import type { Cpu } from './cpu';
import { setFlatSegments } from './flat-segments';
import { isCanonical, LONG, modeOf } from './mode';
import { msrOffset } from './msrs';
import { refuse } from './refusal';

const STAR = msrOffset('IA32_STAR');
const LSTAR = msrOffset('IA32_LSTAR');
const FMASK = msrOffset('IA32_FMASK');
const [RCX, R11] = [1, 11];
/** What SYSRET loads: everything but RF, VM and reserved bits. */
const LOADED = 0x3c_7fd7;

/** `nextRip` goes to RCX. @throws Fault #UD */
export const syscall = (cpu: Cpu, nextRip: bigint): void => {
  const { state } = cpu;
  check(state);
  const { cpl } = state;
  const flags = state.rflags & ~flagBits.RF;
  cpu.surroundings.emit('syscall', () => ({ direction: 'in' }));
  state.setGpr(RCX, nextRip);
  state.setGpr(R11, BigInt(flags));
  state.rflags = flags & ~state.getU32(FMASK);
  const selector = state.getU32(STAR + 4) & 0xfffc;
  setFlatSegments(state, selector, selector + 8, 0, true);
  arrive(cpu, LONG, cpl, state.getU64(LSTAR));
};

/**
 * @param wide operand size 64: to 64-bit mode, else to compatibility mode
 * @throws Fault #UD, #GP; for a noncanonical RCX at CPL 0, still on the kernel's side
 */
export const sysret = (cpu: Cpu, wide: boolean): void => {
  const { state } = cpu;
  check(state);
  const { cpl } = state;
  if (cpl !== 0) refuse(exception.GP, 'privileged.cpl-0', 0, { instruction: 'sysret' });
  const rcx = state.gpr(RCX);
  if (wide && !isCanonical(rcx)) refuse(exception.GP, 'sysret.noncanonical', 0, { register: 'rcx', linear: rcx });
  cpu.surroundings.emit('syscall', () => ({ direction: 'out' }));
  state.rflags = state.gpr32(R11) & LOADED;
  const base = state.getU32(STAR + 4) >>> 16;
  setFlatSegments(state, ((wide ? base + 16 : base) & 0xffff) | 3, ((base + 8) & 0xffff) | 3, 3, wide);
  arrive(cpu, LONG, 0, wide ? rcx : BigInt.asUintN(32, rcx));
};

const check = (state: CpuState): void => {
  if (modeOf(state) !== LONG) refuse(exception.UD, 'mode.64-bit', undefined, { instruction: 'syscall' });
  if ((state.getU32(layout.efer) & EFER.SCE) === 0)
    refuse(exception.UD, 'syscall.disabled', undefined, { register: 'efer', bit: 0 });
};
