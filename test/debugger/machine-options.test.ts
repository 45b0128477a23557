/** The table of options: defaults, what values may look like, and what is refused how. */

import { describe, expect, test } from 'vitest';
import { machineOptions, readSettings } from '../../src/debugger/machine-options';
import { BadInput } from '../../src/program/program';

const read = (raw: object) => readSettings(raw, (name) => name);

test('defaults: 64M, haswell, one CPU, a TLB that keeps, no limit', () =>
  expect(read({})).toEqual({
    memory: 64 * 1024 * 1024,
    cpu: 'haswell',
    cpus: 1,
    module: [],
    serial: 'stdout',
    sourceMap: {},
    symbols: [],
    tlb: 'keep',
    noReboot: false,
  }));

describe('values', () => {
  test.each([
    [{ memory: '2G' }, { memory: 2 ** 31 }],
    [{ memory: '1MiB' }, { memory: 2 ** 20 }],
    [{ memory: 2 ** 20 }, { memory: 2 ** 20 }],
    [{ memory: '0x200000' }, { memory: 2 ** 21 }],
    [{ load: '0xffff800000001000' }, { load: 0xffff_8000_0000_1000n }],
    [{ load: 4096 }, { load: 4096n }],
    [{ entry: 'start.loop' }, { entry: 'start.loop' }],
    [{ entry: '100000h' }, { entry: 0x10_0000n }],
    [{ mode: 32 }, { mode: 32 }],
    [{ mode: '64' }, { mode: 64 }],
    [{ cmdline: '' }, { cmdline: '' }],
    [{ module: 'a b' }, { module: ['a b'] }],
    [{ module: ['a', 'b c'] }, { module: ['a', 'b c'] }],
    [{ maxInstructions: '1_000' }, { maxInstructions: 1000 }],
    [{ featureControl: '0x5' }, { featureControl: 5 }],
    [{ noReboot: true }, { noReboot: true }],
    [{ bios: null }, {}],
  ])('%j', (raw, expected) => expect(read(raw)).toMatchObject(expected));

  test('symbol files: text with an offset, or objects', () => {
    const given = [
      'a.elf',
      'b.elf@0x1000',
      'odd@home.map',
      'c.elf@-0xffffffff80000000',
      { file: 'd.o', offset: '0x20', sections: { '.text': 0x3000 } },
    ];
    expect(read({ symbols: given }).symbols).toEqual([
      { file: 'a.elf', offset: 0n },
      { file: 'b.elf', offset: 0x1000n },
      { file: 'odd@home.map', offset: 0n },
      { file: 'c.elf', offset: -0xffff_ffff_8000_0000n },
      { file: 'd.o', offset: 0x20n, sections: { '.text': 0x3000n } },
    ]);
  });

  test('moved sources: an object, or pairs', () => {
    expect(read({ sourceMap: { '/build': '/src' } }).sourceMap).toEqual({ '/build': '/src' });
    expect(read({ sourceMap: ['/build=/src', 'a=b=c'] }).sourceMap).toEqual({ '/build': '/src', a: 'b=c' });
  });

  test.each([
    [{ memory: '64X' }, 'memory 64X: a size from 1M to 2G is wanted, such as 64M'],
    [{ memory: '4G' }, 'memory 4G: a size from 1M to 2G is wanted, such as 64M'],
    [{ memory: {} }, 'memory {}: a size from 1M to 2G is wanted, such as 64M'],
    [{ memory: 1.5 }, 'memory 1.5: a size from 1M to 2G is wanted, such as 64M'],
    [{ load: -1 }, 'load -1: an address is wanted, such as 0x100000'],
    [{ load: '0x10000000000000000' }, 'load 0x10000000000000000: an address is wanted, such as 0x100000'],
    [{ load: 2 ** 60 }, 'load 1152921504606847000: an address is wanted, such as 0x100000'],
    [{ entry: '12ab' }, 'entry 12ab: an address such as 0x100000 or the name of a symbol is wanted'],
    [{ mode: 48 }, 'mode 48: one of 16, 32, 64 is wanted'],
    [{ noReboot: 'yes' }, 'noReboot yes: true or false is wanted'],
    [{ module: [''] }, 'module [""]: texts are wanted'],
    [{ bios: ' ' }, 'bios  : the name of a file is wanted'],
    [{ symbols: [{ file: 7 }] }, 'symbols [{"file":7}]: a file is wanted, such as kernel.elf or kernel.elf@0x100000'],
    [{ sourceMap: 'x' }, 'sourceMap x: a folder and what stands for it are wanted, such as /build=/home/me/src'],
    [{ cpus: 0 }, 'cpus 0: a number from 1 to 8 is wanted'],
  ])('%j', (raw, message) => expect(() => read(raw)).toThrow(new BadInput(message)));
});

test('every option has a description that is a sentence', () => {
  for (const { description } of machineOptions) expect(description).toMatch(/^(\p{Lu}|keep:).*\.$/u);
});
