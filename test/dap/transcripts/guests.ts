/** The guests of the transcripts: one for each use of the debugger. */

/** A loop with a call, a variable, and output. */
export const counting = `bits 64
start:  xor eax, eax
        mov ecx, 5
.loop:  inc eax
        call double
        dec ecx
        jnz .loop
        mov rdx, [0x200104]
        mov rsi, text
.print: lodsb
        test al, al
        jz .end
        out 0xe9, al
        jmp .print
.end:   mov al, 3
        out 0xf4, al

double: lea ebx, [rax + rax]
        mov [total], eax
        ret
text:   db 'done', 10, 0
total:  dd 0
`;

/** Ports, an MSR and CPUID. */
export const talking = `bits 64
start:  mov edx, 0x3f8
        mov al, 'a'
        out dx, al
        mov al, 'b'
        out dx, al
        mov ecx, 0xc0000082
        mov eax, 0x1234
        xor edx, edx
        wrmsr
        mov eax, 1
        cpuid
        mov al, 3
        out 0xf4, al
`;

/** A write to where nothing is mapped, with a handler that maps it away. */
export const paging = `bits 64
start:  lidt [idtr]
        mov rbx, 0xffff800000000000
        mov [rbx + 8], rax
        mov al, 3
        out 0xf4, al

fault:  add rsp, 8
        add qword [rsp], 4
        iretq

        align 16
idt:    times 14 dq 0, 0
        dw fault - $$, 0x08, 0x8e00, 0x10
        dq 0
idtr:   dw $ - idt - 1
        dq idt
`;

/** No handler for anything. */
export const faulting = `bits 64
start:  mov rsp, 0x80000
        call broken
        hlt
broken: mov rbx, 0xffff800000000000
        mov rax, [rbx]
        ret
`;

/** Instructions of all lengths, and data behind them. */
export const locked = `bits 64
start:  mov rax, 0x1122334455667788
        mov ebx, [0x200000]
        lock inc dword [0x200008]
        nop
here:   jmp .over
        db 0xff, 0xff
.over:  cpuid
        hlt
words:  dq start, here, -1
`;

/** The second processor is started with INIT and SIPI, says so in memory, and stops. */
export const twoProcessors = `bits 32
LAPIC   equ 0xfee00000
start:  mov esi, trampoline
        mov edi, 0x8000
        mov ecx, trampoline_end - trampoline
        rep movsb
        mov dword [LAPIC + 0x310], 1 << 24
        mov dword [LAPIC + 0x300], 0x4500
        mov dword [LAPIC + 0x310], 1 << 24
        mov dword [LAPIC + 0x300], 0x4608
.wait:  pause
        cmp dword [alive], 1
        jne .wait
seen:   mov al, 3
        out 0xf4, al

        align 4
alive:  dd 0

trampoline:
bits 16
        cli
        xor ax, ax
        mov ds, ax
        lgdt [0x8000 + gdtr - trampoline]
        mov eax, cr0
        or al, 1
        mov cr0, eax
        jmp dword 0x08:second
gdtr:   dw 23
        dd 0x8000 + gdt - trampoline
gdt:    dq 0
        dq 0x00cf9b000000ffff
        dq 0x00cf93000000ffff
trampoline_end:
bits 32
second: mov ax, 0x10
        mov ds, ax
        inc dword [alive]
        cli
.stop:  hlt
        jmp .stop
`;
