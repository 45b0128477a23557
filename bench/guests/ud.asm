; #UD whose handler steps over the instruction.
start:  call tables
        mov edi, 6
        mov rax, handler
        mov dl, 0x8e
        call gate
        mov rcx, [count]
.next:  ud2
        dec rcx
        jnz .next
        jmp finish
handler: add qword [rsp], 2
        iretq
