; CPUID in a guest: the host skips the instruction and resumes.
exited: mov edi, 0x4402                 ; VM_EXIT_REASON
        vmread rax, rdi
        cmp eax, 10                     ; CPUID
        jne .other
        mov edi, 0x681e                 ; GUEST_RIP
        vmread rax, rdi
        mov esi, 0x440c                 ; VM_EXIT_INSTRUCTION_LEN
        vmread rdx, rsi
        add rax, rdx
        vmwrite rdi, rax
        vmresume
.other: jmp .other
guest:  mov r8, [count]
.next:  cpuid
        dec r8
        jnz .next
        jmp finish
