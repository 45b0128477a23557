/** Two processors: the second found in the MADT, started by INIT and SIPI, interrupted and interrupting, and counting. */

import { expect, test } from 'vitest';
import type { Stop } from '../../src/machine/stop';
import { prepare } from '../../src/program/prepare';
import { assemble, boot, type Guest } from '../guest';
import { has, startInQemu } from '../program/qemu';
import { findTables } from './find-tables';

const ROUNDS = 50;
const COUNT = 5_000;
const EXIT = { reason: 'guest-exit', value: 0 };

const source = `
bits 32
org 0x100000
LAPIC   equ 0xfee00000
TRAMPOLINE equ 0x8000
start:
        mov     al, 0xff                ; no other interrupts
        out     0x21, al
        out     0xa1, al
        mov     eax, ping
        mov     edi, idt + 0x40 * 8
        call    gate
        mov     eax, pong
        mov     edi, idt + 0x41 * 8
        call    gate
        lidt    [idt_register]
        mov     dword [LAPIC + 0xf0], 0x1ff

        ; The second enabled processor of the MADT.
        mov     edx, 'APIC'
        call    find_table
        test    eax, eax
        jz      failed
        mov     ecx, [eax + 4]
        add     ecx, eax
        lea     esi, [eax + 44]
        mov     ebx, [LAPIC + 0x20]
        shr     ebx, 24
.entry: cmp     esi, ecx
        jae     failed
        cmp     byte [esi], 0
        jne     .next
        test    byte [esi + 4], 1
        jz      .next
        cmp     [esi + 3], bl
        jne     .other
.next:  movzx   eax, byte [esi + 1]
        add     esi, eax
        jmp     .entry
.other: movzx   eax, byte [esi + 3]
        mov     [second], eax

        mov     esi, trampoline
        mov     edi, TRAMPOLINE
        mov     ecx, trampoline_end - trampoline
        rep movsb
        mov     edx, 0x4500             ; INIT
        call    send_second
        mov     edx, 0x4600 | (TRAMPOLINE >> 12)
        call    send_second
        mov     edx, 0x4600 | (TRAMPOLINE >> 12)
        call    send_second             ; a second one does nothing
.alive: pause
        cmp     dword [alive], 1
        jne     .alive

        ; Interrupts both ways.
.round: mov     eax, [pongs]
        mov     edx, 0x40
        call    send_second
        sti
.wait:  cmp     [pongs], eax
        je      .wait
        cli
        cmp     dword [pongs], ${ROUNDS}
        jb      .round

        mov     dword [go], 1
        call    count
.end:   cmp     dword [finished], 2
        jne     .end
        mov     al, 0
        out     0xf4, al
failed: mov     al, 1
        out     0xf4, al

; Sends EDX as the interrupt command to the second processor.
send_second:
        push    eax
        mov     eax, [second]
        shl     eax, 24
        mov     [LAPIC + 0x310], eax
        mov     [LAPIC + 0x300], edx
        pop     eax
        ret
gate:   mov     [edi], ax
        mov     word [edi + 2], 8
        mov     word [edi + 4], 0x8e00
        shr     eax, 16
        mov     [edi + 6], ax
        ret
count:  mov     ecx, ${COUNT}
.next:  lock inc dword [locked]
        mov     eax, [unlocked]
        inc     eax
        mov     [unlocked], eax
        nop                             ; so that turns do not always end at the same instruction
        loop    .next
        lock inc dword [finished]
        ret

; On the second processor: answers.
ping:   push    eax
        inc     dword [pings]
        mov     eax, [LAPIC + 0x20]     ; only the second may be here
        shr     eax, 24
        cmp     eax, [second]
        jne     failed
        mov     dword [LAPIC + 0x310], 0
        mov     dword [LAPIC + 0x300], 0x41
        mov     dword [LAPIC + 0xb0], 0
        pop     eax
        iret
pong:   inc     dword [pongs]
        mov     dword [LAPIC + 0xb0], 0
        iret

trampoline:
bits 16
        cli
        mov     ax, cs
        cmp     ax, TRAMPOLINE >> 4
        jne     $
        xor     ax, ax
        mov     ds, ax
        o32 lgdt [TRAMPOLINE + gdt_register - trampoline]
        mov     eax, cr0
        or      al, 1
        mov     cr0, eax
        jmp     dword 8:protected
gdt_register:
        dw      0x17
        dd      0x90000
trampoline_end:
bits 32
protected:
        mov     ax, 0x10
        mov     ds, ax
        mov     es, ax
        mov     ss, ax
        mov     esp, second_stack
        lidt    [idt_register]
        mov     dword [LAPIC + 0xf0], 0x1ff
        lock inc dword [alive]
        sti
.wait:  hlt
        cmp     dword [pings], ${ROUNDS}
        jb      .wait
        cli
.go:    cmp     dword [go], 1
        jne     .go
        call    count
        cli
.stop:  hlt
        jmp     .stop
${findTables}
align 8
idt_register:
        dw      256 * 8 - 1
        dd      idt
second: dd      0
alive:  dd      0
pings:  dd      0
pongs:  dd      0
go:     dd      0
locked: dd      0
unlocked: dd    0
finished: dd    0
idt:    times   256 * 8 db 0
        times   1024 db 0
second_stack:
`;

const run = (slice: number): { guest: Guest; stop: Stop } => {
  const guest = boot(source, { cpus: 2 }, []);
  for (let left = 3_000_000; left > 0; left -= slice) {
    const stop = guest.run(slice);
    if (stop.reason !== 'limit') return { guest, stop };
  }
  return { guest, stop: { reason: 'limit' } };
};
const value = (guest: Guest, name: string): number => Number(guest.memory(guest.symbol(name), 4));

test('the second processor starts, answers, and counts with the first', () => {
  const { guest, stop } = run(3_000_000);
  expect(stop).toEqual(EXIT);
  expect(value(guest, 'second')).toBe(1);
  expect([value(guest, 'pings'), value(guest, 'pongs')]).toEqual([ROUNDS, ROUNDS]);
  expect(value(guest, 'locked')).toBe(2 * COUNT);
  // Both read the same value at times, and one addition is lost.
  expect(value(guest, 'unlocked')).toBeLessThan(2 * COUNT);
  expect(value(guest, 'unlocked')).toBeGreaterThan(COUNT / 2);
});

test('every run is the same, however it is sliced', () => {
  const whole = run(3_000_000).guest;
  const again = run(3_000_000).guest;
  const sliced = run(777).guest;
  for (const other of [again, sliced]) {
    expect(value(other, 'unlocked')).toBe(value(whole, 'unlocked'));
    expect(other.machine.counters).toEqual(whole.machine.counters);
    expect(other.machine.stateHash()).toBe(whole.machine.stateHash());
  }
});

test('a snapshot of two processors goes on to the same end', () => {
  const { guest } = run(3_000_000);
  const end = guest.machine.stateHash();
  const other = boot(source, { cpus: 2 }, []);
  other.run(20_000);
  const snapshot = other.machine.snapshot();
  other.run(30_000);
  other.machine.restore(snapshot);
  expect(other.run()).toEqual(EXIT);
  expect(other.machine.stateHash()).toBe(end);
});

test.skipIf(!has('nasm', 'qemu-system-x86_64'))('the same guest runs to its end on QEMU', () => {
  const prepared = prepare(assemble(source), { memoryBytes: 64 * 0x100000 });
  expect(startInQemu(prepared, ['-smp', '2'])).toMatchObject({ status: 1 });
});
