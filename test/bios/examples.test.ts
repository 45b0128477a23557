/** The examples that start by a boot loader: a boot sector, and a Multiboot kernel in C. */

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { bootFile } from '../guest';
import { has, withFolder } from '../program/qemu';

const examples = join(import.meta.dirname, '../../examples');
const EXIT = { reason: 'guest-exit', value: 0 };

test('boot-sector.asm shows its text on the screen and on the console', async () => {
  const guest = await bootFile('boot-sector.asm', readFileSync(join(examples, 'boot-sector.asm')));
  expect(guest.run(100_000)).toEqual(EXIT);
  const lines = ['Hello from the boot sector. 639 KiB of low memory.', 'And this came from the second sector.'];
  expect(guest.output).toBe(lines.map((line) => `${line}\r\n`).join(''));
  expect(guest.machine.screen().map((line) => line.trimEnd())).toEqual([...lines, ...Array<string>(23).fill('')]);
  expect(guest.machine.devices.vga.cursor()).toEqual({ row: 2, column: 0 });
  expect(guest.faults).toEqual([]);
});

test.skipIf(!has('gcc', 'make'))('multiboot-c is told its command line, modules and memory (needs gcc)', async () => {
  const kernel = withFolder((folder) => {
    const out = join(folder, 'kernel.elf');
    execFileSync('make', ['-s', '-C', join(examples, 'multiboot-c'), `OUT=${out}`]);
    return new Uint8Array(readFileSync(out));
  });
  const guest = await bootFile('kernel.elf', kernel, {
    commandLine: 'quiet',
    modules: ['data.txt one two'],
    files: { 'data.txt': 'abc' },
    machine: { memoryBytes: 64 * 0x100000 },
  });
  expect(guest.run(1_000_000)).toEqual(EXIT);
  expect(guest.output.split('\n')).toEqual([
    'Hello from C.',
    'command line: kernel.elf quiet',
    'module: data.txt one two, 0x3 bytes',
    'memory: 0x0 + 0x9fc00',
    'memory: 0x100000 + 0x3f00000',
    '',
  ]);
  expect(guest.faults).toEqual([]);
});
