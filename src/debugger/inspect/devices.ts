/** Devices: every register as it can be looked at without side effects, by its data sheet's name. */

import type { Register } from '../../machine/devices/device';
import { hex } from '../../x86/address';
import { type NamedDevice, namedDevices, registerWord } from '../fields/devices';
import type { Item } from '../item';
import { bitItems, bitNames } from './decode';
import type { Subject } from './scope';

/** Those that the scope Interrupts shows. */
const controllers = /^(pic|ioapic|lapic\d+)$/;

export const deviceItems = ({ machine }: Subject): Item[] =>
  namedDevices(machine)
    .filter(({ registers, device }) => registers.length > 0 || device.window !== undefined)
    .map(deviceItem);

export const deviceItem = (named: NamedDevice): Item => {
  const { head, device, registers } = named;
  const { window } = device;
  const at = window !== undefined && window.base >= 0 ? window.base : undefined;
  return {
    name: head,
    meaning: controllers.test(head) ? `${device.name}, see also Interrupts` : device.name,
    ...(at === undefined ? {} : { memory: { space: 'phys', address: BigInt(at) } }),
    children: () => registers.map((register) => registerItem(named, register)),
  };
};

export const registerItem = ({ head, device, bits: rows }: NamedDevice, register: Register): Item => {
  const { name, at, size, peek, write } = register;
  const bits = BigInt(peek() >>> 0);
  const expression = `${head}.${registerWord(name)}`;
  const parts = rows[name];
  const where = device.ports?.includes(register) ? `port ${hex(at)}` : undefined;
  const words = [parts === undefined ? '' : bitNames(bits, parts), where === undefined ? '' : `(${where})`];
  return {
    name,
    bits,
    size,
    meaning: words.filter((word) => word !== '').join(' '),
    expression,
    ...(write === undefined ? {} : { settable: true }),
    ...(parts === undefined
      ? {}
      : {
          children: () =>
            bitItems(expression, bits, parts).map((item) => {
              const { settable: _, ...shown } = item;
              return write === undefined ? shown : item;
            }),
        }),
  };
};
