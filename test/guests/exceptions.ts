/** Every exception that this machine raises, with its error code. Intel SDM vol. 3, "Exception and Interrupt Reference". */

import { trial } from './trial';

export const exceptionTrials = [
  trial(
    'dividing by zero is a fault, #DE, in 64-bit mode',
    64,
    `
        xor ecx, ecx
        fault 0 divide.zero: div ecx
        mov edx, 5
        mov ecx, 2
        fault 0 divide.overflow: div ecx
        expect edx, 5`,
  ),
  trial(
    'dividing by zero is a fault, #DE, in 32-bit mode',
    32,
    `
        xor ecx, ecx
        fault 0 divide.zero: idiv ecx
        mov ax, 0x7fff
        mov cl, 1
        fault 0 divide.overflow: idiv cl`,
  ),
  trial(
    'dividing by zero is a fault, #DE, in real mode',
    16,
    `
        xor cx, cx
        fault 0 divide.zero: div cx
        fault 0 divide.zero: aam 0`,
  ),
  trial(
    'INT3, INT n and INT1 are traps, in 64-bit mode',
    64,
    `
        soft 3: int3
        soft 3: int 3
        soft 0x31: int 0x31
        soft 1: int1`,
  ),
  trial(
    'INTO raises #OF only with OF, BOUND #BR outside its bounds',
    32,
    `
        xor eax, eax
        into
        mov al, 0x7f
        inc al
        soft 4: into
        mov dword [0x50000], -2
        mov dword [0x50004], 7
        mov eax, 7
        bound eax, [0x50000]
        mov eax, -2
        bound eax, [0x50000]
        mov eax, 8
        fault 5 bound.outside: bound eax, [0x50000]
        mov eax, -3
        fault 5 bound.outside: bound eax, [0x50000]`,
  ),
  trial(
    'INTO and BOUND in real mode',
    16,
    `
        mov al, 0x7f
        inc al
        soft 4: into
        mov dword [0x5000], 0x00070001
        mov ax, 8
        fault 5 bound.outside: bound ax, [0x5000]`,
  ),
  trial(
    'UD2 and what 64-bit mode does not have are #UD',
    64,
    `
        fault 6 opcode.undefined: ud2
        fault 6 opcode.undefined: db 0x06
        fault 6 opcode.undefined: db 0x27
        fault 6 opcode.undefined: db 0xce
        fault 6 opcode.undefined: db 0x9a, 0, 0, 0, 0, 0, 0
        fault 6 opcode.undefined: db 0x8e, 0xc8`,
  ),
  trial(
    'LOCK is #UD where it is not allowed',
    64,
    `
        fault 6 opcode.undefined: db 0xf0, 0x90
        fault 6 opcode.undefined: db 0xf0, 0x89, 0x07
        fault 6 opcode.undefined: db 0xf0, 0x01, 0xc3
        fault 6 opcode.undefined: db 0xf0, 0x39, 0x07
        mov edi, 0x50000
        mov eax, 5
        db 0xf0, 0x01, 0x07
        expect dword [rdi], 5`,
  ),
  trial(
    'more than 15 bytes are #GP(0)',
    64,
    `
        fault 13 code=0 opcode.length: times 15 db 0x66
        nop`,
  ),
  trial(
    'LLDT in real mode is #UD',
    16,
    `
        fault 6 system.protected-mode-only: lldt ax
        fault 6 system.protected-mode-only: str ax
        fault 6 opcode.undefined: ud2`,
  ),
  trial(
    'x87 with CR0.TS or CR0.EM is #NM',
    64,
    `
        mov rax, cr0
        or al, 8
        mov cr0, rax
        fault 7 device.not-available: fninit
        clts
        mov rax, cr0
        or al, 4
        mov cr0, rax
        fault 7 device.not-available: fninit`,
  ),
  trial(
    'a selector beyond the GDT is #GP(selector)',
    64,
    `
        mov eax, 0x103
        fault 13 code=0x100 selector.beyond-limit: mov ds, eax
        mov eax, 0x100
        fault 13 code=0x100 selector.beyond-limit: mov es, eax
        fault 13 code=0x100 selector.beyond-limit: lldt ax
        xor eax, eax
        fault 13 code=0 ltr.null: ltr ax
        mov eax, 8
        fault 13 code=8 ltr.type: ltr ax`,
  ),
  trial(
    'a segment that is not present is #NP(selector), as a stack #SS(selector)',
    32,
    `
        mov dword [gdt+0x58], 0xffff
        mov dword [gdt+0x5c], 0x00cf1300
        mov eax, 0x58
        fault 11 code=0x58 data-segment.not-present: mov ds, ax
        fault 12 code=0x58 stack-segment.not-present: mov ss, ax
        mov dword [gdt+0x5c], 0x00cf1b00
        fault 11 code=0x58 code-segment.not-present: jmp 0x58:0
        mov dword [gdt+0x5c], 0x00cfbb00
        fault 13 code=0x58 code-segment.dpl: jmp 0x58:0`,
  ),
  trial(
    'the stack segment is writable, of this ring and not null',
    32,
    `
        mov ax, 0x2b
        fault 13 code=0x28 stack-segment.rpl: mov ss, ax
        mov ax, 8
        fault 13 code=8 stack-segment.type: mov ss, ax
        xor eax, eax
        fault 13 code=0 stack-segment.null: mov ss, ax
        mov ax, 0x28
        fault 13 code=0x28 stack-segment.dpl: mov ss, ax`,
  ),
  trial(
    'a limit is #GP(0), through SS #SS(0)',
    32,
    `
        mov dword [gdt+0x58], 0x00000fff
        mov dword [gdt+0x5c], 0x00409300
        mov ax, 0x58
        mov fs, ax
        mov al, [fs:0xfff]
        fault 13 code=0 segment.limit: mov al, [fs:0x1000]
        mov ax, 0x58
        mov fs, ax
        fault 13 code=0 segment.limit: mov ax, [fs:0xfff]
        mov eax, 0x58
        mov ss, ax
        mov esp, 0x800
        fault 12 code=0 segment.limit: mov [ss:0x1000], eax
        mov eax, 0x58
        mov ss, ax
        mov esp, 0x800
        mov ebp, 0xffe
        fault 12 code=0 segment.limit: mov eax, [ebp]`,
  ),
  trial(
    'a stack fault without a stack ends in a triple fault',
    32,
    `
        mov dword [gdt+0x58], 0x00000fff
        mov dword [gdt+0x5c], 0x00409300
        mov eax, 0x58
        mov ss, ax
        mov esp, 0x2000
        push eax`,
    {
      ends: 'triple-fault',
      more: [
        { vector: 12, errorCode: 0, rule: 'segment.limit' },
        { vector: 8, errorCode: 0, rule: 'double-fault' },
      ],
    },
  ),
  trial(
    'a null selector is loaded, and refuses when it is used',
    32,
    `
        xor eax, eax
        mov fs, ax
        fault 13 code=0 segment.null: mov al, [fs:0]
        mov ax, 3
        mov gs, ax
        fault 13 code=0 segment.null: mov [gs:0], al`,
  ),
  trial(
    'code is not written, and read only when it is readable',
    32,
    `
        fault 13 code=0 segment.not-writable: mov [cs:0x50000], al
        mov dword [gdt+0x58], 0xffff
        mov dword [gdt+0x5c], 0x00cf9900
        jmp 0x58:unreadable
unreadable: fault 13 code=0 segment.not-readable: mov al, [cs:0x50000]
        mov dword [gdt+0x5c], 0x00cf9100
        mov ax, 0x58
        mov fs, ax
        mov al, [fs:0x50000]
        fault 13 code=0 segment.not-writable: mov [fs:0x50000], al`,
  ),
  trial(
    'a noncanonical address is #GP(0), through the stack #SS(0)',
    64,
    `
        mov rbx, 0x800000000000
        fault 13 code=0 linear.canonical: mov al, [rbx]
        dec rbx
        fault 13 code=0 linear.canonical: mov ax, [rbx]
        mov rbp, 0x800000000000
        fault 12 code=0 linear.canonical: mov al, [rbp]
        mov byte [0x13000+12*16+4], 1
        mov rsp, 0x800000000000
        fault 12 code=0 linear.canonical: pop rax
        expect rsp, stack_top
        mov rsp, 0x800000000001
        fault 12 code=0 linear.canonical: push rax
        mov rsp, 0x800000000000
        fault 12 code=0 linear.canonical: ret`,
  ),
  trial(
    'a jump to a noncanonical address is #GP(0)',
    64,
    `
        mov rbx, 0x800000000000
        fault 13 code=0 code-segment.noncanonical: jmp rbx
        fault 13 code=0 code-segment.noncanonical: call rbx
        push rbx
        fault 13 code=0 code-segment.noncanonical: ret`,
  ),
  trial(
    'alignment is checked in ring 3 with CR0.AM and EFLAGS.AC',
    64,
    `
        call open_pages
        mov rax, cr0
        or eax, 0x40000
        mov cr0, rax
        mov eax, [0x50001]
        mov rax, user
        mov rdx, 0x40002
        jmp to_ring3
user:   mov eax, [0x50004]
        fault 17 code=0 alignment: mov eax, [0x50001]
        expect dword [saved_cs], 0x33
        mov rax, user2
        mov rdx, 0x40002
        jmp to_ring3
user2:  fault 17 code=0 alignment: mov [0x50002], rax`,
  ),
  trial(
    'CMPXCHG16B needs 16-byte alignment: #GP(0)',
    64,
    `
        cmpxchg16b [0x50000]
        fault 13 code=0 operand.alignment: cmpxchg16b [0x50008]`,
  ),
  trial(
    'privileged instructions in ring 3 are #GP(0)',
    64,
    `
        call open_pages
        mov rbp, next1
        jmp drop
next1:  fault 13 code=0 privileged.cpl-0: hlt
        mov rbp, next2
        jmp drop
next2:  fault 13 code=0 privileged.cpl-0: mov rax, cr0
        mov rbp, next3
        jmp drop
next3:  fault 13 code=0 privileged.cpl-0: wrmsr
        mov rbp, next4
        jmp drop
next4:  fault 13 code=0 privileged.cpl-0: lidt [0]
        mov rbp, next5
        jmp drop
next5:  fault 13 code=0 flags.iopl: cli
        mov rbp, next6
        jmp drop
next6:  fault 13 code=0 privileged.cpl-0: invlpg [0]
        mov rbp, next7
        jmp drop
next7:  fault 13 code=0 privileged.cpl-0: mov dr0, rax
        jmp passed
drop:   mov rax, rbp
        mov edx, 2
        jmp to_ring3`,
  ),
  trial(
    'INT n in ring 3 needs a gate that is open to it: #GP(vector * 8 + 2)',
    64,
    `
        call open_pages
        mov rax, user
        mov edx, 2
        jmp to_ring3
user:   fault 13 code=0x102 idt.dpl: int 0x20
        mov rax, user2
        mov edx, 2
        jmp to_ring3
user2:  soft 0x30: int 0x30
        expect dword [saved_ss], 0x2b
        expect dword [saved_rsp], 0x70000
        mov rax, user3
        mov edx, 2
        jmp to_ring3
user3:  soft 3: int3
        mov rax, user4
        jmp to_ring3
user4:  fault 13 code=0x0a idt.dpl: int 1`,
  ),
  trial(
    'a vector beyond the IDT is #GP(vector * 8 + 2)',
    64,
    `
        fault 13 code=0x202 idt.beyond-limit: int 0x40
        mov byte [0x13000+0x33*16+5], 0x0e
        fault 11 code=0x19a idt.not-present: int 0x33
        mov byte [0x13000+0x33*16+5], 0x82
        fault 13 code=0x19a idt.type: int 0x33`,
  ),
  trial(
    'a vector beyond the IDT in 32-bit mode',
    32,
    `
        fault 13 code=0x202 idt.beyond-limit: int 0x40
        mov byte [idt+0x33*8+5], 0x0e
        fault 11 code=0x19a idt.not-present: int 0x33
        mov byte [idt+0x33*8+5], 0x84
        fault 13 code=0x19a idt.type: int 0x33`,
  ),
];
