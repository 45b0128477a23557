/* From the boot loader's 32-bit mode to 64 bits: the first GiB is mapped to itself in pages of 2 MiB, then C takes over.
   GNU as, Intel syntax. */

        .intel_syntax noprefix

        .set MAGIC, 0x1badb002
        .set PRESENT_WRITABLE, 3
        .set LARGE, 0x80

        .section .multiboot, "a"
        .align 4
        .long MAGIC, 0, -MAGIC

        .text
        .code32
        .globl start
        .type start, @function
start:
        mov     esp, offset stack_top
        mov     dword ptr [level4], offset level3 + PRESENT_WRITABLE
        mov     dword ptr [level3], offset level2 + PRESENT_WRITABLE
        xor     ecx, ecx
1:      mov     eax, ecx
        shl     eax, 21
        or      eax, PRESENT_WRITABLE + LARGE
        mov     [level2 + ecx * 8], eax
        inc     ecx
        cmp     ecx, 512
        jb      1b

        mov     eax, cr4
        or      eax, 1 << 5             /* PAE */
        mov     cr4, eax
        mov     eax, offset level4
        mov     cr3, eax
        mov     ecx, 0xc0000080         /* IA32_EFER */
        rdmsr
        or      eax, 1 << 8             /* LME */
        wrmsr
        mov     eax, cr0
        or      eax, 1 << 31            /* PG: long mode is active, in compatibility mode */
        mov     cr0, eax
        lgdt    [gdt_pointer]
        ljmp    0x08, offset wide

        .code64
wide:
        mov     ax, 0x10
        mov     ds, ax
        mov     es, ax
        mov     ss, ax
        xor     ebp, ebp                /* the outermost frame */
        call    kernel
0:      cli
        hlt
        jmp     0b
        .size start, . - start

        .data
        .align 8
gdt:    .quad 0, 0x00af9b000000ffff, 0x00cf93000000ffff
gdt_pointer:
        .word gdt_pointer - gdt - 1
        .quad gdt

        .bss
        .align 4096
level4: .skip 4096
level3: .skip 4096
level2: .skip 4096
        .skip 16384
stack_top:

        .section .note.GNU-stack, "", @progbits
