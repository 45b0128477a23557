; Sections that follow each other, aligned and placed by more than their order.
        section .data align=16
        db 1
        section .text align=16
        db 2
        section .b valign=32
k:      dd k
        section .c vfollows=.b
l:      dd l
        section .nob nobits
n:      resb 7
        section .bss align=64
m:      resd 1
        section .text
        dd m,n
