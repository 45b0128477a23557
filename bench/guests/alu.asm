; Registers only: shifts, adds, multiplies, compares. 11 instructions a round.
start:  mov rcx, [count]
        mov rax, 1
        mov rbx, 3
        xor edx, edx
.next:  add rax, rbx
        xor rdx, rax
        shl rbx, 1
        lea rbx, [rbx+rax*2+7]
        mov rsi, rax
        and esi, 0xffff
        sub rdx, rsi
        cmp rdx, rbx
        jb .skip
        add rax, 5
.skip:  dec rcx
        jnz .next
        jmp finish
