/** Non-canonical addresses in 64-bit mode: #SS through the stack segment, #GP otherwise, however often. */

import { expect, test } from 'vitest';
import { boot } from '../guest';

test('a non-canonical address raises #SS(0) through rSP or rBP and #GP(0) otherwise, also when delivery is warm', () => {
  const guest = boot(`
    bits 64
    ; gates for vectors 12 and 13
        mov rdi, idt + 12 * 16
        mov rax, on_fault
        mov ecx, 2
    .gate:
        mov [rdi], ax
        mov dx, cs
        mov [rdi+2], dx
        mov word [rdi+4], 0x8e00
        mov dword [rdi+8], 0
        shr rax, 16
        mov [rdi+6], ax
        mov rax, on_fault2
        add rdi, 16
        dec ecx
        jnz .gate
        lidt [idtr]
        mov rbp, 1 << 60
        mov rbx, rbp
        xor esi, esi
        mov r15d, 20
    again:
        lea r14, [rel second]
        mov rax, [rbp]
    second:
        lea r14, [rel third]
        mov rax, [rbx]
    third:
        dec r15d
        jnz again
        mov al, 0
        out 0xf4, al
    on_fault:                   ; #SS
        inc esi
        jmp over
    on_fault2:                  ; #GP
        add esi, 0x10000
    over:
        add rsp, 8
        mov [rsp], r14          ; go on behind the instruction
        iretq
    align 8
    idtr: dw 0xfff
          dq idt
    align 16
    idt:  times 4096 db 0
  `);
  guest.run(10_000);
  expect(guest.gpr(6)).toBe(20n | (20n << 16n));
});
