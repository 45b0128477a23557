/**
 * Exceptions in a guest: to the hypervisor where the exception bitmap wants them, else through the guest's IDT; and what becomes
 * of a fault, a VM exit or another exception that comes up meanwhile. Intel SDM vol. 3, "Information for VM Exits During Event
 * Delivery" and "Exceptions and VM Exits".
 */

import { DR6 } from '../../x86/control-registers';
import { combine, exception } from '../../x86/exceptions';
import { exitReasons } from '../../x86/vmx/exit-reasons';
import { Fault } from '../core/fault';
import { raiseOnce, resumes } from '../cpu/interrupt-delivery';
import { type Exit, type GuestEvent, VmExit } from '../cpu/virtualization';
import { informationOf } from './event';
import type { Vmx } from './vmx';

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
const qualificationOf = (vmx: Vmx, fault: Fault): bigint => {
  if (fault.vector === exception.PF) return fault.address ?? 0n;
  return fault.vector === exception.DB
    ? vmx.cpu.state.dr(6) & BigInt(DR6.B0 + DR6.B1 + DR6.B2 + DR6.B3 + DR6.BD + DR6.BS)
    : 0n;
};

const eventOf = ({ vector, errorCode }: Fault): GuestEvent => ({
  vector,
  type: vector === exception.NMI ? 'nmi' : 'hardware-exception',
  ...(errorCode === undefined ? {} : { errorCode }),
});

/** The exit that an exception causes because of the exception bitmap. */
export const exceptionExit = (vmx: Vmx, fault: Fault, during: GuestEvent | undefined): Exit => ({
  reason: exitReasons.EXCEPTION_NMI.number,
  cause: { rule: 'exception.bitmap', field: 'EXCEPTION_BITMAP', bit: fault.vector },
  qualification: qualificationOf(vmx, fault),
  interruption: informationOf(eventOf(fault)),
  ...(fault.errorCode === undefined ? {} : { errorCode: fault.errorCode }),
  ...vectoring(during),
});

/** @param during the event whose delivery the fault interrupted */
export const deliverInGuest = (vmx: Vmx, fault: Fault, during?: GuestEvent): void => {
  let current = fault;
  let original = during;
  for (;;) {
    if (current instanceof VmExit) {
      vmx.exit({ ...current.exit, ...vectoring(original) });
      return;
    }
    // A double fault's exit is not one during delivery: it is caused directly.
    const doubled = current.vector === exception.DF;
    if (vmx.wantsException(current.vector, current.errorCode)) {
      vmx.exit(exceptionExit(vmx, current, doubled ? undefined : original));
      return;
    }
    const second = raiseOnce(vmx.cpu, current, resumes(current.vector), original?.vector);
    if (second === undefined) return;
    original = eventOf(current);
    if (second instanceof VmExit) {
      current = second;
      continue;
    }
    const combined = combine(current.vector, second.vector);
    if (combined === 'triple') {
      vmx.exit({ reason: exitReasons.TRIPLE_FAULT.number, cause: { rule: 'always.TRIPLE_FAULT' } });
      return;
    }
    current = combined === 'double' ? new Fault(exception.DF, { rule: 'double-fault' }, 0) : second;
  }
};
