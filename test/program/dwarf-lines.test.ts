/** Line tables of real tools, held against what objdump reads in the same file. */

import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { dwarfLines } from '../../src/program/dwarf-lines';
import { readElf } from '../../src/program/elf';
import { LineTable } from '../../src/program/lines';
import { linear } from '../../src/x86/address';
import { has, withFolder } from './qemu';

const source = `int square(int x) { return x * x; }

int sum(int n) {
  int total = 0;
  for (int i = 0; i < n; i++)
    total += square(i);
  return total;
}
void _start(void) {
  sum(3);
  for (;;) {}
}
`;
const gcc = ['-m32', '-ffreestanding', '-fno-pie', '-no-pie', '-static', '-nostdlib', '-g'];

function compile(options: readonly string[]): { bytes: Uint8Array; expected: string[]; folder: string } {
  return withFolder((folder) => {
    writeFileSync(join(folder, 'a.c'), source);
    execFileSync('gcc', [...gcc, ...options, '-o', 'a.elf', 'a.c'], { cwd: folder });
    return { bytes: new Uint8Array(readFileSync(join(folder, 'a.elf'))), expected: decoded(folder), folder };
  });
}

/** `address line` of every statement that objdump lists; `end` for the end of a sequence. */
function decoded(folder: string): string[] {
  const text = execFileSync('objdump', ['--dwarf=decodedline', 'a.elf'], { cwd: folder, encoding: 'utf8' });
  const rows = [...text.matchAll(/^\S+\s+(\d+|-)\s+(0x[0-9a-f]+|0)(?:\[\d+\])?(?:\s+\d+)?(\s+x)?(\s+END)?\s*$/gm)];
  return rows
    .filter(([, line, , statement]) => line === '-' || statement !== undefined)
    .map(([, line, address]) => `${BigInt(address ?? 0).toString(16)} ${line === '-' ? 'end' : line}`);
}

const shown = (bytes: Uint8Array): string[] =>
  dwarfLines(readElf('a.elf', bytes)).map(({ address, line, end }) => `${address.toString(16)} ${end ? 'end' : line}`);

describe.skipIf(!has('gcc', 'objdump'))('with gcc and objdump at hand', () => {
  test.each(['-gdwarf-2', '-gdwarf-3', '-gdwarf-4', '-gdwarf-5'])('%s, optimised and not', (version) => {
    for (const level of ['-O0', '-O2']) {
      const { bytes, expected } = compile([version, level]);
      expect(expected.length).toBeGreaterThan(5);
      expect(shown(bytes)).toEqual(expected);
    }
  });

  test('a 64-bit DWARF and a function of its own section', () => {
    const { bytes, expected } = compile(['-gdwarf64', '-ffunction-sections', '-Wl,--gc-sections', '-Wl,-e,_start']);
    expect(shown(bytes)).toEqual(expected);
  });

  test('files carry the folder of the compiler, and a breakpoint finds its line', () => {
    const { bytes, folder } = compile(['-gdwarf-5', '-O0']);
    const table = LineTable.of(dwarfLines(readElf('a.elf', bytes)));
    expect(table.files).toEqual([`${folder}/a.c`]);
    const found = table.addresses(`${folder}/a.c`, 2);
    expect(found?.line).toBe(3);
    expect(table.at(found?.addresses[0] ?? linear(0n))).toEqual({ file: `${folder}/a.c`, line: 3 });
  });

  test('compressed line numbers give no rows', () => {
    expect(shown(compile(['-Wl,--compress-debug-sections=zlib']).bytes)).toEqual([]);
  });

  test('damaged line numbers never throw', () => {
    const { bytes } = compile(['-gdwarf-5', '-O2']);
    const { offset, size } = sectionOfLines(bytes);
    const change = fc.tuple(fc.nat(size - 1), fc.nat(255));
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 6 }), (changes) => {
        const damaged = bytes.slice();
        for (const [at, value] of changes) damaged[offset + at] = value;
        LineTable.of(dwarfLines(readElf('a.elf', damaged)));
      }),
      { numRuns: 3000 },
    );
  });
});

describe.skipIf(!has('nasm', 'ld'))('with nasm and ld at hand', () => {
  test('nasm’s line numbers', () => {
    withFolder((folder) => {
      writeFileSync(join(folder, 'a.asm'), 'bits 64\nglobal _start\n_start:\n  nop\n\n  mov eax, 1\n  hlt\n');
      execFileSync('nasm', ['-f', 'elf64', '-g', '-F', 'dwarf', '-o', 'a.o', 'a.asm'], { cwd: folder });
      execFileSync('ld', ['-static', '-Ttext=0x100000', '-o', 'a.elf', 'a.o'], { cwd: folder });
      expect(shown(new Uint8Array(readFileSync(join(folder, 'a.elf'))))).toEqual([
        '100000 4',
        '100001 6',
        '100006 7',
        '100007 end',
      ]);
    });
  });
});

function sectionOfLines(bytes: Uint8Array): { offset: number; size: number } {
  const elf = readElf('a.elf', bytes);
  const names = elf.sections[elf.sectionTable.names];
  const text = new TextDecoder('latin1').decode(bytes);
  const section = elf.sections.find(({ name }) => text.startsWith('.debug_line\0', (names?.offset ?? 0) + name));
  if (section === undefined) throw new Error('no line numbers');
  return section;
}
