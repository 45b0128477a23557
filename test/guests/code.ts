/** Code that changes, and where it lies. Intel SDM vol. 3, "Self-Modifying Code", "Cross-Modifying Code". */

import { trial } from './trial';

export const codeTrials = [
  trial(
    'a store into the next instruction is seen by it',
    64,
    `
        mov byte [next+1], 0x22
next:   mov al, 0x11
        expect al, 0x22`,
  ),
  trial(
    'a store into the next instruction, in 32-bit and 16-bit code',
    32,
    `
        mov byte [next+1], 0x22
next:   mov al, 0x11
        expect al, 0x22
        mov word [0x50000], 0x9090
        mov byte [0x50002], 0xc3
        mov ecx, 3
again:  call 0x50000
        mov byte [0x50000], 0x40
        loop again
        xor eax, eax
        call 0x50000
        expect eax, 1`,
  ),
  trial(
    'a store into a loop that was executed before',
    64,
    `
        mov edx, 2
outer:  mov ecx, 1000
        xor ebx, ebx
loop1:  add ebx, 1
        dec ecx
        jnz loop1
        mov byte [loop1+2], 3
        dec edx
        jnz outer
        expect ebx, 3000`,
  ),
  trial(
    'a loop that changes itself in each round',
    64,
    `
        mov ecx, 100
        xor ebx, ebx
again:  add ebx, 0
        inc byte [again+2]
        dec ecx
        jnz again
        expect ebx, 4950`,
  ),
  trial(
    'code in a large page reached by two linear addresses',
    64,
    `
        mov rax, cr3
        mov qword [0x93010], 0x83
        mov cr3, rax
        mov dword [0x50000], 0xc301b0
        mov eax, 0x50000
        call rax
        expect al, 1
        mov byte [0x450001], 2
        mov eax, 0x50000
        call rax
        expect al, 2
        mov eax, 0x450000
        call rax
        expect al, 2`,
  ),
  trial(
    'an instruction over a page boundary is changed on either side',
    64,
    `
        mov byte [0x50fff], 0xb0
        mov word [0x51000], 0xc301
        mov eax, 0x50fff
        call rax
        expect al, 1
        mov byte [0x51000], 2
        mov eax, 0x50fff
        call rax
        expect al, 2
        mov byte [0x50fff], 0xb4
        mov eax, 0x50fff
        call rax
        expect ah, 2`,
  ),
  trial(
    'REP MOVS over code, and over itself',
    64,
    `
        mov esi, new
        mov edi, old
        mov ecx, 2
        rep movsb
old:    mov bl, 1
        expect bl, 2
        jmp passed
new:    mov bl, 2`,
  ),
  trial(
    'a change of mapping changes the code',
    64,
    `
        call small_pages
        mov dword [0x401000], 0xc301b0
        mov dword [0x402000], 0xc302b0
        mov ebx, 0x401000
        call rbx
        expect al, 1
        mov qword [0x60008], 0x402003
        invlpg [0x401000]
        call rbx
        expect al, 2`,
  ),
  trial(
    'the last instruction below the canonical boundary',
    64,
    `
        mov rax, cr3
        mov qword [0x91000+255*8], 0x92003
        mov qword [0x92000+511*8], 0x93003
        mov qword [0x93000+511*8], 0x400083
        mov cr3, rax
        mov word [0x5ffffe], 0x9090
        mov qword [resume], back
        mov rbx, 0x7ffffffffffe
        jmp rbx
back:   expect dword [saved_vector], 13
        expect dword [saved_code], 0
        expect dword [saved_rip], 0
        expect dword [saved_rip+4], 0x8000`,
    {
      more: [{ vector: 13, errorCode: 0, rule: 'linear.canonical' }],
    },
  ),
  trial(
    'RIP wraps at 64 KiB in real mode only with a fault',
    16,
    `
        mov ax, 0x4000
        mov es, ax
        mov byte [es:0xffff], 0x90
        mov word [resume], back
        jmp 0x4000:0xffff
back:   expect word [saved_vector], 13
        expect word [saved_rip], 0`,
    {
      more: [{ vector: 13, rule: 'code.limit' }],
    },
  ),
];
