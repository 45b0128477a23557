; From real mode to 64-bit mode: three sizes of code in one image, with tables made by expressions.
KERNEL  equ 0x10000
PAGES   equ 0x70000
PRESENT equ 1 << 0
WRITE   equ 1 << 1
LARGE   equ 1 << 7

        org KERNEL
        [bits 16]
entry:  cli
        lgdt [gdtr]
        mov eax, cr0
        or eax, 1
        mov cr0, eax
        jmp dword CODE32:protected

        [bits 32]
protected:
        mov ax, DATA
        mov ds, eax
        mov es, eax
        mov ss, ax
        mov esp, 0x90000
        mov edi, PAGES
        mov cr3, edi
        xor eax, eax
        mov ecx, 3 * 4096 / 4
        rep stosd
        mov edi, PAGES
        mov dword [edi], PAGES + 0x1000 | PRESENT | WRITE
        mov dword [edi + 0x1000], PAGES + 0x2000 | PRESENT | WRITE
        mov ecx, 512
        mov eax, PRESENT | WRITE | LARGE
        lea ebx, [edi + 0x2000]
.map:   mov [ebx], eax
        mov dword [ebx + 4], 0
        add eax, 1 << 21
        add ebx, 8
        loop .map
        mov eax, cr4
        bts eax, 5
        mov cr4, eax
        mov ecx, 0xc0000080
        rdmsr
        or ah, 1
        wrmsr
        mov eax, cr0
        or eax, 0x80000000
        mov cr0, eax
        jmp CODE64:long_mode

        [bits 64]
        default rel
long_mode:
        mov rsp, 0x90000
        lidt [idtr]
        lea rax, [handler]
        mov [idt + 14 * 16], ax
        mov word [idt + 14 * 16 + 2], CODE64
        mov byte [abs idt + 14 * 16 + 5], 0x8e
        shr rax, 16
        mov [idt + 14 * 16 + 6], ax
        mov rax, handler
        mov rbx, -1
        mov rcx, 0xffffffff
        mov rdx, 0x8000_0000_0000_0000
        mov rsi, 'longtext'
        movzx eax, byte [rsi + rcx * 8 - 1]
        movsxd rdx, dword [rbp + r13]
        call far [rel pointer]
        push qword [fs:0x28]
        pop qword [gs:rax]
        xchg rax, r8
        xchg eax, eax
        cmpxchg16b [rdi]
        lock xadd [counter], rax
        mov cr8, rax
        swapgs
        o64 sysret
        sysret
        iretq
        retfq
        jmp [table + rax * 8]
        jmp near handler
        call [rip_target]
.here:  jrcxz .here
        mov al, [0x1234]
        mov rax, [qword 0x1122334455667788]
        mov [qword 0x1122334455667788], eax
        test byte [rsp], 1
        jnz handler
        times 130 nop
        jz long_mode
handler:
.save:  push rax
        push 0x12345678
        push -1
        push byte 5
        push word 0x1234
        add rsp, strict 8
        add rsp, 0x80
        sub rsp, -128
        imul rax, 100
        imul rax, rbx, 1000
        imul eax, [rbx], -5
        jmp .save
        align 16
gdt:    dq 0
gdt_code64: dq 0x00af9b000000ffff
gdt_code32: dq 0x00cf9b000000ffff
gdt_data:   dq 0x00cf93000000ffff
gdt_end:
CODE64  equ gdt_code64 - gdt
CODE32  equ gdt_code32 - gdt
DATA    equ gdt_data - gdt
gdtr:   dw gdt_end - gdt - 1
        dd gdt
idtr:   dw 16 * 16 - 1
        dq idt
rip_target: dq handler
pointer: dd handler
        dw CODE64
counter: dq 0
table:  times 4 dq handler.save
idt:    times 16 * 16 db 0
