/** Intel SDM vol. 3, "Checks on Guest Non-Register State" and "Checks on Guest Page-Directory-Pointer-Table Entries": exit 33. */

import { activityStates } from '../../../x86/vmx/field-bits';
import { injectionTypes } from './exit-and-entry-controls';
import { guest64 } from './guest-registers';
import { entryChecks, rule } from './rule';
import {
  all,
  and,
  any,
  bits,
  capability,
  control,
  differ,
  equal,
  type Given,
  implies,
  isClear,
  isOneOf,
  isPhysical,
  isSet,
  memory,
  not,
  type Predicate,
  pageAligned,
  plus,
  processor,
} from './tree';

// Intel SDM vol. 3, "Guest Non-Register State".
const isActivity = (name: (typeof activityStates)[number]): Predicate =>
  equal('GUEST_ACTIVITY_STATE', activityStates.indexOf(name));
const interruptibilityBits = { sti: 0, movSs: 1, smi: 2, nmi: 3, enclave: 4 } as const;
const blocked = (by: keyof typeof interruptibilityBits): Predicate =>
  isSet('GUEST_INTERRUPTIBILITY_STATE', interruptibilityBits[by]);

const injects = isSet('VM_ENTRY_INTR_INFO_FIELD', 31);
const vector = bits('VM_ENTRY_INTR_INFO_FIELD', 7, 0);
const isType = (name: keyof typeof injectionTypes): Predicate =>
  equal(bits('VM_ENTRY_INTR_INFO_FIELD', 10, 8), injectionTypes[name]);
const misc = capability('IA32_VMX_MISC');
const inSmm = equal(processor('smm'), 1);
const entersSmm = control('entry.entry-to-smm');

const pending = 'GUEST_PENDING_DBG_EXCEPTIONS';
/** A single-step trap is pending exactly where one is due. */
const shadowed = any(blocked('sti'), blocked('movSs'), isActivity('HLT'));
const singleSteps = all(isSet('GUEST_RFLAGS', 8), isClear('GUEST_IA32_DEBUGCTL', 1));
const transactional = isSet(pending, 16);

const linked = differ('VMCS_LINK_POINTER', 0xffff_ffff_ffff_ffffn);
const linkedWord = memory('VMCS_LINK_POINTER', 4);

export const guestNonRegisterChecks = entryChecks('Checks on Guest Non-Register State', [
  rule(
    'guest.activity.supported',
    any(
      isActivity('active'),
      all(isActivity('HLT'), isSet(misc, 6)),
      all(isActivity('shutdown'), isSet(misc, 7)),
      all(isActivity('wait-for-SIPI'), isSet(misc, 8)),
    ),
  ),
  rule('guest.activity.hlt-needs-ring-0', implies(isActivity('HLT'), equal(bits('GUEST_SS_AR_BYTES', 6, 5), 0))),
  rule('guest.activity.blocking-needs-active', implies(any(blocked('sti'), blocked('movSs')), isActivity('active'))),
  rule(
    'guest.activity.injection-into-hlt',
    implies(
      all(injects, isActivity('HLT')),
      any(
        isType('externalInterrupt'),
        isType('nmi'),
        all(isType('hardwareException'), isOneOf(vector, [1, 18])),
        all(isType('otherEvent'), equal(vector, 0)),
      ),
    ),
  ),
  rule(
    'guest.activity.injection-into-shutdown',
    implies(
      all(injects, isActivity('shutdown')),
      any(all(isType('nmi'), equal(vector, 2)), all(isType('hardwareException'), equal(vector, 18))),
    ),
  ),
  rule('guest.activity.injection-into-wait-for-sipi', implies(isActivity('wait-for-SIPI'), not(injects))),
  rule('guest.activity.wait-for-sipi-not-to-smm', implies(entersSmm, not(isActivity('wait-for-SIPI')))),

  rule('guest.interruptibility.reserved', equal(bits('GUEST_INTERRUPTIBILITY_STATE', 31, 5), 0)),
  rule('guest.interruptibility.not-both-blockings', not(all(blocked('sti'), blocked('movSs')))),
  rule('guest.interruptibility.sti-needs-if', implies(blocked('sti'), isSet('GUEST_RFLAGS', 9))),
  rule(
    'guest.interruptibility.interrupt-not-blocked',
    implies(all(injects, isType('externalInterrupt')), all(not(blocked('sti')), not(blocked('movSs')))),
  ),
  rule('guest.interruptibility.nmi-not-after-mov-ss', implies(all(injects, isType('nmi')), not(blocked('movSs')))),
  rule('guest.interruptibility.nmi-not-after-sti', implies(all(injects, isType('nmi')), not(blocked('sti')))),
  rule('guest.interruptibility.smi-needs-smm', implies(not(inSmm), not(blocked('smi')))),
  rule('guest.interruptibility.smi-for-entry-to-smm', implies(entersSmm, blocked('smi'))),
  rule(
    'guest.interruptibility.virtual-nmi-not-blocked',
    implies(all(control('pin.virtual-nmis'), injects, isType('nmi')), not(blocked('nmi'))),
  ),
  rule('guest.interruptibility.enclave-not-after-mov-ss', implies(blocked('enclave'), not(blocked('movSs')))),
  rule('guest.interruptibility.enclave-needs-sgx', implies(blocked('enclave'), equal(processor('sgx'), 1))),

  rule(
    'guest.pending-debug.reserved',
    all(equal(bits(pending, 11, 4), 0), isClear(pending, 13), isClear(pending, 15), equal(bits(pending, 63, 17), 0)),
  ),
  rule('guest.pending-debug.single-step-due', implies(all(shadowed, singleSteps), isSet(pending, 14))),
  rule('guest.pending-debug.single-step-not-due', implies(all(shadowed, not(singleSteps)), isClear(pending, 14))),
  rule(
    'guest.pending-debug.transactional',
    implies(
      transactional,
      all(equal(bits(pending, 11, 0), 0), isSet(pending, 12), equal(bits(pending, 15, 13), 0), not(blocked('movSs'))),
    ),
  ),
  rule('guest.pending-debug.transactional-needs-rtm', implies(transactional, equal(processor('rtm'), 1))),

  rule('guest.link-pointer.aligned', implies(linked, pageAligned('VMCS_LINK_POINTER'))),
  rule('guest.link-pointer.width', implies(linked, isPhysical('VMCS_LINK_POINTER'))),
  rule('guest.link-pointer.revision', implies(linked, equal(bits(linkedWord, 30, 0), processor('vmcs-revision')))),
  rule(
    'guest.link-pointer.shadow',
    implies(
      linked,
      any(
        all(control('secondary.vmcs-shadowing'), isSet(linkedWord, 31)),
        all(not(control('secondary.vmcs-shadowing')), isClear(linkedWord, 31)),
      ),
    ),
  ),
  rule(
    'guest.link-pointer.not-current',
    implies(all(linked, any(not(inSmm), entersSmm)), differ('VMCS_LINK_POINTER', processor('current-vmcs'))),
  ),
  rule(
    'guest.link-pointer.not-executive',
    implies(all(linked, inSmm, not(entersSmm)), differ('VMCS_LINK_POINTER', 'EXECUTIVE_VMCS_POINTER')),
  ),
]);

/** A guest that pages with PAE and is not in IA-32e mode has its four entries loaded. */
const paePaging = all(isSet('GUEST_CR0', 31), isSet('GUEST_CR4', 5), not(guest64));
const ept = control('secondary.enable-ept');
const fields = ['GUEST_PDPTR0', 'GUEST_PDPTR1', 'GUEST_PDPTR2', 'GUEST_PDPTR3'] as const;

/** Bits 2:1, 8:5 and those beyond the physical-address width are reserved in an entry that is present. */
const entryIsGood = (entry: Given): Predicate =>
  implies(isSet(entry, 0), all(equal(bits(entry, 2, 1), 0), equal(bits(entry, 8, 5), 0), isPhysical(entry)));

export const guestPdpteChecks = entryChecks('Checks on Guest Page-Directory-Pointer-Table Entries', [
  ...fields.map((name, n) => rule(`guest.pdpte${n}.field`, implies(all(paePaging, ept), entryIsGood(name)))),
  ...fields.map((_, n) =>
    rule(
      `guest.pdpte${n}.memory`,
      implies(all(paePaging, not(ept)), entryIsGood(memory(plus(and('GUEST_CR3', 0xffff_ffe0), n * 8), 8))),
    ),
  ),
]);
