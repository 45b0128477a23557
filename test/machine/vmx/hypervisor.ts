/**
 * A hypervisor for tests, in assembly: it launches one 64-bit guest, prints what each exit says on COM1, skips the instruction
 * where one exited, and goes on until the guest says VMCALL with EAX = 900DH, or until enough exits have come. The same image
 * starts on Bochs.
 */

import { type FieldName, vmcsFields } from '../../../src/x86/vmx/fields';
import { start64 } from '../../guests/starts';

/** Pages that the hypervisor and its guests use, behind the image. */
export const pages = {
  vmxon: 0x200000,
  vmcs: 0x201000,
  ioA: 0x202000,
  ioB: 0x203000,
  msrBitmap: 0x204000,
  virtualApic: 0x205000,
  entryMsrs: 0x206000,
  storedMsrs: 0x206400,
  exitMsrs: 0x206800,
  spare: 0x207000,
} as const;

export interface Spec {
  /** Bits of the control words that are wanted beside those that must be 1. */
  readonly pin?: number;
  readonly primary?: number;
  readonly secondary?: number;
  readonly exit?: number;
  readonly entry?: number;
  /** False: the guest is outside IA-32e mode. */
  readonly long?: false;
  /** HLT is left to the guest. */
  readonly haltsByItself?: true;
  /** Fields with other values than usual; a text is an expression of the assembler. */
  readonly fields?: Partial<Readonly<Record<FieldName, number | bigint | string>>>;
  /** What the host does before it launches. */
  readonly setup?: string;
  /** Instructions in place of VMLAUNCH. */
  readonly launch?: string;
  readonly guest: string;
  /** What the host does at each exit, after it has been printed; the guest's registers are at `registers`. */
  readonly onExit?: string;
  /** Nothing is printed of the exits. */
  readonly quiet?: true;
  /** Exits after which it ends. */
  readonly exits?: number;
}

/** What is printed of an exit, in this order; RAX of the guest follows. */
export const printed = [
  'VM_EXIT_REASON',
  'EXIT_QUALIFICATION',
  'VM_EXIT_INTR_INFO',
  'VM_EXIT_INTR_ERROR_CODE',
  'IDT_VECTORING_INFO_FIELD',
  'IDT_VECTORING_ERROR_CODE',
  'VM_EXIT_INSTRUCTION_LEN',
  'VMX_INSTRUCTION_INFO',
  'GUEST_LINEAR_ADDRESS',
  'GUEST_RIP',
  'GUEST_RFLAGS',
  'GUEST_INTERRUPTIBILITY_STATE',
  'GUEST_ACTIVITY_STATE',
  'GUEST_PENDING_DBG_EXCEPTIONS',
] as const satisfies readonly FieldName[];

/** Reasons of exits that an instruction causes. */
const byInstruction = [
  ...[10, 11, 12, 13, 14, 15, 16, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 36, 39, 40, 46, 47, 50],
  ...[51, 53, 54, 55, 57, 58, 59, 61],
];
const skipped = byInstruction.reduce((mask, reason) => mask | (1n << BigInt(reason)), 0n);

const UNUSABLE = 0x10000;
const usual: Partial<Readonly<Record<FieldName, number | bigint | string>>> = {
  VMCS_LINK_POINTER: -1,
  HOST_CS_SELECTOR: 8,
  HOST_SS_SELECTOR: 16,
  HOST_DS_SELECTOR: 16,
  HOST_ES_SELECTOR: 16,
  HOST_TR_SELECTOR: 0x48,
  HOST_TR_BASE: 'tss',
  HOST_GDTR_BASE: 'gdt',
  HOST_IDTR_BASE: 'idt_long',
  HOST_RSP: 0x90000,
  HOST_RIP: 'vm_exit',
  GUEST_CS_SELECTOR: 8,
  GUEST_CS_LIMIT: 0xffffffff,
  GUEST_CS_AR_BYTES: 0xa09b,
  GUEST_SS_SELECTOR: 16,
  GUEST_SS_LIMIT: 0xffffffff,
  GUEST_SS_AR_BYTES: 0xc093,
  GUEST_DS_SELECTOR: 16,
  GUEST_DS_LIMIT: 0xffffffff,
  GUEST_DS_AR_BYTES: 0xc093,
  GUEST_ES_SELECTOR: 16,
  GUEST_ES_LIMIT: 0xffffffff,
  GUEST_ES_AR_BYTES: 0xc093,
  GUEST_FS_AR_BYTES: UNUSABLE,
  GUEST_GS_AR_BYTES: UNUSABLE,
  GUEST_LDTR_AR_BYTES: UNUSABLE,
  GUEST_TR_SELECTOR: 0x48,
  GUEST_TR_BASE: 'tss',
  GUEST_TR_LIMIT: 0x67,
  GUEST_TR_AR_BYTES: 0x8b,
  GUEST_GDTR_BASE: 'gdt',
  GUEST_GDTR_LIMIT: 0xff,
  GUEST_IDTR_BASE: 'idt_long',
  GUEST_IDTR_LIMIT: 1023,
  GUEST_DR7: 0x400,
  GUEST_RFLAGS: 2,
  GUEST_RSP: 0xa0000 - 0x1000,
  GUEST_RIP: 'guest',
  IO_BITMAP_A: pages.ioA,
  IO_BITMAP_B: pages.ioB,
  MSR_BITMAP: pages.msrBitmap,
  VIRTUAL_APIC_PAGE_ADDR: pages.virtualApic,
};

const ACTIVATE_SECONDARY = 2 ** 31;
/** HLT exits anyway, so that no guest is stuck; hosts and guests are 64-bit. */
const HLT_EXITING = 1 << 7;
const HOST_64 = 1 << 9;
const GUEST_64 = 1 << 9;

const encoding = (name: string): number => vmcsFields[name as FieldName].encoding;

const report = `mov rsi, reported
.report: mov edx, [rsi]
        vmread rax, rdx
        call number
        add rsi, 4
        cmp rsi, reported_end
        jb .report
        mov rax, [registers]
        call number
        mov al, 10
        call put`;

/** The whole program. */
export const hypervisor = (spec: Spec): string => {
  const { pin = 0, primary = 0, secondary = 0, exit = 0, entry = 0 } = spec;
  const controls = [
    [0x4000, 0x48d, pin],
    [0x4002, 0x48e, (primary | (spec.haltsByItself ? 0 : HLT_EXITING) | (secondary ? ACTIVATE_SECONDARY : 0)) >>> 0],
    ...(secondary ? [[0x401e, 0x48b, secondary]] : []),
    [0x400c, 0x48f, exit | HOST_64],
    [0x4012, 0x490, entry | (spec.long === false ? 0 : GUEST_64)],
  ];
  const fields = Object.entries({ ...usual, ...spec.fields });
  return start64(`
        mov dx, 0x3fb
        mov al, 3
        out dx, al
        mov ecx, 0x3a
        rdmsr
        test al, 1
        jnz .locked
        or eax, 5
        wrmsr
.locked: mov rax, cr0
        or rax, 0x20
        mov cr0, rax
        mov rax, cr4
        or rax, 0x2000
        mov cr4, rax
        mov ecx, 0x480
        rdmsr
        mov [${pages.vmxon}], eax
        mov [${pages.vmcs}], eax
        vmxon [vmxon_pointer]
        jbe broken
        vmclear [vmcs_pointer]
        jbe broken
        vmptrld [vmcs_pointer]
        jbe broken
        mov rsi, controls
.control: mov ecx, [rsi + 4]
        rdmsr
        or eax, [rsi + 8]
        and eax, edx
        mov edx, [rsi]
        vmwrite rdx, rax
        jbe broken
        add rsi, 12
        cmp rsi, controls_end
        jb .control
        mov rax, cr0
        mov edx, 0x6c00
        vmwrite rdx, rax
        mov edx, 0x6800
        vmwrite rdx, rax
        mov rax, cr3
        mov edx, 0x6c02
        vmwrite rdx, rax
        mov edx, 0x6802
        vmwrite rdx, rax
        mov rax, cr4
        mov edx, 0x6c04
        vmwrite rdx, rax
        mov edx, 0x6804
        vmwrite rdx, rax
        mov rsi, fields
.field: mov rdx, [rsi]
        mov rax, [rsi + 8]
        vmwrite rdx, rax
        jbe broken
        add rsi, 16
        cmp rsi, fields_end
        jb .field
        ${spec.setup ?? ''}
        ${spec.launch ?? 'vmlaunch'}
        jmp entry_failed
broken: mov rbx, cr2
        mov al, 'B'
        call put
        jmp finish

; VMLAUNCH or VMRESUME came back: the error number, or "I".
entry_failed: jc .invalid
        mov al, 'E'
        call put
        mov edx, 0x4400
        vmread rax, rdx
        call number
        jmp finish
.invalid: mov al, 'I'
        call put
        jmp finish

vm_exit:
        mov [registers], rax
        mov [registers + 8], rcx
        mov [registers + 16], rdx
        mov [registers + 24], rbx
        mov [registers + 32], rsi
        mov [registers + 40], rdi
        ${spec.quiet ? '' : report}
        dec dword [exits]
        jz finish
        mov edx, 0x4402
        vmread rbx, rdx
        bt ebx, 31
        jc finish
        cmp ebx, 18
        jne .going_on
        cmp dword [registers], 0x900d
        je finish
.going_on:
        ${spec.onExit ?? ''}
        test ebx, ebx
        jnz .by_reason
        mov edx, 0x4404
        vmread rax, rdx
        bt eax, 10
        jc .skip
        jmp .again
.by_reason: mov rax, ${skipped}
        bt rax, rbx
        jnc .again
.skip:  mov edx, 0x440c
        vmread rax, rdx
        mov edx, 0x681e
        vmread rcx, rdx
        add rax, rcx
        vmwrite rdx, rax
        ; An instruction that was done ends the shadow of the one before it.
        mov edx, 0x4824
        vmread rax, rdx
        and eax, -4
        vmwrite rdx, rax
.again: mov rax, [registers]
        mov rcx, [registers + 8]
        mov rdx, [registers + 16]
        mov rbx, [registers + 24]
        mov rsi, [registers + 32]
        mov rdi, [registers + 40]
        vmresume
        jmp entry_failed

; RAX in hexadecimal, and a space.
number: mov rbx, rax
        mov ecx, 16
.zeros: rol rbx, 4
        dec ecx
        jz .digit
        test bl, 15
        jz .zeros
.digit: mov al, bl
        and al, 15
        add al, '0'
        cmp al, '9'
        jbe .put
        add al, 39
.put:   call put
        rol rbx, 4
        dec ecx
        jns .digit
        mov al, ' '
put:    push rdx
        push rax
        mov dx, 0x3fd
.wait:  in al, dx
        test al, 0x20
        jz .wait
        pop rax
        mov dx, 0x3f8
        out dx, al
        pop rdx
        ret
finish: mov al, 10
        call put
        jmp passed

guest:
        ${spec.guest}
done:   mov eax, 0x900d
        vmcall

align 8
registers: dq 0, 0, 0, 0, 0, 0
vmxon_pointer: dq ${pages.vmxon}
vmcs_pointer: dq ${pages.vmcs}
exits:  dd ${spec.exits ?? 12}
controls:
${controls.map(([field, msr, bits]) => `        dd ${field}, ${msr}, ${bits}`).join('\n')}
controls_end:
reported:
${printed.map((name) => `        dd ${encoding(name)}`).join('\n')}
reported_end:
align 8
fields:
${fields.map(([name, value]) => `        dq ${encoding(name)}, ${value}`).join('\n')}
fields_end:
`);
};

/** One exit as it was printed. */
export type PrintedExit = Readonly<Record<(typeof printed)[number] | 'RAX', bigint>>;

/** The records of an output; a last line that is none (`E7`, `I`) is told as it is. */
export const recordsOf = (output: string): { readonly exits: readonly PrintedExit[]; readonly end: string } => {
  const lines = output.split('\n').map((line) => line.trim());
  const exits = lines
    .filter((line) => line.split(' ').length > printed.length)
    .map((line) => {
      const values = line.split(' ').map((digits) => BigInt(`0x${digits}`));
      return Object.fromEntries([...printed, 'RAX'].map((name, n) => [name, values[n] ?? 0n])) as PrintedExit;
    });
  return { exits, end: lines.find((line) => /^[BEI]/.test(line)) ?? '' };
};
