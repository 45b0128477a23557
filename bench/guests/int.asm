; INT n and IRETQ in ring 0.
start:  call tables
        mov edi, 0x30
        mov rax, handler
        mov dl, 0x8e
        call gate
        mov rcx, [count]
.next:  int 0x30
        dec rcx
        jnz .next
        jmp finish
handler: iretq
