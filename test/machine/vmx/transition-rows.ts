/** Entries and exits as guests: what an entry injects and loads, what an exit saves and tells; for the machine and for Bochs. */

import { control } from '../../../src/machine/vmx/control-bits';
import { type PrintedExit, pages, type Spec } from './hypervisor';
import { STAY, selfInterrupt } from './intercept-rows';

export interface TransitionRow {
  readonly name: string;
  readonly spec: Spec;
  /** What the first exits say. */
  readonly exits: readonly Partial<PrintedExit>[];
  readonly end?: string;
}

const row = (name: string, spec: Spec, ...exits: readonly Partial<PrintedExit>[]): TransitionRow => ({
  name,
  spec,
  exits,
});

const VALID = 0x8000_0000n;
const VMCALL = 18n;
/** The guest does not get to run: what is injected takes it to `got`, which tells something by VMCALL. */
const injecting = (information: bigint, tell: string, more: Partial<Spec> = {}): Spec => ({
  ...more,
  fields: { VM_ENTRY_INTR_INFO_FIELD: VALID | information, ...more.fields },
  setup: `mov qword [resume], got
        ${more.setup ?? ''}`,
  guest: `ud2
got:    ${tell}
        vmcall`,
});
const vector = 'mov eax, [saved_vector]';
const IDT_UP_TO_PF = 14 * 16 - 1;

const injections: readonly TransitionRow[] = [
  row('injection of an external interrupt', injecting(0x30n, vector, { fields: { GUEST_RFLAGS: 0x202 } }), {
    VM_EXIT_REASON: VMCALL,
    RAX: 0x30n,
  }),
  row(
    'injection of an exception with an error code',
    injecting(0xb0dn, 'mov eax, [saved_code]', { fields: { VM_ENTRY_EXCEPTION_ERROR_CODE: 0x1230 } }),
    { VM_EXIT_REASON: VMCALL, RAX: 0x1230n },
  ),
  row(
    'injection of a software interrupt returns behind the instruction',
    injecting(0x430n, 'mov eax, [saved_rip]\n sub eax, guest', { fields: { VM_ENTRY_INSTRUCTION_LEN: 2 } }),
    { VM_EXIT_REASON: VMCALL, RAX: 2n },
  ),
  row(
    'injection of INT3 returns behind it',
    injecting(0x603n, 'mov eax, [saved_rip]\n sub eax, guest', { fields: { VM_ENTRY_INSTRUCTION_LEN: 1 } }),
    { VM_EXIT_REASON: VMCALL, RAX: 1n },
  ),
  row(
    'injection of INT1 asks no privilege of its gate',
    injecting(0x501n, vector, { fields: { VM_ENTRY_INSTRUCTION_LEN: 1 } }),
    { VM_EXIT_REASON: VMCALL, RAX: 1n },
  ),
  row(
    'injection of an NMI begins virtual-NMI blocking',
    injecting(0x202n, vector, { pin: control.nmiExiting | control.virtualNmis }),
    { VM_EXIT_REASON: VMCALL, RAX: 2n, GUEST_INTERRUPTIBILITY_STATE: 8n },
  ),
  row(
    'injection of #PF leaves CR2 alone, that of #DB leaves DR6',
    injecting(0x301n, 'mov rax, dr6\n and eax, 0x600f'),
    { VM_EXIT_REASON: VMCALL, RAX: 0n },
  ),
  row(
    'injection wakes a guest in HLT',
    injecting(0x30n, vector, { fields: { GUEST_ACTIVITY_STATE: 1, GUEST_RFLAGS: 0x202 } }),
    { VM_EXIT_REASON: VMCALL, RAX: 0x30n, GUEST_ACTIVITY_STATE: 0n },
  ),
  row(
    'a fault in the delivery of an injected #PF exits as itself, where the bitmap wants it',
    injecting(0xb0en, vector, { fields: { GUEST_IDTR_LIMIT: IDT_UP_TO_PF, EXCEPTION_BITMAP: 1 << 13 }, exits: 1 }),
    {
      VM_EXIT_REASON: 0n,
      VM_EXIT_INTR_INFO: VALID | 0xb0dn,
      VM_EXIT_INTR_ERROR_CODE: 0x73n,
      IDT_VECTORING_INFO_FIELD: VALID | 0xb0en,
    },
  ),
  row(
    'or makes a double fault, which exits without vectoring information',
    injecting(0xb0en, vector, { fields: { GUEST_IDTR_LIMIT: IDT_UP_TO_PF, EXCEPTION_BITMAP: 1 << 8 }, exits: 1 }),
    { VM_EXIT_REASON: 0n, VM_EXIT_INTR_INFO: VALID | 0xb08n, IDT_VECTORING_INFO_FIELD: 0n },
  ),
  row(
    'or makes a double fault, which the guest takes',
    injecting(0xb0en, vector, { fields: { GUEST_IDTR_LIMIT: IDT_UP_TO_PF } }),
    { VM_EXIT_REASON: VMCALL, RAX: 8n },
  ),
  row(
    'a fault in the delivery of an external interrupt is no double fault',
    injecting(0x30n, vector, { fields: { GUEST_IDTR_LIMIT: IDT_UP_TO_PF, GUEST_RFLAGS: 0x202 } }),
    { VM_EXIT_REASON: VMCALL, RAX: 13n },
  ),
];

const deliveries: readonly TransitionRow[] = [
  row(
    'a fault of INT n is told with the software interrupt',
    { fields: { GUEST_IDTR_LIMIT: IDT_UP_TO_PF, EXCEPTION_BITMAP: 1 << 13 }, guest: 'int 0x30', exits: 1 },
    {
      VM_EXIT_REASON: 0n,
      VM_EXIT_INTR_ERROR_CODE: 0x182n,
      IDT_VECTORING_INFO_FIELD: VALID | 0x430n,
      VM_EXIT_INSTRUCTION_LEN: 2n,
    },
  ),
  row(
    'a fault of INT3 is told with the software exception',
    { fields: { GUEST_IDTR_LIMIT: 2, EXCEPTION_BITMAP: 1 << 13 }, guest: 'int3', exits: 1 },
    {
      VM_EXIT_REASON: 0n,
      VM_EXIT_INTR_ERROR_CODE: 0x1an,
      IDT_VECTORING_INFO_FIELD: VALID | 0x603n,
      VM_EXIT_INSTRUCTION_LEN: 1n,
    },
  ),
  row(
    'a fault of the delivery of an exception is told with it',
    { fields: { GUEST_IDTR_LIMIT: 2, EXCEPTION_BITMAP: 1 << 13 }, guest: 'ud2', exits: 1 },
    { VM_EXIT_REASON: 0n, VM_EXIT_INTR_ERROR_CODE: 0x33n, IDT_VECTORING_INFO_FIELD: VALID | 0x306n },
  ),
  row(
    'a fault of the delivery of a double fault is intercepted before it is a triple fault',
    { fields: { GUEST_IDTR_LIMIT: 2 }, guest: 'xor ecx, ecx\n div ecx', exits: 1 },
    { VM_EXIT_REASON: 2n },
  ),
];

const RF = 0x10000n;
const saved: readonly TransitionRow[] = [
  row(
    'blocking by STI is saved by the exit of the next instruction',
    { guest: 'sti\n hlt\n cli' },
    {
      VM_EXIT_REASON: 12n,
      GUEST_INTERRUPTIBILITY_STATE: 1n,
    },
  ),
  row(
    'blocking by MOV SS too',
    { guest: 'mov ax, 0x10\n mov ss, ax\n cpuid' },
    {
      VM_EXIT_REASON: 10n,
      GUEST_INTERRUPTIBILITY_STATE: 2n,
    },
  ),
  row(
    'a single-step trap that MOV SS holds back is saved as pending',
    {
      setup: 'mov qword [resume], done',
      guest: 'pushfq\n or dword [rsp], 0x100\n mov ax, 0x10\n popfq\n mov ss, ax\n cpuid',
      fields: { EXCEPTION_BITMAP: 2 },
      exits: 2,
    },
    { VM_EXIT_REASON: 10n, GUEST_PENDING_DBG_EXCEPTIONS: 0x4000n, GUEST_INTERRUPTIBILITY_STATE: 2n },
  ),
  row(
    'an entry delivers a pending debug exception',
    {
      setup: 'mov qword [resume], got',
      guest: 'ud2\ngot: mov rax, dr6\n and eax, 0x4000\n vmcall',
      fields: { GUEST_PENDING_DBG_EXCEPTIONS: 0x4000, GUEST_RFLAGS: 0x102 },
    },
    { VM_EXIT_REASON: VMCALL, RAX: 0x4000n },
  ),
  row(
    'an entry makes an exit of it where the bitmap wants it',
    { guest: 'ud2', fields: { GUEST_PENDING_DBG_EXCEPTIONS: 0x4000, EXCEPTION_BITMAP: 2 }, exits: 1 },
    { VM_EXIT_REASON: 0n, VM_EXIT_INTR_INFO: VALID | 0x301n, EXIT_QUALIFICATION: 0x4000n },
  ),
  row(
    'an exit by #DB leaves DR6 alone',
    {
      guest: 'db 0xf1\n mov rax, dr6\n and eax, 0x600f\n vmcall',
      fields: { EXCEPTION_BITMAP: 2, GUEST_PENDING_DBG_EXCEPTIONS: 0 },
    },
    { VM_EXIT_REASON: 0n, EXIT_QUALIFICATION: 0n },
    { VM_EXIT_REASON: VMCALL, RAX: 0n },
  ),
  row(
    'an exit by a fault saves RF',
    { guest: 'ud2', fields: { EXCEPTION_BITMAP: 1 << 6 }, exits: 1 },
    {
      VM_EXIT_REASON: 0n,
      GUEST_RFLAGS: 2n | RF,
    },
  ),
  row(
    'an exit of an instruction clears it',
    { guest: 'cpuid', fields: { GUEST_RFLAGS: 0x10002 } },
    {
      VM_EXIT_REASON: 10n,
      GUEST_RFLAGS: 2n,
    },
  ),
  row(
    'the preemption timer with 0 exits before the first instruction',
    { pin: control.preemptionTimer, fields: { VMX_PREEMPTION_TIMER_VALUE: 0 }, guest: 'ud2', exits: 1 },
    { VM_EXIT_REASON: 52n },
  ),
  row(
    'the preemption timer wakes HLT, which is saved',
    {
      pin: control.preemptionTimer,
      fields: { VMX_PREEMPTION_TIMER_VALUE: 10, GUEST_ACTIVITY_STATE: 1 },
      guest: 'ud2',
      exits: 1,
    },
    { VM_EXIT_REASON: 52n, GUEST_ACTIVITY_STATE: 1n },
  ),
  row(
    'the preemption timer wakes the shutdown state',
    {
      pin: control.preemptionTimer,
      fields: { VMX_PREEMPTION_TIMER_VALUE: 10, GUEST_ACTIVITY_STATE: 2 },
      guest: 'ud2',
      exits: 1,
    },
    { VM_EXIT_REASON: 52n, GUEST_ACTIVITY_STATE: 2n },
  ),
  row(
    'an injected MTF exit comes before the first instruction',
    { fields: { VM_ENTRY_INTR_INFO_FIELD: VALID | 0x700n }, guest: 'ud2', exits: 1 },
    { VM_EXIT_REASON: 37n },
  ),
  row(
    'an injected event counts for the monitor trap flag',
    {
      primary: control.trapFlag,
      fields: { VM_ENTRY_INTR_INFO_FIELD: VALID | 0x30n, GUEST_RFLAGS: 0x202 },
      guest: 'ud2',
      exits: 1,
    },
    { VM_EXIT_REASON: 37n, GUEST_RFLAGS: 2n },
  ),
  row(
    'a fault counts for the monitor trap flag',
    { primary: control.trapFlag, guest: 'ud2', exits: 1, setup: 'mov qword [resume], done' },
    { VM_EXIT_REASON: 37n, VM_EXIT_INSTRUCTION_LEN: 0n },
  ),
  row(
    'the interrupt window opens behind the shadow of STI',
    { primary: control.interruptWindow, guest: 'sti\n nop\n ud2', exits: 1 },
    { VM_EXIT_REASON: 7n, GUEST_INTERRUPTIBILITY_STATE: 0n },
  ),
  row(
    'IRET opens the NMI window',
    {
      pin: control.nmiExiting | control.virtualNmis,
      primary: control.nmiWindow,
      fields: { GUEST_INTERRUPTIBILITY_STATE: 8 },
      guest: 'push 0x10\n push 0x90000\n push 2\n push 8\n push .next\n iretq\n.next: ud2',
      exits: 1,
    },
    { VM_EXIT_REASON: 8n, GUEST_INTERRUPTIBILITY_STATE: 0n },
  ),
  row(
    'an external interrupt exits whatever IF says',
    { pin: control.interruptExiting, guest: `${selfInterrupt}${STAY}`, exits: 1 },
    { VM_EXIT_REASON: 1n },
  ),
  row(
    'RDTSC adds the offset',
    {
      primary: control.tscOffset,
      fields: { TSC_OFFSET: 1n << 40n },
      guest: 'rdtsc\n mov eax, edx\n vmcall',
    },
    { VM_EXIT_REASON: VMCALL, RAX: 0x100n },
  ),
  row(
    'a guest sees the shadow of CR0 and CR4',
    {
      fields: { CR0_GUEST_HOST_MASK: 0x20, CR4_GUEST_HOST_MASK: 0x2000 },
      guest:
        'mov rax, cr0\n and eax, 0x20\n mov rdx, cr4\n and edx, 0x2000\n or eax, edx\n smsw dx\n and edx, 0x20\n or eax, edx\n vmcall',
    },
    { VM_EXIT_REASON: VMCALL, RAX: 0n },
  ),
];

const FAILED = 0x8000_0000n;
const msrEntry = (at: number, index: number, low = 0): string =>
  `mov dword [${at}], ${index}\n mov dword [${at + 8}], ${low}`;
const failures: readonly TransitionRow[] = [
  row(
    'RFLAGS without its fixed bit is exit reason 33',
    { guest: '', fields: { GUEST_RFLAGS: 0 } },
    {
      VM_EXIT_REASON: FAILED | 33n,
      EXIT_QUALIFICATION: 0n,
    },
  ),
  row(
    'an NMI in the shadow of STI is 33 with qualification 3',
    {
      guest: '',
      fields: {
        VM_ENTRY_INTR_INFO_FIELD: VALID | 0x202n,
        GUEST_INTERRUPTIBILITY_STATE: 1,
        GUEST_RFLAGS: 0x202,
      },
    },
    { VM_EXIT_REASON: FAILED | 33n, EXIT_QUALIFICATION: 3n },
  ),
  row(
    'an NMI under MOV SS is 33 with qualification 0',
    { guest: '', fields: { VM_ENTRY_INTR_INFO_FIELD: VALID | 0x202n, GUEST_INTERRUPTIBILITY_STATE: 2 } },
    { VM_EXIT_REASON: FAILED | 33n, EXIT_QUALIFICATION: 0n },
  ),
  row(
    'a bad link pointer is 33 with qualification 4',
    { guest: '', fields: { VMCS_LINK_POINTER: 0x1234 } },
    {
      VM_EXIT_REASON: FAILED | 33n,
      EXIT_QUALIFICATION: 4n,
    },
  ),
  row(
    'a bad entry of the MSR list is 34 with its number',
    {
      guest: '',
      setup: `${msrEntry(pages.entryMsrs, 0x174, 8)}\n ${msrEntry(pages.entryMsrs + 16, 0xc0000100)}`,
      fields: { VM_ENTRY_MSR_LOAD_ADDR: pages.entryMsrs, VM_ENTRY_MSR_LOAD_COUNT: 2 },
    },
    { VM_EXIT_REASON: FAILED | 34n, EXIT_QUALIFICATION: 2n },
  ),
  row(
    'an MSR that WRMSR would refuse is 34',
    {
      guest: '',
      // Reserved bits of EFER.
      setup: msrEntry(pages.entryMsrs, 0xc0000080, 0xf000),
      fields: { VM_ENTRY_MSR_LOAD_ADDR: pages.entryMsrs, VM_ENTRY_MSR_LOAD_COUNT: 1 },
    },
    { VM_EXIT_REASON: FAILED | 34n, EXIT_QUALIFICATION: 1n },
  ),
  row(
    'the entry loads the MSRs of its list',
    {
      primary: control.msrBitmaps,
      guest: 'mov ecx, 0x174\n rdmsr\n vmcall',
      setup: msrEntry(pages.entryMsrs, 0x174, 0x1238),
      fields: { VM_ENTRY_MSR_LOAD_ADDR: pages.entryMsrs, VM_ENTRY_MSR_LOAD_COUNT: 1 },
    },
    { VM_EXIT_REASON: VMCALL, RAX: 0x1238n },
  ),
  row(
    'the exit stores and loads MSRs',
    {
      primary: control.msrBitmaps,
      guest: 'mov ecx, 0x174\n mov eax, 0x55\n xor edx, edx\n wrmsr\n cpuid',
      setup: `${msrEntry(pages.storedMsrs, 0x174)}\n ${msrEntry(pages.exitMsrs, 0x175, 0x77)}`,
      fields: {
        VM_EXIT_MSR_STORE_ADDR: pages.storedMsrs,
        VM_EXIT_MSR_STORE_COUNT: 1,
        VM_EXIT_MSR_LOAD_ADDR: pages.exitMsrs,
        VM_EXIT_MSR_LOAD_COUNT: 1,
      },
      // What was stored, and what was loaded, to the guest's RAX.
      onExit: `mov eax, [${pages.storedMsrs + 8}]
        shl eax, 8
        mov [registers], eax
        mov ecx, 0x175
        rdmsr
        or [registers], eax
        mov dword [exits], 2`,
    },
    { VM_EXIT_REASON: 10n },
    { VM_EXIT_REASON: VMCALL },
  ),
];

/** Real mode under EPT: 1 GiB of 2 MiB pages, guest-physical = physical. */
const EPT = { pml4: 0x20a000, pdpt: 0x20b000, pd: 0x20c000 } as const;
const eptSetup = `mov qword [${EPT.pml4}], ${EPT.pdpt} + 7
        mov qword [${EPT.pdpt}], ${EPT.pd} + 7
        mov edi, ${EPT.pd}
        mov eax, 0xb7
.pde:   mov [rdi], eax
        add edi, 8
        add eax, 0x200000
        cmp eax, 0x40000000
        jb .pde`;
const real = (guest: string, more: Partial<Spec> = {}): Spec => ({
  ...more,
  long: false,
  secondary: control.enableEpt | control.unrestricted | (more.secondary ?? 0),
  setup: `${eptSetup}\n ${more.setup ?? ''}`,
  fields: {
    EPT_POINTER: EPT.pml4 + 0x1e,
    GUEST_CR0: 0x20,
    GUEST_CR4: 0x2000,
    GUEST_CS_SELECTOR: 0x1000,
    GUEST_CS_BASE: 0x10000,
    GUEST_CS_LIMIT: 0xffff,
    GUEST_CS_AR_BYTES: 0x9b,
    GUEST_SS_SELECTOR: 0,
    GUEST_SS_LIMIT: 0xffff,
    GUEST_SS_AR_BYTES: 0x93,
    GUEST_DS_SELECTOR: 0,
    GUEST_DS_LIMIT: 0xffff,
    GUEST_DS_AR_BYTES: 0x93,
    GUEST_ES_SELECTOR: 0,
    GUEST_ES_LIMIT: 0xffff,
    GUEST_ES_AR_BYTES: 0x93,
    GUEST_RIP: 'guest - 0x10000',
    GUEST_RSP: 0x7000,
    ...more.fields,
  },
  guest: `bits 16
        ${guest}
        mov eax, 0x900d
        vmcall
bits 64`,
});
const UNDEFINED = 1 << 6;
/** Virtual-8086 mode: the segments of real mode, at CPL 3. */
const virtual8086 = (guest: string, more: Partial<Spec> = {}): Spec => {
  const spec = real(guest, more);
  const segments = (['CS', 'SS', 'DS', 'ES', 'FS', 'GS'] as const).flatMap((name) => [
    [`GUEST_${name}_AR_BYTES`, 0xf3],
    [`GUEST_${name}_LIMIT`, 0xffff],
  ]);
  return {
    ...spec,
    fields: { ...spec.fields, GUEST_CR0: 0x21, GUEST_RFLAGS: 0x20002, ...Object.fromEntries(segments) },
  };
};
/** Compatibility mode: a 32-bit code segment in IA-32e mode. */
const compatible = (guest: string, more: Partial<Spec> = {}): Spec => ({
  ...more,
  fields: { GUEST_CS_SELECTOR: 0x18, GUEST_CS_AR_BYTES: 0xc09b, ...more.fields },
  guest: `bits 32
        ${guest}
        mov eax, 0x900d
        vmcall
bits 64`,
});
/** They exit nowhere but in the modes that have them. VMCALL and VMFUNC exit in all. */
const instructions = ['vmlaunch', 'vmresume', 'vmxoff', 'vmxon [0]', 'vmclear [0]', 'vmptrld [0]', 'vmptrst [0]'];
const undefinedIn = (mode: string, spec: typeof compatible): TransitionRow[] => [
  ...instructions.map((instruction) =>
    row(
      `${instruction.toUpperCase()} in ${mode} is #UD before it exits`,
      spec(instruction, { fields: { EXCEPTION_BITMAP: UNDEFINED }, exits: 1 }),
      { VM_EXIT_REASON: 0n, VM_EXIT_INTR_INFO: VALID | 0x306n },
    ),
  ),
  row(`VMCALL in ${mode} exits`, spec('vmcall'), { VM_EXIT_REASON: VMCALL }),
];

const modes: readonly TransitionRow[] = [
  ...undefinedIn('virtual-8086 mode', virtual8086),
  ...undefinedIn('compatibility mode', compatible),
  row('an unrestricted guest runs in real mode', real('mov eax, cr0\n vmcall'), {
    VM_EXIT_REASON: VMCALL,
    // CR0.ET is always 1.
    RAX: 0x30n,
  }),
  row(
    'VMX instructions are #UD in real mode before they exit',
    real('vmlaunch', { fields: { EXCEPTION_BITMAP: 1 << 6 }, exits: 1 }),
    { VM_EXIT_REASON: 0n, VM_EXIT_INTR_INFO: VALID | 0x306n },
  ),
  row(
    'SLDT is #UD in real mode before it exits',
    real('sldt ax', { secondary: control.descriptorTable, fields: { EXCEPTION_BITMAP: 1 << 6 }, exits: 1 }),
    { VM_EXIT_REASON: 0n, VM_EXIT_INTR_INFO: VALID | 0x306n },
  ),
  row(
    'an unrestricted guest enters protected mode without paging',
    real('mov eax, 0x21\n mov cr0, eax\n mov eax, cr0\n vmcall'),
    { VM_EXIT_REASON: VMCALL, RAX: 0x31n },
  ),
];

/** Order of refusals and exits, at CPL 3. */
const ring3 = (guest: string, more: Partial<Spec> = {}): Spec => ({
  ...more,
  fields: { EXCEPTION_BITMAP: (1 << 13) | (1 << 6), ...more.fields },
  guest: `call open_pages
        mov eax, user
        mov edx, 2
        jmp to_ring3
user:   ${guest}`,
  exits: 1,
});
const GP = { VM_EXIT_REASON: 0n, VM_EXIT_INTR_INFO: VALID | 0xb0dn, VM_EXIT_INTR_ERROR_CODE: 0n };
const UD = { VM_EXIT_REASON: 0n, VM_EXIT_INTR_INFO: VALID | 0x306n };
const orders: readonly TransitionRow[] = [
  row('HLT by a user is #GP', ring3('hlt'), GP),
  row('RDMSR by a user is #GP', ring3('rdmsr'), GP),
  row('INVD by a user is #GP', ring3('invd'), GP),
  row('MOV to CR8 by a user is #GP', ring3('mov cr8, rax', { primary: control.cr8Load }), GP),
  row('IN by a user without permission is #GP', ring3('in al, 0x80', { primary: control.unconditionalIo }), GP),
  row('MONITOR by a user is #UD', ring3('xor ecx, ecx\n monitor', { primary: control.monitor }), UD),
  row('MOV DR by a user exits', ring3('mov rax, dr0', { primary: control.movDr }), { VM_EXIT_REASON: 29n }),
  row('CPUID by a user exits', ring3('cpuid'), { VM_EXIT_REASON: 10n }),
  row('VMCALL by a user exits', ring3('vmcall'), { VM_EXIT_REASON: VMCALL }),
  row('VMREAD by a user exits', ring3('mov eax, 0x4402\n vmread rbx, rax'), { VM_EXIT_REASON: 23n }),
  row('PAUSE by a user exits', ring3('pause', { primary: control.pause }), { VM_EXIT_REASON: 40n }),
  row(
    'RDTSC by a user with CR4.TSD is #GP',
    ring3('rdtsc', { primary: control.rdtsc, setup: 'mov rax, cr4\n or eax, 4\n mov edx, 0x6804\n vmwrite rdx, rax' }),
    GP,
  ),
  row('INVPCID without its control is #UD', ring3('invpcid rax, [rbx]', { primary: control.invlpg }), UD),
  row('RDTSCP without its control is #UD', ring3('rdtscp', { primary: control.rdtsc }), UD),
  row('VMFUNC without its control is #UD', ring3('vmfunc'), UD),
  row('VMFUNC with a number above 63 is #UD', ring3('mov eax, 64\n vmfunc', { secondary: control.enableVmfunc }), UD),
];

export const transitionRows: readonly TransitionRow[] = [
  ...injections,
  ...deliveries,
  ...saved,
  ...failures,
  ...modes,
  ...orders,
];
