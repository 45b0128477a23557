/** The tables by which kernels find processors, interrupt controllers and the power switch. */

import { expect, test } from 'vitest';
import { acpiPorts } from '../../src/machine/devices/acpi-pm';
import { boot, bootFile, type Guest } from '../guest';
import { findTables } from './find-tables';

const wait = (source: string, cpus = 1): Guest => boot(source, { cpus });
const bytesAt = (guest: Guest, address: number, length: number): Uint8Array =>
  guest.machine.physical.peekBytes(address, length);
const textAt = (guest: Guest, address: number, length: number): string =>
  String.fromCharCode(...bytesAt(guest, address, length));
const sum = (bytes: Uint8Array): number => bytes.reduce((total, byte) => total + byte, 0) & 0xff;
const start = 'bits 32\nhlt';

const find = (guest: Guest, from: number, to: number, signature: string): number => {
  for (let at = from; at < to; at += 16) if (textAt(guest, at, signature.length) === signature) return at;
  return -1;
};

test('the guest finds the FADT, and in the DSDT what to write for power-off', () => {
  const guest = wait(`
bits 32
        mov     edx, 'FACP'
        call    find_table
        test    eax, eax
        jz      failed
        mov     ebx, eax
        movzx   edx, word [ebx + 64]    ; PM1a control
        mov     esi, [ebx + 40]         ; DSDT
        mov     ecx, [esi + 4]
.scan:  cmp     dword [esi], '_S5_'
        je      .found
        inc     esi
        loop    .scan
        jmp     failed
.found: movzx   eax, byte [esi + 8]     ; behind the name: package, length, count, byte prefix
        shl     eax, 10
        or      eax, 1 << 13
        out     dx, ax
failed: mov     al, 1
        out     0xf4, al
${findTables}`);
  expect(guest.run(1_000_000)).toEqual({ reason: 'power-off' });
});

test("the FADT's timer is the ACPI timer: it counts 3,579,545 times a second", () => {
  const guest = wait(`
bits 32
        mov     edx, 'FACP'
        call    find_table
        movzx   edx, word [eax + 76]    ; PM timer
        in      eax, dx
        mov     ebx, eax
        rdtsc
        lea     esi, [eax + 1000000]
wait_:  rdtsc
        sub     eax, esi
        js      wait_
        mov     edx, ${acpiPorts.timer}
        in      eax, dx
        sub     eax, ebx
        mov     ebx, eax
        out     0xf4, al
${findTables}`);
  expect(guest.run(10_000_000)).toMatchObject({ reason: 'guest-exit' });
  const expected = (1_000_000 * 3_579_545) / guest.machine.model.frequency;
  expect(Math.abs(Number(guest.gpr(3)) - expected)).toBeLessThan(2);
});

test.each([1, 2, 3])('MADT and MP table list %i processors', (cpus) => {
  const guest = wait(start, cpus);
  const rsdp = find(guest, 0xe0000, 0x100000, 'RSD PTR ');
  expect(sum(bytesAt(guest, rsdp, 20))).toBe(0);
  expect(sum(bytesAt(guest, rsdp, 36))).toBe(0);
  const roots = [
    { address: Number(guest.memory(rsdp + 16, 4)), signature: 'RSDT', size: 4 as const },
    { address: Number(guest.memory(rsdp + 24, 8)), signature: 'XSDT', size: 8 as const },
  ];
  for (const { address, signature, size } of roots) {
    const length = Number(guest.memory(address + 4, 4));
    expect(textAt(guest, address, 4)).toBe(signature);
    expect(sum(bytesAt(guest, address, length))).toBe(0);
    const tables = Array.from({ length: (length - 36) / size }, (_, n) =>
      Number(guest.memory(address + 36 + n * size, size)),
    );
    expect(tables.map((table) => textAt(guest, table, 4)).sort()).toEqual(['APIC', 'FACP']);
    for (const table of tables) expect(sum(bytesAt(guest, table, Number(guest.memory(table + 4, 4))))).toBe(0);
    const madt = tables.find((table) => textAt(guest, table, 4) === 'APIC') as number;
    expect(guest.memory(madt + 36, 4)).toBe(0xfee00000n);
    const ids: number[] = [];
    for (let at = madt + 44; at < madt + Number(guest.memory(madt + 4, 4)); at += Number(guest.memory(at + 1, 1)))
      if (guest.memory(at, 1) === 0n && guest.memory(at + 4, 4) === 1n) ids.push(Number(guest.memory(at + 3, 1)));
    expect(ids).toEqual(Array.from({ length: cpus }, (_, n) => n));
  }

  const pointer = find(guest, 0xf0000, 0x100000, '_MP_');
  expect(sum(bytesAt(guest, pointer, 16))).toBe(0);
  const table = Number(guest.memory(pointer + 4, 4));
  expect(textAt(guest, table, 4)).toBe('PCMP');
  expect(sum(bytesAt(guest, table, Number(guest.memory(table + 4, 2))))).toBe(0);
  const processors = Array.from({ length: cpus }, (_, n) => table + 44 + n * 20);
  expect(processors.map((at) => Number(guest.memory(at, 2)))).toEqual(processors.map((_, n) => n * 256));
  expect(guest.memory((processors[0] as number) + 4, 4)).toBe(BigInt(guest.machine.model.cpuid(1, 0).eax));
  expect(guest.memory(table + 44 + cpus * 20, 1)).toBe(1n);
});

test('the tables cannot be written, and come back after a reset', () => {
  const guest = wait('bits 32\nmov dword [0xe0000], 0\nmov dword [0xf4000], 0\nmov al, 0xfe\nout 0x64, al\nhlt');
  expect(guest.run(100)).toEqual({ reason: 'reset', by: '8042' });
  expect(textAt(guest, 0xe0000, 8)).toBe('RSD PTR ');
  guest.machine.reset();
  expect(textAt(guest, 0xf4000, 4)).toBe('_MP_');
});

test('all starts but the reset vector have them', async () => {
  const multiboot = 'bits 32\ndd 0x1badb002, 0, -0x1badb002\nhlt';
  for (const source of ['bits 16\nhlt', 'bits 64\nhlt', multiboot])
    expect(textAt(wait(source), 0xe0000, 4)).toBe('RSD ');
  const rom = 'bits 16\norg 0xf000\ntimes 4096 db 0xf4';
  const guest = await bootFile('a.asm', 'bits 32\nhlt', { bios: 'rom.asm', files: { 'rom.asm': rom } });
  expect(textAt(guest, 0xe0000, 4)).not.toBe('RSD ');
  expect(bytesAt(guest, 0xff000, 4096).every((byte) => byte === 0xf4)).toBe(true);
});
