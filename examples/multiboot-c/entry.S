/* The first instructions of the kernel, and the header by which boot loaders know it. C needs a stack; that is all that
   is done here. GNU as, Intel syntax. */

        .intel_syntax noprefix

        .set MAGIC, 0x1badb002
        .set FLAGS, 3                   /* modules at page boundaries, and tell us about memory */

        .section .multiboot, "a"
        .align 4
        .long MAGIC, FLAGS, -(MAGIC + FLAGS)

        .text
        .globl start
        .type start, @function
start:
        mov     esp, offset stack_top
        push    ebx                     /* the information structure */
        push    eax                     /* 0x2badb002, from a Multiboot loader */
        call    kernel
0:      cli
        hlt
        jmp     0b
        .size start, . - start

        .bss
        .align 16
        .skip 16384
stack_top:

        .section .note.GNU-stack, "", @progbits
