/** Entries that people could not get to succeed: what they wrote, and the rule that it breaks. */

import { control } from '../../src/machine/vmx/control-bits';
import type { Spec } from '../machine/vmx/hypervisor';

export interface EntryCase {
  readonly name: string;
  readonly spec: Spec;
  /** The rule that the processor stops at, and what the doctor finds besides. */
  readonly rule: string;
  readonly also?: readonly string[];
  /** Preset on which it fails, `haswell` unless given, and one on which it does not. */
  readonly fails?: string;
  readonly enters?: string;
}

const guest = 'nop';
const IF = 0x200;
const TF = 0x100;
/** The host writes a field as it is, without asking the capability MSRs. */
export const raw = (encoding: number, value: number): string =>
  `mov edx, ${encoding}\n mov eax, ${value}\n vmwrite rdx, rax\n jbe broken`;
const ENABLE_INVPCID = 1 << 12;
const LOAD_EFER = 1 << 15;

const EPT_ONLY = { EPT_POINTER: 0x30_001e };
/** CR0 without PG, which an unrestricted guest may have. */
const NO_PAGING = 'mov rax, cr0\n btr rax, 31\n mov edx, 0x6800\n vmwrite rdx, rax';

export const entryCases: readonly EntryCase[] = [
  {
    name: 'more CR3-target values than the processor has',
    spec: { guest, fields: { CR3_TARGET_COUNT: 5 } },
    rule: 'control.cr3-target-count',
  },
  {
    name: 'a CR3-target value where KVM offers none',
    spec: { guest, fields: { CR3_TARGET_COUNT: 1 } },
    rule: 'control.cr3-target-count',
    fails: 'kvm-nested',
    enters: 'haswell',
  },
  {
    name: 'a control that the generation before did not have',
    spec: { guest, secondary: control.enableRdtscp, setup: raw(0x401e, ENABLE_INVPCID) },
    rule: 'control.secondary.allowed',
    fails: 'nehalem',
    enters: 'haswell',
  },
  {
    name: 'a host without a task register',
    spec: { guest, fields: { HOST_TR_SELECTOR: 0 } },
    rule: 'host.tr.selector.not-null',
  },
  {
    name: 'bit 63 of CR3 copied from MOV to CR3',
    spec: { guest, fields: { GUEST_CR3: (1n << 63n) | 0x91000n } },
    rule: 'guest.cr3.width',
  },
  {
    name: 'blocking by STI although IF is 0',
    spec: { guest, fields: { GUEST_INTERRUPTIBILITY_STATE: 1 } },
    rule: 'guest.interruptibility.sti-needs-if',
  },
  {
    name: 'an interrupt injected although IF is 0',
    spec: { guest, fields: { VM_ENTRY_INTR_INFO_FIELD: 0x80000030 } },
    rule: 'guest.rflags.if-for-interrupt',
  },
  {
    name: 'LMA that disagrees with "IA-32e mode guest"',
    spec: { guest, entry: LOAD_EFER, fields: { GUEST_IA32_EFER: 0 } },
    rule: 'guest.efer.lma',
  },
  {
    name: 'a 64-bit guest without PAE',
    spec: { guest, fields: { GUEST_CR4: 0x2000 } },
    rule: 'guest.ia-32e-needs-pae',
  },
  {
    name: 'CR0.PG off under "IA-32e mode guest"',
    spec: { guest, secondary: control.enableEpt | control.unrestricted, setup: NO_PAGING, fields: EPT_ONLY },
    rule: 'guest.ia-32e-needs-paging',
  },
  {
    name: 'unrestricted guest where the processor has none',
    spec: {
      guest,
      secondary: control.enableEpt,
      setup: raw(0x401e, control.enableEpt | control.unrestricted),
      fields: EPT_ONLY,
    },
    rule: 'control.secondary.allowed',
    fails: 'nehalem',
  },
  {
    name: 'CR4 of a guest without VMXE',
    spec: { guest, fields: { GUEST_CR4: 0x20 } },
    rule: 'guest.cr4.fixed',
  },
  {
    name: 'a link pointer of which only the low half was written',
    spec: { guest, fields: { VMCS_LINK_POINTER: 0xffffffff } },
    rule: 'guest.link-pointer.aligned',
    also: ['guest.link-pointer.revision'],
  },
  {
    name: 'one rule of each kind at once: the processor stops at the first, the doctor lists all',
    spec: { guest, fields: { CR3_TARGET_COUNT: 5, HOST_TR_SELECTOR: 0, GUEST_CR3: (1n << 63n) | 0x91000n } },
    rule: 'control.cr3-target-count',
    also: ['host.tr.selector.not-null', 'guest.cr3.width'],
  },
  {
    name: 'a single step that is due and not pending',
    spec: { guest, fields: { GUEST_RFLAGS: 2 | IF | TF, GUEST_INTERRUPTIBILITY_STATE: 1 } },
    rule: 'guest.pending-debug.single-step-due',
  },
];
