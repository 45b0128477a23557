/** Which process context the translations in use belong to. Intel SDM vol. 3, "Process-Context Identifiers (PCIDs)". */

import { CR4 } from '../../x86/control-registers';
import { state as layout } from '../core/layout';
import type { Cpu } from './cpu';

/** PCID of the present address space: 0 unless CR4.PCIDE. */
export const currentPcid = (cpu: Cpu): number =>
  cpu.state.getU32(layout.cr4) & CR4.PCIDE ? cpu.state.getU32(layout.cr3) & 0xfff : 0;
