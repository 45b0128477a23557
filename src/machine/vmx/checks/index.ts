/**
 * All checks at VM entry, in the order in which the processor makes them: controls (VMfailValid 7), host state (VMfailValid
 * 8), guest state (VM exit 33). The processor stops at the first broken one; the doctor lists all.
 */

import { executionControlChecks } from './execution-controls';
import { entryControlChecks, exitControlChecks } from './exit-and-entry-controls';
import { guestNonRegisterChecks, guestPdpteChecks } from './guest-non-register';
import { guestControlRegisterChecks, guestPointerChecks } from './guest-registers';
import { guestDescriptorTableChecks, guestSegmentChecks } from './guest-segments';
import { hostStateChecks } from './host-state';

export const controlChecks = [...executionControlChecks, ...exitControlChecks, ...entryControlChecks];
export { hostStateChecks };
export const guestChecks = [
  ...guestControlRegisterChecks,
  ...guestSegmentChecks,
  ...guestDescriptorTableChecks,
  ...guestPointerChecks,
  ...guestNonRegisterChecks,
  ...guestPdpteChecks,
];
export const entryRules = [...controlChecks, ...hostStateChecks, ...guestChecks];
