import { expect, test } from 'vitest';
import { LineTable } from '../../src/program/lines';
import type { LineRow } from '../../src/program/program';
import { linear } from '../../src/x86/address';

const row = (address: bigint, line: number, file = 'a.asm'): LineRow => ({ address: linear(address), file, line });
const end = (address: bigint): LineRow => ({ ...row(address, 1), end: true });
const table = LineTable.of([
  row(0x100n, 3),
  row(0x101n, 3),
  row(0x102n, 5),
  row(0x104n, 7, 'b.inc'),
  row(0x106n, 3),
  end(0x108n),
  row(0x200n, 9),
  row(0x200n, 10),
  end(0x202n),
  row(0x202n, 12),
  { ...row(0x203n, 12), end: true },
  row(0x300n, 12),
  end(0x301n),
]);

test('an address has the line of the last row at or below it', () => {
  expect(table.at(linear(0x103n))).toEqual({ file: 'a.asm', line: 5 });
  expect(table.at(linear(0x105n))).toEqual({ file: 'b.inc', line: 7 });
  expect(table.at(linear(0x200n))).toEqual({ file: 'a.asm', line: 10 });
  expect(table.at(linear(0x202n))).toEqual({ file: 'a.asm', line: 12 });
});

test('before the first row and after an end there is no line', () => {
  expect(table.at(linear(0xffn))).toBeNull();
  expect(table.at(linear(0x108n))).toBeNull();
  expect(table.at(linear(0x203n))).toBeNull();
});

test('a breakpoint gets the first address of each piece of the line', () => {
  expect(table.addresses('a.asm', 3)).toEqual({ line: 3, addresses: [0x100n, 0x106n] });
  expect(table.addresses('a.asm', 11)).toEqual({ line: 12, addresses: [0x202n, 0x300n] });
});

test('a line without code means the next line with code, in the same file', () => {
  expect(table.addresses('a.asm', 4)).toEqual({ line: 5, addresses: [0x102n] });
  expect(table.addresses('a.asm', 9)).toEqual({ line: 10, addresses: [0x200n] });
  expect(table.addresses('a.asm', 13)).toBeNull();
  expect(table.addresses('c.asm', 1)).toBeNull();
});

test('a line of which two rows lie at one address has code', () => {
  const twice = LineTable.of([row(0x10n, 4), row(0x10n, 4), end(0x11n)]);
  expect(twice.addresses('a.asm', 4)).toEqual({ line: 4, addresses: [0x10n] });
});

test('the files are those with code', () => {
  expect(table.files).toEqual(['a.asm', 'b.inc']);
});

test('data is taken only where it is asked for; what looks for code goes past it', () => {
  const data = (address: bigint, line: number): LineRow => ({ ...row(address, line), data: true });
  const mixed = LineTable.of([
    data(0x10n, 2),
    row(0x12n, 4),
    data(0x13n, 5),
    row(0x14n, 5),
    data(0x15n, 9),
    end(0x16n),
  ]);
  expect(mixed.addresses('a.asm', 1)).toEqual({ line: 4, addresses: [0x12n] });
  expect(mixed.addresses('a.asm', 2)).toEqual({ line: 2, addresses: [0x10n], data: true });
  expect(mixed.addresses('a.asm', 5)).toEqual({ line: 5, addresses: [0x13n] });
  expect(mixed.addresses('a.asm', 6)).toBeNull();
  expect(mixed.at(linear(0x11n))).toEqual({ file: 'a.asm', line: 2 });
});
