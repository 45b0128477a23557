/** Transitions between modes. Intel SDM vol. 3, "Mode Switching", "Initializing IA-32e Mode", "8086 Emulation". */

import { trial } from './trial';

const tables = `
        mov dword [gdt+0x58], 0x0000ffff
        mov dword [gdt+0x5c], 0x00af9b00
        xor eax, eax
        mov di, 0x1000
        mov cx, 0xc00
        rep stosd
        mov dword [0x1000], 0x2003
        mov dword [0x2000], 0x3003
        mov dword [0x3000], 0x83
`;

/** Enters virtual-8086 mode at a label of the first 64 KiB above 0x10000, with these flags. */
const enterVirtual = (label: string, flags: number) => `
        mov dword [resume], ${label}_left
        push 0
        push 0
        push 0x1000
        push 0x2000
        push 0x3000
        push 0x8000
        push ${0x20002 + flags}
        push 0x1000
        push ${label} - 0x10000
        iret
        bits 16
${label}:
`;
const left = (label: string) => `
        bits 32
${label}_left:
`;

export const modeTrials = [
  trial(
    'real, 16-bit, 32-bit, 64-bit and compatibility mode, and back',
    16,
    `
        cli
        lgdt [gdt_register]
        ${tables}
        mov eax, cr0
        or al, 1
        mov cr0, eax
        mov ebx, 1
        jmp 0x38:small
small:  mov ax, 0x40
        mov ds, ax
        mov es, ax
        mov ss, ax
        add ebx, 2
        jmp dword 0x08:wide
        bits 32
wide:   mov ax, 0x10
        mov ds, ax
        mov es, ax
        mov ss, ax
        add ebx, 4
        mov eax, cr4
        or al, 0x20
        mov cr4, eax
        mov eax, 0x1000
        mov cr3, eax
        mov ecx, 0xc0000080
        rdmsr
        or ah, 1
        wrmsr
        mov eax, cr0
        or eax, 0x80000000
        mov cr0, eax
        rdmsr
        and eax, 0x500
        expect eax, 0x500
        jmp 0x58:long1
        bits 64
long1:  mov rax, 0x123456789
        shr rax, 32
        lea ebx, [rbx+rax*8]
        mov esp, 0x7000
        push 8
        push compatible
        o64 retf
        bits 32
compatible: xor eax, eax
        db 0x40
        shl eax, 4
        add ebx, eax
        jmp 0x58:long2
        bits 64
long2:  push 8
        push leaving
        o64 retf
        bits 32
leaving: mov eax, cr0
        and eax, 0x7fffffff
        mov cr0, eax
        mov ecx, 0xc0000080
        rdmsr
        and eax, 0x500
        expect eax, 0x100
        xor eax, eax
        xor edx, edx
        wrmsr
        add ebx, 32
        jmp 0x38:small2
        bits 16
small2: mov ax, 0x40
        mov ds, ax
        mov es, ax
        mov ss, ax
        mov eax, cr0
        and al, 0xfe
        mov cr0, eax
        jmp 0:real
real:   xor ax, ax
        mov ds, ax
        mov es, ax
        mov ss, ax
        mov sp, 0x7000
        add ebx, 64
        expect ebx, 127`,
  ),
  trial(
    'a segment keeps its limit in real mode',
    16,
    `
        fault 13 segment.limit: mov eax, [dword 0x10000]
        cli
        lgdt [gdt_register]
        mov eax, cr0
        or al, 1
        mov cr0, eax
        mov bx, 0x10
        mov ds, bx
        and al, 0xfe
        mov cr0, eax
        xor bx, bx
        mov dword [dword 0x50000], 0x1234
        mov ds, bx
        mov eax, [dword 0x50000]
        expect eax, 0x1234`,
    {},
  ),
  trial(
    'virtual-8086 mode: entry, INT n with IOPL 3, exit with ten words on the stack',
    32,
    `
        ${enterVirtual('virtual', 0x3000)}
        mov ax, 0x1234
        mov bx, ds
        push ax
        pop cx
        int 0x30
        ${left('virtual')}
        expect dword [saved_vector], 0x30
        expect dword [saved_cs], 0x1000
        expect dword [saved_ss], 0x3000
        expect dword [saved_rsp], 0x8000
        expect cx, 0x1234
        expect bx, 0x1000
        mov eax, [saved_flags]
        and eax, 0x23000
        expect eax, 0x23000`,
  ),
  trial(
    'virtual-8086 mode: sensitive instructions need IOPL 3',
    32,
    `
        ${enterVirtual('v1', 0)}
        int 0x30
        ${left('v1')}
        expect dword [saved_vector], 13
        expect dword [saved_code], 0
        ${enterVirtual('v2', 0)}
        cli
        ${left('v2')}
        expect dword [saved_vector], 13
        ${enterVirtual('v3', 0)}
        pushf
        ${left('v3')}
        expect dword [saved_vector], 13
        ${enterVirtual('v4', 0x3000)}
        hlt
        ${left('v4')}
        expect dword [saved_vector], 13
        ${enterVirtual('v5', 0x3000)}
        in al, 0x21
        ${left('v5')}
        expect dword [saved_vector], 13
        mov byte [tss+0x70+4], 0xfd
        ${enterVirtual('v6', 0x3000)}
        in al, 0x21
        lldt ax
        ${left('v6')}
        expect dword [saved_vector], 6
        ${enterVirtual('v7', 0)}
        mov eax, [dword 0x10000]
        ${left('v7')}
        expect dword [saved_vector], 13`,
    {
      more: [
        { vector: 13, errorCode: 0, rule: 'v86.iopl' },
        { vector: 13, errorCode: 0, rule: 'flags.iopl' },
        { vector: 13, errorCode: 0, rule: 'flags.v86-iopl' },
        { vector: 13, errorCode: 0, rule: 'privileged.cpl-0' },
        { vector: 13, errorCode: 0, rule: 'io.bitmap' },
        { vector: 6, rule: 'system.protected-mode-only' },
        { vector: 13, errorCode: 0, rule: 'segment.limit' },
      ],
    },
  ),
  trial(
    'long mode is entered and left by its conditions',
    32,
    `
        mov eax, cr4
        or al, 0x20
        mov cr4, eax
        mov ecx, 0xc0000080
        rdmsr
        or ah, 1
        wrmsr
        mov eax, cr4
        and al, 0xdf
        mov cr4, eax
        mov eax, cr0
        or eax, 0x80000000
        fault 13 code=0 cr0.long-mode-needs-pae: mov cr0, eax
        mov edx, 1
        mov ecx, 0xc0000080
        xor eax, eax
        fault 13 code=0 efer.reserved: wrmsr
        fault 6 mode.64-bit: syscall`,
    {},
  ),
];
