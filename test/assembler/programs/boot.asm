; A boot sector that loads a second stage and jumps to it in unreal mode.
        bits 16
        org 0x7c00
        jmp short start
        nop
oem     db 'RINGSIDE'
bytes_per_sector: dw 512
        db 1
        dw 1, 0, 0
start:  cli
        xor ax, ax
        mov ds, ax
        mov es, ax
        mov ss, ax
        mov sp, 0x7c00
        cld
        sti
        jmp 0:.flush
.flush: mov [drive], dl
        mov cx, 5
.retry: mov ah, 2
        mov al, (second_end - second + 511) / 512
        mov bx, second
        push cx
        mov cx, 2
        xor dh, dh
        int 13h
        pop cx
        jnc .loaded
        loop .retry
        mov si, message
.print: lodsb
        or al, al
        jz .halt
        mov ah, 0eh
        mov bx, 7
        int 10h
        jmp .print
.halt:  hlt
        jmp .halt
.loaded:
        lgdt [descriptor]
        mov eax, cr0
        or al, 1
        mov cr0, eax
        jmp short $+2
        mov bx, flat - gdt
        mov fs, bx
        and al, 0feh
        mov cr0, eax
        mov byte [fs:dword 0xb8000], 'A'
        a32 mov [fs:0xb8001], byte 0x0f
        mov dword [fs:eax*4+ebx+0x10], message - $$ + 0x7c00
        jmp second
message: db "Disk error", 13, 10, 0
drive   db 0
        align 8
gdt:    dq 0
flat:   dw 0xffff, 0
        db 0, 10010010b, 1100_1111b, 0
descriptor:
        dw $ - gdt - 1
        dd gdt
        times 510-($-$$) db 0
        dw 0aa55h
second:
        mov ax, 0b800h
        mov es, ax
        xor di, di
        mov cx, 80 * 25
        mov ax, (1 << 12) | (7 << 8) | ' '
        rep stosw
        mov word [es:di-2], 'Hi'
.wait:  in al, 64h
        test al, 2
        jnz .wait
        o32 ret
        retf 4
        iret
        call far [es:bx+4]
        jmp far [vector]
        jmp dword 8:0x100000
        call word 0xf000:0xfff0
vector: dw 0, 0xffff
        times 1024-($-$$) db 0xcc
second_end:
