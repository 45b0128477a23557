/** Steps: what they go over, what they go into, and that they are exact. */

import { expect, test } from 'vitest';
import { evaluate } from '../../src/debugger/expression/evaluator';
import { parseExpression } from '../../src/debugger/expression/parser';
import { linear } from '../../src/x86/address';
import { type Debugged, debug } from './guest-session';

const value = ({ session }: Debugged, text: string): bigint =>
  evaluate(parseExpression(text), session.environment(0)).bits;

test('an instruction step into executes exactly one instruction', async () => {
  const guest = await debug('bits 64\nnop\ncall f\nhlt\nf: ret\n');
  for (const [line, retired] of [
    [3, 1],
    [5, 2],
    [4, 3],
  ] as const) {
    expect(await guest.session.step(0, 'into', 'instruction')).toEqual({ reason: 'step', vcpu: 0 });
    expect(guest.line()).toBe(line);
    expect(guest.session.machine.counters.retired).toBe(retired);
  }
});

test('a step over goes past CALL, also a recursive one', async () => {
  const guest = await debug(`bits 64
        mov ecx, 5
        call f
        nop
        hlt
f:      inc ebx
        dec ecx
        jz .end
        call f
        inc edx
.end:   ret
`);
  await guest.session.step(0, 'over', 'instruction');
  await guest.session.step(0, 'into', 'instruction');
  expect(guest.line()).toBe(6);
  for (let n = 0; n < 3; n++) await guest.session.step(0, 'over', 'instruction');
  expect(guest.line()).toBe(9);
  // The return address is met four times on the way; only the one of this frame counts.
  await guest.session.step(0, 'over', 'instruction');
  expect(guest.line()).toBe(10);
  expect(value(guest, 'ebx')).toBe(5n);
  expect(value(guest, 'edx')).toBe(3n);
  await guest.session.stepOut(0);
  expect(guest.line()).toBe(4);
  expect(value(guest, 'edx')).toBe(4n);
});

test('a step over goes past REP, LOOP and INT n', async () => {
  const guest = await debug(`bits 16
        xor ax, ax
        mov es, ax
        mov word [es:0x80 * 4], handler
        mov word [es:0x80 * 4 + 2], cs
        mov cx, 7
        mov di, 0x1000
        rep stosb
        mov cx, 3
again:  loop again
        int 0x80
        hlt
handler: inc bx
        iret
`);
  await guest.session.runUntil(0, guest.session.info.lines.addresses('guest.asm', 8)?.addresses[0] ?? linear(0n));
  for (const line of [9, 10, 11, 12]) {
    await guest.session.step(0, 'over', 'instruction');
    expect(guest.line()).toBe(line);
  }
  expect(value(guest, 'bx')).toBe(1n);
  expect(value(guest, 'di')).toBe(0x1007n);
});

test('a step over goes past the handler of a fault, and finishes the instruction', async () => {
  const guest = await debug(`bits 64
        lidt [idtr]
        mov rbx, 0x200000000
        mov [rbx], eax
        nop
        hlt
handler: mov ebx, 0x200000
        add rsp, 8
        iretq
align 16
idt:    times 14 * 16 db 0
        dw handler - $$, 0x08, 0x8e00, 0x10
        dq 0
idtr:   dw 15 * 16 - 1
        dq idt
`);
  await guest.session.step(0, 'over', 'line');
  await guest.session.step(0, 'over', 'line');
  expect(guest.line()).toBe(4);
  await guest.session.step(0, 'over', 'line');
  expect(guest.line()).toBe(5);
  expect(value(guest, 'ebx')).toBe(0x20_0000n);
});

test('a step into a faulting instruction stands in its handler', async () => {
  const guest = await debug(`bits 64
        lidt [idtr]
        ud2
        hlt
handler: add qword [rsp], 2
        iretq
align 16
idt:    times 6 * 16 db 0
        dw handler - $$, 0x08, 0x8e00, 0x10
        dq 0
idtr:   dw 7 * 16 - 1
        dq idt
`);
  await guest.session.step(0, 'into', 'line');
  await guest.session.step(0, 'into', 'line');
  expect(guest.line()).toBe(5);
  await guest.session.stepOut(0);
  expect(guest.line()).toBe(4);
});

const interrupted = `bits 64
        lidt [idtr]
        mov al, 0xf7                ; line 3 alone
        out 0x21, al
        sti
        nop
first:  inc ebx
        inc ebx
        inc ebx
        hlt
handler: inc ecx
        mov al, 0x20
        out 0x20, al
        iretq
align 16
idt:    times 0xb * 16 db 0
        dw handler - $$, 0x08, 0x8e00, 0x10
        dq 0
idtr:   dw 0xc * 16 - 1
        dq idt
`;

test('an interrupt that comes in while a line is stepped runs through unseen', async () => {
  for (const depth of ['into', 'over'] as const) {
    const guest = await debug(interrupted);
    await guest.session.runUntil(0, linear(value(guest, 'first')));
    guest.session.machine.devices.interruptLine(3, true);
    expect(await guest.session.step(0, depth, 'line')).toEqual({ reason: 'step', vcpu: 0 });
    expect(guest.line()).toBe(8);
    expect([value(guest, 'ebx'), value(guest, 'ecx')]).toEqual([1n, 1n]);
  }
});

test('unless it is asked for', async () => {
  const guest = await debug(interrupted, {}, { stepIntoInterrupts: true });
  await guest.session.runUntil(0, linear(value(guest, 'first')));
  guest.session.machine.devices.interruptLine(3, true);
  await guest.session.step(0, 'into', 'line');
  expect(guest.line()).toBe(11);
  expect(value(guest, 'ebx')).toBe(0n);
});

test('a step of one instruction stands in the handler, and a step out of it where the program goes on', async () => {
  const guest = await debug(interrupted);
  await guest.session.runUntil(0, linear(value(guest, 'first')));
  guest.session.machine.devices.interruptLine(3, true);
  await guest.session.step(0, 'into', 'instruction');
  expect(guest.line()).toBe(11);
  expect([value(guest, 'ebx'), value(guest, 'ecx')]).toEqual([0n, 0n]);
  await guest.session.stepOut(0);
  expect(guest.line()).toBe(7);
  expect([value(guest, 'ebx'), value(guest, 'ecx')]).toEqual([0n, 1n]);
});

test('a line that jumps to itself ends each time; a loop within a line ends with it', async () => {
  const guest = await debug(`bits 64
        mov ecx, 3
again:  loop again
        hlt
`);
  await guest.session.step(0, 'into', 'line');
  for (const left of [2n, 1n]) {
    await guest.session.step(0, 'into', 'line');
    expect([guest.line(), value(guest, 'ecx')]).toEqual([3, left]);
  }
  await guest.session.step(0, 'over', 'line');
  expect([guest.line(), value(guest, 'ecx')]).toEqual([4, 0n]);
});

test('a step of one vCPU lets the others have their turns', async () => {
  const guest = await debug('bits 64\nagain: inc rbx\njmp again\n', { cpus: 2 });
  for (let n = 0; n < 5; n++) await guest.session.step(0, 'into', 'instruction');
  expect(value(guest, 'rbx')).toBe(3n);
  expect(guest.line()).toBe(3);
});

test('a halted machine goes on when input comes that wakes it', async () => {
  const guest = await debug(`bits 64
        lidt [idtr]
        mov al, 0xef                ; line 4: COM1
        out 0x21, al
        mov dx, 0x3f9
        mov al, 1                   ; received data
        out dx, al
        mov dx, 0x3fc
        mov al, 8                   ; OUT2 lets the interrupt through
        out dx, al
        sti
        hlt
        mov al, bl
        out 0xf4, al
        hlt
handler: mov dx, 0x3f8
        in al, dx
        mov bl, al
        mov al, 0x20
        out 0x20, al
        iretq
align 16
idt:    times 0xc * 16 db 0
        dw handler - $$, 0x08, 0x8e00, 0x10
        dq 0
idtr:   dw 0xd * 16 - 1
        dq idt
`);
  expect(await guest.session.continue()).toMatchObject({ reason: 'ending', ending: { outcome: 'halted' } });
  expect(await guest.session.continue()).toMatchObject({ reason: 'ending', ending: { outcome: 'halted' } });
  guest.session.machine.input({ kind: 'serial', bytes: [5] });
  expect(await guest.session.continue()).toMatchObject({ ending: { outcome: 'guest-exit', exitCode: 11 } });
});
