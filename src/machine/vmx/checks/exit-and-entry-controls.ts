/** Intel SDM vol. 3, "VM-Exit Control Fields" and "VM-Entry Control Fields": a broken rule is VMfailValid 7. */

import type { FieldName } from '../../../x86/vmx/fields';
import { allowed, required } from './execution-controls';
import { entryChecks, rule } from './rule';
import {
  all,
  any,
  atMost,
  bits,
  capability,
  control,
  differ,
  equal,
  implies,
  isClear,
  isOneOf,
  isPhysical,
  isSet,
  minus,
  not,
  plus,
  processor,
  times,
} from './tree';

/** Bytes of an entry in an MSR area. */
const ENTRY = 16;

/** An area of MSRs lies where the processor can address it, to its last byte. */
const areaRules = (id: string, address: FieldName, count: FieldName) => [
  rule(`${id}.aligned`, implies(differ(count, 0), equal(bits(address, 3, 0), 0))),
  rule(`${id}.width`, implies(differ(count, 0), isPhysical(address)), `${id}.last-byte`),
  rule(`${id}.last-byte`, implies(differ(count, 0), isPhysical(minus(plus(address, times(count, ENTRY)), 1)))),
];

export const exitControlChecks = entryChecks('VM-Exit Control Fields', [
  rule('exit.required', required('exit')),
  rule('exit.allowed', allowed('exit')),
  rule('exit.secondary.allowed', implies(control('exit.activate-secondary-controls'), allowed('secondaryExit'))),
  rule(
    'exit.save-timer-needs-timer',
    implies(not(control('pin.activate-vmx-preemption-timer')), not(control('exit.save-vmx-preemption-timer-value'))),
  ),
  ...areaRules('exit.msr-store', 'VM_EXIT_MSR_STORE_ADDR', 'VM_EXIT_MSR_STORE_COUNT'),
  ...areaRules('exit.msr-load', 'VM_EXIT_MSR_LOAD_ADDR', 'VM_EXIT_MSR_LOAD_COUNT'),
]);

// Intel SDM vol. 3, "VM-Entry Controls for Event Injection".
const INFO: FieldName = 'VM_ENTRY_INTR_INFO_FIELD';
const injects = isSet(INFO, 31);
const vector = bits(INFO, 7, 0);
const type = bits(INFO, 10, 8);
const deliversCode = isSet(INFO, 11);
export const injectionTypes = {
  externalInterrupt: 0,
  nmi: 2,
  hardwareException: 3,
  softwareInterrupt: 4,
  privilegedSoftwareException: 5,
  softwareException: 6,
  otherEvent: 7,
} as const;
const isType = (name: keyof typeof injectionTypes) => equal(type, injectionTypes[name]);
/** SYSCALL and SYSENTER, which a guest with FRED gets as events. */
const isSystemCall = all(isType('otherEvent'), isOneOf(vector, [1, 2]));
const hasLength = any(
  isType('softwareInterrupt'),
  isType('privilegedSoftwareException'),
  isType('softwareException'),
  isSystemCall,
);
/** #DF, #TS, #NP, #SS, #GP, #PF, #AC. */
const pushesCode = isOneOf(vector, [8, 10, 11, 12, 13, 14, 17]);
/** IA32_VMX_BASIC bit 56: which vectors have an error code is not checked. */
const anyCode = isSet(capability('IA32_VMX_BASIC'), 56);
/** CR4.FRED. */
const FRED = 32;
const protectedGuest = any(not(control('secondary.unrestricted-guest')), isSet('GUEST_CR0', 0));
const monitorTrapFlag = isSet(bits(capability('IA32_VMX_TRUE_PROCBASED_CTLS'), 63, 32), 27);
const fredExists = isSet(capability('IA32_VMX_CR4_FIXED1'), FRED);

export const entryControlChecks = entryChecks('VM-Entry Control Fields', [
  rule('entry.required', required('entry')),
  rule('entry.allowed', allowed('entry')),
  rule(
    'injection.type',
    implies(injects, all(differ(type, 1), any(not(isType('otherEvent')), monitorTrapFlag, fredExists))),
  ),
  rule('injection.vector.nmi', implies(all(injects, isType('nmi')), equal(vector, 2))),
  rule('injection.vector.exception', implies(all(injects, isType('hardwareException')), atMost(vector, 31))),
  rule(
    'injection.vector.other-event',
    implies(
      all(injects, isType('otherEvent')),
      any(all(equal(vector, 0), monitorTrapFlag), all(isSet('GUEST_CR4', FRED), isSystemCall)),
    ),
  ),
  rule(
    'injection.error-code.deliver',
    implies(all(injects, not(anyCode), protectedGuest, isType('hardwareException'), pushesCode), deliversCode),
  ),
  rule(
    'injection.error-code.only-for-exceptions',
    implies(all(injects, deliversCode), all(protectedGuest, isType('hardwareException'))),
  ),
  rule(
    'injection.error-code.vector',
    implies(all(injects, not(anyCode), isType('hardwareException'), deliversCode), pushesCode),
  ),
  rule(
    'injection.nested',
    implies(all(injects, isSet(INFO, 13)), all(isType('hardwareException'), isSet(capability('IA32_VMX_BASIC'), 58))),
  ),
  rule('injection.reserved', implies(injects, all(isClear(INFO, 12), equal(bits(INFO, 30, 14), 0)))),
  rule(
    'injection.error-code.reserved',
    implies(all(injects, deliversCode), equal(bits('VM_ENTRY_EXCEPTION_ERROR_CODE', 31, 16), 0)),
  ),
  rule(
    'injection.length',
    implies(
      all(injects, hasLength),
      all(
        atMost('VM_ENTRY_INSTRUCTION_LEN', 15),
        any(differ('VM_ENTRY_INSTRUCTION_LEN', 0), isSet(capability('IA32_VMX_MISC'), 30)),
      ),
    ),
  ),
  ...areaRules('entry.msr-load', 'VM_ENTRY_MSR_LOAD_ADDR', 'VM_ENTRY_MSR_LOAD_COUNT'),
  rule(
    'entry.smm.entry',
    implies(equal(processor('smm'), 0), not(control('entry.entry-to-smm'))),
    'guest.interruptibility.smi-for-entry-to-smm',
    'guest.interruptibility.smi-needs-smm',
  ),
  rule(
    'entry.smm.deactivate',
    implies(equal(processor('smm'), 0), not(control('entry.deactivate-dual-monitor-treatment'))),
  ),
  rule(
    'entry.smm.not-both',
    not(all(control('entry.entry-to-smm'), control('entry.deactivate-dual-monitor-treatment'))),
    'entry.smm.entry',
    'entry.smm.deactivate',
    'guest.interruptibility.smi-for-entry-to-smm',
    'guest.interruptibility.smi-needs-smm',
  ),
]);
