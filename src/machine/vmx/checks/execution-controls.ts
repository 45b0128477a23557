/** Intel SDM vol. 3, "VM-Execution Control Fields" (of "Checks on VMX Controls"): a broken rule is VMfailValid 7. */

import { type ControlWordName, controlWords } from '../../../x86/vmx/controls';
import type { FieldName } from '../../../x86/vmx/fields';
import { entryChecks, rule } from './rule';
import {
  all,
  and,
  any,
  atMost,
  bits,
  capability,
  control,
  differ,
  equal,
  implies,
  isPhysical,
  isSet,
  memory,
  not,
  type Predicate,
  pageAligned,
  plus,
  processor,
  type Term,
  times,
  within,
} from './tree';

/** What a word's capability MSR tells: the "true" one where the processor has it. */
const capabilityOf = (word: ControlWordName): Term => {
  const { capability: plain, trueCapability } = controlWords[word];
  return capability(trueCapability ?? plain);
};
/** Bits that must be 1. */
export const required = (word: ControlWordName): Predicate => {
  const must = bits(capabilityOf(word), 31, 0);
  return equal(and(controlWords[word].field, must), must);
};
/** No bit that must be 0. */
export const allowed = (word: ControlWordName): Predicate => {
  const may = controlWords[word].allowed1Only ? capabilityOf(word) : bits(capabilityOf(word), 63, 32);
  return within(controlWords[word].field, may);
};

const secondaryActive = control('primary.activate-secondary-controls');
const tertiaryActive = control('primary.activate-tertiary-controls');
const tprShadow = control('primary.use-tpr-shadow');
const ept = control('secondary.enable-ept');
const apicAccesses = control('secondary.virtualize-apic-accesses');
const x2apic = control('secondary.virtualize-x2apic-mode');
const postedInterrupts = control('pin.process-posted-interrupts');
const apicTimer = control('tertiary.apic-timer-virtualization');
const virtualInterrupts = control('secondary.virtual-interrupt-delivery');

/** A page in memory: its address is a multiple of 4096 that the processor can form. */
const page = (condition: Predicate, name: FieldName): readonly [Predicate, Predicate] => [
  implies(condition, pageAligned(name)),
  implies(condition, isPhysical(name)),
];

const pageRules = (id: string, condition: Predicate, name: FieldName) => {
  const [aligned, physical] = page(condition, name);
  return [rule(`${id}.aligned`, aligned), rule(`${id}.width`, physical)];
};

/** VTPR: bits 7:4 of the byte at offset 80H of the virtual-APIC page. */
const virtualTaskPriority = bits(memory(plus('VIRTUAL_APIC_PAGE_ADDR', 0x80), 1), 7, 4);

const eptpMemoryType = bits('EPT_POINTER', 2, 0);
const eptCapability = capability('IA32_VMX_EPT_VPID_CAP');

export const executionControlChecks = entryChecks('VM-Execution Control Fields', [
  rule('control.pin.required', required('pin')),
  rule('control.pin.allowed', allowed('pin')),
  rule('control.primary.required', required('primary')),
  rule('control.primary.allowed', allowed('primary')),
  rule('control.secondary.allowed', implies(secondaryActive, allowed('secondary'))),
  rule('control.tertiary.allowed', implies(tertiaryActive, allowed('tertiary'))),
  rule('control.cr3-target-count', atMost('CR3_TARGET_COUNT', bits(capability('IA32_VMX_MISC'), 24, 16))),
  ...pageRules('control.io-bitmap-a', control('primary.use-io-bitmaps'), 'IO_BITMAP_A'),
  ...pageRules('control.io-bitmap-b', control('primary.use-io-bitmaps'), 'IO_BITMAP_B'),
  ...pageRules('control.msr-bitmap', control('primary.use-msr-bitmaps'), 'MSR_BITMAP'),
  ...pageRules('control.virtual-apic', tprShadow, 'VIRTUAL_APIC_PAGE_ADDR'),
  rule(
    'control.tpr-threshold.reserved',
    implies(all(tprShadow, not(virtualInterrupts)), equal(bits('TPR_THRESHOLD', 31, 4), 0)),
  ),
  rule(
    'control.tpr-threshold.above-vtpr',
    implies(
      all(tprShadow, not(apicAccesses), not(virtualInterrupts)),
      atMost(bits('TPR_THRESHOLD', 3, 0), virtualTaskPriority),
    ),
  ),
  rule(
    'control.virtual-nmis-need-nmi-exiting',
    implies(not(control('pin.nmi-exiting')), not(control('pin.virtual-nmis'))),
  ),
  rule(
    'control.nmi-window-needs-virtual-nmis',
    implies(not(control('pin.virtual-nmis')), not(control('primary.nmi-window-exiting'))),
  ),
  ...pageRules('control.apic-access', apicAccesses, 'APIC_ACCESS_ADDR'),
  rule('control.x2apic-needs-tpr-shadow', implies(not(tprShadow), not(x2apic))),
  rule(
    'control.apic-registers-need-tpr-shadow',
    implies(not(tprShadow), not(control('secondary.apic-register-virtualization'))),
  ),
  rule('control.virtual-interrupts-need-tpr-shadow', implies(not(tprShadow), not(virtualInterrupts))),
  rule('control.x2apic-not-with-apic-accesses', implies(x2apic, not(apicAccesses))),
  rule(
    'control.virtual-interrupts-need-interrupt-exiting',
    implies(virtualInterrupts, control('pin.external-interrupt-exiting')),
  ),
  rule('control.posted-interrupts.need-virtual-interrupts', implies(postedInterrupts, virtualInterrupts)),
  rule(
    'control.posted-interrupts.need-acknowledge',
    implies(postedInterrupts, control('exit.acknowledge-interrupt-on-exit')),
  ),
  rule('control.posted-interrupts.vector', implies(postedInterrupts, equal(bits('POSTED_INTR_NV', 15, 8), 0))),
  rule('control.posted-interrupts.aligned', implies(postedInterrupts, equal(bits('POSTED_INTR_DESC_ADDR', 5, 0), 0))),
  rule('control.posted-interrupts.width', implies(postedInterrupts, isPhysical('POSTED_INTR_DESC_ADDR'))),
  rule('control.vpid-not-zero', implies(control('secondary.enable-vpid'), differ('VIRTUAL_PROCESSOR_ID', 0))),
  rule(
    'control.eptp.memory-type',
    implies(
      ept,
      any(
        all(equal(eptpMemoryType, 0), isSet(eptCapability, 8)),
        all(equal(eptpMemoryType, 6), isSet(eptCapability, 14)),
      ),
    ),
  ),
  rule(
    'control.eptp.walk-length',
    implies(
      ept,
      any(
        all(equal(bits('EPT_POINTER', 5, 3), 3), isSet(eptCapability, 6)),
        all(equal(bits('EPT_POINTER', 5, 3), 4), isSet(eptCapability, 7)),
      ),
    ),
  ),
  rule('control.eptp.accessed-dirty', implies(all(ept, isSet('EPT_POINTER', 6)), isSet(eptCapability, 21))),
  rule('control.eptp.shadow-stack', implies(all(ept, isSet('EPT_POINTER', 7)), isSet(eptCapability, 23))),
  rule('control.eptp.reserved', implies(ept, equal(bits('EPT_POINTER', 11, 8), 0))),
  rule('control.eptp.width', implies(ept, isPhysical('EPT_POINTER'))),
  rule('control.pml-needs-ept', implies(control('secondary.enable-pml'), ept)),
  ...pageRules('control.pml-address', control('secondary.enable-pml'), 'PML_ADDRESS'),
  rule('control.unrestricted-guest-needs-ept', implies(control('secondary.unrestricted-guest'), ept)),
  rule('control.mode-based-execute-needs-ept', implies(control('secondary.mode-based-execute-control'), ept)),
  rule('control.sub-page-needs-ept', implies(control('secondary.sub-page-write-permissions'), ept)),
  ...pageRules('control.sub-page-table', control('secondary.sub-page-write-permissions'), 'SPP_TABLE_POINTER'),
  rule(
    'control.vm-functions.allowed',
    implies(control('secondary.enable-vm-functions'), within('VM_FUNCTION_CONTROL', capability('IA32_VMX_VMFUNC'))),
  ),
  rule(
    'control.eptp-switching.needs-ept',
    implies(all(control('secondary.enable-vm-functions'), isSet('VM_FUNCTION_CONTROL', 0)), ept),
  ),
  ...pageRules(
    'control.eptp-list',
    all(control('secondary.enable-vm-functions'), isSet('VM_FUNCTION_CONTROL', 0)),
    'EPTP_LIST_ADDRESS',
  ),
  ...pageRules('control.vmread-bitmap', control('secondary.vmcs-shadowing'), 'VMREAD_BITMAP'),
  ...pageRules('control.vmwrite-bitmap', control('secondary.vmcs-shadowing'), 'VMWRITE_BITMAP'),
  ...pageRules('control.virtualization-exception', control('secondary.ept-violation-ve'), 'VIRT_EXCEPTION_INFO'),
  rule('control.pt-guest-physical.needs-ept', implies(control('secondary.pt-uses-guest-physical-addresses'), ept)),
  rule(
    'control.pt-guest-physical.needs-rtit-load',
    implies(control('secondary.pt-uses-guest-physical-addresses'), control('entry.load-ia32-rtit-ctl')),
  ),
  rule(
    'control.pt-guest-physical.needs-rtit-clear',
    implies(control('secondary.pt-uses-guest-physical-addresses'), control('exit.clear-ia32-rtit-ctl')),
  ),
  rule('control.tsc-multiplier', implies(control('secondary.use-tsc-scaling'), differ('TSC_MULTIPLIER', 0))),
  rule('control.hlat.needs-ept', implies(control('tertiary.enable-hlat'), ept)),
  rule(
    'control.hlat.reserved',
    implies(
      control('tertiary.enable-hlat'),
      all(equal(bits('HLAT_POINTER', 2, 0), 0), equal(bits('HLAT_POINTER', 11, 5), 0)),
    ),
  ),
  rule('control.hlat.width', implies(control('tertiary.enable-hlat'), isPhysical('HLAT_POINTER'))),
  rule('control.ept-paging-write.needs-ept', implies(control('tertiary.ept-paging-write-control'), ept)),
  rule('control.guest-paging-verification.needs-ept', implies(control('tertiary.guest-paging-verification'), ept)),
  rule('control.ipi-virtualization.needs-tpr-shadow', implies(control('tertiary.ipi-virtualization'), tprShadow)),
  rule(
    'control.pid-pointer-table.aligned',
    implies(control('tertiary.ipi-virtualization'), equal(bits('PID_POINTER_TABLE', 2, 0), 0)),
  ),
  rule(
    'control.pid-pointer-table.width',
    implies(control('tertiary.ipi-virtualization'), isPhysical('PID_POINTER_TABLE')),
    'control.pid-pointer-table.last-entry',
  ),
  rule(
    'control.pid-pointer-table.last-entry',
    implies(
      control('tertiary.ipi-virtualization'),
      isPhysical(plus('PID_POINTER_TABLE', times('LAST_PID_POINTER_INDEX', 8))),
    ),
  ),
  ...pageRules('control.pasid-directory.low', control('secondary.pasid-translation'), 'LOW_PASID_DIRECTORY'),
  ...pageRules('control.pasid-directory.high', control('secondary.pasid-translation'), 'HIGH_PASID_DIRECTORY'),
  rule('control.pebs-guest-physical.needs-ept', implies(control('tertiary.pebs-uses-guest-physical-addresses'), ept)),
  rule(
    'control.tracing.not-with-rtit-load',
    implies(equal(processor('tracing'), 1), not(control('entry.load-ia32-rtit-ctl'))),
  ),
  rule('control.apic-timer.needs-virtual-interrupts', implies(apicTimer, virtualInterrupts)),
  rule('control.apic-timer.not-with-rdtsc-exiting', implies(apicTimer, not(control('primary.rdtsc-exiting')))),
  rule('control.apic-timer.vector', implies(apicTimer, equal(bits('VIRTUAL_TIMER_VECTOR', 15, 8), 0))),
]);
