/** The checks that system instructions begin with: privilege, presence of a feature, mode. */

import { exception } from '../../x86/exceptions';
import { state as layout } from '../core/layout';
import type { Cpu } from './cpu';
import { LONG, modeOf } from './mode';
import { refuse } from './refusal';

/** Virtual-8086 mode runs at CPL 3, real mode at CPL 0. @throws Fault #GP(0) */
export const requireCpl0 = (cpu: Cpu, instruction: string): void => {
  const cpl = cpu.state.getU32(layout.cpl);
  if (cpl !== 0) refuse(exception.GP, 'privileged.cpl-0', 0, { instruction, register: 'CPL', value: BigInt(cpl) });
};

/** @throws Fault #UD */
export const requireFeature = (cpu: Cpu, feature: string, instruction: string): void => {
  if (!cpu.model.has(feature)) refuse(exception.UD, 'feature.absent', undefined, { instruction, register: feature });
};

/** @throws Fault #UD */
export const require64BitMode = (cpu: Cpu, instruction: string): void => {
  if (modeOf(cpu.state) !== LONG) refuse(exception.UD, 'mode.64-bit', undefined, { instruction });
};
