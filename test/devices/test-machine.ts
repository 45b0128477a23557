/** The whole board without processors: a clock that the test sets, and a record of everything the devices say. */

import { createDevices, type DeviceOptions, type Devices } from '../../src/machine/devices/board-devices';

export interface TestMachine {
  readonly devices: Devices;
  readonly clock: { time: number };
  readonly log: string[];
  /** The state of every device. */
  save(): object[];
  restore(states: readonly object[]): void;
  /** Lets virtual time pass with its events. */
  pass(ticks: number): void;
  out(port: number, value: number): void;
  inb(port: number): number;
}

export function testMachine(frequency = 1_000_000_000, options: Partial<DeviceOptions> = {}): TestMachine {
  const clock = { time: 0 };
  const log: string[] = [];
  const devices = createDevices(
    { now: () => clock.time, frequency },
    {
      cpus: 2,
      memoryBytes: 64 << 20,
      startTime: 1_700_000_000,
      serial: (byte) => log.push(`serial ${byte}`),
      console: (byte) => log.push(`console ${byte}`),
      exit: (value) => log.push(`exit ${value}`),
      reset: (by) => log.push(`reset by ${by}`),
      powerOff: () => log.push('power off'),
      a20: (enabled) => log.push(`a20 ${enabled}`),
      processors: {
        interrupt: (cpu) => log.push(`interrupt ${cpu}`),
        nmi: (cpu) => log.push(`nmi ${cpu}`),
        init: (cpu) => log.push(`init ${cpu}`),
        startup: (cpu, vector) => log.push(`startup ${cpu} ${vector}`),
      },
      ...options,
    },
  );
  return {
    devices,
    clock,
    log,
    save: () => structuredClone(devices.all.map((device) => device.state)),
    restore: (states) => {
      for (const [index, device] of devices.all.entries()) device.state = structuredClone(states[index] ?? {});
    },
    pass: (ticks) => {
      clock.time += ticks;
      devices.advance(clock.time);
    },
    out: (port, value) => devices.io.write(port, 1, value),
    inb: (port) => devices.io.read(port, 1),
  };
}
