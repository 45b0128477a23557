; Timer: interrupts from outside. The 8254 timer ticks a hundred times a second, the 8259 interrupt controller turns
; each tick into an interrupt, and the processor, halted in between, counts ten of them.
;
; Try: pause in `idle` and look at the devices; stop on `irq`; comment out the end-of-interrupt and see what stays on.

bits 64
org 0x100000

PIC1            equ 0x20        ; the first interrupt controller: command port, then data port
PIC2            equ 0xa0        ; the second, behind line 2 of the first
TIMER_CHANNEL_0 equ 0x40
TIMER_COMMAND   equ 0x43
TIMER_HERTZ     equ 1193182     ; what the timer counts down with
VECTOR          equ 0x20        ; vectors below are the processor's own exceptions
TICKS           equ 10

start:
        ; The gate: 64-bit interrupt gate, so that interrupts stay off inside the handler.
        mov     eax, tick
        mov     [idt + VECTOR * 16], ax
        mov     word [idt + VECTOR * 16 + 2], 0x08
        mov     word [idt + VECTOR * 16 + 4], 0x8e00
        shr     eax, 16
        mov     [idt + VECTOR * 16 + 6], ax
        lidt    [idt_register]

        ; Both controllers take four words: start, first vector, how they are wired, 8086 mode.
        mov     al, 0x11
        out     PIC1, al
        out     PIC2, al
        mov     al, VECTOR
        out     PIC1 + 1, al
        mov     al, VECTOR + 8
        out     PIC2 + 1, al
        mov     al, 4                   ; the second one is on line 2 ...
        out     PIC1 + 1, al
        mov     al, 2                   ; ... and knows it
        out     PIC2 + 1, al
        mov     al, 1
        out     PIC1 + 1, al
        out     PIC2 + 1, al
        mov     al, 0xfe                ; let line 0 through, nothing else
        out     PIC1 + 1, al
        mov     al, 0xff
        out     PIC2 + 1, al

        ; Channel 0, both bytes of the count, mode 2: a pulse whenever the count has run down.
        mov     al, 0x34
        out     TIMER_COMMAND, al
        mov     eax, TIMER_HERTZ / 100
        out     TIMER_CHANNEL_0, al
        mov     al, ah
        out     TIMER_CHANNEL_0, al

idle:
        ; STI takes effect after the next instruction: no tick can slip in between the test and HLT.
        cli
        cmp     dword [count], TICKS
        jae     done
        sti
        hlt
        jmp     idle

done:
        mov     esi, text
.next:
        lodsb
        test    al, al
        jz      .end
        out     0xe9, al
        jmp     .next
.end:
        xor     eax, eax
        out     0xf4, al                ; ends with status 1

tick:
        push    rax
        inc     dword [count]
        mov     al, '.'
        out     0xe9, al
        mov     al, 0x20                ; end of interrupt: the controller may send the next one
        out     PIC1, al
        pop     rax
        iretq

text:           db ' ten ticks.', 10, 0
align 8
count:          dd 0
idt_register:   dw (VECTOR + 1) * 16 - 1
                dq idt
align 16
idt:            times (VECTOR + 1) * 16 db 0
