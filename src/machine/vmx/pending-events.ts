/**
 * What is looked at between two instructions of a guest, in the order of its priority: rows, of which the first that is due
 * makes the exit. Intel SDM vol. 3, "Other Causes of VM Exits", "Event Blocking", "Monitor Trap Flag", and "Priority Among
 * Concurrent Events".
 */

import { flagBits } from '../../x86/registers';
import { type ExitReasonName, exitReasons } from '../../x86/vmx/exit-reasons';
import { state as layout } from '../core/layout';
import type { Exit } from '../cpu/virtualization';
import { control } from './control-bits';
import { informationOf } from './event';
import type { Vmx } from './vmx';

const BLOCKED_BY_STI_OR_MOV_SS = 3;
const BLOCKED_BY_MOV_SS = 2;
const BLOCKED_BY_NMI = 8;
const ACTIVE = 0;
const HALTED = 1;
const WAIT_FOR_SIPI = 3;

/** Why an MTF exit is pending: an instruction was counted, or the entry injected it. */
export const trapFlag = { counted: 1, injected: 2 } as const;

/** What of the board's events a guest takes part in. */
export interface BoardEvents {
  /** An interrupt waits at the local APIC or the PIC. */
  readonly interruptWaiting: boolean;
  /** Its vector, taken from the controller. */
  acknowledge(): number;
}

interface Row {
  readonly reason: ExitReasonName;
  readonly cause: Exit['cause'];
  due(vmx: Vmx, now: number, board: BoardEvents): boolean;
  /** What it says beside the reason, and what of the state it takes. */
  readonly take?: (vmx: Vmx, board: BoardEvents) => Omit<Exit, 'reason' | 'cause'> & { readonly cause?: Exit['cause'] };
}

const word = (vmx: Vmx, at: number): number => vmx.cpu.state.getU32(at);
const shadow = (vmx: Vmx): number => word(vmx, layout.interruptibility);
const activity = (vmx: Vmx): number => word(vmx, layout.activity);
const clear =
  (at: number) =>
  (vmx: Vmx): Record<never, never> => {
    vmx.cpu.state.setU32(at, 0);
    return {};
  };

/** Before the debug traps of the last instruction. */
const beforeTraps: readonly Row[] = [
  {
    reason: 'TPR_BELOW_THRESHOLD',
    cause: { rule: 'tpr.threshold', control: 'primary.use-tpr-shadow', field: 'TPR_THRESHOLD' },
    due: (vmx) => word(vmx, layout.tprExitPending) !== 0,
    take: clear(layout.tprExitPending),
  },
  {
    reason: 'INIT',
    cause: { rule: 'always.INIT' },
    due: (vmx) => word(vmx, layout.pendingInit) !== 0 && activity(vmx) !== WAIT_FOR_SIPI,
    take: clear(layout.pendingInit),
  },
  {
    reason: 'SIPI',
    cause: { rule: 'always.SIPI' },
    due: (vmx) => word(vmx, layout.pendingSipi) !== 0,
    take: (vmx) => {
      const vector = word(vmx, layout.pendingSipi) & 0xff;
      vmx.cpu.state.setU32(layout.pendingSipi, 0);
      return { qualification: BigInt(vector) };
    },
  },
  {
    reason: 'MONITOR_TRAP_FLAG',
    cause: { rule: 'trap-flag', control: 'primary.monitor-trap-flag' },
    due: (vmx) => word(vmx, layout.trapFlagPending) !== 0 && activity(vmx) <= HALTED,
    take: (vmx) => {
      const injected = word(vmx, layout.trapFlagPending) === trapFlag.injected;
      vmx.cpu.state.setU32(layout.trapFlagPending, 0);
      return injected ? { cause: { rule: 'trap-flag.injected', field: 'VM_ENTRY_INTR_INFO_FIELD' } } : {};
    },
  },
];

/** Behind the debug traps. The shutdown state knows the timer and NMIs, wait-for-SIPI none of them. */
const behindTraps: readonly Row[] = [
  {
    reason: 'PREEMPTION_TIMER',
    cause: { rule: 'preemption-timer', control: 'pin.activate-vmx-preemption-timer' },
    due: (vmx, now) => now >= vmx.timerDeadline,
  },
  {
    reason: 'NMI_WINDOW',
    cause: { rule: 'nmi-window', control: 'primary.nmi-window-exiting' },
    due: (vmx) =>
      (vmx.controls.primary & control.nmiWindow) !== 0 && !(shadow(vmx) & (BLOCKED_BY_NMI | BLOCKED_BY_MOV_SS)),
  },
  {
    reason: 'EXCEPTION_NMI',
    cause: { rule: 'nmi', control: 'pin.nmi-exiting' },
    due: (vmx) =>
      word(vmx, layout.pendingNmi) !== 0 && (vmx.controls.pin & control.nmiExiting) !== 0 && nmiArrives(vmx),
    take: (vmx) => {
      vmx.cpu.state.setU32(layout.pendingNmi, 0);
      return { interruption: informationOf({ vector: 2, type: 'nmi' }) };
    },
  },
  {
    reason: 'INTERRUPT_WINDOW',
    cause: { rule: 'interrupt-window', control: 'primary.interrupt-window-exiting' },
    due: (vmx) =>
      activity(vmx) <= HALTED &&
      (vmx.controls.primary & control.interruptWindow) !== 0 &&
      (word(vmx, layout.flags) & flagBits.IF) !== 0 &&
      !(shadow(vmx) & BLOCKED_BY_STI_OR_MOV_SS),
  },
  {
    reason: 'EXTERNAL_INTERRUPT',
    cause: { rule: 'external-interrupt', control: 'pin.external-interrupt-exiting' },
    // Unlike delivery, the exit does not ask for IF. That STI and MOV SS block it is a processor's own choice.
    due: (vmx, _now, board) =>
      activity(vmx) <= HALTED &&
      (vmx.controls.pin & control.interruptExiting) !== 0 &&
      !(shadow(vmx) & BLOCKED_BY_STI_OR_MOV_SS) &&
      board.interruptWaiting,
    take: (vmx, board) =>
      vmx.controls.exit & control.acknowledge
        ? { interruption: informationOf({ vector: board.acknowledge(), type: 'external-interrupt' }) }
        : {},
  },
];

/** With virtual NMIs the guest's blocking is not the processor's. */
const nmiArrives = (vmx: Vmx): boolean => {
  if (shadow(vmx) & BLOCKED_BY_STI_OR_MOV_SS) return false;
  return (vmx.controls.pin & control.virtualNmis) !== 0 || !(shadow(vmx) & BLOCKED_BY_NMI);
};

const exitBy = (rows: readonly Row[], vmx: Vmx, now: number, board: BoardEvents): boolean => {
  const row = rows.find(({ due }) => due(vmx, now, board));
  if (row === undefined) return false;
  vmx.exit({ reason: exitReasons[row.reason].number, cause: row.cause, ...row.take?.(vmx, board) });
  return true;
};

/** True when it exited. */
export const exitBeforeTraps = (vmx: Vmx, now: number, board: BoardEvents): boolean =>
  exitBy(beforeTraps, vmx, now, board);
export const exitForInterrupts = (vmx: Vmx, now: number, board: BoardEvents): boolean =>
  activity(vmx) !== WAIT_FOR_SIPI && exitBy(behindTraps, vmx, now, board);

/** Would a guest that does nothing leave its state by an exit now? */
export const exitIsDue = (vmx: Vmx, now: number, board: BoardEvents): boolean => {
  const due = (row: Row): boolean => row.due(vmx, now, board);
  return beforeTraps.some(due) || (activity(vmx) !== WAIT_FOR_SIPI && behindTraps.some(due));
};

const rowsFor = (vmx: Vmx): readonly Row[] =>
  activity(vmx) === WAIT_FOR_SIPI ? beforeTraps : [...beforeTraps, ...behindTraps];
/** Reasons of all exits that are due, in their order. */
export const dueReasons = (vmx: Vmx, now: number, board: BoardEvents): ExitReasonName[] =>
  rowsFor(vmx).flatMap((row) => (row.due(vmx, now, board) ? [row.reason] : []));
/** What decides each row: for whoever asks why one does not come. */
export const pendingCauses: readonly { readonly reason: ExitReasonName; readonly cause: Exit['cause'] }[] = [
  ...beforeTraps,
  ...behindTraps,
];

/** Does a guest in HLT wake by an interrupt whatever its IF says? */
export const wakesByInterrupt = (vmx: Vmx): boolean =>
  vmx.nonRoot && activity(vmx) === HALTED && (vmx.controls.pin & control.interruptExiting) !== 0;

/** Virtual time at which the preemption timer wakes a guest that does nothing. */
export const wakesByTimer = (vmx: Vmx): number =>
  vmx.nonRoot && activity(vmx) !== ACTIVE && activity(vmx) !== WAIT_FOR_SIPI
    ? vmx.timerDeadline
    : Number.POSITIVE_INFINITY;

/** Does a window that opens cause an exit? The core then leaves where flags change. */
export const wantsWindow = (vmx: Vmx): boolean =>
  (vmx.controls.primary & (control.interruptWindow | control.nmiWindow)) !== 0;

/** Is there anything to look at before the first instruction after an entry? */
export const mustAttend = (vmx: Vmx): boolean =>
  (vmx.controls.pin & control.preemptionTimer) !== 0 ||
  (vmx.controls.primary & (control.interruptWindow | control.nmiWindow | control.trapFlag)) !== 0 ||
  (shadow(vmx) & BLOCKED_BY_STI_OR_MOV_SS) !== 0 ||
  (word(vmx, layout.flags) & flagBits.TF) !== 0 ||
  waiting.some((at) => word(vmx, at) !== 0);
const waiting = [
  layout.activity,
  layout.pendingDebug,
  layout.pendingNmi,
  layout.pendingInit,
  layout.pendingSipi,
  layout.trapFlagPending,
  layout.tprExitPending,
  layout.interruptWaiting,
];

/** Must the guest be run instruction by instruction? */
export const countsInstructions = (vmx: Vmx): boolean => (vmx.controls.primary & control.trapFlag) !== 0;

/** An instruction of the guest was executed, or an event delivered to it, which counts as one. */
export const instructionDone = (vmx: Vmx): void => {
  if (vmx.nonRoot && countsInstructions(vmx)) vmx.cpu.state.setU32(layout.trapFlagPending, trapFlag.counted);
};
