; Boot sector: how a PC starts a program. The BIOS loads the first 512 bytes of the disk to 0x7c00 and jumps there, in
; real mode, when they end in 0x55 0xaa. The rest of the disk the program loads by itself, with the BIOS's help.
;
; Try: look at the screen while you step over INT 0x10, and step into INT 0x13 to see the service in the call stack.

bits 16
org 0x7c00

SECOND_SECTOR   equ 0x7e00              ; right behind the first

start:
        ; Nobody promises what the segment registers hold.
        xor     ax, ax
        mov     ds, ax
        mov     es, ax
        mov     ss, ax
        mov     sp, 0x7c00              ; the stack goes down, away from us
        mov     [drive], dl             ; the BIOS says which disk we came from

        mov     si, greeting
        call    print
        int     0x12                    ; AX = KiB of memory below 640 KiB
        call    print_number
        mov     si, kibibytes
        call    print

        mov     ax, 0x0201              ; read, one sector
        mov     cx, 0x0002              ; cylinder 0, sector 2: sectors are counted from 1
        mov     dh, 0                   ; head 0
        mov     dl, [drive]
        mov     bx, SECOND_SECTOR       ; to ES:BX
        int     0x13
        jc      failed                  ; the carry flag says that it did not work
        mov     si, SECOND_SECTOR
        call    print
        mov     al, 0
        jmp     exit
failed:
        mov     si, no_sector
        call    print
        mov     al, 1
exit:
        out     0xf4, al                ; ends with status 1, or 3 when the disk could not be read
        cli
.forever:
        hlt                             ; on a machine without that port
        jmp     .forever

; Prints AX in decimal. Changes AX, BX, CX, DX.
print_number:
        mov     bx, 10
        xor     cx, cx
.divide:
        xor     dx, dx
        div     bx                      ; AX = DX:AX / 10, DX = the remainder
        push    dx                      ; digits come out last first
        inc     cx
        test    ax, ax
        jnz     .divide
.digit:
        pop     ax
        add     al, '0'
        call    put
        loop    .digit
        ret

; Prints the text at SI, up to its zero byte. Changes AX, BX, SI.
print:
        lodsb
        test    al, al
        jz      .end
        call    put
        jmp     print
.end:
        ret

; Prints the character in AL on the screen and on the debug console.
put:
        out     0xe9, al
        mov     ah, 0x0e                ; teletype output
        xor     bx, bx                  ; on page 0
        int     0x10
        ret

greeting:       db 'Hello from the boot sector. ', 0
kibibytes:      db ' KiB of low memory.', 13, 10, 0
no_sector:      db 'The second sector cannot be read.', 13, 10, 0
drive:          db 0

        times   510 - ($ - $$) db 0
        dw      0xaa55                  ; 0x55, then 0xaa

; The second sector of the disk.
                db 'And this came from the second sector.', 13, 10, 0
        times   1024 - ($ - $$) db 0
