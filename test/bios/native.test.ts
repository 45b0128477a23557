/** Native code is code: it has addresses, names and steps; it can be stopped at, and lies in snapshots. */

import { expect, test } from 'vitest';
import { Natives } from '../../src/machine/native';
import { bootFile, type Guest } from '../guest';

const sector = (code: string): Promise<Guest> =>
  bootFile('a.asm', `bits 16\norg 0x7c00\n${code}\ntimes 510 - ($ - $$) db 0\ndw 0xaa55`, { record: ['int'] });
const linear = (guest: Guest): number => Number(guest.machine.cpus[0]?.engine.linearRip);
const teletype = `
        mov     ax, 0x0e41
        int     0x10
        out     0xf4, al`;

test('each action is a step at its own address, with a name', async () => {
  const guest = await sector(teletype);
  const { machine } = guest;
  const visited: (string | undefined)[] = [];
  for (let n = 0; n < 5; n++) {
    visited.push(machine.natives.nameOf(linear(guest)));
    machine.run(1);
  }
  // MOV, INT, dispatch, service, IRET.
  expect(visited).toEqual([undefined, undefined, 'int 10h', 'int 10h video.teletype', 'int 10h video.teletype']);
  expect(linear(guest)).toBe(0x7c05);
  expect(machine.counters.step).toBe(5);
  // The actions are no instructions, and take time.
  expect(machine.counters.retired).toBe(3);
  expect(machine.counters.vtime).toBeGreaterThan(1_000);
});

test('vectors without a service have a name, too', async () => {
  const guest = await sector('hlt');
  expect(guest.machine.natives.nameOf(0xf0000 + 0x21 * 16)).toBe('int 21h (no service)');
  expect(guest.machine.natives.nameOf(0xf0000 + 8 * 16 + 3)).toBe('int 08h timer.tick');
  expect(guest.machine.natives.nameOf(0x7c00)).toBeUndefined();
});

test.each([1_000_000, 60])('a breakpoint stops before an action, in runs of %i steps', async (limit) => {
  const guest = await sector(teletype);
  guest.machine.breakpoints.add(0xf0100n);
  expect(guest.run(limit)).toMatchObject({ reason: 'breakpoint', linear: 0xf0100n });
  expect(guest.machine.counters.step).toBe(2);
  expect(guest.run(limit)).toMatchObject({ reason: 'guest-exit' });
});

test('the bytes are harmless and cannot be written', async () => {
  const guest = await sector('mov ax, 0xf000\nmov ds, ax\nmov byte [0x100], 0x90\nmov al, [0x100]\nout 0xf4, al');
  guest.run(100);
  expect(guest.gpr(0) & 0xffn).toBe(0xcfn);
});

test('a call into native code by far CALL returns by IRET', async () => {
  const guest = await sector('mov ax, 0x0e42\npushf\ncall 0xf000:0x100\nout 0xf4, al');
  expect(guest.run(1_000)).toMatchObject({ reason: 'guest-exit' });
  expect(guest.machine.screen()[0]?.[0]).toBe('B');
});

test('a snapshot taken while int 16h waits goes on to the same end', async () => {
  const guest = await sector('mov ah, 0\nint 0x16\nmov ah, 0x0e\nint 0x10\nout 0xf4, al');
  const { machine } = guest;
  const toEnd = (): string => {
    machine.input({ kind: 'text', text: 'x' });
    expect(guest.run(100_000)).toMatchObject({ reason: 'guest-exit', value: 'x'.charCodeAt(0) });
    return machine.stateHash();
  };
  guest.run(500);
  const snapshot = machine.snapshot();
  const end = toEnd();
  machine.restore(snapshot);
  expect(machine.screen()[0]?.trim()).toBe('');
  expect(toEnd()).toBe(end);
});

test('a stack without room for the flags faults, with nothing changed', async () => {
  // Int 13h writes the carry flag into the image at SP + 4.
  const guest = await sector(`
        mov     word [13 * 4], handler
        mov     word [13 * 4 + 2], 0
        mov     sp, 0xfffb
        mov     ax, 0x9900
        jmp     0xf000:0x130
handler:
        mov     bl, 1
        out     0xf4, al`);
  guest.run(100);
  expect(guest.gpr(3) & 0xffn).toBe(0n);
});

test('two routines cannot have one slot', () => {
  const routine = { name: 'a', address: 0xf0000, code: [0xcf] };
  expect(() => new Natives([routine, routine])).toThrow(RangeError);
  expect(() => new Natives([{ ...routine, address: 0xf0001 }])).toThrow(RangeError);
});

test('a string of many lines is written line by line, and leaves the registers alone', async () => {
  const guest = await sector(`
        mov     ax, 0x1301
        mov     bx, 7
        mov     cx, 300 * 2
        xor     dx, dx
        mov     bp, text
        int     0x10
        out     0xf4, al
text:   times   100 db 'x', 10`);
  expect(guest.run(1_000)).toMatchObject({ reason: 'guest-exit', value: 1 });
  expect([guest.gpr(1), guest.gpr(2), guest.gpr(5)]).toEqual([600n, 0n, guest.symbol('text')]);
  // INT, dispatch, about a step for each line, IRET.
  expect(guest.machine.counters.step).toBeGreaterThan(100);
  expect(guest.memory(0x4ac, 2)).toBe(0n);
});

test('a data area full of nonsense makes no endless work', async () => {
  const guest = await sector(`
        mov     word [0x44a], 0xffff
        mov     byte [0x484], 0xff
        mov     word [0x450], 0xffff
        mov     ax, 0x0600
        mov     cx, 0
        mov     dx, 0xffff
        int     0x10
        mov     ax, 0x0e0a
        int     0x10
        mov     word [0x44a], 0
        mov     ax, 0x0941
        mov     cx, 0xffff
        int     0x10
        out     0xf4, al`);
  expect(guest.run(1_000)).toMatchObject({ reason: 'guest-exit', value: 0x41 });
});
