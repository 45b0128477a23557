import { beforeEach, expect, test } from 'vitest';
import { ApicBus, type InterruptMessage } from '../../src/machine/devices/apic-bus';
import { MmioBus } from '../../src/machine/devices/bus';
import { IoApic } from '../../src/machine/devices/io-apic';

const base = 0xfec0_0000;
let bus: ApicBus;
let ioApic: IoApic;
let mmio: MmioBus;
let sent: InterruptMessage[];

beforeEach(() => {
  sent = [];
  bus = new ApicBus();
  bus.attach({
    isAddressedBy: () => true,
    canArbitrate: () => true,
    priority: () => 0,
    accept: (message) => sent.push(message),
  });
  ioApic = new IoApic(bus, 2);
  mmio = new MmioBus([ioApic]);
});

const read = (index: number): number => {
  mmio.write(base, 4, index);
  return mmio.read(base + 0x10, 4);
};
const write = (index: number, value: number): void => {
  mmio.write(base, 4, index);
  mmio.write(base + 0x10, 4, value);
};
const entry = (pin: number, low: number, destination = 0): void => {
  write(0x11 + 2 * pin, destination << 24);
  write(0x10 + 2 * pin, low);
};

test('after reset all 24 entries are masked', () => {
  expect([read(0), read(1), read(2)]).toEqual([0x0200_0000, 0x0017_0020, 0x0200_0000]);
  for (let pin = 0; pin < 24; pin++) expect([read(0x10 + 2 * pin), read(0x11 + 2 * pin)]).toEqual([0x10000, 0]);
});

test('a rising edge sends what the entry says', () => {
  entry(4, 0x0841, 3);
  ioApic.setPin(4, true);
  expect(sent).toEqual([{ mode: 'fixed', vector: 0x41, level: false, destination: { to: 'logical', id: 3 } }]);
  ioApic.setPin(4, true);
  ioApic.setPin(4, false);
  expect(sent.length).toBe(1);
  ioApic.setPin(4, true);
  expect(sent.length).toBe(2);
});

test('an edge at a masked pin is lost', () => {
  ioApic.setPin(4, true);
  entry(4, 0x41);
  expect(sent).toEqual([]);
});

test('destination all ones is a broadcast', () => {
  entry(4, 0x441, 0xff);
  ioApic.setPin(4, true);
  expect(sent).toMatchObject([{ mode: 'nmi', destination: { to: 'all' } }]);
});

test('a level sends once, sets remote IRR, and sends again at the EOI while it is asserted', () => {
  entry(9, 0x8049);
  ioApic.setPin(9, true);
  expect([sent.length, sent[0]?.level, read(0x22)]).toEqual([1, true, 0xc049]);
  bus.endOfInterrupt(0x48);
  expect(sent.length).toBe(1);
  bus.endOfInterrupt(0x49);
  expect([sent.length, read(0x22)]).toEqual([2, 0xc049]);
  ioApic.setPin(9, false);
  bus.endOfInterrupt(0x49);
  expect([sent.length, read(0x22)]).toEqual([2, 0x8049]);
});

test('a level at a masked pin waits for the mask', () => {
  entry(9, 0x1_8049);
  ioApic.setPin(9, true);
  expect([sent.length, read(0x22)]).toEqual([0, 0x1_8049]);
  entry(9, 0x8049);
  expect(sent.length).toBe(1);
});

test('the EOI register ends without a broadcast; making the entry edge-triggered clears remote IRR', () => {
  entry(9, 0x8049);
  ioApic.setPin(9, true);
  mmio.write(base + 0x40, 4, 0x49);
  expect(sent.length).toBe(2);
  entry(9, 0x1_0049);
  expect(read(0x22)).toBe(0x1_0049);
});

test('active low turns the level round', () => {
  ioApic.setPin(9, true);
  entry(9, 0xa049);
  expect(sent.length).toBe(0);
  ioApic.setPin(9, false);
  expect(sent.length).toBe(1);
});

test('read-only bits stay: delivery status, remote IRR, the version', () => {
  entry(9, 0x1_7049);
  expect(read(0x22)).toBe(0x1_2049);
  write(1, 0);
  expect(read(1)).toBe(0x0017_0020);
});
