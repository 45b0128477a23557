; A page fault on a page that is not present, whose handler steps over the load.
start:  call tables
        mov edi, 14
        mov rax, handler
        mov dl, 0x8e
        call gate
        mov qword [0x93000+511*8], 0    ; 0x3fe00000 is not there
        mov rax, cr3
        mov cr3, rax
        mov rcx, [count]
        mov rdi, 0x3fe00000
.next:  mov rax, [rdi]
        dec rcx
        jnz .next
        jmp finish
handler: add rsp, 8
        add qword [rsp], 3
        iretq
