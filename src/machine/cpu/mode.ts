/** The operating modes, as the control registers, EFLAGS.VM and CS.L make them. Intel SDM vol. 3, "Modes of Operation". */

import { CR0, EFER } from '../../x86/control-registers';
import { access } from '../../x86/descriptors';
import { flagBits } from '../../x86/registers';
import { state as layout } from '../core/layout';
import { type CpuState, CS } from '../core/state';

/** In this order, so that `mode >= PROTECTED` means selectors and `mode >= COMPATIBILITY` means IA-32e mode. */
export const REAL = 0;
export const VIRTUAL_8086 = 1;
export const PROTECTED = 2;
export const COMPATIBILITY = 3;
export const LONG = 4;
export type Mode = 0 | 1 | 2 | 3 | 4;

/** Names as people read them, by mode. */
export const modeNames = ['real', 'virtual-8086', 'protected', 'compatibility', '64-bit'] as const;

const CS_RIGHTS = layout.segmentAccess + CS * 4;

export const modeOf = (state: CpuState): Mode => {
  if ((state.getU32(layout.cr0) & CR0.PE) === 0) return REAL;
  if ((state.getU32(layout.efer) & EFER.LMA) !== 0)
    return (state.getU32(CS_RIGHTS) & access.long) !== 0 ? LONG : COMPATIBILITY;
  return (state.getU32(layout.flags) & flagBits.VM) !== 0 ? VIRTUAL_8086 : PROTECTED;
};

export const isIa32e = (state: CpuState): boolean => (state.getU32(layout.efer) & EFER.LMA) !== 0;

/** I/O privilege level. */
export const ioplOf = (state: CpuState): number => (state.getU32(layout.flags) >>> 12) & 3;

/** Are bits 63:48 copies of bit 47? Intel SDM vol. 1, "Canonical Addressing". */
export const isCanonical = (address: bigint): boolean => {
  quad[0] = address;
  const high = words[1] as number;
  return high < 0x8000 || high >= 0xffff_8000;
};
const quad = new BigUint64Array(1);
const words = new Uint32Array(quad.buffer);
