/** Keys: from the controller through int 09h into the buffer, and out by int 16h; and the ticks of int 08h. */

import { expect, test } from 'vitest';
import { bootFile, type Guest } from '../guest';

/** Set 2 codes. */
const key = { a: 0x1c, shift: 0x12, control: 0x14, alternate: 0x11, capitals: 0x58, enter: 0x5a, released: 0xf0 };
const extendedUp = [0xe0, 0x75];

const RAX = 0;
const sector = (code: string): Promise<Guest> =>
  bootFile('a.asm', `bits 16\norg 0x7c00\n${code}\ntimes 510 - ($ - $$) db 0\ndw 0xaa55`, { record: ['irq', 'trap'] });
const ax = (guest: Guest): number => Number(guest.gpr(RAX) & 0xffffn);

/** Reads two keys and ends; types when the guest waits. */
const readKeys = async (scancodes: readonly number[], ah = 0): Promise<number[]> => {
  const guest = await sector(`
        mov     ah, ${ah}
        int     0x16
        mov     bx, ax
        mov     ah, ${ah}
        int     0x16
        out     0xf4, al`);
  expect(guest.run(2_000)).toEqual({ reason: 'limit' });
  guest.machine.input({ kind: 'keys', scancodes });
  expect(guest.run(100_000)).toMatchObject({ reason: 'guest-exit' });
  return [Number(guest.gpr(3) & 0xffffn), ax(guest)];
};

test('int 16h function 0 waits and gives scan code and character', async () => {
  expect(await readKeys([key.a, key.released, key.a, key.enter])).toEqual([0x1e61, 0x1c0d]);
});
test('shift and capitals lock change letters', async () => {
  expect(await readKeys([key.shift, key.a, key.released, key.shift, key.a])).toEqual([0x1e41, 0x1e61]);
  expect(await readKeys([key.capitals, key.released, key.capitals, key.a, key.shift, key.a])).toEqual([0x1e41, 0x1e61]);
});
test('control gives control characters, alternate none', async () => {
  expect(await readKeys([key.control, key.a, key.released, key.control, key.alternate, key.a])).toEqual([
    0x1e01, 0x1e00,
  ]);
});
test('only the extended functions tell the grey keys from the number pad', async () => {
  expect(await readKeys([...extendedUp, ...extendedUp])).toEqual([0x4800, 0x4800]);
  expect(await readKeys([...extendedUp, ...extendedUp], 0x10)).toEqual([0x48e0, 0x48e0]);
});
test('text is typed key by key', async () => {
  const guest = await sector(`
again:  mov     ah, 0
        int     0x16
        mov     ah, 0x0e
        int     0x10
        cmp     al, '!'
        jne     again
        out     0xf4, al`);
  guest.run(1_000);
  guest.machine.input({ kind: 'text', text: 'Hello, World!' });
  expect(guest.run(1_000_000)).toMatchObject({ reason: 'guest-exit' });
  expect(guest.machine.screen()[0]?.trimEnd()).toBe('Hello, World!');
});

test('a look leaves the key in the buffer, which holds 15', async () => {
  const guest = await sector(`
        mov     cx, 20
wait_:  hlt
        loop    wait_
        mov     ah, 1
        int     0x16
        jz      failed
        mov     bx, [0x41a]
        mov     cx, [0x41c]
        out     0xf4, al
failed: mov     al, 77
        out     0xf4, al`);
  guest.run(10);
  guest.machine.input({ kind: 'keys', scancodes: Array<number>(16).fill(key.a) });
  expect(guest.run(1_000_000)).toMatchObject({ reason: 'guest-exit', value: 0x61 });
  expect(guest.gpr(3) & 0xffffn).toBe(0x1en);
  expect(guest.gpr(1) & 0xffffn).toBe(0x3cn);
});

test('while int 16h waits, the clock ticks and nothing retires that is not seen', async () => {
  const guest = await sector('mov ah, 0\nint 0x16\nout 0xf4, al');
  const before = guest.machine.counters.vtime;
  expect(guest.run(10_000)).toEqual({ reason: 'limit' });
  const ticks = Number(guest.memory(0x46c, 4));
  const seconds = (guest.machine.counters.vtime - before) / guest.machine.model.frequency;
  expect(ticks).toBeGreaterThan(100);
  expect(Math.abs(ticks / seconds - 18.2065)).toBeLessThan(0.2);
});

test('with all lines masked, int 16h waits for what only outside input can bring', async () => {
  const guest = await sector('mov al, 0xff\nout 0x21, al\nmov ah, 0\nint 0x16\nout 0xf4, al');
  expect(guest.run(1_000_000)).toEqual({ reason: 'halted', never: false });
});

test('int 08h counts ticks, calls int 1Ch, and ends the interrupt', async () => {
  const guest = await sector(`
        cli
        mov     word [0x1c * 4], tick
        mov     word [0x1c * 4 + 2], 0
        sti
next:   hlt
        cmp     byte [ticks], 3
        jb      next
        mov     ah, 0
        int     0x1a
        out     0xf4, al
tick:   inc     byte [ticks]
        iret
ticks:  db      0`);
  expect(guest.run(100_000)).toMatchObject({ reason: 'guest-exit', value: 0 });
  expect(guest.memory(0x46c, 4)).toBe(3n);
  expect(guest.gpr(2) & 0xffffn).toBe(3n);
  expect(guest.events.filter(({ kind }) => kind === 'irq')).toHaveLength(3);
});
