; Runs cases of privileged control flow in 32-bit protected mode and reports what each of them did: the same
; image runs on Ringside and on Bochs, and the reports must be equal. Started in real mode at 0:0x8000.
;
; A case brings six descriptors, a gate, an operation with its operands and the image of a stack. It runs at its ring,
; and ends in an exception or at `landing`, whose INT 0x41 tells where it got to. Everything is then put back.

GDT      equ 0x10000
LDT      equ 0x10400
IDT      equ 0x10800
TSS      equ 0x11000
TSS2     equ 0x11200
TSSDF    equ 0x11400
TSS16    equ 0x11600
CASES    equ 0x20000

FREE     equ 0x80
CODE0    equ 0x08
DATA0    equ 0x10
MAINTSS  equ 0x50
DFTSS    equ 0x58
LDTSEL   equ 0x60

C_OP     equ 48
C_CPL    equ 49
C_SEL    equ 50
C_OFF    equ 52
C_FLAGS  equ 56
C_GATE   equ 60
C_DS     equ 68
C_ES     equ 70
C_STACK  equ 72
C_CS2    equ 120
C_SS2    equ 122
C_DS2    equ 124
C_LDT2   equ 126
C_FLAGS2 equ 128
C_LINK   equ 132
C_TRAP   equ 134
C_SIZE   equ 144

org 0x8000
bits 16
    cli
    xor ax, ax
    mov ds, ax
    lgdt [first_gdtr]
    mov eax, cr0
    or al, 1
    mov cr0, eax
    jmp CODE0:start

first_gdtr:
    dw 0x7f
    dd gdt_image

bits 32
start:
    mov ax, DATA0
    mov ds, ax
    mov es, ax
    mov fs, ax
    mov gs, ax
    mov ss, ax
    mov esp, 0x5000
    lgdt [gdtr]
    lidt [idtr]
    mov dword [case], CASES
    ; COM1: 115200 baud, 8 bits.
    mov dx, 0x3fb
    mov al, 0x83
    out dx, al
    mov dx, 0x3f8
    mov al, 1
    out dx, al
    inc dx
    xor al, al
    out dx, al
    mov dx, 0x3fb
    mov al, 3
    out dx, al

; Everything as it was, then the next case.
next_case:
    cld
    mov esi, gdt_image
    mov edi, GDT
    mov ecx, 32
    rep movsd
    mov ax, DATA0
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov esp, 0x5000
    push dword 2
    popfd
    clts
    mov esi, ldt_image
    mov edi, LDT
    mov ecx, 8
    rep movsd
    mov edi, 0x5800
    mov ecx, 0xa00
    xor eax, eax
    rep stosd
    mov edi, TSS
    mov ecx, 0x200
    rep stosd
    mov dr7, eax
    mov dr6, eax

    mov esi, [case]
    cmp byte [esi + C_OP], 0xff
    jne .go
    mov eax, 0x0fedcba9
    call word_out
    mov al, 0x10
    out 0xf4, al
    mov dx, 0x8900
    mov esi, shutdown
    mov ecx, 8
    rep outsb
.end:
    hlt
    jmp .end
.go:
    ; Descriptors and gate.
    mov edi, GDT + FREE
    mov ecx, 12
    rep movsd
    mov esi, [case]
    mov eax, [esi + C_GATE]
    mov edx, [esi + C_GATE + 4]
    mov [IDT + 0x42 * 8], eax
    mov [IDT + 0x42 * 8 + 4], edx

    ; Tasks: the present one, another of 32 and one of 16 bits, and that of double faults.
    mov edi, TSS
    call stacks32
    mov ax, [esi + C_LINK]
    mov [TSS], ax
    mov edi, TSS2
    call stacks32
    mov dword [TSS2 + 0x20], landing
    mov eax, [esi + C_FLAGS2]
    mov [TSS2 + 0x24], eax
    mov dword [TSS2 + 0x28], 0x12345678
    mov dword [TSS2 + 0x38], 0x6800
    mov ax, [esi + C_DS2]
    mov [TSS2 + 0x48], ax
    mov [TSS2 + 0x54], ax
    mov ax, [esi + C_CS2]
    mov [TSS2 + 0x4c], ax
    mov ax, [esi + C_SS2]
    mov [TSS2 + 0x50], ax
    mov ax, [esi + C_LDT2]
    mov [TSS2 + 0x60], ax
    mov ax, [esi + C_TRAP]
    mov [TSS2 + 0x64], ax
    mov dword [TSS16 + 2], DATA0 * 65536 + 0x7800
    mov dword [TSS16 + 6], 0x31 * 65536 + 0x6c00
    mov dword [TSS16 + 10], 0x3a * 65536 + 0x6a00
    mov word [TSS16 + 0x0e], landing
    mov ax, [esi + C_FLAGS2]
    mov [TSS16 + 0x10], ax
    mov word [TSS16 + 0x12], 0x4321
    mov word [TSS16 + 0x1a], 0x6800
    mov ax, [esi + C_DS2]
    mov [TSS16 + 0x22], ax
    mov [TSS16 + 0x28], ax
    mov ax, [esi + C_CS2]
    mov [TSS16 + 0x24], ax
    mov ax, [esi + C_SS2]
    mov [TSS16 + 0x26], ax
    mov ax, [esi + C_LDT2]
    mov [TSS16 + 0x2a], ax
    mov dword [TSSDF + 0x20], double_fault
    mov dword [TSSDF + 0x24], 2
    mov dword [TSSDF + 0x38], 0x5000
    mov dword [TSSDF + 0x48], DATA0
    mov dword [TSSDF + 0x4c], CODE0
    mov dword [TSSDF + 0x50], DATA0
    mov dword [TSSDF + 0x54], DATA0
    mov ax, MAINTSS
    ltr ax
    mov ax, LDTSEL
    lldt ax

    ; Operands of the operation.
    mov ax, [esi + C_SEL]
    mov [selector], ax
    mov [pointer + 4], ax
    mov [pointer16 + 2], ax
    mov eax, [esi + C_OFF]
    mov [pointer], eax
    mov [pointer16], ax

    ; Its stack and its ring.
    movzx ebx, byte [esi + C_CPL]
    mov edi, [tops + ebx * 4]
    sub edi, 48
    mov [stack_pointer], edi
    push esi
    add esi, C_STACK
    mov ecx, 12
    rep movsd
    pop esi
    movzx eax, byte [esi + C_OP]
    mov eax, [operations + eax * 4]
    mov edx, [esi + C_FLAGS]
    test ebx, ebx
    jnz .outer
    mov esp, [stack_pointer]
    push edx
    push dword CODE0
    push eax
    jmp .segments
.outer:
    movzx ecx, word [data_selectors + ebx * 2]
    push ecx
    push dword [stack_pointer]
    push edx
    movzx ecx, word [code_selectors + ebx * 2]
    push ecx
    push eax
.segments:
    mov ax, [esi + C_ES]
    mov es, ax
    mov fs, ax
    xor eax, eax
    mov gs, ax
    mov ax, [esi + C_DS]
    mov ds, ax
    mov eax, 0x11112222
    mov ebx, 0x33334444
    mov ecx, 0x55556666
    mov edx, 0x77778888
    mov esi, 0x9999aaaa
    mov edi, 0xbbbbcccc
    mov ebp, 0xddddeeee
    iretd

; Stacks of rings 0 to 2 in the 32-bit TSS at EDI.
stacks32:
    mov dword [edi + 4], 0x7800
    mov dword [edi + 8], DATA0
    mov dword [edi + 12], 0x6c00
    mov dword [edi + 16], 0x31
    mov dword [edi + 20], 0x6a00
    mov dword [edi + 24], 0x3a
    mov word [edi + 0x66], 0x68
    ret

operations:
    dd op_ds, op_es, op_fs, op_gs, op_ss, op_jmp32, op_jmp16, op_call32, op_call16
    dd op_retf32, op_retf32i, op_retf16, op_iret32, op_iret16
    dd op_lar, op_lsl, op_verr, op_verw, op_int, op_lldt, op_ltr, op_arpl, op_in

op_ds:
    mov ds, [cs:selector]
    int 0x41
op_es:
    mov es, [cs:selector]
    int 0x41
op_fs:
    mov fs, [cs:selector]
    int 0x41
op_gs:
    mov gs, [cs:selector]
    int 0x41
op_ss:
    mov ss, [cs:selector]
    nop
    int 0x41
op_jmp32:
    db 0x2e, 0xff, 0x2d
    dd pointer
op_jmp16:
    db 0x66, 0x2e, 0xff, 0x2d
    dd pointer16
op_call32:
    db 0x2e, 0xff, 0x1d
    dd pointer
op_call16:
    db 0x66, 0x2e, 0xff, 0x1d
    dd pointer16
op_retf32:
    db 0xcb
op_retf32i:
    db 0xca, 8, 0
op_retf16:
    db 0x66, 0xcb
op_iret32:
    db 0xcf
    int 0x41
op_iret16:
    db 0x66, 0xcf
    int 0x41
op_lar:
    lar eax, [cs:selector]
    int 0x41
op_lsl:
    lsl eax, [cs:selector]
    int 0x41
op_verr:
    verr [cs:selector]
    int 0x41
op_verw:
    verw [cs:selector]
    int 0x41
op_int:
    int 0x42
    int 0x41
op_lldt:
    lldt [cs:selector]
    int 0x41
op_ltr:
    ltr [cs:selector]
    int 0x41
op_arpl:
    mov ax, [cs:selector]
    mov bx, [cs:pointer]
    arpl ax, bx
    int 0x41
op_in:
    mov dx, [cs:selector]
    in al, dx
    xor al, al
    int 0x41

; Where transfers go: the same bytes in 16- and 32-bit code.
landing:
    int 0x41
    int 0x41

; Vector and error code lie on the stack, below them what the processor pushed.
report:
    pushad
    push ds
    push es
    push fs
    push gs
    mov ax, DATA0
    mov ds, ax
    mov es, ax
    cld
    mov ebp, esp
    mov eax, [ebp + 48]
    call word_out
    mov eax, [ebp + 52]
    call word_out
    mov eax, [ebp + 56]
    call word_out
    movzx eax, word [ebp + 60]
    call word_out
    mov eax, [ebp + 64]
    call word_out
    ; Stack pointer: pushed when the ring changed, else the one before.
    lea esi, [ebp + 68]
    mov di, ss
    test dword [ebp + 64], 0x20000
    jnz .pushed
    test byte [ebp + 60], 3
    jz .same
.pushed:
    mov esi, [ebp + 68]
    mov di, [ebp + 72]
.same:
    mov eax, esi
    call word_out
    movzx eax, di
    call word_out
    test dword [ebp + 64], 0x20000
    jz .not_virtual
    movzx eax, word [ebp + 76]
    call word_out
    movzx eax, word [ebp + 80]
    call word_out
    movzx eax, word [ebp + 84]
    call word_out
    movzx eax, word [ebp + 88]
    call word_out
.not_virtual:
    movzx esi, si
    mov ecx, 12
.stack:
    mov eax, [esi]
    call word_out
    add esi, 4
    loop .stack
    ; GS FS ES DS, then the general registers from EDI to EAX.
    mov esi, ebp
    mov ecx, 4
.selectors:
    movzx eax, word [esi]
    call word_out
    add esi, 4
    loop .selectors
    mov ecx, 8
.registers:
    mov eax, [esi]
    cmp ecx, 5
    je .no_esp
    call word_out
.no_esp:
    add esi, 4
    loop .registers
common_report:
    xor eax, eax
    str ax
    call word_out
    xor eax, eax
    sldt ax
    call word_out
    smsw ax
    movzx eax, ax
    call word_out
    mov eax, dr6
    and eax, 0xe00f
    call word_out
    mov esi, GDT + FREE + 4
    mov ecx, 6
.descriptors:
    mov eax, [esi]
    call word_out
    add esi, 8
    loop .descriptors
    mov eax, [GDT + MAINTSS + 4]
    call word_out
    ; The old task, as a switch saved it.
    mov esi, TSS + 0x20
    mov ecx, 16
.saved:
    mov eax, [esi]
    call word_out
    add esi, 4
    loop .saved
    movzx eax, word [TSS2]
    call word_out
    movzx eax, word [TSS16]
    call word_out
    mov eax, [TSS2 + 0x20]
    call word_out
    ; The end of a report.
    mov eax, 0xfedcba98
    call word_out
    add dword [case], C_SIZE
    jmp next_case

; The task of double faults: what it interrupted is in the TSS that it links to.
double_fault:
    mov eax, 8
    call word_out
    pop eax
    call word_out
    movzx eax, word [TSSDF]
    call word_out
    mov eax, [TSS2 + 0x4c]
    call word_out
    jmp common_report

; EAX in four bytes, lowest first.
word_out:
    push edx
    push ecx
    mov ecx, 4
.byte:
    cmp byte [console], 0
    je .debug
    push eax
    mov dx, 0x3fd
.full:
    in al, dx
    test al, 0x20
    jz .full
    pop eax
    mov dx, 0x3f8
    out dx, al
    jmp .next
.debug:
    out 0xe9, al
.next:
    ror eax, 8
    loop .byte
    pop ecx
    pop edx
    ret

shutdown: db 'Shutdown'
align 4
case: dd 0
; Not 0: COM1, else the debug console, which needs no waiting.
console: dd 0
pointer: dd 0
    dw 0, 0
pointer16: dw 0, 0
selector: dw 0, 0
stack_pointer: dd 0
tops: dd 0x7000, 0x6600, 0x6400, 0x6000
data_selectors: dw 0x10, 0x31, 0x3a, 0x43
code_selectors: dw 0x08, 0x19, 0x22, 0x2b
gdtr:
    dw 0xff
    dd GDT
idtr:
    dw 0x7ff
    dd IDT

align 8
gdt_image:
    dq 0
    dq 0x00cf9b000000ffff     ; 08 code, ring 0
    dq 0x00cf93000000ffff     ; 10 data, ring 0
    dq 0x00cfbb000000ffff     ; 18 code, ring 1
    dq 0x00cfdb000000ffff     ; 20 code, ring 2
    dq 0x00cffb000000ffff     ; 28 code, ring 3
    dq 0x00cfb3000000ffff     ; 30 data, ring 1
    dq 0x00cfd3000000ffff     ; 38 data, ring 2
    dq 0x00cff3000000ffff     ; 40 data, ring 3
    dq 0x00cf9f000000ffff     ; 48 conforming code, ring 0
    dq 0x0000890110000067     ; 50 the present task
    dq 0x0000890114000067     ; 58 the task of double faults
    dq 0x000082010400001f     ; 60 LDT
    dq 0, 0, 0
    dq 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
ldt_image:
    dq 0x00cf9a000000ffff     ; 04 code, ring 0
    dq 0x00cf92000000ffff     ; 0c data, ring 0
    dq 0x00cffa000000ffff     ; 14 code, ring 3
    dq 0x00cff2000000ffff     ; 1c data, ring 3
