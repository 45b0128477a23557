/**
 * What guests share, in each mode: tables of descriptors and vectors at fixed addresses, a handler for all vectors that
 * notes what was saved and goes on at `resume`, and the end by the debug-exit port (on Bochs, which has none, by COM1
 * and the port that ends it).
 */

const VECTORS = 64;
const withCode = new Set([8, 10, 11, 12, 13, 14, 17]);

/** Offsets from where a guest starts. */
const STUBS = 0x100;
const IDT = 0x600;
const GDT = 0xa00;
const TSS = 0xb00;
const SAVED = 0xc00;
const BEGIN = 0xd00;
export const ORIGIN = { 16: 0x8000, 32: 0x10000, 64: 0x10000 } as const;
const at = (offset: number) => `times 0x${offset.toString(16)}-($-$$) db 0`;

/** Selectors of the guests' GDT: rings 0 and 3; then a TSS, and free entries from 0x58. */
const entries = (long: boolean): readonly string[] => [
  '0',
  long ? '0x00af9b000000ffff' : '0x00cf9b000000ffff',
  '0x00cf93000000ffff',
  '0x00cf9b000000ffff',
  '0x00cffb000000ffff',
  '0x00cff3000000ffff',
  long ? '0x00affb000000ffff' : '0x00cffb000000ffff',
  '0x000f9b000000ffff',
  '0x000093000000ffff',
  // An available TSS at TSS, limit 0x6f + 0x20.
  `0x000089010b00008f`,
  '0',
  ...Array.from({ length: 20 }, () => '0'),
  '0',
];

const names = (origin: number, width: number): string => {
  const fields = ['vector', 'code', 'rip', 'cs', 'flags', 'rsp', 'ss', 'cr2', 'dr6', 'count'];
  return [
    ...fields.map((name, n) => `saved_${name} equ ${origin + SAVED + n * width}`),
    `resume equ ${origin + SAVED + 0x80}`,
    `gdt equ ${origin + GDT}`,
    `idt equ ${origin + IDT}`,
    `tss equ ${origin + TSS}`,
    'stack_top equ 0x80000',
  ].join('\n');
};

const stubs = (push: string): string =>
  Array.from({ length: VECTORS }, (_, n) => {
    const code = withCode.has(n) && push !== 'word' ? '' : ` push ${push} 0\n`;
    return `${at(STUBS + n * 16)}\n${code} push ${push} ${n}\n jmp near common`;
  }).join('\n');

const gates = (origin: number, long: boolean): string =>
  Array.from({ length: VECTORS }, (_, n) => {
    const target = origin + STUBS + n * 16;
    const gate = (target & 0xffff) + 0x80000;
    // INT3, INTO and vectors from 0x20 on are open to ring 3.
    const rights = n === 3 || n === 4 || n >= 0x30 ? 0xee00 : 0x8e00;
    return ` dd ${gate}, ${(((target >>> 16) << 16) >>> 0) + rights}${long ? ', 0, 0' : ''}`;
  }).join('\n');

const FINISH = `
passed: mov al, 0
failed: mov bl, al
        mov dx, 0x3f8
        out dx, al
        out 0xf4, al
        mov dx, 0x3fd
sending: in al, dx
        test al, 0x40
        jz sending
        mov dx, 0x8900
        mov al, 'S'
        out dx, al
        mov al, 'h'
        out dx, al
        mov al, 'u'
        out dx, al
        mov al, 't'
        out dx, al
        mov al, 'd'
        out dx, al
        mov al, 'o'
        out dx, al
        mov al, 'w'
        out dx, al
        mov al, 'n'
        out dx, al
stay:   hlt
        jmp stay
`;

export const start64 = (text: string): string => `
bits 64
org 0x10000
${names(0x10000, 8)}
        lgdt [gdt_register]
        lidt [idt_register]
        mov ax, 0x48
        ltr ax
        jmp begin
${stubs('qword')}
${at(0x500)}
gdt_register: dw 0xff
        dq gdt
idt_register: dw ${VECTORS * 16 - 1}
        dq idt_long
        align 16
idt_long equ 0x13000
${at(GDT)}
${entries(true)
  .map((entry) => ` dq ${entry}`)
  .join('\n')}
${at(TSS)}
        dd 0
        dq stack_top, 0, 0, 0, 0x7c000
        times 0x66-($-$$-0x${TSS.toString(16)}) db 0
        dw 0x70
        times 8 db 0
        times 0x20 db 0xff
${at(SAVED)}
${at(BEGIN)}
common: pop qword [saved_vector]
        pop qword [saved_code]
        pop qword [saved_rip]
        pop qword [saved_cs]
        pop qword [saved_flags]
        pop qword [saved_rsp]
        pop qword [saved_ss]
        mov rsp, stack_top
        push rax
        mov rax, cr2
        mov [saved_cr2], rax
        mov rax, dr6
        mov [saved_dr6], rax
        pop rax
        inc dword [saved_count]
        jmp [resume]
; To ring 3 at the address in RAX, with these flags in RDX; pages must be open.
to_ring3: push 0x2b
        push 0x70000
        push rdx
        push 0x33
        push rax
        iretq
; The first 2 MiB for ring 3.
open_pages: or qword [0x91000], 4
        or qword [0x92000], 4
        or qword [0x93000], 4
        mov rax, cr3
        mov cr3, rax
        ret
; 4 KiB pages for 4 - 6 MiB: a table at 0x60000, entry n at 0x60000 + 8 n, all present, writable, supervisor.
small_pages: mov edi, 0x60000
        mov eax, 0x400003
small_next: mov [rdi], rax
        add eax, 0x1000
        add edi, 8
        cmp edi, 0x61000
        jne small_next
        mov qword [0x93010], 0x60003
        mov rax, cr3
        mov cr3, rax
        ret
begin:
${text}
        jmp passed
${FINISH}
times 0x3000-($-$$) db 0
${gates(0x10000, true)}
`;

export const start32 = (text: string): string => `
bits 32
org 0x10000
${names(0x10000, 4)}
        lgdt [gdt_register]
        lidt [idt_register]
        mov ax, 0x48
        ltr ax
        jmp begin
${stubs('dword')}
${at(0x500)}
gdt_register: dw 0xff
        dd gdt
idt_register: dw ${VECTORS * 8 - 1}
        dd idt
${at(IDT)}
${gates(0x10000, false)}
${at(GDT)}
${entries(false)
  .map((entry) => ` dq ${entry}`)
  .join('\n')}
${at(TSS)}
        dd 0, stack_top, 0x10
        times 0x66-($-$$-0x${TSS.toString(16)}) db 0
        dw 0x70
        times 8 db 0
        times 0x20 db 0xff
${at(SAVED)}
${at(BEGIN)}
common: push eax
        mov ax, 0x10
        mov ds, ax
        mov es, ax
        mov fs, ax
        mov gs, ax
        pop eax
        pop dword [saved_vector]
        pop dword [saved_code]
        pop dword [saved_rip]
        pop dword [saved_cs]
        pop dword [saved_flags]
        pop dword [saved_rsp]
        pop dword [saved_ss]
        mov [resume+4], eax
        mov ax, 0x10
        mov ss, ax
        mov esp, stack_top
        mov eax, cr2
        mov [saved_cr2], eax
        mov eax, dr6
        mov [saved_dr6], eax
        mov eax, [resume+4]
        inc dword [saved_count]
        jmp [resume]
; To ring 3 at the address in EAX, with these flags in EDX.
to_ring3: push 0x2b
        push 0x70000
        push edx
        push 0x23
        push eax
        mov ax, 0x2b
        mov ds, ax
        mov es, ax
        iret
; A directory at 0x60000, whose first entry is a table at 0x61000 for the first 4 MiB, linear = physical.
tables32: mov edi, 0x60000
        xor eax, eax
        mov ecx, 1024
        rep stosd
        mov dword [0x60000], 0x61007
        mov eax, 3
        mov ecx, 1024
next32: mov [edi], eax
        add eax, 0x1000
        add edi, 4
        loop next32
        mov eax, 0x60000
        mov cr3, eax
        ret
begin:
${text}
        jmp passed
${FINISH}
`;

export const start16 = (text: string): string => `
bits 16
org 0x8000
${names(0x8000, 2)}
        xor ax, ax
        mov ds, ax
        mov es, ax
        mov ss, ax
        mov sp, 0x7000
        xor di, di
        mov ax, ${0x8000 + STUBS}
        mov cx, ${VECTORS}
vector: mov [di], ax
        mov word [di+2], 0
        add di, 4
        add ax, 16
        loop vector
        jmp begin
${stubs('word')}
${at(0x500)}
gdt_register: dw 0xff
        dd gdt
${at(GDT)}
${entries(false)
  .map((entry) => ` dq ${entry}`)
  .join('\n')}
${at(SAVED)}
${at(BEGIN)}
common: push 0
        pop ds
        pop word [saved_vector]
        pop word [saved_code]
        pop word [saved_rip]
        pop word [saved_cs]
        pop word [saved_flags]
        mov ss, [zero]
        mov sp, 0x7000
        inc word [saved_count]
        jmp [resume]
zero:   dw 0
begin:
${text}
        jmp passed
${FINISH}
`;
