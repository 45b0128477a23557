/**
 * Debug exceptions that wait, and NMI blocking, across entries and exits. Intel SDM vol. 3, "Delivery of Pending Debug Exceptions
 * after VM Entry", "Saving Non-Register State" and "Updating Non-Register State".
 */

import { exitReasons } from '../../x86/vmx/exit-reasons';
import { state as layout } from '../core/layout';
import type { CpuState } from '../core/state';
import type { Exit, GuestEvent } from '../cpu/virtualization';
import { type ControlBits, control } from './control-bits';
import type { Vmx } from './vmx';

const BREAKPOINTS = 0xfn;
const ENABLED_BREAKPOINT = 1n << 12n;
const SINGLE_STEP = 1n << 14n;
const BLOCKED_BY_MOV_SS = 2;
const BLOCKED_BY_NMI = 8;
const SHUTDOWN = 2;
const NMI_INFORMATION = 0x8000_0202;

/** Exits after which the field still names what is pending; after all others it is clear, unless MOV SS blocks. */
const keeping: ReadonlySet<number> = new Set([
  exitReasons.INIT.number,
  exitReasons.MONITOR_TRAP_FLAG.number,
  exitReasons.TPR_BELOW_THRESHOLD.number,
]);

/** Brings what is pending into the format of the field, where the exit keeps it. */
export const savePendingDebug = (state: CpuState, { reason, interruption }: Exit): void => {
  if ((state.getU32(layout.pendingDebug) | state.getU32(layout.pendingDebug + 4)) === 0) return;
  const pending = state.getU64(layout.pendingDebug);
  const isDebugException = reason === 0 && ((interruption ?? 0) & 0xff) === 1;
  const blocked = (state.getU32(layout.interruptibility) & BLOCKED_BY_MOV_SS) !== 0;
  const keeps = keeping.has(reason) || (blocked && !isDebugException);
  const enabled = pending & BREAKPOINTS ? ENABLED_BREAKPOINT : 0n;
  state.setU64(layout.pendingDebug, keeps ? pending | enabled : 0n);
};

const replaces: ReadonlySet<GuestEvent['type']> = new Set([
  'external-interrupt',
  'nmi',
  'hardware-exception',
  'privileged-software-exception',
]);

/** What the field, already in the processor, makes pending: nothing beside most injections and in inactive states. */
export const loadPendingDebug = ({ cpu: { state } }: Vmx, event: GuestEvent | undefined): void => {
  if ((state.getU32(layout.pendingDebug) | state.getU32(layout.pendingDebug + 4)) === 0) return;
  const field = state.getU64(layout.pendingDebug);
  const valid = (field & (ENABLED_BREAKPOINT | SINGLE_STEP)) !== 0n;
  const blocked = (state.getU32(layout.interruptibility) & BLOCKED_BY_MOV_SS) !== 0;
  const lost = event === undefined ? state.getU32(layout.activity) >= SHUTDOWN : replaces.has(event.type) || !blocked;
  state.setU64(layout.pendingDebug, valid && !lost ? field & (BREAKPOINTS | SINGLE_STEP) : 0n);
};

/** Only an NMI's own exit begins to block NMIs; a guest with virtual NMIs ran with them unblocked. */
export const nmiBlockingAfter = (exit: Exit, { pin }: ControlBits, interruptibility: number): number => {
  if ((exit.interruption ?? 0) >>> 0 === NMI_INFORMATION) return BLOCKED_BY_NMI;
  return pin & control.virtualNmis ? 0 : interruptibility & BLOCKED_BY_NMI;
};
