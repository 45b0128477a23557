/** What a stop at an event tells below its line: the doctor's report of a VM entry, what was found behind another failure, the faults behind an exit. */

import type { MachineEvent } from '../../machine/core/event';
import { linear } from '../../x86/address';
import { isOfEntryRules } from '../../x86/vmx/instruction-errors';
import { doctorLive } from '../doctor/live';
import { vmxonFindings, vmxonLines } from '../doctor/vmxon';
import { explainChain } from '../explain';
import type { Session } from '../session';
import { explainFailure } from './failure';

type EventOf<Kind> = MachineEvent & { readonly kind: Kind };

/** Empty where the line says it all. The VMCS is as it was: a failed entry changes no field but the error's. */
export const eventReport = (session: Session, event: MachineEvent): readonly string[] => {
  switch (event.kind) {
    case 'vmexit':
      return event.chain === undefined ? [] : explainChain(event.chain);
    case 'vmentry-failure':
      // The stop itself tells the MSR that could not be loaded.
      return event.refused === undefined ? doctorLive(session, event.vcpu).lines : [];
    case 'vmfail':
      return instructionReport(session, event);
    default:
      return [];
  }
};

const instructionReport = (session: Session, event: EventOf<'vmfail'>): readonly string[] => {
  if (isOfEntryRules(event.error)) return doctorLive(session, event.vcpu).lines;
  // Without VMX operation, only VMXON can fail so.
  return !event.valid && session.vcpu(event.vcpu).vmx?.on === false
    ? vmxonLines(vmxonFindings(session, event.vcpu, linear(event.at)))
    : [explainFailure(session, event).text];
};
