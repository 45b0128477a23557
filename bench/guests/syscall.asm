; SYSCALL and SYSRET from ring 3.
start:  call tables
        mov ecx, 0xc0000080
        rdmsr
        or eax, 1
        wrmsr
        mov ecx, 0xc0000081
        xor eax, eax
        mov edx, 0x00100008
        wrmsr
        mov ecx, 0xc0000082
        mov eax, handler
        xor edx, edx
        wrmsr
        mov ecx, 0xc0000084
        xor eax, eax
        wrmsr
        mov edi, 0x80
        mov rax, finish
        mov dl, 0xee
        call gate
        mov rax, user
        call to_user
user:   mov rbx, [count]
.next:  syscall
        dec rbx
        jnz .next
        int 0x80
handler: o64 sysret
