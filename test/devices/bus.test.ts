import { expect, test } from 'vitest';
import { IoBus, MmioBus } from '../../src/machine/devices/bus';
import type { Device, Register } from '../../src/machine/devices/device';

const device = (part: Partial<Device>): Device => ({
  name: 'test',
  state: {},
  reset() {},
  nextEvent: () => Infinity,
  advance() {},
  ...part,
});

const cell = (at: number, size: 1 | 2 | 4, value: number): Register & { value: number } => ({
  name: `cell ${at}`,
  at,
  size,
  value,
  peek() {
    return this.value;
  },
  write(written) {
    this.value = written;
  },
});

test('unclaimed ports read all ones and ignore writes', () => {
  const bus = new IoBus([]);
  bus.write(0xcf8, 4, 0x8000_0000);
  expect([bus.read(0xcf8, 1), bus.read(0xcf8, 2), bus.read(0xffff, 4)]).toEqual([0xff, 0xffff, 0xffff_ffff]);
});

test('a wide access to byte registers is split, little end first', () => {
  const low = cell(0x70, 1, 0x34);
  const high = cell(0x71, 1, 0x12);
  const bus = new IoBus([device({ ports: [low, high] })]);
  expect(bus.read(0x70, 2)).toBe(0x1234);
  expect(bus.read(0x70, 4)).toBe(0xffff_1234);
  bus.write(0x70, 4, 0xaabb_ccdd);
  expect([low.value, high.value]).toEqual([0xdd, 0xcc]);
});

test('a narrow access takes its part of a wide register', () => {
  const wide = cell(0x608, 4, 0x8765_4321);
  const bus = new IoBus([device({ ports: [wide] })]);
  expect([bus.read(0x608, 1), bus.read(0x608, 2), bus.read(0x60a, 2), bus.read(0x60b, 1)]).toEqual([
    0x21, 0x4321, 0x8765, 0x87,
  ]);
  bus.write(0x60a, 1, 0xff);
  expect(wide.value).toBe(0x87ff_4321);
  bus.write(0x60b, 1, 0x90);
  expect(wide.value).toBe(0x90ff_4321);
});

test('of two registers that overlap, the one that starts at a port owns it', () => {
  const selector = cell(0x510, 2, 0);
  const data = cell(0x511, 1, 0x51);
  for (const ports of [
    [selector, data],
    [data, selector],
  ]) {
    const bus = new IoBus([device({ ports })]);
    bus.write(0x510, 2, 0x1234);
    expect(selector.value).toBe(0x1234);
    expect(bus.read(0x511, 1)).toBe(0x51);
  }
});

test('peek never reads', () => {
  let reads = 0;
  const register: Register = { name: 'count', at: 0x60, size: 1, peek: () => reads, read: () => ++reads };
  const bus = new IoBus([device({ ports: [register] })]);
  expect([bus.peek(0x60, 1), bus.peek(0x60, 4) & 0xff, bus.read(0x60, 1), bus.peek(0x60, 1)]).toEqual([0, 0, 1, 1]);
});

test('a memory window answers at its base as it stands, and as little-endian memory when it is plain bytes', () => {
  const bytes = new Uint8Array(8);
  const window = { base: 0xb8000, size: 8, registers: [], bytes: () => bytes };
  const bus = new MmioBus([device({ window })]);
  bus.write(0xb8002, 4, 0x8765_4321);
  expect([...bytes]).toEqual([0, 0, 0x21, 0x43, 0x65, 0x87, 0, 0]);
  expect([bus.read(0xb8002, 4), bus.read(0xb8003, 2), bus.peek(0xb8005, 1)]).toEqual([0x8765_4321, 0x6543, 0x87]);
  expect([bus.claims(0xb7fff), bus.claims(0xb8000), bus.claims(0xb8008)]).toEqual([false, true, false]);
  window.base = -1;
  expect([bus.claims(0xb8000), bus.read(0xb8000, 4)]).toEqual([false, 0xffff_ffff]);
});

test('a window hears of accesses where it has no register, but not of the debugger looking', () => {
  let strays = 0;
  const register = cell(0x20, 4, 5);
  const window = { base: 0xfee0_0000, size: 0x1000, registers: [register], stray: () => strays++ };
  const bus = new MmioBus([device({ window })]);
  expect(bus.read(0xfee0_0020, 4)).toBe(5);
  expect(strays).toBe(0);
  bus.peek(0xfee0_0040, 1);
  expect(strays).toBe(0);
  bus.read(0xfee0_0040, 1);
  bus.write(0xfee0_0040, 1, 0);
  expect(strays).toBe(2);
});
