/** A 64-bit guest that takes interrupts of one vector, notes when each came, and ends after so many. */

import { boot, type Guest } from '../guest';

interface InterruptGuest {
  readonly vector: number;
  /** Sets the devices up; interrupts are off. */
  readonly setup: string;
  /** In the handler, after the count; may use RAX, RCX and RDX. RBX is the local APIC, R8 the I/O APIC. */
  readonly handler: string;
  readonly count: number;
  /** Between one interrupt and the next wait. */
  readonly next?: string;
}

const MOST = 64;

export const interruptGuest = ({ vector, setup, handler, count, next = '' }: InterruptGuest): Guest =>
  boot(
    `
bits 64
org 0x100000
        mov     ebx, 0xfee00000         ; local APIC and I/O APIC, for all that follows
        mov     r8d, 0xfec00000
        mov     eax, handler
        mov     [idt + ${vector} * 16], ax
        mov     word [idt + ${vector} * 16 + 2], 0x08
        mov     word [idt + ${vector} * 16 + 4], 0x8e00
        shr     eax, 16
        mov     [idt + ${vector} * 16 + 6], ax
        lidt    [idt_register]
        mov     al, 0xff
        out     0x21, al
        out     0xa1, al
        ${setup}
idle:   cli
        cmp     dword [count], ${count}
        jae     done
        sti
        hlt
        ${next}
        jmp     idle
done:   mov     al, 0
        out     0xf4, al
handler:
        push    rax
        push    rcx
        push    rdx
        rdtsc
        shl     rdx, 32
        or      rax, rdx
        mov     ecx, [count]
        mov     [times_ + rcx * 8], rax
        inc     dword [count]
        ${handler}
        pop     rdx
        pop     rcx
        pop     rax
        iretq
align 16
idt_register:
        dw      256 * 16 - 1
        dq      idt
count:  dd      0
data:   dd      0, 0, 0, 0
times_: times   ${MOST} dq 0
idt:    times   256 * 16 db 0
`,
    {},
    ['irq', 'trap'],
  );

/** Virtual time between the interrupts, from what the guest noted. */
export const periods = (guest: Guest): number[] => {
  const count = Number(guest.memory(guest.symbol('count'), 4));
  const times = Array.from({ length: count }, (_, n) =>
    Number(guest.memory(guest.symbol('times_') + BigInt(n * 8), 8)),
  );
  return times.slice(1).map((time, n) => time - (times[n] as number));
};

export const eoi = {
  master: 'mov al, 0x20\nout 0x20, al',
  slave: 'mov al, 0x20\nout 0xa0, al\nout 0x20, al',
  apic: 'mov dword [rbx + 0xb0], 0',
} as const;
