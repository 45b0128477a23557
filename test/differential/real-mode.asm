; Runs cases of 16-bit code in real mode and reports what each of them did: the same image runs on Ringside and on
; Bochs, and the reports must be equal. Started at 0:0x8000.
;
; A case is a segment of 128 bytes: code up to its INT3, general registers, flags. It runs with data segments 256
; bytes apart; all memory that they reach is put back before it and summed up after it. Exceptions come through the
; interrupt table; nothing but their frames, which are wiped out, touches the case's stack.

DATA     equ 0x2000             ; segment; 64 KiB and DATA_MORE bytes
DATA_MORE equ 0x500
TEMPLATE equ 0x3100
CASES    equ 0x4200
CASE     equ 8                  ; paragraphs
C_GPR    equ 88
C_FLAGS  equ 120
END_CASE equ 0xfedcba98
END_ALL  equ 0x0fedcba9

org 0x8000
bits 16
    jmp start
serial:  db 0                   ; 1: report to COM1, else to port 0xE9
         align 4, db 0
count:   dd 0
vector:  dd 0
r_ip:    dd 0
r_cs:    dd 0
r_flags: dd 0
regs:    times 8 dd 0
sum:     dd 0
target:  dw 0, CASES
data:    dw DATA

start:
    cli
    xor ax, ax
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov sp, 0x7000
    mov al, 0xff
    out 0x21, al
    out 0xa1, al
    ; COM1: 8 bits
    mov dx, 0x3fb
    mov al, 3
    out dx, al
    ; the interrupt table: stubs of 16 bytes, each notes its vector and goes to `report`
    xor di, di
    mov ax, stubs
    mov cx, 32
.fill:
    mov [di], ax
    mov word [di+2], 0
    add di, 4
    add ax, 16
    loop .fill

next:
    ; put the data back
    cld
    mov ax, TEMPLATE
    mov ds, ax
    mov ax, DATA
    mov es, ax
    xor si, si
    xor di, di
    mov cx, 0x4000
    rep movsd
    mov ax, TEMPLATE + 0x1000
    mov ds, ax
    mov ax, DATA + 0x1000
    mov es, ax
    xor si, si
    xor di, di
    mov cx, DATA_MORE / 4
    rep movsd

    mov ds, [cs:target+2]
    push dword [C_FLAGS]
    popfd
    mov ax, DATA + 0x10
    mov es, ax
    mov ax, DATA + 0x30
    mov fs, ax
    mov ax, DATA + 0x40
    mov gs, ax
    mov ecx, [C_GPR+4]
    mov edx, [C_GPR+8]
    mov ebx, [C_GPR+12]
    mov ebp, [C_GPR+20]
    mov esi, [C_GPR+24]
    mov edi, [C_GPR+28]
    mov ax, DATA + 0x20
    mov ss, ax
    mov esp, [C_GPR+16]
    mov eax, [C_GPR]
    mov ds, [cs:data]
    jmp far [cs:target]

report:
    pop word [cs:r_ip]
    pop word [cs:r_cs]
    pop word [cs:r_flags]
    push word 0
    push word 0
    push word 0
    lea esp, [esp+6]
    mov [cs:regs], eax
    mov [cs:regs+4], ecx
    mov [cs:regs+8], edx
    mov [cs:regs+12], ebx
    mov [cs:regs+16], esp
    mov [cs:regs+20], ebp
    mov [cs:regs+24], esi
    mov [cs:regs+28], edi
    xor ax, ax
    mov ss, ax
    mov esp, 0x7000
    cld

    xor ebx, ebx
    mov ax, DATA
    mov ds, ax
    xor si, si
    mov cx, 0x4000
    call sum_up
    mov ax, DATA + 0x1000
    mov ds, ax
    xor si, si
    mov cx, DATA_MORE / 4
    call sum_up
    xor ax, ax
    mov ds, ax
    mov [sum], ebx

    mov si, vector
    mov cx, 13
.words:
    lodsd
    call put
    loop .words
    mov eax, END_CASE
    call put
    add word [target+2], CASE
    dec dword [count]
    jnz next
    mov eax, END_ALL
    call put
    mov dx, 0x3fd
.sent:
    in al, dx
    test al, 0x40
    jz .sent
    ; the debug-exit port ends the run, or a triple fault does
    mov dx, 0xf4
    xor al, al
    out dx, al
    mov word [0x7000], 0
    lidt [0x7000]
    int3
    jmp $

sum_up:
    lodsd
    add ebx, eax
    rol ebx, 5
    loop sum_up
    ret

; The word in EAX, byte by byte.
put:
    push cx
    mov cx, 4
.byte:
    cmp byte [serial], 0
    je .console
    push ax
    mov dx, 0x3fd
.wait:
    in al, dx
    test al, 0x20
    jz .wait
    pop ax
    mov dx, 0x3f8
    out dx, al
    jmp .shift
.console:
    out 0xe9, al
.shift:
    shr eax, 8
    loop .byte
    pop cx
    ret

align 8, db 0x90
stubs:
