/** Properties that hold for every device: state is all there is, looking changes nothing, only time and writes count. */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type TestMachine, testMachine } from './test-machine';

/** Low, so that the slowest devices have events too; the local APIC's clock is faster than it. */
const frequency = 2_893_299;
/** Ports with registers, and some without. */
const ports = [...testMachine().devices.all.flatMap((device) => device.ports?.map(({ at }) => at) ?? []), 0x80, 0xcf8];
const [xapic, ioapic, text] = [0xfee0_0000, 0xfec0_0000, 0xb_8000];
const windowAddresses = [
  ...Array.from({ length: 0x40 }, (_, i) => xapic + 0x10 * i),
  ...[0x00, 0x10, 0x40].map((offset) => ioapic + offset),
  text,
  text + 0x7ffc,
];

const time = (most: number): fc.Arbitrary<number> => fc.integer({ min: 1, max: most });

type Action = (machine: TestMachine) => unknown;

const byte = fc.oneof(
  fc.integer({ min: 0, max: 255 }),
  fc.constantFrom(0x00, 0x01, 0x20, 0x34, 0x36, 0x11, 0x42, 0xff),
);
const dword = fc.oneof(fc.integer({ min: 0, max: 2 ** 32 - 1 }), fc.integer({ min: 0, max: 0x7_ffff }));
const cpu = fc.constantFrom(0, 1);
const size = fc.constantFrom(1, 2, 4) as fc.Arbitrary<1 | 2 | 4>;

const action: fc.Arbitrary<Action> = fc.oneof(
  fc.tuple(fc.constantFrom(...ports), byte).map(
    ([port, value]): Action =>
      (machine) =>
        machine.out(port, value),
  ),
  fc.tuple(fc.constantFrom(...ports), size, dword).map(
    ([port, width, value]): Action =>
      ({ devices }) =>
        devices.io.write(port, width, value),
  ),
  fc.tuple(fc.constantFrom(...ports), size).map(
    ([port, width]): Action =>
      ({ devices }) =>
        devices.io.read(port, width),
  ),
  fc.tuple(cpu, fc.constantFrom(...windowAddresses), dword).map(
    ([n, address, value]): Action =>
      ({ devices }) =>
        devices.mmio[n]?.write(address, 4, value),
  ),
  fc.tuple(cpu, fc.constantFrom(...windowAddresses)).map(
    ([n, address]): Action =>
      ({ devices }) =>
        devices.mmio[n]?.read(address, 4),
  ),
  fc.oneof(time(3_000), time(300_000), time(3_000_000)).map(
    (ticks): Action =>
      (machine) =>
        machine.pass(ticks),
  ),
  cpu.map(
    (n): Action =>
      ({ devices }) =>
        devices.interruptPending(n) && devices.acknowledgeInterrupt(n),
  ),
  fc.array(byte, { maxLength: 20 }).map(
    (bytes): Action =>
      ({ devices }) =>
        devices.com1.receive(bytes),
  ),
  fc.string({ maxLength: 5 }).map(
    (typed): Action =>
      ({ devices }) =>
        devices.keyboard.type(typed),
  ),
  fc.tuple(cpu, fc.integer({ min: 0x800, max: 0x83f }), dword).map(
    ([n, index, value]): Action =>
      ({ devices }) =>
        devices.localApics[n]?.writeMsr(index, BigInt(value)),
  ),
  cpu.map(
    (n): Action =>
      ({ devices }) =>
        devices.localApics[n]?.writeMsr(0x1b, 0xfee0_0d00n),
  ),
  fc.tuple(cpu, fc.integer({ min: 0, max: 2 ** 32 })).map(
    ([n, value]): Action =>
      ({ devices }) =>
        devices.localApics[n]?.writeMsr(0x6e0, BigInt(value)),
  ),
);
const actions = fc.array(action, { maxLength: 60 });

/** What a guest and the debugger can know of the run: answers, messages, state. */
const run = (machine: TestMachine, list: readonly Action[]): unknown[] => list.map((act) => act(machine));

/** All states as one string: many times faster to compare than the objects. */
const fingerprint = (machine: TestMachine): string =>
  JSON.stringify(machine.save(), (_, value: unknown) => {
    if (value instanceof Uint8Array) return Buffer.from(value).toString('latin1');
    return typeof value === 'number' && !Number.isSafeInteger(value) ? String(value) : value;
  });

const looks: readonly ((machine: TestMachine) => void)[] = [
  ({ devices }) => {
    for (const device of devices.all) {
      for (const register of [...(device.ports ?? []), ...(device.window?.registers ?? [])]) {
        const value = register.peek();
        expect(Number.isInteger(value), `${device.name} ${register.name} ${value}`).toBe(true);
      }
    }
  },
  ({ devices }) => {
    for (const port of ports) devices.io.peek(port, 1);
    for (const address of windowAddresses) for (const mmio of devices.mmio) mmio.peek(address, 4);
  },
  ({ devices }) => {
    for (let port = 0; port < 0x1_0000; port += 4) devices.io.peek(port, 4);
  },
  ({ devices }) => {
    devices.vga.screen();
    devices.vga.cursor();
    devices.nextEvent();
    devices.nextWake();
    for (const cpu of [0, 1]) devices.interruptPending(cpu);
    for (const apic of devices.localApics) for (let index = 0x800; index < 0x840; index++) apic.readMsr(index);
  },
];

test('state is plain and is all there is: restored into another board, the run goes on the same', () => {
  fc.assert(
    fc.property(actions, actions, (before, after) => {
      const first = testMachine(frequency);
      run(first, before);
      const saved = first.save();
      const from = first.log.length;
      const second = testMachine(frequency);
      second.clock.time = first.clock.time;
      second.restore(saved);
      expect(second.devices.nextEvent()).toBe(first.devices.nextEvent());
      expect(run(second, after)).toEqual(run(first, after));
      expect(fingerprint(second)).toBe(fingerprint(first));
      expect(second.log).toEqual(first.log.slice(from));
    }),
    { numRuns: 150 },
  );
});

test('looking at every register changes nothing', () => {
  fc.assert(
    fc.property(actions, fc.constantFrom(...looks), (list, look) => {
      const looked = testMachine(frequency);
      const alone = testMachine(frequency);
      const answers = list.map((act) => {
        look(looked);
        const answer = act(looked);
        look(looked);
        look(looked);
        return answer;
      });
      expect(answers).toEqual(run(alone, list));
      expect(fingerprint(looked)).toBe(fingerprint(alone));
      expect(looked.log).toEqual(alone.log);
    }),
    { numRuns: 60 },
  );
});

test('where a slice of time ends changes nothing', () => {
  fc.assert(
    fc.property(actions, fc.integer({ min: 500, max: 500_000 }), (list, slice) => {
      const whole = testMachine(frequency);
      const sliced = testMachine(frequency);
      const pass = (ticks: number): void => {
        for (let left = ticks; left > 0; left -= slice) {
          sliced.clock.time += Math.min(slice, left);
          sliced.devices.advance(sliced.clock.time);
        }
      };
      const inSlices = { ...sliced, pass };
      expect(run(inSlices, list)).toEqual(run(whole, list));
      expect(fingerprint(sliced)).toBe(fingerprint(whole));
      expect(sliced.log).toEqual(whole.log);
    }),
    { numRuns: 150 },
  );
});

test('every event lets time go on', () => {
  fc.assert(
    fc.property(actions, (list) => {
      const machine = testMachine(frequency);
      run(machine, list);
      machine.devices.advance(machine.clock.time);
      for (let i = 0; i < 50; i++) {
        const due = machine.devices.nextEvent();
        expect(due).toBeGreaterThan(machine.clock.time);
        if (due === Infinity) return;
        machine.clock.time = due;
        machine.devices.advance(due);
      }
    }),
    { numRuns: 100 },
  );
});
