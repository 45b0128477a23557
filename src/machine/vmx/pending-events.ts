/**
 * What is looked at between two instructions of a guest, in the order of its priority. Intel SDM vol. 3, "Other Causes of VM
 * Exits" and "Priority Among Concurrent Events" (vol. 3, "Exceptions and Interrupts").
 */

import { flagBits } from '../../x86/registers';
import { exitReasons } from '../../x86/vmx/exit-reasons';
import { state as layout } from '../core/layout';
import { control } from './control-bits';
import { informationOf } from './event';
import type { Vmx } from './vmx';

const BLOCKED_BY_STI_OR_MOV_SS = 3;
const BLOCKED_BY_MOV_SS = 2;
const BLOCKED_BY_NMI = 8;
const ACTIVE = 0;
const HALTED = 1;
const WAIT_FOR_SIPI = 3;

/** What of the board's events a guest takes part in. */
export interface BoardEvents {
  /** An interrupt waits at the local APIC or the PIC. */
  readonly interruptWaiting: boolean;
  /** Its vector, taken from the controller. */
  acknowledge(): number;
}

/** MTF, timer: before debug traps and interrupts. True when it exited. */
export const exitBeforeTraps = (vmx: Vmx): boolean => {
  const { state } = vmx.cpu;
  if (state.getU32(layout.pendingInit)) {
    state.setU32(layout.pendingInit, 0);
    vmx.exit({ reason: exitReasons.INIT.number, cause: { rule: 'always.INIT' } });
    return true;
  }
  const activity = state.getU32(layout.activity);
  if (activity === WAIT_FOR_SIPI) return false;
  if (state.getU32(layout.tprExitPending)) {
    state.setU32(layout.tprExitPending, 0);
    vmx.exit({
      reason: exitReasons.TPR_BELOW_THRESHOLD.number,
      cause: { rule: 'tpr.threshold', control: 'primary.use-tpr-shadow', field: 'TPR_THRESHOLD' },
    });
    return true;
  }
  if (state.getU32(layout.trapFlagPending) && activity === ACTIVE) {
    state.setU32(layout.trapFlagPending, 0);
    vmx.exit({
      reason: exitReasons.MONITOR_TRAP_FLAG.number,
      cause: { rule: 'trap-flag', control: 'primary.monitor-trap-flag' },
    });
    return true;
  }
  return false;
};

/** Preemption timer, NMIs, windows, external interrupts: behind debug traps. True when it exited. */
export const exitForInterrupts = (vmx: Vmx, now: number, board: BoardEvents): boolean => {
  const { state } = vmx.cpu;
  const { pin, primary } = vmx.controls;
  const shadow = state.getU32(layout.interruptibility);
  const activity = state.getU32(layout.activity);
  if (activity === WAIT_FOR_SIPI) return false;
  if (now >= vmx.timerDeadline) {
    vmx.exit({
      reason: exitReasons.PREEMPTION_TIMER.number,
      cause: { rule: 'preemption-timer', control: 'pin.activate-vmx-preemption-timer' },
    });
    return true;
  }
  const mayTake = activity === ACTIVE || activity === HALTED;
  if (mayTake && primary & control.nmiWindow && !(shadow & (BLOCKED_BY_NMI | BLOCKED_BY_MOV_SS))) {
    vmx.exit({
      reason: exitReasons.NMI_WINDOW.number,
      cause: { rule: 'nmi-window', control: 'primary.nmi-window-exiting' },
    });
    return true;
  }
  if (state.getU32(layout.pendingNmi) && pin & control.nmiExiting && nmiArrives(vmx, shadow)) {
    state.setU32(layout.pendingNmi, 0);
    vmx.exit({
      reason: exitReasons.EXCEPTION_NMI.number,
      cause: { rule: 'nmi', control: 'pin.nmi-exiting' },
      interruption: informationOf({ vector: 2, type: 'nmi' }),
    });
    return true;
  }
  const enabled = (state.getU32(layout.flags) & flagBits.IF) !== 0 && !(shadow & BLOCKED_BY_STI_OR_MOV_SS);
  if (mayTake && primary & control.interruptWindow && enabled) {
    vmx.exit({
      reason: exitReasons.INTERRUPT_WINDOW.number,
      cause: { rule: 'interrupt-window', control: 'primary.interrupt-window-exiting' },
    });
    return true;
  }
  if (mayTake && board.interruptWaiting && pin & control.interruptExiting) {
    // Unlike delivery, the exit does not ask for IF.
    const acknowledged = vmx.controls.exit & control.acknowledge ? board.acknowledge() : undefined;
    vmx.exit({
      reason: exitReasons.EXTERNAL_INTERRUPT.number,
      cause: { rule: 'external-interrupt', control: 'pin.external-interrupt-exiting' },
      ...(acknowledged === undefined
        ? {}
        : { interruption: informationOf({ vector: acknowledged, type: 'external-interrupt' }) }),
    });
    return true;
  }
  return false;
};

/** With virtual NMIs the guest's blocking is not the processor's. */
const nmiArrives = (vmx: Vmx, shadow: number): boolean =>
  (vmx.controls.pin & control.virtualNmis) !== 0 || !(shadow & BLOCKED_BY_NMI);

/** Does a window that opens cause an exit? The core then leaves where flags change. */
export const wantsWindow = (vmx: Vmx): boolean =>
  (vmx.controls.primary & (control.interruptWindow | control.nmiWindow)) !== 0;

/** Must the guest be run instruction by instruction? */
export const countsInstructions = (vmx: Vmx): boolean => (vmx.controls.primary & control.trapFlag) !== 0;

/** An instruction of the guest was executed. */
export const instructionDone = (vmx: Vmx): void => {
  if (vmx.nonRoot && countsInstructions(vmx)) vmx.cpu.state.setU32(layout.trapFlagPending, 1);
};
