/** Every BIOS service that a call alone can show, on the machine and on SeaBIOS: one boot sector makes all the calls. */

import { describe, expect, test } from 'vitest';
import { biosServices } from '../../src/program/bios-services';
import { bootFile } from '../guest';
import { has, qemu } from '../program/qemu';
import { MEMORY_MIB, type ServiceCase, serviceCases } from './service-cases';
import { image, type Result, resultsOf } from './services-image';

const compare = (result: Result | undefined, one: ServiceCase, without: readonly string[]): void => {
  if (without.includes('*')) return;
  expect(result).toBeDefined();
  const { registers, memory } = result as Result;
  const gives = Object.entries(one.gives ?? {}).filter(([name]) => !without.includes(name));
  expect(registers).toMatchObject(Object.fromEntries(gives));
  if (one.memory && !without.includes('memory')) expect(memory).toEqual(one.memory[1]);
};

const titleOf = ({ id, when }: ServiceCase): string => (when ? `${id} ${when}` : id);

describe('on the machine', async () => {
  let output = '';
  const guest = await bootFile('services.img', image, {
    machine: {
      memoryBytes: MEMORY_MIB * 0x100000,
      console: (byte) => {
        output += String.fromCharCode(byte);
      },
    },
  });
  const stop = guest.run(100_000);
  test('all calls return', () => expect(stop).toEqual({ reason: 'guest-exit', value: 0 }));
  const results = resultsOf(output);
  for (const [n, one] of serviceCases.entries()) test(titleOf(one), () => compare(results[n], one, []));
});

describe.skipIf(!has('qemu-system-x86_64'))('on SeaBIOS (needs QEMU)', () => {
  const results = resultsOf(qemu(image, 'disk').console);
  for (const [n, one] of serviceCases.entries()) test(titleOf(one), () => compare(results[n], one, one.differs ?? []));
});

test('every service is called here, but those that answer to interrupts or wait', () => {
  const called = new Set(serviceCases.map(({ id }) => id));
  const elsewhere = ['timer.tick', 'keyboard.key', 'keyboard.read', 'keyboard.read-extended'];
  expect(biosServices.map(({ id }) => id).filter((id) => !called.has(id))).toEqual(elsewhere);
});
