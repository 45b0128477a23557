/** A20, the ways to reset, and shutdown, as guests see and make them. */

import { describe, expect, test } from 'vitest';
import { boot, bootFile } from '../guest';

/** Writes above and below 1 MiB with A20 off and on; the results go into EBX (off) and ECX (on). */
const alias = (off: string, on: string): string => `
bits 32
org 0x8000
        mov     dword [0x600], 1
        mov     dword [0x100600], 2
        ${off}
        mov     ebx, [0x100600]         ; is [0x600]
        mov     dword [0x100600], 3
        mov     esi, [0x600]
        ${on}
        mov     ecx, [0x100600]
        mov     edx, [0x600]
        out     0xf4, al`;

const by8042 = (value: number): string => `
        mov     al, 0xd1
        out     0x64, al
        mov     al, ${value}
        out     0x60, al`;

describe('A20', () => {
  test.each([
    ['port 0x92', 'in al, 0x92\nand al, 0xfd\nout 0x92, al', 'in al, 0x92\nor al, 2\nout 0x92, al'],
    ['the output port of the 8042', by8042(0xdd), by8042(0xdf)],
    ['commands of the 8042', 'mov al, 0xdd\nout 0x64, al', 'mov al, 0xdf\nout 0x64, al'],
  ])('by %s makes odd mebibytes the even ones below', (_, off, on) => {
    const guest = boot(alias(off, on));
    expect(guest.run(1_000)).toMatchObject({ reason: 'guest-exit' });
    expect([3, 6, 1, 2].map((register) => guest.gpr(register))).toEqual([1n, 3n, 2n, 3n]);
  });

  test('applies to code, to what the processor pushes, and to page tables', () => {
    const guest = boot(`
bits 32
org 0x8000
        mov     dword [0x10600], 0x00b0c390     ; nop, ret
        mov     byte [0x10600], 0x43            ; inc ebx, ret
        mov     eax, 0
        mov     al, 0xdd
        out     0x64, al
        mov     eax, 0x110600
        call    eax
        mov     esp, 0x120000
        push    dword 0x1234
        pushf
        mov     ecx, [0x1fffc]
        ; Page directory at 0x130000, which is 0x30000 now: 4 MiB pages.
        mov     dword [0x30000], 0x83
        mov     eax, cr4
        or      eax, 0x10
        mov     cr4, eax
        mov     eax, 0x130000
        mov     cr3, eax
        mov     eax, cr0
        or      eax, 0x80000000
        mov     cr0, eax
        mov     edx, [0x600]
        out     0xf4, al`);
    expect(guest.run(1_000)).toMatchObject({ reason: 'guest-exit' });
    expect([guest.gpr(3), guest.gpr(1)]).toEqual([1n, 0x1234n]);
  });
});

describe('reset', () => {
  const resets: [string, string, string][] = [
    ['the 8042', 'mov al, 0xfe\nout 0x64, al', '8042'],
    ["the 8042's output port", by8042(0xde), '8042'],
    ['port 0x92', 'mov al, 3\nout 0x92, al', 'port 92'],
  ];
  test.each(resets)('by %s starts again from the boot contract', (_, code, by) => {
    const guest = boot(
      `bits 32\norg 0x100000\nmov dword [0x700], 5\nmov dword [variable], 6\n${code}\nhlt\nvariable: dd 7`,
    );
    expect(guest.run(100)).toEqual({ reason: 'reset', by });
    expect(guest.memory(0x700, 4)).toBe(5n);
    guest.machine.reset();
    expect([guest.memory(0x700, 4), guest.memory(guest.symbol('variable'), 4)]).toEqual([0n, 7n]);
    expect(guest.rip).toBe(0x100000n);
    expect(guest.run(100)).toEqual({ reason: 'reset', by });
  });

  test('a jump to F000:FFF0 resets, as on any PC', async () => {
    const guest = await bootFile(
      'a.asm',
      'bits 16\norg 0x7c00\njmp 0xf000:0xfff0\ntimes 510 - ($ - $$) db 0\ndw 0xaa55',
    );
    expect(guest.run(100)).toEqual({ reason: 'reset', by: '8042' });
  });
});

test('without an IDT, an exception is a triple fault that tells its chain', () => {
  const guest = boot('bits 32\nnop\nud2', {}, ['triple-fault']);
  const stop = guest.run(100);
  expect(stop).toMatchObject({ reason: 'triple-fault', vcpu: 0 });
  expect(stop.reason === 'triple-fault' && stop.chain.map(({ vector }) => vector)).toEqual([6, 13, 13, 8, 13]);
  expect(stop.reason === 'triple-fault' && stop.chain[0]?.rip).toBe(0x100001n);
  expect(guest.events).toMatchObject([{ kind: 'triple-fault' }]);
});

test('so is an NMI', () => {
  const guest = boot('bits 32\nmov eax, 0xfee00300\nmov dword [eax], 0x44400\njmp $', {}, ['triple-fault']);
  const stop = guest.run(100);
  expect(stop).toMatchObject({ reason: 'triple-fault', vcpu: 0 });
  expect(stop.reason === 'triple-fault' && stop.chain.map(({ vector }) => vector)).toEqual([13, 13, 8, 13]);
  expect(guest.events).toMatchObject([{ kind: 'triple-fault' }]);
});

test('a firmware of the user starts at the reset vector and is seen below 1 MiB', async () => {
  const rom = `
bits 16
org 0xe000
start:  mov     al, [cs:text]
        out     0xe9, al
        mov     byte [cs:text], 'X'     ; read-only
        mov     al, [cs:text]
        out     0xe9, al
        mov     ax, cs
        out     0xf4, al
text:   db      'R'
        times   0x1ff0 - ($ - $$) db 0
        jmp     0xf000:start
        times   0x2000 - ($ - $$) db 0`;
  const guest = await bootFile('a.asm', 'bits 32\norg 0x100000\ndd 0x12345678', {
    bios: 'rom.asm',
    files: { 'rom.asm': rom },
  });
  const { state } = guest.machine.cpus[0] as (typeof guest.machine.cpus)[0];
  expect([state.segmentBase(1), state.rip, state.gpr(2)]).toEqual([
    0xffff0000n,
    0xfff0n,
    BigInt(guest.machine.model.cpuid(1, 0).eax),
  ]);
  expect(guest.memory(0xfffffff0, 1)).toBe(0xean);
  // The program beside it lies in RAM.
  expect(guest.memory(0x100000, 4)).toBe(0x12345678n);
  expect(guest.run(100)).toEqual({ reason: 'guest-exit', value: 0 });
  expect(guest.output).toBe('RR');
});
