; Walks 4 MiB: loads, a read-modify-write and stores, each with its address worked out.
start:  mov rcx, [count]
.pass:  mov rdi, 0x400000
        mov edx, 4096
.next:  mov rax, [rdi]
        add rax, rdx
        mov [rdi+8], rax
        add [rdi+16], rdx
        mov ebx, [rdi+rdx*2+24]
        add rdi, 1024
        mov [rdi-32], rbx
        dec edx
        jnz .next
        dec rcx
        jnz .pass
        jmp finish
