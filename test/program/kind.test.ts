import { expect, test } from 'vitest';
import { kindOf } from '../../src/program/kind';

const bootable = (size: number): Uint8Array => {
  const bytes = new Uint8Array(size);
  bytes[510] = 0x55;
  bytes[511] = 0xaa;
  return bytes;
};
const multiboot = (offset: number, size: number): Uint8Array => {
  const bytes = bootable(size);
  const view = new DataView(bytes.buffer);
  view.setUint32(offset, 0x1bad_b002, true);
  view.setUint32(offset + 8, -0x1bad_b002, true);
  return bytes;
};

test('an ELF magic comes before everything else in the content', () => {
  const bytes = multiboot(16, 1024);
  bytes.set([0x7f, 0x45, 0x4c, 0x46]);
  expect(kindOf('k', bytes)).toBe('elf');
});

test('a Multiboot header counts at a multiple of 4 that ends within 8 KiB, with the right checksum', () => {
  expect(kindOf('k', multiboot(4, 1024))).toBe('multiboot');
  expect(kindOf('k', multiboot(8180, 9000))).toBe('multiboot');
  expect(kindOf('k', multiboot(8184, 9000))).toBe('boot-sector');
  expect(kindOf('k', multiboot(6, 1024))).toBe('boot-sector');
  const wrong = multiboot(4, 1024);
  wrong[4] = 1;
  expect(kindOf('k', wrong)).toBe('boot-sector');
});

test('the boot signature counts at 510', () => {
  expect(kindOf('k', bootable(512))).toBe('boot-sector');
  expect(kindOf('k', bootable(512).slice(0, 511))).toBe('unknown');
  expect(kindOf('k', new Uint8Array(512))).toBe('unknown');
  const half = bootable(512);
  half[511] = 0;
  expect(kindOf('k', half)).toBe('unknown');
});

test('assembly source is told by its name alone', () => {
  expect(kindOf('a/b.asm', multiboot(0, 1024))).toBe('assembly');
  expect(kindOf('B.NASM', Uint8Array.of(0x7f, 0x45, 0x4c, 0x46))).toBe('assembly');
  expect(kindOf('asm', Uint8Array.of(1))).toBe('unknown');
  expect(kindOf('x.s', Uint8Array.of(1))).toBe('unknown');
});

test('an empty file is refused', () => {
  expect(() => kindOf('a.asm', new Uint8Array(0))).toThrow('a.asm: the file is empty; a program has at least one byte');
});
