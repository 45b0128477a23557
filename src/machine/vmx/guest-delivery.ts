/**
 * Exceptions in a guest: to the hypervisor where the exception bitmap wants them, else through the guest's IDT; and what becomes
 * of a fault, a VM exit or another exception that comes up meanwhile. Intel SDM vol. 3, "Information for VM Exits During Event
 * Delivery" and "Exceptions and VM Exits".
 */

import { combine, exception } from '../../x86/exceptions';
import { flagBits } from '../../x86/registers';
import { exitReasons } from '../../x86/vmx/exit-reasons';
import { Fault } from '../core/fault';
import { DebugException } from '../cpu/debug-registers';
import { raiseOnce, recordOf, resumes } from '../cpu/interrupt-delivery';
import { type Exit, type GuestEvent, VmExit } from '../cpu/virtualization';
import { informationOf } from './event';
import type { Vmx } from './vmx';

/** B0 - B3, BD and BS of DR6. */
const DEBUG_QUALIFICATION = 0x600f;
const UNBLOCKED = 1n << 12n;

/** What was being delivered, for the exit's IDT-vectoring fields. */
const vectoring = (event: GuestEvent | undefined): Partial<Exit> =>
  event === undefined
    ? {}
    : {
        vectoring: informationOf(event),
        ...(event.errorCode === undefined ? {} : { vectoringCode: event.errorCode }),
        ...(event.length === undefined ? {} : { instructionLength: event.length }),
      };

/** The qualification of an exit by an exception: the address of a page fault, what DR6 would say of a debug exception. */
const qualificationOf = (fault: Fault): bigint => {
  if (fault instanceof DebugException) return BigInt(fault.bits & DEBUG_QUALIFICATION);
  return fault.vector === exception.PF ? (fault.address ?? 0n) : 0n;
};

const eventOf = ({ vector, errorCode }: Fault): GuestEvent => ({
  vector,
  type: vector === exception.NMI ? 'nmi' : 'hardware-exception',
  ...(errorCode === undefined ? {} : { errorCode }),
});

/** What of the fields decided: bit of the bitmap, and for page faults mask and match. */
const causeOf = ({ vector, errorCode }: Fault): Exit['cause'] => ({
  rule: vector === exception.PF ? 'exception.page-fault' : 'exception.bitmap',
  field: 'EXCEPTION_BITMAP',
  bit: vector,
  ...(vector === exception.PF ? { value: BigInt(errorCode ?? 0) } : {}),
});

/** The exit that an exception causes because of the exception bitmap. @param unblocked an IRET that ended NMI blocking raised it */
const exceptionExit = (fault: Fault, during: GuestEvent | undefined, unblocked: boolean): Exit => ({
  reason: exitReasons.EXCEPTION_NMI.number,
  cause: causeOf(fault),
  qualification: qualificationOf(fault),
  // With IDT-vectoring information, and for double faults, bit 12 is undefined: 0 here.
  interruption: informationOf(eventOf(fault), unblocked && during === undefined && fault.vector !== exception.DF),
  ...(fault.errorCode === undefined ? {} : { errorCode: fault.errorCode }),
  ...vectoring(during),
});

/** INT3, INTO and INT1: exceptions that no fault stands for. True when it exited. */
export const softwareExceptionExit = (vmx: Vmx, event: GuestEvent): boolean => {
  if (!vmx.wantsException(event.vector, undefined)) return false;
  vmx.exit({
    reason: exitReasons.EXCEPTION_NMI.number,
    cause: { rule: 'exception.bitmap', field: 'EXCEPTION_BITMAP', bit: event.vector },
    interruption: informationOf(event),
    ...(event.length === undefined ? {} : { instructionLength: event.length }),
  });
  return true;
};

/** The image of RF that the guest's RFLAGS gets. Intel SDM vol. 3, "Saving RIP, RSP, RFLAGS, and SSP". */
const resumeFlag = (vmx: Vmx, set: boolean): void => {
  const { state } = vmx.cpu;
  if (set) state.rflags |= flagBits.RF;
};

const exitFor = (vmx: Vmx, { exit }: VmExit, original: GuestEvent | undefined, unblocked: boolean): void => {
  const taskSwitch = exit.reason === exitReasons.TASK_SWITCH.number;
  resumeFlag(vmx, !taskSwitch && (original === undefined || pushesResumeFlag(original)));
  const marked = unblocked && original === undefined && exit.reason === exitReasons.EPT_VIOLATION.number;
  vmx.exit({
    ...exit,
    ...(marked ? { qualification: (exit.qualification ?? 0n) | UNBLOCKED } : {}),
    ...vectoring(original),
  });
};

const pushesResumeFlag = ({ type, vector }: GuestEvent): boolean => type === 'hardware-exception' && resumes(vector);

const chainOf = ({ cpu }: Vmx, met: readonly Fault[]): Pick<Exit, 'chain'> => ({
  chain: met.map((fault) => recordOf(cpu, fault)),
});

/** @param during the event whose delivery the fault interrupted */
export const deliverInGuest = (vmx: Vmx, fault: Fault, during?: GuestEvent): void => {
  const { unblocked } = vmx;
  vmx.unblocked = false;
  let current = fault;
  let original = during;
  const met = [fault];
  for (;;) {
    if (current instanceof VmExit) {
      exitFor(vmx, current, original, unblocked);
      return;
    }
    if (vmx.wantsException(current.vector, current.errorCode)) {
      resumeFlag(vmx, resumes(current.vector));
      vmx.exit({ ...exceptionExit(current, original, unblocked), ...chainOf(vmx, met) });
      return;
    }
    // Only exceptions make a double fault of one that comes while they are delivered.
    const combined = original?.type === 'hardware-exception' ? combine(original.vector, current.vector) : undefined;
    if (combined === 'triple') {
      resumeFlag(vmx, true);
      vmx.exit({
        reason: exitReasons.TRIPLE_FAULT.number,
        cause: { rule: 'always.TRIPLE_FAULT' },
        ...chainOf(vmx, met),
      });
      return;
    }
    if (combined === 'double') {
      if (current.address !== undefined) vmx.cpu.state.cr2 = current.address;
      current = new Fault(exception.DF, { rule: 'double-fault' }, 0);
      met.push(current);
      original = undefined;
      // It is told as an event of its own, not as one during the delivery of the first.
      continue;
    }
    const second = raiseOnce(vmx.cpu, current, resumes(current.vector), original?.vector);
    if (second === undefined) return;
    original = eventOf(current);
    current = second;
    met.push(second);
  }
};
