bits 64
start:
        xor     eax, eax
.again:
        inc     rax
        jmp     .again
