/** Devices' registers and their bits by name: `com1.lcr`, `com1.lcr.dlab`, `lapic0.tpr`, `ioapic.pin_4.masked`. */

import type { Device, Register } from '../../machine/devices/device';
import { deviceRegisters } from '../../machine/input';
import type { Machine } from '../../machine/pc';
import type { RegisterBits } from '../../x86/control-registers';
import { deviceBits } from './device-bits';
import { type Field, type FieldFamily, partOf } from './field';

export interface NamedDevice {
  /** First word of its names: `com1`, `lapic0`. */
  readonly head: string;
  readonly device: Device;
  readonly registers: readonly Register[];
  readonly bits: Readonly<Record<string, RegisterBits>>;
}

/** Heads of the devices that are no vCPU's own, by the name that the board gives them. */
const heads = {
  com1: 'com1',
  pic: 'pic',
  ioApic: 'ioapic',
  pit: 'pit',
  rtc: 'rtc',
  keyboard: 'keyboard',
  port92: 'port92',
  vga: 'vga',
  fwCfg: 'fwcfg',
  acpiPm: 'acpi',
  debugConsole: 'console',
  debugExit: 'exit',
} as const;

export const namedDevices = ({ devices }: Machine): readonly NamedDevice[] => {
  const named = (head: string, device: Device, kind = head): NamedDevice => ({
    head,
    device,
    registers: deviceRegisters(devices.all, device.name),
    bits: deviceBits[kind] ?? {},
  });
  return [
    ...(Object.keys(heads) as (keyof typeof heads)[]).map((key) => named(heads[key], devices[key])),
    ...devices.localApics.map((apic, n) => named(`lapic${n}`, apic, 'lapic')),
  ];
};

/** A register's name as a word: `pin 4` is `pin_4`. */
export const registerWord = (name: string): string => name.toLowerCase().replace(/[^a-z0-9]+/g, '_');

const wholeRegister = (machine: Machine, device: Device, { name, size, peek, write }: Register): Field => ({
  width: size * 8,
  read: () => BigInt(peek() >>> 0),
  ...(write === undefined
    ? {}
    : {
        write: (value) =>
          machine.input({
            kind: 'device',
            device: device.name,
            register: name,
            value: Number(BigInt.asUintN(size * 8, value)),
          }),
      }),
});

export const deviceFields: FieldFamily = {
  heads: ({ machine }) => namedDevices(machine).map(({ head }) => head),
  names: ({ machine }, head) => {
    const found = namedDevices(machine).find((one) => one.head === head);
    return (
      found?.registers.flatMap(({ name }) => [
        `${head}.${registerWord(name)}`,
        ...Object.keys(found.bits[name] ?? {}).map((bit) => `${head}.${registerWord(name)}.${bit}`),
      ]) ?? []
    );
  },
  find: ({ machine }, head, [word, part]) => {
    const found = namedDevices(machine).find((one) => one.head === head);
    const register = found?.registers.find(({ name }) => registerWord(name) === word);
    if (found === undefined || register === undefined) return undefined;
    const whole = wholeRegister(machine, found.device, register);
    if (part === undefined) return whole;
    const row = found.bits[register.name]?.[part];
    return row === undefined ? undefined : partOf(whole, [[row.bit, row.width ?? 1]]);
  },
};
