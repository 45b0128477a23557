/** How the slow paths refuse: a `Fault` whose reason names its rule and what the rule was decided on. */

import type { Descriptor } from '../../x86/descriptors';
import type { RuleId } from '../../x86/rules';
import { Fault, type Reason } from '../core/fault';

/** What is worth knowing beside the rule. */
export type Evidence = Omit<Reason, 'rule'>;

/** @throws always */
export function refuse(vector: number, rule: RuleId, errorCode?: number, evidence?: Evidence): never {
  throw new Fault(vector, { rule, ...evidence }, errorCode);
}

/** Refuses because of a descriptor or gate: the entry and where it lies are the evidence. @throws always */
export function refuseEntry(vector: number, rule: RuleId, errorCode: number, descriptor: Descriptor): never {
  const { selector, entry, address } = descriptor;
  throw new Fault(vector, { rule, selector, entry, entryAddress: address }, errorCode);
}
