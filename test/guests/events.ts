/** Interrupts from outside: shadows, NMIs, REP, HLT. Intel SDM vol. 3, "Interrupt and Exception Handling". */

import { trial } from './trial';

/** 8254 channel 0 with this count, once (mode 0) or again and again (mode 2), interrupt 0x20, its handler at `tick`. */
const timer = (count: number, mode: 0 | 2 = 0) => `
        mov al, 0x11
        out 0x20, al
        mov al, 0x20
        out 0x21, al
        mov al, 4
        out 0x21, al
        mov al, 1
        out 0x21, al
        mov al, 0xfe
        out 0x21, al
        mov al, ${0x30 + mode * 2}
        out 0x43, al
        mov al, ${count & 0xff}
        out 0x40, al
        mov al, ${count >> 8}
        out 0x40, al
        mov rax, tick
        mov [0x13000+0x20*16], ax
        xor ebp, ebp
        jmp go
tick:   push rax
        inc ebp
        mov r12, [rsp+8]
        mov r13, rcx
        mov r14, [rsp+24]
        mov al, 0x20
        out 0x20, al
        pop rax
        iretq
go:
`;
/** Waits until the timer has asked, with interrupts off. */
const waiting = `
        mov al, 0x0a
        out 0x20, al
wait1:  in al, 0x20
        test al, 1
        jz wait1
`;
/** An NMI to this processor through the local APIC: to its own id, by ICR. */
const nmi = `
        mov ebx, 0xfee00000
        mov dword [rbx+0x310], 0
        mov dword [rbx+0x300], 0x4400
`;
const nmiHandler = (body: string) => `
        mov ebx, 0xfee00000
        mov dword [rbx+0xf0], 0x1ff
        mov rax, on_nmi
        mov [0x13000+32], ax
        xor ebp, ebp
        jmp go
on_nmi: inc ebp
        mov r12, [rsp]
        ${body}
        iretq
go:
`;

export const eventTrials = [
  trial(
    'HLT waits for an interrupt, and goes on behind itself',
    64,
    `
        ${timer(20)}
        sti
        hlt
here:   cli
        expect ebp, 1
        expect r12, here`,
  ),
  trial(
    'STI holds interrupts back for one instruction',
    64,
    `
        ${timer(20)}
        ${waiting}
        sti
        nop
behind: nop
        cli
        expect ebp, 1
        expect r12, behind`,
    {},
  ),
  trial(
    'MOV SS holds interrupts back for one instruction',
    64,
    `
        ${timer(20)}
        mov ecx, 0x10
        ${waiting}
        sti
        mov ss, cx
        nop
behind: nop
        cli
        expect ebp, 1
        expect r12, behind`,
    {},
  ),
  trial(
    'STI and CLI next to each other let nothing through',
    64,
    `
        ${timer(20)}
        ${waiting}
        sti
        cli
        nop
        expect ebp, 0`,
  ),
  trial(
    'REP is interrupted between iterations and goes on',
    64,
    `
        ${timer(10, 2)}
        mov edi, 0x50000
        mov ecx, 0x20000
        mov eax, 0x11223344
        sti
there:  rep stosb
        cli
        expect ecx, 0
        expect edi, 0x70000
        expect byte [0x6ffff], 0x44
        cmp ebp, 2
        jb none
        jmp passed
none:   mov al, 99
        jmp failed`,
  ),
  trial(
    'an NMI blocks further ones until IRET',
    64,
    `
        ${nmiHandler(`cmp ebp, 1
        jne second
        mov dword [rbx+0x310], 0
        mov dword [rbx+0x300], 0x4400
        push rcx
        mov ecx, 1000
        loop $
        pop rcx
        mov r13d, ebp
        jmp leave1
second: mov r14d, ebp
leave1:`)}
        ${nmi}
        mov ecx, 1000
        loop $
        expect ebp, 2
        expect r13d, 1
        expect r14d, 2`,
    {},
  ),
  trial(
    'an NMI comes with interrupts off, and blocks no exceptions',
    64,
    `
        mov ebx, 0xfee00000
        mov dword [rbx+0xf0], 0x1ff
        mov qword [resume], got
        ${nmi}
        mov ecx, 1000
        loop $
        mov al, 98
        jmp failed
got:    expect dword [saved_vector], 2
        fault 6 opcode.undefined: ud2`,
    {},
  ),
  trial(
    'an NMI behind MOV SS waits for one instruction',
    64,
    `
        ${nmiHandler('')}
        mov ecx, 0x10
        mov eax, 0x4400
        mov [rbx+0x300], eax
        mov ecx, 1000
        loop $
        expect ebp, 1`,
    {},
  ),
  trial(
    'CR8 holds back interrupts of lower priority',
    64,
    `
        mov ebx, 0xfee00000
        mov dword [rbx+0xf0], 0x1ff
        mov rax, got
        mov [0x13000+0x31*16], ax
        xor ebp, ebp
        mov eax, 4
        mov cr8, rax
        mov dword [rbx+0x300], 0x40031
        sti
        nop
        nop
        nop
        expect ebp, 0
        xor eax, eax
        mov cr8, rax
        mov ecx, 1000
        loop $
        cli
        expect ebp, 1
        mov eax, 16
        fault 13 code=0 cr8.reserved: mov cr8, rax
        jmp passed
got:    inc ebp
        mov dword [rbx+0x0b0], 0
        iretq`,
    {},
  ),
  trial(
    'a double fault: #NP in the delivery of #GP',
    64,
    `
        mov byte [0x13000+13*16+5], 0x0e
        mov qword [resume], back
        mov eax, 0x103
        mov ds, ax
back:   expect dword [saved_vector], 8
        expect dword [saved_code], 0`,
    {
      more: [
        { vector: 13, errorCode: 0x100, rule: 'selector.beyond-limit' },
        { vector: 8, errorCode: 0, rule: 'double-fault' },
      ],
    },
  ),
  trial(
    'a page fault in the delivery of #GP, and one in its own: #DF, then the shutdown',
    64,
    `
        call small_pages
        mov dword [0x400000+13*16], 0
        mov qword [0x60000], 0
        invlpg [0x400000]
        sidt [0x50000]
        mov qword [0x50002], 0x400000 - 13*16
        mov word [0x50000], 0xfff
        mov qword [resume], back
        mov eax, 0x103
        lidt [0x50000]
        mov ds, ax
        mov al, 99
        jmp failed
back:   jmp passed`,
    {
      ends: 'triple-fault',
      more: [
        { vector: 13, errorCode: 0x100, rule: 'selector.beyond-limit' },
        { vector: 14, errorCode: 0, cr2: 0x40_0000n, rule: 'walk.present' },
        { vector: 8, errorCode: 0, rule: 'double-fault' },
      ],
    },
  ),
  trial(
    'without an IDT everything is a triple fault',
    64,
    `
        mov qword [0x50000], 0
        mov qword [0x50008], 0
        lidt [0x50000]
        ud2`,
    {
      ends: 'triple-fault',
      more: [
        { vector: 6, rule: 'opcode.undefined' },
        { vector: 13, errorCode: 0x33, rule: 'idt.beyond-limit' },
        { vector: 8, errorCode: 0, rule: 'double-fault' },
      ],
    },
  ),
];
