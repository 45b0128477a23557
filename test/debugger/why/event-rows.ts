/**
 * Exits that no instruction makes, each as pairs of guests that differ in what decides, where they stand when `why` is asked, and
 * what it must say.
 */

import { control } from '../../../src/machine/vmx/control-bits';
import type { ExitReasonName } from '../../../src/x86/vmx/exit-reasons';
import { DATA, POINTER, PT, page, put, secondary, tables } from '../../machine/vmx/ept-guest';
import { pages, type Spec } from '../../machine/vmx/hypervisor';
import { selfInterrupt } from '../../machine/vmx/intercept-rows';

export interface EventRow {
  readonly name: string;
  readonly ask: ExitReasonName | `#${string}`;
  readonly spec: Spec;
  /** Instructions from the entry to where `why` is asked. */
  readonly after: number;
  readonly says: string;
  /** The reason of the exit that the next step makes, or that it makes none. */
  readonly comes: ExitReasonName | undefined;
}

const HERE = 'it exits here, before the next instruction';
const IF = 0x200;
const VIRTUAL = control.nmiExiting | control.virtualNmis;
const interrupting = (pin: number, flags: number, more: Partial<Spec> = {}): Spec => ({
  pin,
  fields: { GUEST_RFLAGS: 2 | flags },
  guest: `${selfInterrupt}\n nop\n nop`,
  ...more,
});
/** Instructions of `selfInterrupt`. */
const SENT = 4;
const nmi = `mov ebx, 0xfee00000
        mov dword [rbx + 0xf0], 0x1ff
        mov dword [rbx + 0x310], 0
        mov dword [rbx + 0x300], 0x4400
        nop
        nop`;

const windows: readonly EventRow[] = [
  {
    name: 'the interrupt window, its control off',
    ask: 'INTERRUPT_WINDOW',
    spec: { fields: { GUEST_RFLAGS: 2 | IF }, guest: 'nop\n nop' },
    after: 0,
    says: 'no exit: "interrupt-window exiting" (primary control bit 2) is 0: it passes unseen',
    comes: undefined,
  },
  {
    name: 'the interrupt window, closed by IF',
    ask: 'INTERRUPT_WINDOW',
    spec: { primary: control.interruptWindow, guest: 'nop\n nop' },
    after: 1,
    says: 'no exit: "interrupt-window exiting" (primary control bit 2) is 1, but RFLAGS.IF is 0',
    comes: undefined,
  },
  {
    name: 'the interrupt window, closed by STI',
    ask: 'INTERRUPT_WINDOW',
    spec: { primary: control.interruptWindow, guest: 'sti\n nop\n nop' },
    after: 1,
    says: '(primary control bit 2) is 1, but blocking by STI (interruptibility bit 0) is in force, for one instruction',
    comes: undefined,
  },
  {
    name: 'the interrupt window, open',
    ask: 'INTERRUPT_WINDOW',
    spec: { primary: control.interruptWindow, guest: 'sti\n nop\n nop' },
    after: 2,
    says: HERE,
    comes: 'INTERRUPT_WINDOW',
  },
  {
    name: 'the NMI window, its control off',
    ask: 'NMI_WINDOW',
    spec: { pin: VIRTUAL, guest: 'nop' },
    after: 0,
    says: 'no exit: "NMI-window exiting" (primary control bit 22) is 0: it passes unseen',
    comes: undefined,
  },
  {
    name: 'the NMI window, closed',
    ask: 'NMI_WINDOW',
    spec: {
      pin: VIRTUAL,
      primary: control.nmiWindow,
      fields: { GUEST_INTERRUPTIBILITY_STATE: 8 },
      guest: 'nop',
    },
    after: 0,
    says: '(primary control bit 22) is 1, but virtual-NMI blocking (interruptibility bit 3) is in force, until IRET',
    comes: undefined,
  },
  {
    name: 'the NMI window, open',
    ask: 'NMI_WINDOW',
    spec: { pin: VIRTUAL, primary: control.nmiWindow, guest: 'nop' },
    after: 0,
    says: HERE,
    comes: 'NMI_WINDOW',
  },
];

const interrupts: readonly EventRow[] = [
  {
    name: 'an external interrupt, its control off',
    ask: 'EXTERNAL_INTERRUPT',
    spec: interrupting(0, 0),
    after: SENT,
    says: `no exit: "external-interrupt exiting" (pin-based control bit 0) is 0: it goes through the guest's IDT when IF is 1`,
    comes: undefined,
  },
  {
    name: 'an external interrupt that nobody sent',
    ask: 'EXTERNAL_INTERRUPT',
    spec: { pin: control.interruptExiting, guest: 'nop\n nop' },
    after: 1,
    says: '(pin-based control bit 0) is 1, but no interrupt waits at the local APIC or the 8259',
    comes: undefined,
  },
  {
    name: 'an external interrupt behind MOV SS',
    ask: 'EXTERNAL_INTERRUPT',
    spec: {
      pin: control.interruptExiting,
      fields: { GUEST_INTERRUPTIBILITY_STATE: 2 },
      setup: `${selfInterrupt}`,
      guest: 'nop\n nop',
    },
    after: 0,
    says: '(pin-based control bit 0) is 1, but blocking by MOV SS (interruptibility bit 1) is in force, for one instruction',
    comes: undefined,
  },
  {
    name: 'an external interrupt, whatever IF is',
    ask: 'EXTERNAL_INTERRUPT',
    spec: interrupting(control.interruptExiting, 0),
    after: SENT,
    says: HERE,
    comes: 'EXTERNAL_INTERRUPT',
  },
  {
    name: 'an NMI, its control off',
    ask: 'EXCEPTION_NMI',
    spec: { guest: `mov qword [resume], done\n ${nmi}` },
    after: 5,
    says: `NMI: no exit: "NMI exiting" (pin-based control bit 3) is 0: it goes through the guest's IDT`,
    comes: undefined,
  },
  {
    name: 'an NMI that nobody sent',
    ask: 'EXCEPTION_NMI',
    spec: { pin: control.nmiExiting, guest: 'nop\n nop' },
    after: 1,
    says: 'NMI: no exit: "NMI exiting" (pin-based control bit 3) is 1, but no NMI waits',
    comes: undefined,
  },
  {
    name: 'an NMI',
    ask: 'EXCEPTION_NMI',
    spec: { pin: control.nmiExiting, guest: nmi },
    after: 4,
    says: `NMI: ${HERE}`,
    comes: 'EXCEPTION_NMI',
  },
];

/** INIT to the processor itself. */
const init = nmi.replace('0x4400', '0x4500');
const inits: readonly EventRow[] = [
  {
    name: 'an INIT that nobody sent',
    ask: 'INIT',
    spec: { guest: 'nop' },
    after: 0,
    says: 'no exit: no INIT waits',
    comes: undefined,
  },
  { name: 'an INIT', ask: 'INIT', spec: { guest: init }, after: 4, says: HERE, comes: 'INIT' },
];

const counters: readonly EventRow[] = [
  {
    name: 'the preemption timer, its control off',
    ask: 'PREEMPTION_TIMER',
    spec: { guest: 'nop' },
    after: 0,
    says: 'no exit: "activate VMX-preemption timer" (pin-based control bit 6) is 0: it does not count',
    comes: undefined,
  },
  {
    name: 'the preemption timer, not yet at 0',
    ask: 'PREEMPTION_TIMER',
    spec: { pin: control.preemptionTimer, fields: { VMX_PREEMPTION_TIMER_VALUE: 1000 }, guest: 'nop' },
    after: 0,
    says: '(pin-based control bit 6) is 1, but the VMX-preemption timer reaches 0 in ',
    comes: undefined,
  },
  {
    name: 'the preemption timer at 0',
    ask: 'PREEMPTION_TIMER',
    spec: { pin: control.preemptionTimer, fields: { VMX_PREEMPTION_TIMER_VALUE: 0 }, guest: 'nop' },
    after: 0,
    says: HERE,
    comes: 'PREEMPTION_TIMER',
  },
  {
    name: 'the monitor trap flag, off',
    ask: 'MONITOR_TRAP_FLAG',
    spec: { guest: 'nop\n nop' },
    after: 1,
    says: 'no exit: "monitor trap flag" (primary control bit 27) is 0: no exit follows an instruction',
    comes: undefined,
  },
  {
    name: 'the monitor trap flag, before the instruction',
    ask: 'MONITOR_TRAP_FLAG',
    spec: { primary: control.trapFlag, guest: 'nop\n nop' },
    after: 0,
    says: '"monitor trap flag" (primary control bit 27) is 1, and it exits behind the next instruction',
    comes: undefined,
  },
  {
    name: 'the monitor trap flag, behind the instruction',
    ask: 'MONITOR_TRAP_FLAG',
    spec: { primary: control.trapFlag, guest: 'nop\n nop' },
    after: 1,
    says: HERE,
    comes: 'MONITOR_TRAP_FLAG',
  },
];

const priority = (primary: number, value: number): Spec => ({
  primary,
  ...(primary === 0 ? {} : { fields: { TPR_THRESHOLD: 5 } }),
  setup: `mov dword [${pages.virtualApic + 0x80}], 0x60`,
  guest: `mov eax, ${value}\n mov cr8, rax\n nop`,
});
const priorities: readonly EventRow[] = [
  {
    name: 'the task priority, without a shadow',
    ask: 'TPR_BELOW_THRESHOLD',
    spec: priority(0, 4),
    after: 2,
    says: 'no exit: "use TPR shadow" (primary control bit 21) is 0: no threshold is looked at',
    comes: undefined,
  },
  {
    name: 'the task priority, at the threshold',
    ask: 'TPR_BELOW_THRESHOLD',
    spec: priority(control.tprShadow, 5),
    after: 2,
    says: '(primary control bit 21) is 1, but the virtual task priority 5 is not below TPR_THRESHOLD 0x5',
    comes: undefined,
  },
  {
    name: 'the task priority, below the threshold',
    ask: 'TPR_BELOW_THRESHOLD',
    spec: priority(control.tprShadow, 4),
    after: 2,
    says: HERE,
    comes: 'TPR_BELOW_THRESHOLD',
  },
];

/** Behind EPT. */
const paged = (change: string, guest: string): Spec => ({
  guest,
  secondary: secondary.ept,
  fields: { EPT_POINTER: POINTER },
  setup: tables + change,
});
const write = `mov [${DATA}], eax\n nop`;
const memory: readonly EventRow[] = [
  {
    name: 'no EPT',
    ask: 'EPT_VIOLATION',
    spec: { guest: write },
    after: 0,
    says: '"enable EPT" (secondary control bit 1) is 0',
    comes: undefined,
  },
  {
    name: 'a write that EPT allows',
    ask: 'EPT_VIOLATION',
    spec: paged('', write),
    after: 0,
    says: `no exit: write of 0x400000 at guest-physical 0x400000: EPT PTE 0x400037 at 0x${PT.toString(16)} allows rwx, WB`,
    comes: undefined,
  },
  {
    name: 'a write that EPT does not allow',
    ask: 'EPT_VIOLATION',
    spec: paged(put(PT, page(DATA, 5)), write),
    after: 0,
    says: 'it exits: write of 0x400000: VM exit 48 EPT_VIOLATION: write at guest-physical 0x400000',
    comes: 'EPT_VIOLATION',
  },
  {
    name: 'an entry that only allows writes',
    ask: 'EPT_MISCONFIGURATION',
    spec: paged(put(PT, page(DATA, 2)), write),
    after: 0,
    says: 'it exits: write of 0x400000',
    comes: 'EPT_MISCONFIGURATION',
  },
];

const readNowhere = 'mov qword [resume], done\n mov rbx, 0x140000000\n mov rax, [rbx]';
const faulting = (fields: NonNullable<Spec['fields']>): Spec => ({ fields, guest: readNowhere });
const ALL = 'EXCEPTION_BITMAP bit 14 is 1, whatever the error code is (PAGE_FAULT_ERROR_CODE_MASK 0x0';
const exceptions: readonly EventRow[] = [
  {
    name: '#UD, its bit 0',
    ask: '#UD',
    spec: { guest: 'mov qword [resume], done\n ud2' },
    after: 1,
    says: "#UD: it goes to the guest's own handler: EXCEPTION_BITMAP bit 6 is 0",
    comes: undefined,
  },
  {
    name: '#UD, its bit 1',
    ask: '#UD',
    spec: { fields: { EXCEPTION_BITMAP: 1 << 6 }, guest: 'ud2', exits: 1 },
    after: 0,
    says: '#UD: it exits: EXCEPTION_BITMAP bit 6 is 1',
    comes: 'EXCEPTION_NMI',
  },
  {
    name: '#PF, its bit 1 and every error code selected',
    ask: '#PF',
    spec: faulting({ EXCEPTION_BITMAP: 1 << 14 }),
    after: 2,
    says: `#PF: it exits: ${ALL}`,
    comes: 'EXCEPTION_NMI',
  },
  {
    name: '#PF, its bit 1 and only protection violations selected',
    ask: '#PF',
    spec: faulting({ EXCEPTION_BITMAP: 1 << 14, PAGE_FAULT_ERROR_CODE_MASK: 1, PAGE_FAULT_ERROR_CODE_MATCH: 1 }),
    after: 2,
    says: "#PF: where error code & 0x1 is 0x1 it exits, else it goes to the guest's own handler: EXCEPTION_BITMAP bit 14 is 1",
    comes: undefined,
  },
  {
    name: '#PF, its bit 0 and pages that are not present not selected',
    ask: '#PF',
    spec: faulting({ PAGE_FAULT_ERROR_CODE_MASK: 1, PAGE_FAULT_ERROR_CODE_MATCH: 1 }),
    after: 2,
    says: "#PF: where error code & 0x1 is 0x1 it goes to the guest's own handler, else it exits: EXCEPTION_BITMAP bit 14 is 0",
    comes: 'EXCEPTION_NMI',
  },
  {
    name: '#PF, a match that the mask never lets through',
    ask: '#PF',
    spec: faulting({ EXCEPTION_BITMAP: 1 << 14, PAGE_FAULT_ERROR_CODE_MATCH: 1 }),
    after: 2,
    says: "#PF: it goes to the guest's own handler: EXCEPTION_BITMAP bit 14 is 1, and counts inverted for every error code",
    comes: undefined,
  },
];

/** Of a table of the guest's vectors with so many bytes. */
const shortTable = (limit: number, guest: string, fields: Spec['fields'] = {}): Spec => ({
  guest: `lidt [short]\n ${guest}\nshort: dw ${limit}\n dq idt_long`,
  fields,
  exits: 1,
});
const deliveries: readonly EventRow[] = [
  {
    name: 'a fault that the guest handles',
    ask: 'TRIPLE_FAULT',
    spec: { guest: 'mov qword [resume], done\n ud2' },
    after: 1,
    says: 'no exit: #UD',
    comes: undefined,
  },
  {
    name: 'a fault without any handler',
    ask: 'TRIPLE_FAULT',
    spec: shortTable(0, 'ud2'),
    after: 1,
    says: 'but its delivery ends in VM exit 2 TRIPLE_FAULT',
    comes: 'TRIPLE_FAULT',
  },
  {
    name: 'a fault whose delivery faults in a way that the bitmap selects',
    ask: '#GP',
    spec: shortTable(15, 'ud2', { EXCEPTION_BITMAP: 1 << 13 }),
    after: 1,
    says: '#GP: it exits: EXCEPTION_BITMAP bit 13 is 1',
    comes: 'EXCEPTION_NMI',
  },
  {
    name: 'a fault whose vector lies in memory that EPT does not map',
    ask: '#UD',
    spec: { ...paged(put(PT, 0), `lidt [far]\n ud2\nfar: dw 1023\n dq ${DATA}`), exits: 1 },
    after: 1,
    says: "#UD: it goes to the guest's own handler",
    comes: 'EPT_VIOLATION',
  },
];

export const eventRows: readonly EventRow[] = [
  ...windows,
  ...interrupts,
  ...inits,
  ...counters,
  ...priorities,
  ...memory,
  ...exceptions,
  ...deliveries,
];
