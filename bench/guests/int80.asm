; INT 0x80 from ring 3, through an interrupt gate to ring 0 and back.
start:  call tables
        mov edi, 0x80
        mov rax, handler
        mov dl, 0xee
        call gate
        mov edi, 0x81
        mov rax, finish
        mov dl, 0xee
        call gate
        mov rax, user
        call to_user
user:   mov rcx, [count]
.next:  int 0x80
        dec rcx
        jnz .next
        int 0x81
handler: iretq
