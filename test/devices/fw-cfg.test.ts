import { expect, test } from 'vitest';
import { IoBus } from '../../src/machine/devices/bus';
import { FwCfg } from '../../src/machine/devices/fw-cfg';

const files = [
  { name: 'opt/b', bytes: Uint8Array.of(1, 2, 3) },
  { name: 'etc/a', bytes: Uint8Array.of(9) },
];
const device = new FwCfg({ memoryBytes: 2 ** 31, cpus: 2, files });
const io = new IoBus([device]);

const read = (key: number, size: number): number[] => {
  io.write(0x510, 2, key);
  return Array.from({ length: size }, () => io.read(0x511, 1));
};

test('the signature, and an ID without DMA', () => {
  expect(String.fromCharCode(...read(0, 4))).toBe('QEMU');
  expect(read(1, 4)).toEqual([1, 0, 0, 0]);
});

test('RAM size and processors, little-endian', () => {
  expect(read(0x03, 8)).toEqual([0, 0, 0, 0x80, 0, 0, 0, 0]);
  expect([read(0x05, 2), read(0x0f, 2)]).toEqual([
    [2, 0],
    [2, 0],
  ]);
});

test('the directory names the files in order, big-endian, and their selectors read them', () => {
  const directory = read(0x19, 4 + 2 * 64);
  expect(directory.slice(0, 4)).toEqual([0, 0, 0, 2]);
  expect(directory.slice(4, 12)).toEqual([0, 0, 0, 1, 0, 0x20, 0, 0]);
  expect(String.fromCharCode(...directory.slice(12, 18))).toBe('etc/a\0');
  expect(directory.slice(68, 76)).toEqual([0, 0, 0, 3, 0, 0x21, 0, 0]);
  expect(read(0x21, 5)).toEqual([1, 2, 3, 0, 0]);
});

test('what is not there reads zero; selecting starts from the beginning', () => {
  expect(read(0x1234, 2)).toEqual([0, 0]);
  read(0, 2);
  expect(read(0, 1)).toEqual([0x51]);
});

test('looking does not go on', () => {
  io.write(0x510, 2, 0);
  expect([io.peek(0x511, 1), io.peek(0x511, 1), io.read(0x511, 1), io.peek(0x511, 1)]).toEqual([
    0x51, 0x51, 0x51, 0x45,
  ]);
});
