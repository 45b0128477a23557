; Recursive Fibonacci, an insertion sort and a bitwise CRC-32.
start:  mov rcx, [count]
.round: push rcx
        mov edi, 12
        call fibonacci
        call sort
        call crc
        pop rcx
        dec rcx
        jnz .round
        jmp finish
fibonacci:
        cmp edi, 2
        jb .small
        push rbx
        push rdi
        dec edi
        call fibonacci
        mov ebx, eax
        pop rdi
        sub edi, 2
        call fibonacci
        add eax, ebx
        pop rbx
        ret
.small: mov eax, edi
        ret
sort:   mov rdi, 0x300000
        mov ecx, 64
        mov eax, 12345
.fill:  imul eax, eax, 1103515245
        add eax, 12345
        mov [rdi+rcx*4-4], eax
        dec ecx
        jnz .fill
        mov ecx, 1
.outer: mov eax, [rdi+rcx*4]
        mov edx, ecx
.inner: test edx, edx
        jz .place
        mov ebx, [rdi+rdx*4-4]
        cmp ebx, eax
        jbe .place
        mov [rdi+rdx*4], ebx
        dec edx
        jmp .inner
.place: mov [rdi+rdx*4], eax
        inc ecx
        cmp ecx, 64
        jb .outer
        ret
crc:    mov rsi, 0x300000
        mov ecx, 256
        mov eax, 0xffffffff
.byte:  movzx edx, byte [rsi]
        inc rsi
        xor eax, edx
        mov edx, 8
.bit:   shr eax, 1
        jnc .none
        xor eax, 0xedb88320
.none:  dec edx
        jnz .bit
        dec ecx
        jnz .byte
        ret
