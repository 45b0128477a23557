/** Events that are only counted while nobody listens: exceptions, INT n, ring changes, SYSCALL and SYSRET, VMREAD and VMWRITE; and fills of the TLB. */

import type { EventKind } from './core/event';
import { state as layout } from './core/layout';
import type { CpuState } from './core/state';

/** Events of what the core would do by itself. */
export const transferEvents: readonly EventKind[] = ['trap', 'int', 'ring', 'mode', 'syscall', 'vmcs'];

/** Takes the counts that the core has kept since the last time. */
export const collectCounts = (
  state: CpuState,
  count: (kind: EventKind, detail: number, times: number) => void,
): void => {
  const take = (offset: number, kind: EventKind, detail: number): void => {
    const times = state.getU32(offset);
    if (times === 0) return;
    count(kind, detail, times);
    state.setU32(offset, 0);
  };
  for (let vector = 0; vector < 256; vector++) {
    take(layout.trapCounts + vector * 4, 'trap', vector);
    take(layout.trapCounts + (256 + vector) * 4, 'int', vector);
  }
  take(layout.ringCount, 'ring', 0);
  take(layout.syscallCount, 'syscall', 0);
  take(layout.vmcsCount, 'vmcs', 0);
  take(layout.fillCount, 'tlb-fill', 0);
};
