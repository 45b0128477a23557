; Sections that run at other addresses than they are loaded at.
        bits 32
        org 0x1000
x:      db 1
        section .data vstart=0x8000
y:      dd x, y
        section .foo follows=.data align=16
z:      dd z
        section .bar start=0x1100 vstart=0x2000
w:      dd w
        section .bss
b:      resb 5
        section .text
        dd b
