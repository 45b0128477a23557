import { expect, test } from 'vitest';
import { peekTranslation } from '../../src/machine/cpu/look';
import { boot } from '../guest';

test('an address that is not canonical is nowhere: it is not that of its lower 48 bits', async () => {
  const { machine } = await boot('bits 64\nhlt\n');
  const { cpu } = machine.cpus[0] as (typeof machine.cpus)[0];
  expect(peekTranslation(cpu, 0x10_0000n)).toBe(0x10_0000);
  expect(peekTranslation(cpu, 0xdead_0000_0010_0000n)).toBeUndefined();
  expect(peekTranslation(cpu, 0x8000_0000_0000n)).toBeUndefined();
});
