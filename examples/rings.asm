; Rings: a kernel in ring 0, a program in ring 3, and two ways for the program to ask the kernel for something.
;
; INT 0x80 goes through the IDT: the processor takes a new stack from the TSS and saves the old one there. SYSCALL goes
; through MSRs: it changes rings and nothing else, so the kernel changes stacks by itself.
;
; Try: stop at `service` and look at the call stack; leave out an `or qword`, and see which table entry refuses.

bits 64
org 0x100000

KERNEL_CODE     equ 0x08
USER_DATA       equ 0x18 + 3            ; selectors that ring 3 uses carry a 3 in their lowest bits
USER_CODE       equ 0x20 + 3
TSS_SELECTOR    equ 0x28
TSS             equ 0x110000            ; free memory, all zeros, for tables and stacks
IDT             equ 0x111000
KERNEL_STACK    equ 0x114000            ; stacks go down from here
USER_STACK      equ 0x116000

start:
        ; The page tables that we start with are for ring 0 alone. Set the user bit in all three levels.
        or      qword [0x91000], 4
        or      qword [0x92000], 4
        or      qword [0x93000], 4      ; the page of the first 2 MiB
        mov     rax, cr3
        mov     cr3, rax                ; forget the translations made before

        ; A GDT with segments for ring 3, and a TSS: the stack for whoever comes to ring 0, and no I/O permissions.
        lgdt    [gdt_register]
        mov     qword [TSS + 4], KERNEL_STACK
        mov     word [TSS + 102], 104
        mov     ax, TSS_SELECTOR
        ltr     ax

        ; One gate in the IDT: a 64-bit interrupt gate, open to ring 3.
        mov     eax, interrupt_entry
        mov     [IDT + 0x80 * 16], ax
        mov     word [IDT + 0x80 * 16 + 2], KERNEL_CODE
        mov     word [IDT + 0x80 * 16 + 4], 0xee00
        shr     eax, 16
        mov     [IDT + 0x80 * 16 + 6], ax
        lidt    [idt_register]

        ; SYSCALL: allowed, where it goes, with which selectors, and which flags it clears.
        mov     ebx, msrs
.msr:
        mov     ecx, [rbx]              ; which register
        mov     eax, [rbx + 4]
        mov     edx, [rbx + 8]          ; EDX:EAX, the value
        wrmsr
        add     ebx, 12
        cmp     ebx, msrs_end
        jb      .msr

        ; "Return" to a place where we have never been: SS, RSP, RFLAGS, CS, RIP.
        push    USER_DATA
        push    USER_STACK
        push    2
        push    USER_CODE
        push    user
        iretq

user:   ; ---- ring 3 ----
        mov     eax, cs
        and     al, 3
        add     al, '0'
        mov     [ring_digit], al
        mov     esi, by_interrupt
        xor     eax, eax
        int     0x80
        mov     esi, by_syscall
        xor     eax, eax
        syscall                         ; RCX = where to return, R11 = flags
        mov     eax, 1
        syscall

interrupt_entry: ; ---- ring 0 again; RSP came from the TSS ----
        call    service
        iretq

syscall_entry:                          ; RSP is still the program's
        mov     [user_rsp], rsp
        mov     rsp, KERNEL_STACK
        push    rcx
        call    service                 ; keeps R11
        pop     rcx
        mov     rsp, [user_rsp]
        o64 sysret

service: ; RAX = 0: print the text at RSI. Anything else: end the machine with status 1.
        test    eax, eax
        jnz     .exit
.next:
        lodsb
        test    al, al
        jz      .end
        out     0xe9, al
        jmp     .next
.end:
        ret
.exit:  xor     eax, eax
        out     0xf4, al

by_interrupt:   db 'Ring '
ring_digit:     db '? calls the kernel by INT 0x80.', 10, 0
by_syscall:     db 'And again by SYSCALL.', 10, 0
align 8
user_rsp:       dq 0
msrs:           dd 0xc0000080, 0x501, 0                 ; EFER: SYSCALL on, long mode stays on
                dd 0xc0000081, 0, 0x00130008            ; STAR: SYSRET 0x13 + 8 and + 16, SYSCALL 8 and + 8
                dd 0xc0000082, syscall_entry, 0         ; LSTAR
                dd 0xc0000084, 0x200, 0                 ; FMASK: interrupts off
msrs_end:
gdt:            dq 0, 0x00af9b000000ffff, 0x00cf93000000ffff    ; null, ring 0 code and data
                dq 0x00cff3000000ffff, 0x00affb000000ffff       ; ring 3 data and code
                dq 0x0000891100000067, 0                        ; a TSS of 104 bytes at 0x110000
gdt_register:   dw gdt_register - gdt - 1
                dq gdt
idt_register:   dw 0x81 * 16 - 1
                dq IDT
