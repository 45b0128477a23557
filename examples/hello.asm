; Hello: a whole guest in a few lines.
;
; A 64-bit program starts at once in long mode, in ring 0, with interrupts off, a stack below 0x90000 and the first
; 4 GiB of memory mapped to themselves. So there is nothing to set up: it prints a line on the serial port, another one
; on the debug console, and ends the machine.
;
; Try: step into `print`, and watch RSI walk along the text.

bits 64
org 0x100000                    ; the first byte after low memory; also what you get without `org`

COM1            equ 0x3f8       ; the serial port's data register
COM1_STATUS     equ COM1 + 5    ; its line status register: bit 5 says that it can take a byte
CONSOLE         equ 0xe9        ; every byte written here appears as it is, no setup, no status
EXIT            equ 0xf4        ; a byte v written here ends the run with status v * 2 + 1

start:
        lea     rsi, [rel serial_text]
        call    print
        lea     rsi, [rel console_text]
.console:
        lodsb                   ; AL = [RSI], RSI = RSI + 1
        test    al, al
        jz      .done
        out     CONSOLE, al
        jmp     .console
.done:
        xor     eax, eax
        out     EXIT, al        ; status 0 * 2 + 1 = 1
        hlt                     ; not reached

; Prints the text at RSI, up to its zero byte, on the serial port. Changes RAX, RDX, RSI.
print:
        mov     edx, COM1_STATUS
.wait:
        in      al, dx
        test    al, 0x20        ; is the transmitter's register empty?
        jz      .wait
        lodsb
        test    al, al
        jz      .end
        mov     edx, COM1       ; ports above 0xff are addressed through DX
        out     dx, al
        jmp     print
.end:
        ret

serial_text:    db 'Hello from the serial port.', 10, 0
console_text:   db 'Hello from the debug console.', 10, 0
