import { beforeEach, describe, expect, test } from 'vitest';
import { setUpAsFirmware } from '../../src/machine/devices/firmware-setup';
import { type TestMachine, testMachine } from './test-machine';

const apicBase = 0xfee0_0000;
const ioApicBase = 0xfec0_0000;
const [EOI, SVR, ICR, ICR_HIGH, LINT0] = [0xb0, 0xf0, 0x300, 0x310, 0x350];
const hz100 = 11_932;

let machine: TestMachine;

beforeEach(() => {
  machine = testMachine(1_193_182);
});

const apic = (cpu: number, offset: number, value: number): void =>
  machine.devices.mmio[cpu]?.write(apicBase + offset, 4, value);
const ioApic = (index: number, value: number): void => {
  machine.devices.mmio[0]?.write(ioApicBase, 4, index);
  machine.devices.mmio[0]?.write(ioApicBase + 0x10, 4, value);
};
const startTimer = (count: number): void => {
  machine.out(0x43, 0x34);
  machine.out(0x40, count & 0xff);
  machine.out(0x40, count >> 8);
};

test('building the board says nothing to the machine, and nothing is due', () => {
  expect([machine.log, machine.devices.nextEvent()]).toEqual([[], Infinity]);
});

describe('the timer interrupt', () => {
  test('through the 8259 and LINT0 of the bootstrap processor', () => {
    setUpAsFirmware(machine.devices, [0]);
    startTimer(hz100);
    expect(machine.devices.interruptPending(0)).toBe(false);
    machine.pass(hz100);
    machine.pass(1);
    expect([machine.devices.interruptPending(0), machine.devices.interruptPending(1)]).toEqual([true, false]);
    expect(machine.log).toContain('interrupt 0');
    expect([machine.devices.acknowledgeInterrupt(0), machine.devices.interruptPending(0)]).toEqual([0x08, false]);
    machine.out(0x20, 0x20);
    machine.pass(hz100);
    expect(machine.devices.interruptPending(0)).toBe(true);
  });

  test('through pin 2 of the I/O APIC, to any processor', () => {
    apic(1, SVR, 0x1ff);
    ioApic(0x15, 0x0100_0000);
    ioApic(0x14, 0x30);
    startTimer(hz100);
    machine.pass(hz100 + 1);
    expect([machine.devices.interruptPending(0), machine.devices.acknowledgeInterrupt(1)]).toEqual([false, 0x30]);
  });

  test('through pin 0 of the I/O APIC as ExtINT of the 8259', () => {
    setUpAsFirmware(machine.devices, [0]);
    apic(0, LINT0, 0x10700);
    ioApic(0x10, 0x700);
    startTimer(hz100);
    machine.pass(hz100 + 1);
    expect([machine.devices.interruptPending(0), machine.devices.acknowledgeInterrupt(0)]).toEqual([true, 0x08]);
    expect(machine.devices.interruptPending(0)).toBe(false);
  });

  test('the local APIC goes before the 8259', () => {
    setUpAsFirmware(machine.devices, [0]);
    machine.devices.interruptLine(0, false);
    machine.devices.interruptLine(0, true);
    apic(0, ICR, 0x4_4050);
    expect([machine.devices.acknowledgeInterrupt(0), machine.devices.acknowledgeInterrupt(0)]).toEqual([0x50, 0x08]);
  });
});

test('an IPI reaches the other processor', () => {
  apic(1, SVR, 0x1ff);
  apic(0, ICR_HIGH, 0x0100_0000);
  apic(0, ICR, 0x4041);
  expect([machine.log, machine.devices.acknowledgeInterrupt(1)]).toEqual([['interrupt 1'], 0x41]);
  apic(0, ICR, 0x4500);
  apic(0, ICR, 0x4609);
  expect(machine.log.slice(1)).toEqual(['init 1', 'startup 1 9']);
});

test('each processor sees its own local APIC at the same address', () => {
  expect([0, 1].map((cpu) => machine.devices.mmio[cpu]?.read(apicBase + 0x20, 4))).toEqual([0, 0x0100_0000]);
});

test('a level-triggered line interrupts until its cause is gone', () => {
  apic(0, SVR, 0x1ff);
  ioApic(0x22, 0x8039);
  machine.devices.interruptLine(9, true);
  expect(machine.devices.acknowledgeInterrupt(0)).toBe(0x39);
  apic(0, EOI, 0);
  expect(machine.devices.acknowledgeInterrupt(0)).toBe(0x39);
  machine.devices.interruptLine(9, false);
  apic(0, EOI, 0);
  expect(machine.devices.interruptPending(0)).toBe(false);
});

describe('what could wake a halted machine', () => {
  test('nothing on a board just built', () => expect(machine.devices.nextWake()).toBe(Infinity));

  test('a masked timer cannot, an unmasked one can', () => {
    setUpAsFirmware(machine.devices);
    expect([machine.devices.nextEvent() < Infinity, machine.devices.nextWake()]).toEqual([true, Infinity]);
    machine.out(0x21, 0xfe);
    expect(machine.devices.nextWake()).toBe(machine.devices.nextEvent());
    machine.out(0x21, 0xff);
    ioApic(0x14, 0x30);
    expect(machine.devices.nextWake()).toBe(machine.devices.nextEvent());
  });

  test('the timer of any local APIC can', () => {
    apic(1, SVR, 0x1ff);
    apic(1, 0x320, 0x40);
    apic(1, 0x380, 1000);
    expect(machine.devices.nextWake()).toBe(Math.ceil((2000 * 1_193_182) / 100_000_000));
  });
});

test('callbacks', () => {
  machine.out(0x3f8, 65);
  machine.out(0xe9, 66);
  machine.devices.io.write(0xf4, 4, 0x1234_5678);
  machine.out(0xf4, 3);
  machine.out(0x64, 0xfe);
  machine.out(0x92, 0x01);
  machine.devices.io.write(0x604, 2, 0x2000);
  expect(machine.inb(0xe9)).toBe(0xe9);
  expect(machine.log).toEqual([
    'serial 65',
    'console 66',
    `exit ${0x1234_5678}`,
    'exit 3',
    'reset by 8042',
    'a20 false',
    'reset by port 92',
    'power off',
  ]);
});

test('events of several devices happen in order of time', () => {
  setUpAsFirmware(machine.devices, [0, 8]);
  startTimer(1000);
  machine.out(0x70, 0x0b);
  machine.out(0x71, 0x42);
  const times: number[] = [];
  while (times.length < 6) {
    const due = machine.devices.nextEvent();
    times.push(due);
    machine.clock.time = due;
    machine.devices.advance(due);
    expect(machine.devices.nextEvent()).toBeGreaterThan(due);
  }
  expect(times).toEqual([1000, 1001, 1166, 2000, 2001, 3000]);
});

test('reset brings every device back, but the time of day and what is still to be typed', () => {
  const before = machine.save();
  setUpAsFirmware(machine.devices, [0]);
  machine.out(0x3fb, 0x83);
  machine.out(0x92, 0);
  apic(1, SVR, 0x1ff);
  ioApic(0x14, 0x30);
  machine.devices.reset();
  expect(machine.save()).toEqual(before);
});

test('no two registers claim the same address', () => {
  const { all } = machine.devices;
  const ports = all.flatMap(({ ports }) => ports ?? []).map(({ at }) => at);
  expect(new Set(ports).size).toBe(ports.length);
  for (const { window } of all) {
    const offsets = window?.registers.map(({ at }) => at) ?? [];
    expect(new Set(offsets).size).toBe(offsets.length);
  }
});
