/** Which process context the translations in use belong to. Intel SDM vol. 3, "Process-Context Identifiers (PCIDs)". */

import { CR4 } from '../../x86/control-registers';
import { state as layout } from '../core/layout';
import type { CpuState } from '../core/state';
import type { Cpu } from './cpu';

/** PCID of an address space: 0 unless CR4.PCIDE. */
export const pcidOf = (state: CpuState): number =>
  state.getU32(layout.cr4) & CR4.PCIDE ? state.getU32(layout.cr3) & 0xfff : 0;

/** PCID of the present one. */
export const currentPcid = ({ state }: Cpu): number => pcidOf(state);
