import { expect, test } from 'vitest';
import type { ProgramSymbol } from '../../src/program/program';
import { SymbolTable } from '../../src/program/symbols';
import { linear } from '../../src/x86/address';

const symbol = (name: string, address: bigint, extra: Partial<ProgramSymbol> = {}): ProgramSymbol => ({
  name,
  address: linear(address),
  size: 0,
  kind: 'code',
  ...extra,
});
const table = new SymbolTable([
  symbol('high', 0xffff_ffff_8000_0001n),
  symbol('start', 0x10_0000n),
  symbol('start.loop', 0x10_0010n),
  symbol('print', 0x10_0020n, { size: 8 }),
  symbol('COUNT', 0x10_0018n, { kind: 'constant' }),
  symbol('heap', 0x20_0000n, { kind: 'data', size: 0x40_0000 }),
]);
const at = (address: bigint): string | null => {
  const found = table.at(linear(address));
  return found === null ? null : `${found.symbol.name}+${found.offset}`;
};

test('an address belongs to the nearest symbol at or below it', () => {
  expect(at(0x10_0000n)).toBe('start+0');
  expect(at(0x10_000fn)).toBe('start+15');
  expect(at(0x10_0010n)).toBe('start.loop+0');
  expect(at(0x10_0030n)).toBe('print+16');
  expect(at(0xf_ffffn)).toBeNull();
});

test('constants are found by name and are no address', () => {
  expect(at(0x10_0018n)).toBe('start.loop+8');
  expect(table.named('COUNT')?.address).toBe(0x10_0018n);
  expect(table.named('count')).toBeNull();
});

test('addresses are exact to the last of 64 bits', () => {
  expect(at(0xffff_ffff_8000_0000n)).toBeNull();
  expect(at(0xffff_ffff_8000_0001n)).toBe('high+0');
});

test('a symbol reaches 1 MiB, or as far as its size', () => {
  expect(at(0x5f_ffffn)).toBe('heap+4194303');
  expect(at(0x60_0000n)).toBeNull();
  expect(at(0xffff_ffff_8010_0001n)).toBeNull();
});

test('of several symbols at one address the most telling names it', () => {
  const names = new SymbolTable([
    symbol('f.local', 0x1000n),
    symbol('f', 0x1000n, { size: 4 }),
    symbol('data_start', 0x1000n, { kind: 'data' }),
    symbol('label', 0x1000n),
  ]);
  expect(names.at(linear(0x1000n))?.symbol.name).toBe('f');
});

test('completion lists names by prefix in order', () => {
  expect(table.startingWith('st').map(({ name }) => name)).toEqual(['start', 'start.loop']);
});
