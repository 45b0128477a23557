/** What belongs to a stop where something failed: the doctor's report of a VM entry, a line, the faults that made a guest exit. */

import type { MachineEvent } from '../../machine/core/event';
import { linear } from '../../x86/address';
import { explainChain } from '../explain';
import type { Session } from '../session';
import { explainFailure } from '../why/failure';
import { doctorLive } from './live';
import { vmxonFindings, vmxonLines } from './vmxon';

/** VM-instruction errors that come from the rules of VM entry. */
const BY_RULES: ReadonlySet<number> = new Set([7, 8]);

/** Empty where the event is no failure. The VMCS is as it was: a failed entry changes no field but the error's. */
export const failedEntryLines = (session: Session, event: MachineEvent): string[] => {
  if (event.kind === 'vmexit') return event.chain === undefined ? [] : explainChain(event.chain);
  if (event.kind === 'vmentry-failure')
    // The stop itself tells the MSR that could not be loaded.
    return event.refused === undefined ? [...doctorLive(session, event.vcpu).lines] : [];
  if (event.kind !== 'vmfail') return [];
  if (BY_RULES.has(event.error)) return [...doctorLive(session, event.vcpu).lines];
  const { vmx } = session.vcpu(event.vcpu);
  // Without VMX operation, only VMXON can fail so.
  return !event.valid && vmx?.on === false
    ? vmxonLines(vmxonFindings(session, event.vcpu, linear(event.at)))
    : [explainFailure(session, event).text];
};
