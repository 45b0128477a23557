; Paging: our own page tables, and a page fault handler that gives memory only to those who touch it.
;
; The program walks over three pages at 1 GiB where nothing is mapped. Each first touch raises #PF; the handler reads
; the address from CR2, puts a fresh frame into the page table, and returns to the instruction that failed, which then
; succeeds.
;
; Try: show the page walk of 0x40000000 before and after a fault; set a stop on #PF and read its reason.

bits 64
org 0x100000

PML4            equ 0x200000    ; our tables, one page each
PDPT            equ 0x201000
LOW_DIRECTORY   equ 0x202000    ; for 0-1 GiB
HIGH_DIRECTORY  equ 0x203000    ; for 1-2 GiB
HIGH_TABLE      equ 0x204000    ; for the first 2 MiB from 1 GiB on
FIRST_FRAME     equ 0x300000    ; frames to give away
HIGH            equ 0x40000000  ; 1 GiB
PRESENT         equ 1
WRITABLE        equ 2
LARGE           equ 0x80        ; in a directory: a page of 2 MiB instead of a table

start:
        ; Empty tables. Memory is zero at the start, but a kernel should not rely on it.
        mov     edi, PML4
        mov     ecx, 5 * 512
        xor     eax, eax
        rep stosq

        mov     qword [PML4], PDPT + PRESENT + WRITABLE
        mov     qword [PDPT], LOW_DIRECTORY + PRESENT + WRITABLE
        mov     qword [PDPT + 8], HIGH_DIRECTORY + PRESENT + WRITABLE
        ; The first 4 MiB stay where they are: this code, the stack, and the tables themselves.
        mov     qword [LOW_DIRECTORY], PRESENT + WRITABLE + LARGE
        mov     qword [LOW_DIRECTORY + 8], 0x200000 + PRESENT + WRITABLE + LARGE
        mov     qword [HIGH_DIRECTORY], HIGH_TABLE + PRESENT + WRITABLE
        mov     eax, PML4
        mov     cr3, rax

        ; The gate for vector 14.
        mov     eax, page_fault
        mov     [idt + 14 * 16], ax
        mov     word [idt + 14 * 16 + 2], 0x08
        mov     word [idt + 14 * 16 + 4], 0x8e00
        shr     eax, 16
        mov     [idt + 14 * 16 + 6], ax
        lidt    [idt_register]

        ; Write to three pages, then read them back.
        mov     ebx, HIGH
        mov     ecx, 3
.write:
        mov     [rbx], rbx              ; faults once for each page
        add     ebx, 0x1000
        loop    .write
        cmp     qword [HIGH], HIGH
        jne     .wrong
        cmp     qword [HIGH + 0x2000], HIGH + 0x2000
        jne     .wrong
        cmp     byte [faults], 3
        jne     .wrong
        mov     esi, right
        call    print
        xor     eax, eax
        out     0xf4, al                ; ends with status 1
.wrong:
        mov     al, 1
        out     0xf4, al                ; ends with status 3

; On the stack: error code, RIP, CS, RFLAGS, RSP, SS.
page_fault:
        push    rax
        push    rdx
        push    rsi
        inc     byte [faults]
        mov     esi, touched
        call    print
        mov     rdx, cr2
        shr     edx, 12
        and     edx, 511                ; the page's place in its table
        mov     rax, [next_frame]
        add     qword [next_frame], 0x1000
        or      eax, PRESENT + WRITABLE
        mov     [HIGH_TABLE + rdx * 8], rax
        pop     rsi
        pop     rdx
        pop     rax
        add     rsp, 8                  ; the error code is ours to remove
        iretq                           ; and try again

; Prints the text at RSI, up to its zero byte. Changes RAX and RSI.
print:
        lodsb
        test    al, al
        jz      .end
        out     0xe9, al
        jmp     print
.end:
        ret

touched:        db '#PF: mapped one more page.', 10, 0
right:          db 'Three pages, three faults, all data there.', 10, 0
faults:         db 0
align 8
next_frame:     dq FIRST_FRAME
idt_register:   dw 15 * 16 - 1
                dq idt
align 16
idt:            times 15 * 16 db 0
