/**
 * Every intercept as a guest that exits by it and one that does not: what the tests of exits, of `why` and the second opinion of
 * Bochs go through.
 */

import { control } from '../../../src/machine/vmx/control-bits';
import type { ExitReasonName } from '../../../src/x86/vmx/exit-reasons';
import { type PrintedExit, pages, type Spec } from './hypervisor';

export interface InterceptRow {
  readonly name: string;
  readonly reason: ExitReasonName;
  /** Id of the row that decides, as the exit's cause names it. */
  readonly rule: string;
  /** What decides: a control, or a field. */
  readonly decides?: string;
  readonly exits: Spec;
  readonly says?: Partial<PrintedExit>;
  /** The same without what decides; undefined for what always exits. */
  readonly passes?: Spec;
  /** Preset on which the row's controls exist, where it is not `haswell`. */
  readonly cpu?: string;
}

/** Exceptions that are not intercepted end the guest. */
const handled = 'mov qword [resume], done';
const APIC = 0xfee00000;
const enableApic = `mov ebx, ${APIC}
        mov dword [rbx + 0xf0], 0x1ff`;
/** An interrupt command to the processor itself. */
const command = (low: number): string => `mov dword [rbx + 0x310], 0
        mov dword [rbx + 0x300], ${low}`;
const LEVEL_ASSERT = 0x4000;
/** Events come at the next boundary, or on Bochs at the next jump: both find the guest at the same place. */
export const STAY = '\n.stay: jmp .stay';
export const selfInterrupt = `${enableApic}
        ${command(LEVEL_ASSERT | 0x40000 | 0x30)}`;

type Word = 'pin' | 'primary' | 'secondary';

/** An instruction that exits while one control is 1. */
const byControl = (
  name: string,
  reason: ExitReasonName,
  word: Word,
  bit: number,
  id: string,
  guest: string,
  says: Partial<PrintedExit> = {},
  more: Partial<Spec> = {},
): InterceptRow => ({
  name,
  reason,
  rule: `${word}.${id}`,
  decides: `${word}.${id}`,
  exits: { ...more, [word]: (more[word] ?? 0) | bit, guest },
  says,
  passes: { ...more, guest },
});

const always = (
  name: string,
  reason: ExitReasonName,
  guest: string,
  says: Partial<PrintedExit> = {},
): InterceptRow => ({
  name,
  reason,
  rule: `always.${reason}`,
  exits: { guest },
  says,
});

const at = (register: string) => `mov e${register}, ${pages.spare}`;
/** Instruction information of a memory operand [RBX + disp8], 64-bit addresses, DS. */
const INFO_RBX = (2 << 7) | (3 << 15) | (1 << 22) | (3 << 23);

const alwaysRows: readonly InterceptRow[] = [
  always('CPUID', 'CPUID', 'xor eax, eax\n cpuid', { VM_EXIT_INSTRUCTION_LEN: 2n }),
  always('INVD', 'INVD', 'invd', { VM_EXIT_INSTRUCTION_LEN: 2n }),
  always('VMCALL', 'VMCALL', 'mov eax, 7\n vmcall', { RAX: 7n }),
  always('VMCLEAR', 'VMCLEAR', `${at('bx')}\n vmclear [rbx + 8]`, {
    EXIT_QUALIFICATION: 8n,
    VMX_INSTRUCTION_INFO: BigInt(INFO_RBX),
  }),
  always('VMLAUNCH', 'VMLAUNCH', 'vmlaunch'),
  always('VMPTRLD', 'VMPTRLD', `${at('bx')}\n vmptrld [rbx - 8]`, { EXIT_QUALIFICATION: 0xffff_ffff_ffff_fff8n }),
  always('VMPTRST', 'VMPTRST', `${at('bx')}\n vmptrst [rbx + 8]`, { EXIT_QUALIFICATION: 8n }),
  always('VMREAD', 'VMREAD', 'mov eax, 0x4402\n vmread rdx, rax', {
    VMX_INSTRUCTION_INFO: BigInt((2 << 3) | (1 << 10)),
  }),
  always('VMRESUME', 'VMRESUME', 'vmresume'),
  always('VMWRITE', 'VMWRITE', 'mov edx, 0x4402\n vmwrite rdx, rax', {
    VMX_INSTRUCTION_INFO: BigInt((2 << 28) | (1 << 10)),
  }),
  always('VMXOFF', 'VMXOFF', 'vmxoff'),
  always('VMXON', 'VMXON', `${at('bx')}\n vmxon [rbx]`),
  always('INVEPT', 'INVEPT', `${at('bx')}\n mov eax, 2\n invept rax, [rbx]`, {
    VMX_INSTRUCTION_INFO: BigInt(INFO_RBX),
  }),
  always('INVVPID', 'INVVPID', `${at('bx')}\n mov eax, 2\n invvpid rax, [rbx]`, {
    VMX_INSTRUCTION_INFO: BigInt(INFO_RBX),
  }),
  {
    ...always(
      'a fault while a double fault is delivered',
      'TRIPLE_FAULT',
      'lidt [no_table]\n ud2\nno_table: times 10 db 0',
    ),
    passes: { guest: `${handled}\n ud2` },
  },
];

const primaryRows: readonly InterceptRow[] = [
  {
    ...byControl('HLT', 'HLT', 'primary', control.hlt, 'hlt-exiting', 'hlt', { VM_EXIT_INSTRUCTION_LEN: 1n }),
    passes: {
      haltsByItself: true,
      pin: control.preemptionTimer,
      fields: { VMX_PREEMPTION_TIMER_VALUE: 100 },
      guest: 'hlt',
      exits: 1,
    },
  },
  byControl('INVLPG', 'INVLPG', 'primary', control.invlpg, 'invlpg-exiting', `${at('bx')}\n invlpg [rbx + 16]`, {
    EXIT_QUALIFICATION: BigInt(pages.spare + 16),
  }),
  byControl(
    'INVPCID',
    'INVPCID',
    'primary',
    control.invlpg,
    'invlpg-exiting',
    `${at('bx')}\n mov eax, 2\n invpcid rax, [rbx]`,
    { VMX_INSTRUCTION_INFO: BigInt(INFO_RBX) },
    { secondary: control.enableInvpcid },
  ),
  byControl('MWAIT', 'MWAIT', 'primary', control.mwait, 'mwait-exiting', 'xor ecx, ecx\n xor eax, eax\n mwait'),
  byControl(
    'MONITOR',
    'MONITOR',
    'primary',
    control.monitor,
    'monitor-exiting',
    `${at('ax')}\n xor ecx, ecx\n xor edx, edx\n monitor`,
  ),
  byControl('RDPMC', 'RDPMC', 'primary', control.rdpmc, 'rdpmc-exiting', `${handled}\n mov ecx, 0x12345\n rdpmc`),
  byControl('RDTSC', 'RDTSC', 'primary', control.rdtsc, 'rdtsc-exiting', 'rdtsc'),
  byControl(
    'RDTSCP',
    'RDTSCP',
    'primary',
    control.rdtsc,
    'rdtsc-exiting',
    'rdtscp',
    {},
    { secondary: control.enableRdtscp },
  ),
  byControl('PAUSE', 'PAUSE', 'primary', control.pause, 'pause-exiting', 'pause', { VM_EXIT_INSTRUCTION_LEN: 2n }),
];

const pauseLoop = (window: number): Spec => ({
  secondary: control.pauseLoop,
  fields: { PLE_GAP: 100, PLE_WINDOW: window },
  guest: 'mov ecx, 200\n.loop: pause\n dec ecx\n jnz .loop',
  exits: 1,
});

const secondaryRows: readonly InterceptRow[] = [
  byControl('WBINVD', 'WBINVD', 'secondary', control.wbinvd, 'wbinvd-exiting', 'wbinvd'),
  byControl('RDRAND', 'RDRAND', 'secondary', control.rdrand, 'rdrand-exiting', 'rdrand rdx', {
    VMX_INSTRUCTION_INFO: BigInt((2 << 3) | (2 << 11)),
  }),
  {
    ...byControl('RDSEED', 'RDSEED', 'secondary', control.rdseed, 'rdseed-exiting', 'rdseed edx', {
      VMX_INSTRUCTION_INFO: BigInt((2 << 3) | (1 << 11)),
    }),
    cpu: 'skylake',
  },
  {
    name: 'VMFUNC',
    reason: 'VMFUNC',
    rule: 'always.VMFUNC',
    decides: 'secondary.enable-vm-functions',
    exits: { secondary: control.enableVmfunc, guest: 'xor eax, eax\n vmfunc' },
    passes: { guest: `${handled}\n xor eax, eax\n vmfunc` },
  },
  {
    name: 'a loop of PAUSE',
    reason: 'PAUSE',
    rule: 'secondary.pause-loop-exiting',
    decides: 'secondary.pause-loop-exiting',
    exits: pauseLoop(100),
    passes: pauseLoop(100_000),
  },
  ...(
    [
      ['SGDT', 'GDTR_IDTR_ACCESS', 'sgdt [rbx]', 0],
      ['SIDT', 'GDTR_IDTR_ACCESS', 'sidt [rbx]', 1],
      ['LGDT', 'GDTR_IDTR_ACCESS', 'sgdt [rbx]\n lgdt [rbx]', 2],
      ['LIDT', 'GDTR_IDTR_ACCESS', 'sidt [rbx]\n lidt [rbx]', 3],
      ['SLDT', 'LDTR_TR_ACCESS', 'sldt [rbx]', 0],
      ['STR', 'LDTR_TR_ACCESS', 'str [rbx]', 1],
      ['LLDT', 'LDTR_TR_ACCESS', 'xor eax, eax\n lldt ax', 2],
      ['LTR', 'LDTR_TR_ACCESS', 'and byte [gdt+0x4d], 0xfd\n mov eax, 0x48\n ltr ax', 3],
    ] as const
  ).map(([name, reason, guest]) =>
    byControl(name, reason, 'secondary', control.descriptorTable, 'descriptor-table-exiting', `${at('bx')}\n ${guest}`),
  ),
];

/** MOV CR: qualification bits 3:0 the register, 5:4 the kind, 11:8 the general register. */
const cr = (register: number, kind: number, general = 0): bigint => BigInt(register | (kind << 4) | (general << 8));

const registerRows: readonly InterceptRow[] = [
  {
    ...byControl(
      'MOV to CR3',
      'CR_ACCESS',
      'primary',
      control.cr3Load,
      'cr3-load-exiting',
      'mov rdx, cr3\n mov cr3, rdx',
      {
        EXIT_QUALIFICATION: cr(3, 0, 2),
      },
    ),
    rule: 'cr3.load',
  },
  {
    name: 'MOV to CR3 of a value that is no target',
    reason: 'CR_ACCESS',
    rule: 'cr3.load',
    decides: 'primary.cr3-load-exiting',
    exits: {
      primary: control.cr3Load,
      fields: { CR3_TARGET_COUNT: 1, CR3_TARGET_VALUE0: 0x5000 },
      guest: 'mov rdx, cr3\n mov cr3, rdx',
    },
    passes: {
      primary: control.cr3Load,
      fields: { CR3_TARGET_COUNT: 1 },
      setup: 'mov rax, cr3\n mov edx, 0x6008\n vmwrite rdx, rax',
      guest: 'mov rdx, cr3\n mov cr3, rdx',
    },
  },
  {
    ...byControl('MOV from CR3', 'CR_ACCESS', 'primary', control.cr3Store, 'cr3-store-exiting', 'mov rbx, cr3', {
      EXIT_QUALIFICATION: cr(3, 1, 3),
    }),
    rule: 'cr3.store',
  },
  {
    ...byControl(
      'MOV to CR8',
      'CR_ACCESS',
      'primary',
      control.cr8Load,
      'cr8-load-exiting',
      'mov eax, 3\n mov cr8, rax',
      {
        EXIT_QUALIFICATION: cr(8, 0),
      },
    ),
    rule: 'cr8.load',
  },
  {
    ...byControl('MOV from CR8', 'CR_ACCESS', 'primary', control.cr8Store, 'cr8-store-exiting', 'mov rax, cr8', {
      EXIT_QUALIFICATION: cr(8, 1),
    }),
    rule: 'cr8.store',
  },
  {
    name: 'MOV to CR0 of a bit that the host owns',
    reason: 'CR_ACCESS',
    rule: 'cr0.mask',
    decides: 'CR0_GUEST_HOST_MASK',
    exits: { fields: { CR0_GUEST_HOST_MASK: 8 }, guest: 'mov rax, cr0\n or al, 8\n mov cr0, rax' },
    says: { EXIT_QUALIFICATION: cr(0, 0) },
    passes: { guest: 'mov rax, cr0\n or al, 8\n mov cr0, rax' },
  },
  {
    name: 'MOV to CR4 of a bit that the host owns',
    reason: 'CR_ACCESS',
    rule: 'cr4.mask',
    decides: 'CR4_GUEST_HOST_MASK',
    exits: { fields: { CR4_GUEST_HOST_MASK: 4 }, guest: 'mov rax, cr4\n or al, 4\n mov cr4, rax' },
    says: { EXIT_QUALIFICATION: cr(4, 0) },
    passes: { guest: 'mov rax, cr4\n or al, 4\n mov cr4, rax' },
  },
  {
    name: 'CLTS',
    reason: 'CR_ACCESS',
    rule: 'cr0.mask',
    decides: 'CR0_GUEST_HOST_MASK',
    exits: { fields: { CR0_GUEST_HOST_MASK: 8, CR0_READ_SHADOW: 8 }, guest: 'clts' },
    says: { EXIT_QUALIFICATION: cr(0, 2) },
    passes: { fields: { CR0_GUEST_HOST_MASK: 8 }, guest: 'clts' },
  },
  {
    name: 'LMSW',
    reason: 'CR_ACCESS',
    rule: 'cr0.mask',
    decides: 'CR0_GUEST_HOST_MASK',
    exits: { fields: { CR0_GUEST_HOST_MASK: 8 }, guest: 'mov eax, 9\n lmsw ax' },
    says: { EXIT_QUALIFICATION: cr(0, 3) | (9n << 16n) },
    passes: { fields: { CR0_GUEST_HOST_MASK: 8, CR0_READ_SHADOW: 8 }, guest: 'mov eax, 9\n lmsw ax' },
  },
  {
    ...byControl('MOV DR', 'DR_ACCESS', 'primary', control.movDr, 'mov-dr-exiting', 'mov rdx, dr3', {
      EXIT_QUALIFICATION: BigInt(3 | (1 << 4) | (2 << 8)),
    }),
    rule: 'dr.access',
  },
];

const io = (
  name: string,
  guest: string,
  bit: string,
  qualification: bigint,
  says: Partial<PrintedExit> = {},
): InterceptRow => ({
  name,
  reason: 'IO_INSTRUCTION',
  rule: 'io.bitmap',
  decides: 'primary.use-io-bitmaps',
  exits: { primary: control.ioBitmaps, setup: bit, guest },
  says: { EXIT_QUALIFICATION: qualification, ...says },
  passes: { primary: control.ioBitmaps, guest },
});
const msr = (name: string, reason: 'RDMSR' | 'WRMSR', number: number, quarter: number): InterceptRow => {
  const guest = `mov ecx, ${number}\n rdmsr${reason === 'WRMSR' ? '\n wrmsr' : ''}`;
  const low = number % 0x2000;
  return {
    name,
    reason,
    rule: 'msr.bitmap',
    decides: 'primary.use-msr-bitmaps',
    exits: {
      primary: control.msrBitmaps,
      setup: `or byte [${pages.msrBitmap + quarter * 1024 + (low >>> 3)}], ${1 << (low & 7)}`,
      guest,
    },
    passes: { primary: control.msrBitmaps, guest },
  };
};

const bitmapRows: readonly InterceptRow[] = [
  {
    ...byControl(
      'IN without bitmaps',
      'IO_INSTRUCTION',
      'primary',
      control.unconditionalIo,
      'unconditional-io-exiting',
      'in al, 0x80',
      {
        EXIT_QUALIFICATION: BigInt((0x80 << 16) | (1 << 6) | (1 << 3)),
        VM_EXIT_INSTRUCTION_LEN: 2n,
      },
    ),
    rule: 'io.unconditional',
  },
  io(
    'OUT to a port of bitmap A',
    'mov dx, 0x81\n out dx, ax',
    `or byte [${pages.ioA + 0x10}], 4`,
    BigInt((0x81 << 16) | 1),
  ),
  io(
    'IN of a port of bitmap B',
    'mov dx, 0x8010\n in eax, dx',
    `or byte [${pages.ioB + 2}], 8`,
    (0x8010n << 16n) | 0xbn,
  ),
  io(
    'OUTSB',
    `mov esi, ${pages.spare}\n mov dx, 0x80\n outsb`,
    `or byte [${pages.ioA + 0x10}], 1`,
    BigInt((0x80 << 16) | (1 << 4)),
    { GUEST_LINEAR_ADDRESS: BigInt(pages.spare), VMX_INSTRUCTION_INFO: BigInt((2 << 7) | (3 << 15)) },
  ),
  io(
    'REP INSB',
    `mov edi, ${pages.spare}\n mov ecx, 2\n mov dx, 0x80\n rep insb`,
    `or byte [${pages.ioA + 0x10}], 1`,
    BigInt((0x80 << 16) | (1 << 5) | (1 << 4) | (1 << 3)),
    { GUEST_LINEAR_ADDRESS: BigInt(pages.spare) },
  ),
  msr('RDMSR of a low register', 'RDMSR', 0x174, 0),
  msr('RDMSR of a high register', 'RDMSR', 0xc0000102, 1),
  msr('WRMSR of a low register', 'WRMSR', 0x174, 2),
  msr('WRMSR of a high register', 'WRMSR', 0xc0000102, 3),
  {
    name: 'RDMSR outside the bitmap',
    reason: 'RDMSR',
    rule: 'msr.outside-bitmap',
    decides: 'primary.use-msr-bitmaps',
    exits: { primary: control.msrBitmaps, guest: 'mov ecx, 0x40000000\n rdmsr' },
    passes: { primary: control.msrBitmaps, guest: 'mov ecx, 0x174\n rdmsr' },
  },
  {
    name: 'RDMSR without bitmaps',
    reason: 'RDMSR',
    rule: 'msr.no-bitmap',
    decides: 'primary.use-msr-bitmaps',
    exits: { guest: 'mov ecx, 0x174\n rdmsr' },
    passes: { primary: control.msrBitmaps, guest: 'mov ecx, 0x174\n rdmsr' },
  },
];

const trap = (
  name: string,
  vector: number,
  guest: string,
  information: bigint,
  says: Partial<PrintedExit> = {},
): InterceptRow => ({
  name,
  reason: 'EXCEPTION_NMI',
  rule: 'exception.bitmap',
  decides: 'EXCEPTION_BITMAP',
  exits: { fields: { EXCEPTION_BITMAP: 1 << vector }, guest, exits: 1 },
  says: { VM_EXIT_INTR_INFO: 0x8000_0000n | information | BigInt(vector), ...says },
  passes: { guest: `${handled}\n ${guest}` },
});
const NOWHERE = '0x140000000';
const readNowhere = `mov rbx, ${NOWHERE}\n mov rax, [rbx]`;

const exceptionRows: readonly InterceptRow[] = [
  trap('#DE', 0, 'xor ecx, ecx\n div ecx', 0x300n),
  trap('#UD', 6, 'ud2', 0x300n),
  trap('#GP', 13, 'mov eax, 0x7ff8\n mov ds, ax', 0xb00n, { VM_EXIT_INTR_ERROR_CODE: 0x7ff8n }),
  trap('INT3', 3, 'int3', 0x600n, { VM_EXIT_INSTRUCTION_LEN: 1n }),
  trap('INT1', 1, 'db 0xf1', 0x500n, { VM_EXIT_INSTRUCTION_LEN: 1n, EXIT_QUALIFICATION: 0n }),
  trap('a single-step trap', 1, 'pushfq\n or dword [rsp], 0x100\n popfq\n nop\n nop', 0x300n, {
    EXIT_QUALIFICATION: 0x4000n,
  }),
  {
    ...trap('#PF that mask and match select', 14, readNowhere, 0xb00n, {
      EXIT_QUALIFICATION: BigInt(NOWHERE),
      VM_EXIT_INTR_ERROR_CODE: 0n,
    }),
    rule: 'exception.page-fault',
    passes: {
      fields: {
        EXCEPTION_BITMAP: 1 << 14,
        PAGE_FAULT_ERROR_CODE_MASK: 1,
        PAGE_FAULT_ERROR_CODE_MATCH: 1,
      },
      guest: `${handled}\n ${readNowhere}`,
    },
  },
  {
    ...trap('#PF that the bitmap lacks and mask and match do not select', 14, readNowhere, 0xb00n),
    rule: 'exception.page-fault',
    exits: {
      fields: { PAGE_FAULT_ERROR_CODE_MASK: 1, PAGE_FAULT_ERROR_CODE_MATCH: 1 },
      guest: readNowhere,
      exits: 1,
    },
  },
];

const interruptible = { pin: control.interruptExiting, fields: { GUEST_RFLAGS: 0x202 } } as const;

const eventRows: readonly InterceptRow[] = [
  {
    name: 'the VMX-preemption timer',
    reason: 'PREEMPTION_TIMER',
    rule: 'preemption-timer',
    decides: 'pin.activate-vmx-preemption-timer',
    exits: {
      pin: control.preemptionTimer,
      fields: { VMX_PREEMPTION_TIMER_VALUE: 5 },
      guest: `nop${STAY}`,
      exits: 1,
    },
    passes: { guest: 'mov ecx, 10000\n.wait: dec ecx\n jnz .wait' },
  },
  {
    name: 'the interrupt window',
    reason: 'INTERRUPT_WINDOW',
    rule: 'interrupt-window',
    decides: 'primary.interrupt-window-exiting',
    exits: { primary: control.interruptWindow, guest: 'nop\n sti\n nop\n nop', exits: 1 },
    says: { GUEST_INTERRUPTIBILITY_STATE: 0n },
    passes: { guest: 'nop\n sti\n nop\n cli' },
  },
  {
    name: 'the NMI window',
    reason: 'NMI_WINDOW',
    rule: 'nmi-window',
    decides: 'primary.nmi-window-exiting',
    exits: {
      pin: control.nmiExiting | control.virtualNmis,
      primary: control.nmiWindow,
      guest: 'nop',
      exits: 1,
    },
    passes: {
      pin: control.nmiExiting | control.virtualNmis,
      primary: control.nmiWindow,
      fields: { GUEST_INTERRUPTIBILITY_STATE: 8 },
      guest: 'nop',
    },
  },
  {
    name: 'an external interrupt, acknowledged',
    reason: 'EXTERNAL_INTERRUPT',
    rule: 'external-interrupt',
    decides: 'pin.external-interrupt-exiting',
    exits: { ...interruptible, exit: control.acknowledge, guest: `${selfInterrupt}${STAY}`, exits: 1 },
    says: { VM_EXIT_INTR_INFO: 0x8000_0030n },
    passes: { guest: `${handled}\n ${selfInterrupt}\n sti\n nop\n nop\n cli` },
  },
  {
    name: 'an external interrupt, left at the controller',
    reason: 'EXTERNAL_INTERRUPT',
    rule: 'external-interrupt',
    decides: 'pin.external-interrupt-exiting',
    exits: { ...interruptible, guest: `${selfInterrupt}${STAY}`, exits: 1 },
    says: { VM_EXIT_INTR_INFO: 0n },
    passes: { guest: `${selfInterrupt}\n nop` },
  },
  {
    name: 'an NMI',
    reason: 'EXCEPTION_NMI',
    rule: 'nmi',
    decides: 'pin.nmi-exiting',
    exits: { pin: control.nmiExiting, guest: `${enableApic}\n ${command(LEVEL_ASSERT | 0x400)}${STAY}`, exits: 1 },
    says: { VM_EXIT_INTR_INFO: 0x8000_0202n },
    passes: { guest: `${handled}\n ${enableApic}\n ${command(LEVEL_ASSERT | 0x400)}\n nop` },
  },
  {
    name: 'the monitor trap flag',
    reason: 'MONITOR_TRAP_FLAG',
    rule: 'trap-flag',
    decides: 'primary.monitor-trap-flag',
    exits: { primary: control.trapFlag, guest: 'jmp .next\n.next: nop', exits: 1 },
    passes: { guest: 'nop\n nop' },
  },
  {
    name: 'the task priority below the threshold',
    reason: 'TPR_BELOW_THRESHOLD',
    rule: 'tpr.threshold',
    decides: 'TPR_THRESHOLD',
    exits: {
      primary: control.tprShadow,
      fields: { TPR_THRESHOLD: 5 },
      setup: `mov dword [${pages.virtualApic + 0x80}], 0x60`,
      guest: 'mov eax, 4\n mov cr8, rax',
      exits: 1,
    },
    passes: {
      primary: control.tprShadow,
      fields: { TPR_THRESHOLD: 5 },
      setup: `mov dword [${pages.virtualApic + 0x80}], 0x60`,
      guest: 'mov eax, 5\n mov cr8, rax',
    },
  },
  {
    name: 'INIT',
    reason: 'INIT',
    rule: 'always.INIT',
    exits: { guest: `${enableApic}\n ${command(LEVEL_ASSERT | 0x500)}${STAY}`, exits: 1 },
  },
];

/** A task switch needs a guest outside IA-32e mode: with 4 MiB pages. */
const guest32 = (guest: string, more: Partial<Spec> = {}): Spec => ({
  ...more,
  long: false,
  fields: {
    GUEST_CR3: pages.spare,
    GUEST_CR4: 0x2010,
    GUEST_CS_SELECTOR: 0x18,
    GUEST_CS_AR_BYTES: 0xc09b,
    ...more.fields,
  },
  setup: `mov edi, ${pages.spare}
        mov eax, 0x83
.entry: mov [rdi], eax
        add rdi, 4
        add eax, 0x400000
        jnc .entry
        ${more.setup ?? ''}`,
  guest: `bits 32
        ${guest}
        jmp done
bits 64`,
});

const TASK = 0x208000;
const taskRows: readonly InterceptRow[] = [
  {
    name: 'a task switch',
    reason: 'TASK_SWITCH',
    rule: 'always.TASK_SWITCH',
    exits: guest32('jmp 0x58:0', {
      setup: `mov dword [gdt+0x58], ${((TASK & 0xffff) << 16) >>> 0} + 0x67
        mov dword [gdt+0x5c], 0x8900 + ${TASK >>> 16}`,
      exits: 1,
    }),
    says: { EXIT_QUALIFICATION: 0x8000_0058n, VM_EXIT_INSTRUCTION_LEN: 7n },
    passes: guest32('jmp 0x18:done'),
  },
];

export const interceptRows: readonly InterceptRow[] = [
  ...alwaysRows,
  ...primaryRows,
  ...secondaryRows,
  ...registerRows,
  ...bitmapRows,
  ...exceptionRows,
  ...eventRows,
  ...taskRows,
];
