/** Where a vCPU is and in which mode, in the words that a debugger shows. */

import { state as layout } from '../machine/core/layout';
import { type CpuState, CS, SS } from '../machine/core/state';
import { LONG, type Mode, modeNames, modeOf } from '../machine/cpu/mode';
import type { Machine } from '../machine/pc';
import { activity, type VirtualCpu } from '../machine/virtual-cpu';
import { type LinearAddress, linear } from '../x86/address';
import { naturalSize, stackSize } from './registers';

/** Linear address of an offset in the code segment. Intel SDM vol. 3, "Logical to Linear Address Translation". */
export const codeAddress = (state: CpuState, rip: bigint): LinearAddress =>
  modeOf(state) === LONG ? linear(rip) : linear(BigInt.asUintN(32, rip + state.segmentBase(CS)));

/** Linear address of the instruction that is next. */
export const currentAddress = ({ state }: VirtualCpu): LinearAddress => codeAddress(state, state.rip);

export const stackPointer = (state: CpuState): bigint => BigInt.asUintN(stackSize(state) * 8, state.rsp);

export const stackAddress = (state: CpuState, offset: bigint): LinearAddress =>
  modeOf(state) === LONG ? linear(offset) : linear(BigInt.asUintN(32, offset + state.segmentBase(SS)));

/** Width of code in bits, as the decoder wants it. */
export const bitness = (state: CpuState): 16 | 32 | 64 => (naturalSize(state) * 8) as 16 | 32 | 64;

export const modeName = (mode: Mode): string => modeNames[mode] as string;

/** `64-bit, ring 0`. */
export const modeAndRing = (state: CpuState): string => {
  const mode = modeOf(state);
  return `${modeName(mode)}, ring ${state.cpl}`;
};

const activities = ['active', 'halted', 'shutdown', 'waiting for SIPI'] as const;
export const activityName = (state: CpuState): string => activities[state.getU32(layout.activity)] ?? 'unknown';

/** The vCPUs that run: those not waiting for their first instructions, nor stopped by the debugger. */
export const liveVcpus = ({ cpus, turns }: Machine): VirtualCpu[] =>
  cpus.filter(({ index, state }) => state.getU32(layout.activity) !== activity.waitForSipi && !turns.isStopped(index));
