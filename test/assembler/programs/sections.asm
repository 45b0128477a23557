; Sections in every order, with alignment, reserved space and data of every kind.
        bits 32
        org 0x100000
        section .data
first:  db 1, 'two', "three", `four\n\t\0\x41\u263a`, 5
        dw 'a', 'abc', 0x1234, -1
        dd 'abcd', 'abcde', 1.5, -2.25, first, later
        dq 1.0, 0x123456789abcdef0, first, 3.141592653589793, 1e-310
        dt 1.5, -0.1
        dw 1.0, 0.333
        section .text
start:  mov eax, first
        mov ebx, [later]
        lea ecx, [buffer + 4]
        mov edx, buffer.end - buffer
        jmp after
        resb 5
        resw 2
        align 32
after:  mov esi, $$
        mov edi, $ - $$
        section .rodata align=64
table:  dd start, after, table, first
        times 3 dw $ - $$, 7
        section .bss
        alignb 16
buffer: resb 100
.end:   resd 4
counter: resq 1
        section .data
later:  dd counter, buffer, buffer.end
        align 8, db 0xff
        db 1
        alignb 4
        dd after - start
        section .text
        add dword [counter], 1
        mov byte [buffer + ecx], 0
        cmp dword [ebx * 8 + buffer], 5
        jne start
        absolute 0x500
field_a: resd 1
field_b: resw 3
field_size equ $ - field_a
        section .text
        mov eax, [field_b]
        mov ecx, field_size
        mov al, [fs:field_b]
        ret
