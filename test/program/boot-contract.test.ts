/** docs/boot-contract.md says what the code does. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { biosServices } from '../../src/program/bios-services';
import { memoryMap } from '../../src/program/memory-map';
import { hex } from '../../src/x86/address';

const text = readFileSync(join(import.meta.dirname, '../../docs/boot-contract.md'), 'utf8');
const hexByte = (value: number): string => `0x${value.toString(16).padStart(2, '0')}`;

test('every BIOS service has its row, and there is no other', () => {
  const rows = biosServices.map(({ id, interrupt, selects, takes, gives }) => {
    const call = selects === null ? '' : `${selects.register.toUpperCase()} = ${hexByte(selects.value)}`;
    return `| ${hexByte(interrupt)} | ${call} | \`${id}\` | ${takes} | ${gives} |`;
  });
  const documented = text.split('\n').filter((line) => /^\| 0x[0-9a-f]{2} \| .*`[a-z0-9.-]+`/.test(line));
  expect(documented).toEqual(rows);
});

test('services have different names and different calls', () => {
  expect(new Set(biosServices.map(({ id }) => id)).size).toBe(biosServices.length);
  const calls = biosServices.map(({ interrupt, selects }) => `${interrupt} ${selects?.register} ${selects?.value}`);
  expect(new Set(calls).size).toBe(biosServices.length);
});

test('the memory map is the documented one', () => {
  for (const { base, size, type } of memoryMap(64 * 0x10_0000)) {
    const shown = base === 0x10_0000 ? 'RAM - 1 MiB' : hex(size);
    expect(text).toContain(`| ${hex(base)} | ${shown} | ${type} |`);
  }
});
