/** A guest in each mode of the processor, standing still in it. */

/** 32-bit page tables at 0x200000 that map the first 4 MiB one to one, 4 KiB each, page 0x300 for users. */
const tables32 = `
        mov edi, 0x201000
        mov eax, 3
.fill:  mov [edi], eax
        add eax, 0x1000
        add edi, 4
        cmp edi, 0x202000
        jne .fill
        or dword [0x201000 + 0x300 * 4], 4
        mov dword [0x200000], 0x201007
        mov eax, 0x200000
        mov cr3, eax
        mov eax, cr0
        or eax, 0x80010000
        mov cr0, eax
`;

const tablesPae = `
        mov dword [0x202000], 0x83
        mov dword [0x202004], 0
        mov dword [0x202008], 0x2000a3
        mov dword [0x201000], 0x202001
        mov eax, cr4
        or eax, 0x20
        mov cr4, eax
        mov eax, 0x201000
        mov cr3, eax
        mov eax, cr0
        or eax, 0x80000000
        mov cr0, eax
`;

/** To ring 3 by IRETQ, with the first 2 MiB open to users. */
const ring3 = `
        mov rax, cr3
        or dword [rax], 4
        mov rbx, [rax]
        and rbx, -4096
        or dword [rbx], 4
        mov rcx, [rbx]
        and rcx, -4096
        or dword [rcx], 4
        mov cr3, rax
        lgdt [gdtr]
        push 0x1b
        push 0x90000
        push 2
        push 0x13
        lea rax, [here]
        push rax
        iretq
here:   inc rbx
        jmp here
        align 8
gdt:    dq 0, 0x00af9b000000ffff, 0x00affb000000ffff, 0x00cff3000000ffff
gdtr:   dw 31
        dq gdt
`;

/** By mode: the source, and how many steps lead into it. */
export const modes: Readonly<Record<string, { readonly source: string; readonly steps: number }>> = {
  '16-bit': { source: 'bits 16\nmov ax, 5\nmov ds, ax\nhere: inc bx\njmp here\n', steps: 6 },
  protected: { source: 'bits 32\nmov eax, 5\nhere: inc ebx\njmp here\n', steps: 6 },
  '32-bit paging': { source: `bits 32\n${tables32}here: inc ebx\njmp here\n`, steps: 5300 },
  'PAE paging': { source: `bits 32\n${tablesPae}here: inc ebx\njmp here\n`, steps: 20 },
  'ring 3': { source: `bits 64\n${ring3}`, steps: 30 },
  '64-bit': { source: 'bits 64\nmov [0x250000], rax\nhere: inc rbx\njmp here\n', steps: 6 },
};
