/**
 * The exits that come between two instructions: of each, what of all that it needs is missing here, or that it comes. The rows
 * are the machine's (machine/vmx/pending-events.ts): they are asked again with everything as they need it, then with one thing
 * after the other as it is; what they miss then is what decides. Intel SDM vol. 3, "Other Causes of VM Exits".
 */

import type { Exit } from '../../machine/core/exit';
import type { Fault } from '../../machine/core/fault';
import { state as layout } from '../../machine/core/layout';
import type { CpuState } from '../../machine/core/state';
import type { Machine } from '../../machine/pc';
import { activity } from '../../machine/virtual-cpu';
import type { ControlBits } from '../../machine/vmx/control-bits';
import {
  type BoardEvents,
  dueReasons,
  exitBeforeTraps,
  exitForInterrupts,
  instructionDone,
  pendingCauses,
} from '../../machine/vmx/pending-events';
import { checkThreshold } from '../../machine/vmx/task-priority';
import type { Vmx } from '../../machine/vmx/vmx';
import { flagBits } from '../../x86/registers';
import { controlOf } from '../../x86/vmx/controls';
import type { ExitReasonName } from '../../x86/vmx/exit-reasons';
import type { FieldName } from '../../x86/vmx/fields';
import type { Item } from '../item';
import { activityName } from '../vcpu-view';
import { controlText, fieldText } from './control-words';
import { type Supposition, scratchOf, supposing } from './looking';

/** A vCPU of a guest at a boundary between two instructions. */
export interface Boundary {
  readonly machine: Machine;
  readonly index: number;
  readonly vmx: Vmx;
}

/** What is supposed of a boundary, in the making. */
interface Draft {
  readonly state: CpuState;
  controls: ControlBits;
  now: number;
  interruptWaiting: boolean;
  /** An instruction has been executed since. */
  executed: boolean;
  /** The task priority is compared: as it is, or as 0 with the highest threshold. */
  compared: boolean;
  lowPriority: boolean;
}

/** Something that an exit may need: how it is said to be missing, and how it would be there. */
interface Need {
  readonly says: (at: Boundary, reason: ExitReasonName) => string;
  readonly meet: (draft: Draft, control: string | undefined) => void;
}

/** Bits of the interruptibility state. */
const blocking = { sti: 1, movSs: 2, nmi: 8 } as const;
const SIPI = 0x100;
const ONE_INSTRUCTION = 'is in force, for one instruction';

const clears =
  (bit: number) =>
  ({ state }: Draft): void =>
    state.setU32(layout.interruptibility, state.getU32(layout.interruptibility) & ~bit);
const sets =
  (at: number, value: number) =>
  ({ state }: Draft): void =>
    state.setU32(at, value);

const controlOfRow = (reason: ExitReasonName): string | undefined =>
  pendingCauses.find((row) => row.reason === reason)?.cause.control;

const isOn = ({ controls }: Vmx, id: string): boolean => {
  const row = controlOf(id);
  if (row?.word !== 'pin' && row?.word !== 'primary') return false;
  return ((controls[row.word] >>> row.bit) & 1) !== 0;
};

const needs = {
  control: {
    says: (_, reason) => controlText(controlOfRow(reason) ?? '', 0),
    meet: (draft, control) => {
      const row = control === undefined ? undefined : controlOf(control);
      if (row?.word !== 'pin' && row?.word !== 'primary') return;
      draft.controls = { ...draft.controls, [row.word]: draft.controls[row.word] | ((2 ** row.bit) | 0) };
    },
  },
  interruptFlag: {
    says: () => 'RFLAGS.IF is 0',
    meet: ({ state }) => {
      state.rflags |= flagBits.IF;
    },
  },
  noSti: { says: () => `blocking by STI (interruptibility bit 0) ${ONE_INSTRUCTION}`, meet: clears(blocking.sti) },
  noMovSs: {
    says: () => `blocking by MOV SS (interruptibility bit 1) ${ONE_INSTRUCTION}`,
    meet: clears(blocking.movSs),
  },
  noNmi: {
    says: ({ vmx }) =>
      `${isOn(vmx, 'pin.virtual-nmis') ? 'virtual-NMI blocking' : 'blocking by NMI'} (interruptibility bit 3) is in force, until IRET`,
    meet: clears(blocking.nmi),
  },
  active: {
    says: ({ vmx }) => `the guest's activity state is ${activityName(vmx.cpu.state)}`,
    meet: sets(layout.activity, activity.active),
  },
  nmi: { says: () => 'no NMI waits', meet: sets(layout.pendingNmi, 1) },
  interrupt: {
    says: () => 'no interrupt waits at the local APIC or the 8259',
    meet: (draft) => {
      draft.interruptWaiting = true;
    },
  },
  init: { says: () => 'no INIT waits', meet: sets(layout.pendingInit, 1) },
  sipi: { says: () => 'no start-up IPI came', meet: sets(layout.pendingSipi, SIPI) },
  timer: {
    says: ({ machine, vmx }) =>
      `the VMX-preemption timer reaches 0 in ${vmx.timerDeadline - machine.counters.vtime} ticks of the TSC`,
    meet: (draft) => {
      draft.now = Number.MAX_VALUE;
    },
  },
  priority: {
    says: ({ vmx }) => priorityText(supposing(vmx, {})),
    meet: (draft) => {
      draft.lowPriority = true;
    },
  },
  comparison: {
    says: () => 'the task priority is looked at behind a MOV to CR8 and at an entry only',
    meet: (draft) => {
      draft.compared = true;
    },
  },
  instruction: {
    says: () => 'one instruction has to be executed before',
    meet: (draft) => {
      draft.executed = true;
    },
  },
} as const satisfies Readonly<Record<string, Need>>;

type NeedName = keyof typeof needs;
const needNames = Object.keys(needs) as NeedName[];

/** `the virtual task priority 5 is not below TPR_THRESHOLD 0x5`. */
export const priorityText = (asked: Vmx): string =>
  `the virtual task priority ${asked.readTaskPriority() ?? 'of a TPR shadow'} is not below ${fieldText(asked.current, 'TPR_THRESHOLD')}`;

const lowest: Partial<Readonly<Record<FieldName, bigint>>> = { TPR_THRESHOLD: 15n };

const board = ({ machine, index }: Boundary, interruptWaiting: boolean): BoardEvents => ({
  interruptWaiting,
  acknowledge: () => {
    const { localApics, pic } = machine.devices;
    const vector = localApics[index]?.highestPending() ?? -1;
    return vector >= 0 ? vector : pic.line(pic.next()).vector;
  },
});

/** Reasons of the exits that would be due, were these needs met. */
const dueWith = (at: Boundary, control: string | undefined, met: readonly NeedName[]): readonly ExitReasonName[] => {
  const { machine, index, vmx } = at;
  const draft: Draft = {
    state: scratchOf(vmx.cpu.state),
    controls: vmx.controls,
    now: machine.counters.vtime,
    interruptWaiting: machine.devices.interruptPending(index),
    executed: false,
    compared: false,
    lowPriority: false,
  };
  for (const name of met) (needs[name] as Need).meet(draft, control);
  const { state, controls, lowPriority } = draft;
  const asked = supposing(vmx, {
    state,
    controls,
    ...(lowPriority ? { byte: 0, field: (name) => lowest[name] } : {}),
  });
  if (draft.executed) instructionDone(asked);
  if (draft.compared) checkThreshold(asked);
  return dueReasons(asked, draft.now, board(at, draft.interruptWaiting));
};

/** What an exit misses at this boundary; nothing: it comes. */
const missing = (at: Boundary, reason: ExitReasonName): readonly NeedName[] => {
  const control = controlOfRow(reason);
  if (dueWith(at, control, []).includes(reason)) return [];
  return needNames.filter(
    (name) =>
      !dueWith(
        at,
        control,
        needNames.filter((other) => other !== name),
      ).includes(reason),
  );
};

interface Row {
  readonly name: string;
  readonly reason: ExitReasonName;
  /** What becomes of it where the control is 0. */
  readonly instead?: string;
}

const rows: readonly Row[] = [
  { name: 'task priority', reason: 'TPR_BELOW_THRESHOLD', instead: 'no threshold is looked at' },
  { name: 'INIT', reason: 'INIT' },
  { name: 'start-up IPI', reason: 'SIPI' },
  { name: 'monitor trap flag', reason: 'MONITOR_TRAP_FLAG', instead: 'no exit follows an instruction' },
  { name: 'preemption timer', reason: 'PREEMPTION_TIMER', instead: 'it does not count' },
  { name: 'NMI window', reason: 'NMI_WINDOW', instead: 'it passes unseen' },
  { name: 'NMI', reason: 'EXCEPTION_NMI', instead: "it goes through the guest's IDT" },
  { name: 'interrupt window', reason: 'INTERRUPT_WINDOW', instead: 'it passes unseen' },
  { name: 'external interrupt', reason: 'EXTERNAL_INTERRUPT', instead: "it goes through the guest's IDT when IF is 1" },
];

/** Needs that the next instruction meets. */
const soon: Partial<Record<NeedName, string>> = {
  instruction: 'it exits behind the next instruction',
  comparison: 'it exits behind the next MOV to CR8, or after the next entry',
};

const verdict = (at: Boundary, { reason, instead }: Row): string => {
  const lacks = missing(at, reason);
  const [first] = lacks;
  if (first === undefined) return 'it exits here, before the next instruction';
  if (first === 'control') return `no exit: ${needs.control.says(at, reason)}: ${instead}`;
  const on = controlOfRow(reason);
  const prefix = on === undefined ? '' : `${controlText(on, 1)}, `;
  const coming = lacks.length === 1 ? soon[first] : undefined;
  if (coming !== undefined) return `${prefix}and ${coming}`;
  const says = lacks.filter((name) => soon[name] === undefined).map((name) => (needs[name] as Need).says(at, reason));
  return `no exit: ${prefix}${prefix === '' ? '' : 'but '}${says.join(', and ')}`;
};

/** Why no exit of this reason comes between two instructions here; undefined for reasons of other exits. */
export const whyNoEvent = (at: Boundary, reason: ExitReasonName): string | undefined => {
  const row = rows.find((one) => one.reason === reason);
  return row === undefined ? undefined : verdict(at, row);
};

/** One item each, with what decides. */
export const boundaryItems = (at: Boundary): Item[] =>
  rows.map((row): Item => ({ name: row.name, meaning: verdict(at, row) }));

/** The exit, or the debug trap of the last instruction, that comes at this boundary, before the next instruction. */
export const comesHere = (at: Boundary): Exit | Fault | undefined => {
  const before = exitOf(at, {}, 0, exitBeforeTraps, () => {});
  const shadow = at.vmx.cpu.state.getU32(layout.interruptibility);
  const trap = at.machine.cpus[at.index]?.debug.pendingTrap(shadow);
  return before ?? trap ?? exitOf(at, {}, 0, exitForInterrupts, () => {});
};

/** The exit that comes behind the next instruction, where it does no more than to be executed. */
export const exitBehind = (at: Boundary, given: Supposition, done: (asked: Vmx) => void): Exit | undefined =>
  exitOf(at, given, 1, either, (asked) => {
    const { state } = asked.cpu;
    state.setU32(layout.interruptibility, state.getU32(layout.interruptibility) & ~(blocking.sti | blocking.movSs));
    instructionDone(asked);
    done(asked);
  });

type Look = typeof exitBeforeTraps;
const either: Look = (vmx, now, events) => exitBeforeTraps(vmx, now, events) || exitForInterrupts(vmx, now, events);

const exitOf = (
  at: Boundary,
  given: Supposition,
  ticks: number,
  look: Look,
  act: (asked: Vmx) => void,
): Exit | undefined => {
  const { machine, index, vmx } = at;
  let found: Exit | undefined;
  const asked = supposing(vmx, {
    ...given,
    exit: (exit) => {
      found = exit;
    },
  });
  act(asked);
  const events = board(at, machine.devices.interruptPending(index));
  look(asked, machine.counters.vtime + ticks, events);
  return found;
};
