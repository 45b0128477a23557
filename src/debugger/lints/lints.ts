/** Mistakes of hypervisors that no rule of the processor forbids: one row each. */

import type { EventKind, MachineEvent } from '../../machine/core/event';
import type { Vmcs } from '../../machine/vmx/vmcs';
import { hex } from '../../x86/address';
import { exception, exceptionOf } from '../../x86/exceptions';
import { exitReasons } from '../../x86/vmx/exit-reasons';
import { isHandled } from '../events/handled';
import { vectorName } from '../explain';
import type { Handling } from './handling';
import { misalignedCall } from './stub-call';

export interface Lint {
  readonly id: string;
  /** What is wrong and what would be right; `{value}` is what was found. */
  readonly says: string;
  /** What was found is a number, unless it is an exception's. */
  readonly finds?: 'vector';
  /** The events at which it is asked. */
  readonly at: EventKind;
  /** What was found; undefined: nothing wrong. */
  readonly check: (handling: Handling, event: MachineEvent) => bigint | undefined;
}

const VALID = 0x8000_0000;
const HARDWARE_EXCEPTION = 3;
const typeOf = (information: number): number => (information >>> 8) & 7;
const vectorOf = (information: number): number => information & 0xff;
/** External interrupts, NMIs, hardware exceptions: software events come again when the instruction does. */
const lostTypes: ReadonlySet<number> = new Set([0, 2, HARDWARE_EXCEPTION]);
/** Vectors below are those of exceptions and the NMI. */
const EXCEPTIONS = 32;
/** So often the same exit is no coincidence. */
const OFTEN = 1000;
/** Exits that come of themselves, also while a guest waits in a loop. */
const patient: ReadonlySet<number> = new Set(
  (['EXTERNAL_INTERRUPT', 'PREEMPTION_TIMER', 'INTERRUPT_WINDOW', 'NMI_WINDOW', 'MONITOR_TRAP_FLAG'] as const).map(
    (name) => exitReasons[name].number,
  ),
);

const vmcsOf = ({ vcpu }: Handling): Vmcs | undefined => vcpu.vmx?.current;

/** The event that an entry injects; undefined where it injects none. */
const injected = (handling: Handling): number | undefined => {
  const information = vmcsOf(handling)?.get32('VM_ENTRY_INTR_INFO_FIELD') ?? 0;
  return information & VALID ? information : undefined;
};

export const lints: readonly Lint[] = [
  {
    id: 'fault-with-advanced-rip',
    finds: 'vector',
    says: 'the entry injects the fault {value}, but GUEST_RIP was moved past the instruction that exited: a fault is reported at the instruction itself, so leave GUEST_RIP where it was',
    at: 'vmentry',
    check: (handling, event) => {
      const information = injected(handling);
      const length = handling.exit?.instructionLength ?? 0;
      if (event.kind !== 'vmentry' || information === undefined || length === 0) return undefined;
      if (typeOf(information) !== HARDWARE_EXCEPTION) return undefined;
      const vector = vectorOf(information);
      const isFault = exceptionOf(vector)?.type === 'fault' && vector !== exception.DB;
      return isFault && event.to === handling.rip + BigInt(length) ? BigInt(vector) : undefined;
    },
  },
  {
    id: 'page-fault-without-cr2',
    says: 'the entry injects #PF, but CR2 was not written since the exit and holds {value}: VM entry does not load it, so MOV the faulting address to CR2 before VMRESUME',
    at: 'vmentry',
    check: (handling) => {
      const information = injected(handling);
      if (information === undefined || handling.exit === undefined || handling.cr2Written) return undefined;
      const isPageFault = typeOf(information) === HARDWARE_EXCEPTION && vectorOf(information) === exception.PF;
      // An exit during the delivery of a page fault has left the address there.
      const wasDelivered = vectorOf(handling.exit.vectoring ?? 0) === exception.PF;
      return isPageFault && !wasDelivered ? handling.vcpu.state.cr2 : undefined;
    },
  },
  {
    id: 'event-lost',
    says: 'the exit interrupted the delivery of an event (IDT-vectoring information {value}), and the entry injects none: copy IDT_VECTORING_INFO_FIELD to VM_ENTRY_INTR_INFO_FIELD, else the guest never gets it',
    at: 'vmentry',
    check: (handling) => {
      const { vectoring = 0 } = handling.exit ?? {};
      if (!(vectoring & VALID) || !lostTypes.has(typeOf(vectoring)) || injected(handling) !== undefined)
        return undefined;
      return handling.exit?.vmcs === vmcsOf(handling)?.address ? BigInt(vectoring >>> 0) : undefined;
    },
  },
  {
    id: 'same-exit-again',
    says: 'the same exit came a thousand times at guest RIP {value} with the same registers: the handler neither moves GUEST_RIP past the instruction nor takes the cause away',
    at: 'vmexit',
    check: (handling, event) =>
      event.kind === 'vmexit' && !patient.has(event.reason) && handling.repeated === OFTEN ? handling.rip : undefined,
  },
  {
    id: 'msr-outside-bitmap',
    says: 'MSR {value} lies outside the ranges of the MSR bitmaps, so it exits whatever they say; the hypervisor accessed it for the guest as if its bit had been set, and got #GP: inject #GP instead',
    at: 'trap',
    check: (handling, event) => {
      const cause = handling.exit?.cause;
      if (event.kind !== 'trap' || !handling.inRoot || cause?.rule !== 'msr.outside-bitmap') return undefined;
      const register = BigInt(handling.vcpu.state.gpr32(1));
      const isMsr = event.vector === exception.GP && event.why.rule.startsWith('msr.');
      return isMsr && register === cause.value ? register : undefined;
    },
  },
  {
    id: 'root-exception-without-handler',
    finds: 'vector',
    says: 'exception {value} in VMX root operation, and the IDT of the host has no present gate for it: load HOST_IDTR_BASE with a table that has one',
    at: 'trap',
    check: (handling, event) => {
      if (event.kind !== 'trap' || !handling.inRoot) return undefined;
      // What comes of an exception or NMI without a handler tells nothing more.
      if (event.during !== undefined && event.during < EXCEPTIONS) return undefined;
      return isHandled(handling.machine, event.vcpu, event.vector) ? undefined : BigInt(event.vector);
    },
  },
  {
    id: 'root-nmi-without-handler',
    says: 'an NMI in VMX root operation, and the IDT of the host has no present gate for vector {value}: NMIs come at any time, so load HOST_IDTR_BASE with a table that has one',
    at: 'nmi',
    check: (handling, event) =>
      handling.inRoot && !isHandled(handling.machine, event.vcpu, exception.NMI) ? BigInt(exception.NMI) : undefined,
  },
  {
    id: 'misaligned-call',
    says: 'RSP is {value} at the first CALL behind HOST_RIP, which is no multiple of 16: compiled code may fault at aligned accesses to its stack; move HOST_RSP or what the stub pushes by 8',
    at: 'vmcs',
    check: (handling) => {
      if (!handling.fresh || !handling.inRoot) return undefined;
      handling.fresh = false;
      return misalignedCall(handling);
    },
  },
];

export const lintIds: readonly string[] = lints.map(({ id }) => id);

/** A lint's words with what was found. */
export const lintText = (id: string, value: bigint): string => {
  const lint = lints.find((one) => one.id === id);
  const found = lint?.finds === 'vector' ? vectorName(Number(value)) : hex(value);
  return lint?.says.replace('{value}', found) ?? id;
};
