/** Segmentation, gates and tasks. Intel SDM vol. 3, "Protected-Mode Memory Management", "Protection", "Task Management". */

import { trial } from './trial';

const drop = (label: string) => `
        mov eax, ${label}
        mov edx, 2
        jmp to_ring3
`;
/** A second TSS of 32 bits at 0x52000, selector 0x58, that starts at `label`. */
const task = (label: string) => `
        mov edi, 0x52000
        xor eax, eax
        mov ecx, 0x20
        rep stosd
        mov dword [0x52000+0x1c], 0
        mov dword [0x52000+0x20], ${label}
        mov dword [0x52000+0x24], 2
        mov dword [0x52000+0x38], 0x7a000
        mov dword [0x52000+0x48], 0x10
        mov dword [0x52000+0x4c], 0x08
        mov dword [0x52000+0x50], 0x10
        mov dword [0x52000+0x54], 0x10
        mov dword [0x52000+0x58], 0x10
        mov dword [0x52000+0x5c], 0x10
        mov dword [gdt+0x58], 0x20000067
        mov dword [gdt+0x5c], 0x00008905
`;

export const segmentTrials = [
  trial(
    'a loaded descriptor survives the overwriting of its table entry',
    32,
    `
        mov dword [gdt+0x58], 0x0000ffff
        mov dword [gdt+0x5c], 0x00409305
        mov ax, 0x58
        mov fs, ax
        mov dword [gdt+0x5c], 0
        mov dword [fs:0x10], 0x1234
        expect dword [0x50010], 0x1234
        expect dword [fs:0x10], 0x1234
        fault 13 code=0x58 data-segment.type: mov fs, ax`,
  ),
  trial(
    'loading a descriptor sets its accessed bit',
    32,
    `
        mov dword [gdt+0x58], 0x0000ffff
        mov dword [gdt+0x5c], 0x00409200
        mov ax, 0x58
        mov fs, ax
        expect dword [gdt+0x5c], 0x00409300`,
  ),
  trial(
    'expand-down segments begin above their limit',
    32,
    `
        mov dword [gdt+0x58], 0x00000fff
        mov dword [gdt+0x5c], 0x00409700
        mov ax, 0x58
        mov fs, ax
        mov eax, [fs:0x50000]
        mov eax, [fs:0x1000]
        fault 13 code=0 segment.limit: mov eax, [fs:0xfff]
        mov dword [gdt+0x5c], 0x00009700
        mov ax, 0x58
        mov fs, ax
        mov eax, [fs:0xfffc]
        fault 13 code=0 segment.limit: mov eax, [fs:0xfffd]`,
    {},
  ),
  trial(
    'the first and the last byte of a segment',
    32,
    `
        mov dword [gdt+0x58], 0x000000ff
        mov dword [gdt+0x5c], 0x00409305
        mov ax, 0x58
        mov fs, ax
        mov eax, [fs:0xfc]
        fault 13 code=0 segment.limit: mov eax, [fs:0xfd]
        mov ax, 0x58
        mov fs, ax
        fault 13 code=0 segment.limit: mov eax, [fs:-1]
        mov ax, 0x58
        mov fs, ax
        mov al, [fs:0xff]
        fault 13 code=0 segment.limit: mov al, [fs:0x100]`,
    {},
  ),
  trial(
    'conforming code runs at the ring of its caller',
    32,
    `
        mov dword [gdt+0x58], 0x0000ffff
        mov dword [gdt+0x5c], 0x00cf9f00
        ${drop('user')}
user:   call 0x58:conforming
        soft 0x30: int 0x30
        expect dword [saved_cs], 0x23
        jmp passed
conforming: mov ax, cs
        expect ax, 0x5b
        retf`,
  ),
  trial(
    'a call gate changes stacks and copies parameters',
    32,
    `
        mov dword [gdt+0x58], inner - 0x10000 + 0x80000
        mov dword [gdt+0x5c], 0x0001ec02
        ${drop('user')}
user:   push 0x1111
        push 0x2222
        call 0x5b:0
        soft 0x30: int 0x30
        expect dword [saved_rsp], 0x70000
        expect ebx, 0x1111
        expect ecx, 0x2222
        expect edx, 8
        expect esi, 0x23
        expect edi, 0x2b
        expect ebp, 0x6fff8
        jmp passed
inner:  mov edx, cs
        mov esi, [esp+4]
        mov ecx, [esp+8]
        mov ebx, [esp+12]
        mov ebp, [esp+16]
        mov edi, [esp+20]
        retf 8`,
  ),
  trial(
    'call gates refuse by their DPL, presence and target',
    32,
    `
        mov dword [gdt+0x58], 0x80000
        mov dword [gdt+0x5c], 0x00018c00
        ${drop('user1')}
user1:  fault 13 code=0x58 gate.dpl: call 0x5b:0
        mov dword [gdt+0x5c], 0x00016c00
        ${drop('user2')}
user2:  fault 11 code=0x58 gate.not-present: call 0x5b:0
        mov dword [gdt+0x58], 0x100000
        mov dword [gdt+0x5c], 0x0001ec00
        ${drop('user3')}
user3:  fault 13 code=0x10 gate.code-type: call 0x5b:0
        mov dword [gdt+0x58], 0x80000
        ${drop('user4')}
user4:  fault 13 code=8 gate.jump-dpl: jmp 0x5b:0`,
  ),
  trial(
    'a far return goes outward only',
    32,
    `
        ${drop('user')}
user:   push 8
        push passed
        fault 13 code=8 return.rpl: retf
        mov ax, 0x2b
        mov ds, ax
        push 0x2b
        push 0x6f000
        push 0x23
        push outer
        retf
outer:  soft 0x30: int 0x30
        expect dword [saved_cs], 0x23
        expect dword [saved_rsp], 0x6f000`,
  ),
  trial(
    'a return to an outer ring clears segments that it may not have',
    32,
    `
        mov dword [gdt+0x58], 0x0000ffff
        mov dword [gdt+0x5c], 0x00cf9300
        mov ax, 0x58
        mov fs, ax
        ${drop('user')}
user:   mov bx, fs
        soft 0x30: int 0x30
        expect bx, 0`,
  ),
  trial(
    'CALL and IRET switch tasks',
    32,
    `
        ${task('other')}
        mov ebx, 0x77
        call 0x58:0
        expect ebx, 0x77
        expect dword [0x53000], 0x4000
        expect dword [0x53004], 0x48
        jmp passed
other:  pushfd
        pop eax
        and eax, 0x4000
        mov [0x53000], eax
        movzx eax, word [0x52000]
        mov [0x53004], eax
        mov ebx, 5
        iret`,
  ),
  trial(
    'JMP switches tasks: the old TSS is available again, the new one busy',
    32,
    `
        ${task('other')}
        jmp 0x58:0
        mov al, 99
        jmp failed
other:  mov al, [gdt+0x48+5]
        expect al, 0x89
        mov al, [gdt+0x58+5]
        expect al, 0x8b
        str ax
        expect ax, 0x58
        mov eax, cr0
        and eax, 8
        expect eax, 8
        fault 13 code=0x58 task.type: jmp 0x58:0`,
  ),
  trial(
    'a task gate in the IDT switches tasks for an exception, with its error code',
    32,
    `
        ${task('other')}
        mov dword [idt+13*8], 0x00580000
        mov dword [idt+13*8+4], 0x00008500
        mov eax, 0x103
back:   mov ds, ax
        expect ecx, 0x33
        jmp passed
other:  pop eax
        expect eax, 0x100
        mov eax, [tss+0x20]
        expect eax, back
        mov dword [tss+0x28], 0x10
        mov dword [tss+0x2c], 0x33
        iret`,
    { more: [{ vector: 13, errorCode: 0x100, rule: 'selector.beyond-limit' }] },
  ),
  trial(
    'tasks refuse by limit, presence and their segments',
    32,
    `
        ${task('passed')}
        mov dword [gdt+0x58], 0x20000066
        fault 10 code=0x58 task.limit: jmp 0x58:0
        mov dword [gdt+0x58], 0x20000067
        mov dword [gdt+0x5c], 0x00000905
        fault 11 code=0x58 task.not-present: jmp 0x58:0
        pushfd
        or dword [esp], 0x4000
        popfd
        fault 10 code=0 task.return-type: iret`,
  ),
  trial(
    'an LDT, and selectors beyond it',
    32,
    `
        mov dword [gdt+0x58], 0x4000000f
        mov dword [gdt+0x5c], 0x00008205
        mov ax, 0x58
        lldt ax
        mov dword [0x54008], 0x0000ffff
        mov dword [0x5400c], 0x00409305
        mov ax, 0x0c
        mov fs, ax
        mov dword [fs:4], 0x99
        expect dword [0x50004], 0x99
        mov ax, 0x14
        fault 13 code=0x14 selector.beyond-limit: mov fs, ax
        mov ax, 0x10
        fault 13 code=0x10 lldt.type: lldt ax
        mov dword [gdt+0x5c], 0x00000205
        mov ax, 0x58
        fault 11 code=0x58 lldt.not-present: lldt ax
        sldt ax
        expect ax, 0x58`,
  ),
  trial(
    'LAR, LSL, VERR and VERW answer instead of faulting',
    32,
    `
        mov ecx, 8
        lar eax, ecx
        jnz bad
        and eax, 0x00f0ff00
        expect eax, 0x00c09b00
        lsl eax, ecx
        expect eax, -1
        verr cx
        jnz bad
        verw cx
        jz bad
        mov ecx, 0x1000
        lar eax, ecx
        jz bad
        jmp passed
bad:    mov al, 77
        jmp failed`,
  ),
  trial(
    'a stack that is too small in the TSS is #TS',
    32,
    `
        mov dword [tss+8], 0
        mov byte [idt+10*8+5], 0x85
        mov word [idt+10*8+2], 0x58
        ${task('other')}
        ${drop('user')}
user:   int 0x30
        mov al, 99
        jmp failed
other:  pop eax
        expect eax, 0`,
    { more: [{ vector: 10, errorCode: 0, rule: 'stack-segment.null' }] },
  ),
  trial(
    'I/O in ring 3 goes by IOPL and the bit map of the TSS',
    32,
    `
        ${drop('user1')}
user1:  fault 13 code=0 io.bitmap: in al, 0x21
        mov byte [tss+0x70+4], 0xfd
        ${drop('user2')}
user2:  in al, 0x21
        fault 13 code=0 io.bitmap: in ax, 0x21
        ${drop('user3')}
user3:  mov dx, 0x3f8
        fault 13 code=0 io.bitmap-limit: in al, dx
        mov eax, user4
        mov edx, 0x3002
        jmp to_ring3
user4:  mov dx, 0x3fd
        in al, dx
        cli
        fault 13 code=0 privileged.cpl-0: hlt`,
  ),
];
