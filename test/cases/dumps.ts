/**
 * Dumps as people post them under "VM entry failed", "error 7", "error 8": that of a VMCS that enters, with the lines in it that
 * make theirs fail, the rules that say so, and an edit that the doctor must offer.
 */

export interface DumpCase {
  readonly name: string;
  /** Of test/doctor/dumps. */
  readonly dump: 'kvm-4.4-plain.txt' | 'xen-4.4-serial.txt';
  readonly changes: readonly (readonly [from: string, to: string])[];
  /** All rules that it breaks, in order. */
  readonly rules: readonly string[];
  /** One of the edits of the first rule. */
  readonly edit: Readonly<Record<string, string>>;
  /** The processor, `haswell` unless given. */
  readonly cpu?: string;
}

const kvm = 'kvm-4.4-plain.txt';
const xen = 'xen-4.4-serial.txt';

const controls: readonly DumpCase[] = [
  {
    name: 'more CR3-target values than the processor has',
    dump: xen,
    changes: [['target_count=0', 'target_count=5']],
    rules: ['control.cr3-target-count'],
    edit: { CR3_TARGET_COUNT: '0x4' },
  },
  {
    name: 'a pin-based control that is reserved on a client processor',
    dump: kvm,
    changes: [['PinBased=0000003f', 'PinBased=000000bf']],
    rules: ['control.pin.allowed', 'control.posted-interrupts.need-virtual-interrupts'],
    edit: { PIN_BASED_VM_EXEC_CONTROL: '0x3f' },
  },
  {
    name: 'a secondary control of a later generation (enable user wait and pause)',
    dump: kvm,
    changes: [['SecondaryExec=000010ea', 'SecondaryExec=040010ea']],
    rules: ['control.secondary.allowed'],
    edit: { SECONDARY_VM_EXEC_CONTROL: '0x10ea' },
  },
  {
    name: 'a VMCS that was right on Haswell, two generations back',
    dump: kvm,
    changes: [],
    cpu: 'nehalem',
    rules: ['control.secondary.allowed', 'host.cr4.fixed', 'guest.cr4.fixed'],
    edit: { SECONDARY_VM_EXEC_CONTROL: '0x6a' },
  },
  {
    name: 'an EPT pointer without its page-walk length',
    dump: kvm,
    changes: [['EPT pointer = 0x00000003e9d0c01e', 'EPT pointer = 0x00000003e9d0c006']],
    rules: ['control.eptp.walk-length'],
    edit: { EPT_POINTER: '0x3e9d0c01e' },
  },
  {
    name: 'VPID enabled, and none given',
    dump: kvm,
    changes: [['Virtual processor ID = 0x0003', 'Virtual processor ID = 0x0000']],
    rules: ['control.vpid-not-zero'],
    edit: { VIRTUAL_PROCESSOR_ID: '0x1' },
  },
  {
    name: 'an exception injected without the error code that it has',
    dump: kvm,
    changes: [['intr_info=80000202 errcode', 'intr_info=8000030d errcode']],
    rules: ['injection.error-code.deliver'],
    edit: { VM_ENTRY_INTR_INFO_FIELD: '0x80000b0d' },
  },
  {
    name: 'a software exception injected without the length of its instruction',
    dump: kvm,
    changes: [['intr_info=80000202 errcode', 'intr_info=80000603 errcode']],
    rules: ['injection.length'],
    edit: { VM_ENTRY_INSTRUCTION_LEN: '0x1' },
  },
];

const host: readonly DumpCase[] = [
  {
    name: 'a host whose TR was never loaded',
    dump: kvm,
    changes: [['GS=0000 TR=0040', 'GS=0000 TR=0000']],
    rules: ['host.tr.selector.not-null'],
    edit: { HOST_TR_SELECTOR: '0x8' },
  },
  {
    name: 'CR4 of a host without VMXE',
    dump: kvm,
    changes: [['CR4=00000000001626e0', 'CR4=00000000001606e0']],
    rules: ['host.cr4.fixed'],
    edit: { HOST_CR4: '0x1626e0' },
  },
  {
    name: 'a base of the host cut to 60 bits',
    dump: kvm,
    changes: [['GSBase=ffff9d0a3e440000', 'GSBase=0fff9d0a3e440000']],
    rules: ['host.gs.base.canonical'],
    edit: { HOST_GS_BASE: '0xffff9d0a3e440000' },
  },
];

const guest: readonly DumpCase[] = [
  {
    name: 'bit 63 of CR3 copied from MOV to CR3',
    dump: kvm,
    changes: [['CR3 = 0x000000010a2b4000', 'CR3 = 0x800000010a2b4000']],
    rules: ['guest.cr3.width'],
    edit: { GUEST_CR3: '0x10a2b4000' },
  },
  {
    name: 'blocking by STI although IF is 0',
    dump: xen,
    changes: [['Interruptibility=0000', 'Interruptibility=0001']],
    rules: ['guest.interruptibility.sti-needs-if'],
    edit: { GUEST_INTERRUPTIBILITY_STATE: '0x0' },
  },
  {
    name: 'an interrupt injected although IF is 0',
    dump: kvm,
    changes: [
      ['intr_info=80000202 errcode', 'intr_info=80000030 errcode'],
      ['RFLAGS=0x00000246', 'RFLAGS=0x00000046'],
    ],
    rules: ['guest.rflags.if-for-interrupt'],
    edit: { GUEST_RFLAGS: '0x246' },
  },
  {
    name: 'CR0.PG off under "IA-32e mode guest"',
    dump: kvm,
    changes: [['CR0: actual=0x0000000080050033', 'CR0: actual=0x0000000000050033']],
    rules: ['guest.ia-32e-needs-paging'],
    edit: { GUEST_CR0: '0x80050033' },
  },
  {
    name: 'EFER.LMA off under "IA-32e mode guest"',
    dump: kvm,
    changes: [['EFER =     0x0000000000000d01', 'EFER =     0x0000000000000901']],
    rules: ['guest.efer.lma', 'guest.efer.lme'],
    edit: { GUEST_IA32_EFER: '0xd01' },
  },
  {
    name: '"IA-32e mode guest" off for a 64-bit guest',
    dump: kvm,
    changes: [['EntryControls=0000d3ff', 'EntryControls=0000d1ff']],
    rules: ['guest.pcide-needs-ia-32e', 'guest.efer.lma', 'guest.rip.32'],
    edit: { VM_ENTRY_CONTROLS: '0xd3ff' },
  },
  {
    name: 'CR4 of a guest without VMXE',
    dump: kvm,
    changes: [['CR4: actual=0x00000000001626f0', 'CR4: actual=0x00000000001606f0']],
    rules: ['guest.cr4.fixed'],
    edit: { GUEST_CR4: '0x1626f0' },
  },
  {
    name: 'a single step that is due and not pending',
    dump: kvm,
    changes: [
      ['RFLAGS=0x00000246', 'RFLAGS=0x00000346'],
      ['Interruptibility = 00000000', 'Interruptibility = 00000001'],
      ['intr_info=80000202 errcode', 'intr_info=00000000 errcode'],
    ],
    rules: ['guest.pending-debug.single-step-due'],
    edit: { GUEST_PENDING_DBG_EXCEPTIONS: '0x4000' },
  },
  {
    name: 'a TSS that is not busy',
    dump: kvm,
    changes: [['TR:   sel=0x0040, attr=0x0008b', 'TR:   sel=0x0040, attr=0x00089']],
    rules: ['guest.tr.type'],
    edit: { GUEST_TR_AR_BYTES: '0x8b' },
  },
  {
    name: 'a base of the guest that is not canonical',
    dump: kvm,
    changes: [['base=0xffff8e5b3bc00000', 'base=0x00ff8e5b3bc00000']],
    rules: ['guest.gs.base.canonical'],
    edit: { GUEST_GS_BASE: '0xffff8e5b3bc00000' },
  },
];

const several: readonly DumpCase[] = [
  {
    name: 'one rule of each kind at once: hardware tells error 7, the doctor all three',
    dump: kvm,
    changes: [
      ['Virtual processor ID = 0x0003', 'Virtual processor ID = 0x0000'],
      ['GS=0000 TR=0040', 'GS=0000 TR=0000'],
      ['CR3 = 0x000000010a2b4000', 'CR3 = 0x800000010a2b4000'],
    ],
    rules: ['control.vpid-not-zero', 'host.tr.selector.not-null', 'guest.cr3.width'],
    edit: { VIRTUAL_PROCESSOR_ID: '0x1' },
  },
];

export const dumpCases: readonly DumpCase[] = [...controls, ...host, ...guest, ...several];
