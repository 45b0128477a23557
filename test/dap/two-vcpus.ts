/** A guest whose second vCPU is started by the first and counts in real mode at 0x8000. */

export const twoVcpus = `bits 64
start:  mov rsi, second         ; #START
        mov edi, 0x8000
        mov ecx, second.end - second
        rep movsb
        mov eax, 0xfee00300
        mov dword [rax + 0x10], 1 << 24
        mov dword [rax], 0x4500
        mov dword [rax], 0x4608 ; #SIPI
        mov ecx, 5
.spin:  inc rbx                 ; #SPIN
        jmp .spin               ; #AGAIN
second: db 0x41                 ; inc cx
        db 0xeb, 0xfd           ; jmp to it
.end:
`;
