; Brings Bochs and QEMU to where Ringside starts a 64-bit program: long mode, the first 4 GiB identity-mapped by 2 MiB
; pages, a flat GDT, ring 0, interrupts off. Loads the guest that follows this sector to 0x10000 and jumps there.
bits 16
org 0x7c00
start:
        cli
        xor ax, ax
        mov ds, ax
        mov es, ax
        mov ss, ax
        mov sp, 0x7c00
        mov [drive], dl
        in al, 0x92                     ; A20 on
        or al, 2
        out 0x92, al
        mov cx, [sectors]
.read:                                  ; one sector at a time: slow and safe
        mov ah, 0x42
        mov dl, [drive]
        mov si, packet
        push cx
        int 0x13
        pop cx
        jc .failed
        add word [packet.segment], 0x20
        inc dword [packet.sector]
        loop .read
        mov edi, 0x91000                ; PML4, PDPT, four page directories
        mov cx, 0x6000 / 4
        xor eax, eax
        push es
        mov dx, 0x9100
        mov es, dx
        xor di, di
        cld
        rep stosd
        mov dword [es:0], 0x92003
        mov dword [es:0x1000], 0x93003
        mov dword [es:0x1008], 0x94003
        mov dword [es:0x1010], 0x95003
        mov dword [es:0x1018], 0x96003
        mov di, 0x2000
        mov eax, 0x83
        mov cx, 2048
.page:  mov [es:di], eax
        add di, 8
        add eax, 0x200000
        loop .page
        pop es
        mov eax, 0x20
        mov cr4, eax
        mov eax, 0x91000
        mov cr3, eax
        mov ecx, 0xc0000080
        rdmsr
        or eax, 0x100
        wrmsr
        lgdt [gdtr]
        mov eax, 0x80000011
        mov cr0, eax
        jmp 0x08:long_mode
.failed:
        hlt
        jmp .failed
bits 64
long_mode:
        mov eax, 0x10
        mov ds, eax
        mov es, eax
        mov ss, eax
        mov fs, eax
        mov gs, eax
        mov rsp, 0x90000
        mov rax, 0x10000
        jmp rax
align 8
gdt:    dq 0, 0x00af9b000000ffff, 0x00cf93000000ffff
gdtr:   dw gdtr - gdt - 1
        dq gdt
drive:  db 0
packet: db 16, 0
        dw 1
        dw 0
.segment: dw 0x1000
.sector: dq 1
        times 508 - ($ - $$) db 0
sectors: dw 0                           ; set by the harness
        dw 0xaa55
