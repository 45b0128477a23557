/** The report that belongs to a stop on a VM entry or a VMXON that failed. */

import type { MachineEvent } from '../../machine/core/event';
import { linear } from '../../x86/address';
import type { Session } from '../session';
import { doctorLive } from './live';
import { vmxonFindings, vmxonLines } from './vmxon';

/** VM-instruction errors that come from the rules of VM entry. */
const BY_RULES: ReadonlySet<number> = new Set([7, 8]);

/** Empty where the event is no failed entry. The VMCS is as it was: a failed entry changes no field but the error's. */
export const failedEntryLines = (session: Session, event: MachineEvent): string[] => {
  const byRules =
    event.kind === 'vmentry-failure'
      ? event.stage !== 'msr-loading'
      : event.kind === 'vmfail' && BY_RULES.has(event.error);
  if (byRules) return [...doctorLive(session, event.vcpu).lines];
  const { vmx } = session.vcpu(event.vcpu);
  // Without VMX operation, only VMXON can fail so.
  if (event.kind === 'vmfail' && !event.valid && vmx?.on === false)
    return vmxonLines(vmxonFindings(session, event.vcpu, linear(event.at)));
  return [];
};
