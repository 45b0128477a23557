/** Random guests: arithmetic, memory, strings, ports, time, timer interrupts, and code that changes itself. */

import fc from 'fast-check';

/** One line of a random guest: arithmetic, memory, strings, ports, time, and code that changes itself. */
const line = fc.oneof(
  fc.constantFrom('add rax, rbx', 'xor rdx, rax', 'imul rbx, rax', 'ror rdx, 7', 'lea rbx, [rax+rdx*2+1]', 'not rax'),
  fc.integer({ min: 0, max: 511 }).map((n) => `mov [r8+${n * 8}], rax`),
  fc.integer({ min: 0, max: 511 }).map((n) => `add rdx, [r8+${n * 8}]`),
  fc.integer({ min: 0, max: 4000 }).map((n) => `add word [r8+${n}], dx`),
  fc.constantFrom('pushfq\n pop rax', 'push rdx\n pop rbx', 'rdtsc', 'rdrand rax', 'cpuid\n xor ecx, ecx'),
  fc.constant('lea rsi, [r8+16]\n lea rdi, [r8+4090]\n mov ecx, 40\n rep movsb'),
  fc.constant('mov rdi, r8\n mov ecx, 17\n repne scasb'),
  fc.constant('xor eax, eax\n out 0x43, al\n in al, 0x40\n add rdx, rax'),
  fc.constant('mov al, dl\n mov dx, 0x3f8\n out dx, al'),
  fc.integer({ min: 0, max: 1 }).map((n) => `mov [patch${n}+1], dl`),
  fc.constantFrom('sti\n nop', 'cli\n nop\n sti', 'int 0x30'),
  fc.constant('patchable'),
);

/** The source of a guest that runs these lines for ever, with a timer's interrupts in between. */
export const randomProgram = (lines: readonly string[]): string => {
  let patches = 0;
  const body = lines.map((text) => {
    if (text !== 'patchable') return ` ${text}`;
    return patches < 2 ? `patch${patches++}: mov bl, 1` : ' mov bl, 2';
  });
  while (patches < 2) body.push(`patch${patches++}: mov bl, 3`);
  return `
bits 64
org 0x100000
start:  mov rax, idt
        mov rdi, rax
        mov ecx, 256
.gate:  mov rax, tick
        cmp ecx, 256 - 0x30
        jne .set
        mov rax, soft
.set:   mov [rdi], ax
        mov word [rdi+2], 8
        mov word [rdi+4], 0x8e00
        shr rax, 16
        mov [rdi+6], ax
        mov dword [rdi+8], 0
        add rdi, 16
        dec ecx
        jnz .gate
        lidt [idtr]
        mov al, 0x34
        out 0x43, al
        mov al, 3
        out 0x40, al
        xor eax, eax
        out 0x40, al
        mov al, 0xfe
        out 0x21, al
        mov r8, 0x200000
        sti
again:
${body.join('\n')}
        inc qword [r8+8192]
        jmp again
tick:   push rax
        inc qword [0x210000]
        mov al, 0x20
        out 0x20, al
        pop rax
        iretq
soft:   inc qword [0x210008]
        iretq
idtr:   dw 4095
        dq idt
        align 16
idt:    resb 4096
`;
};

export const randomLines = fc.array(line, { minLength: 3, maxLength: 25 });
