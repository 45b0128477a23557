/** MD5 against another implementation, at all lengths around the edges of its blocks. */

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readElf } from '../../src/program/elf';
import { elfModule } from '../../src/program/elf-module';
import { MemoryFiles } from '../../src/program/files-memory';
import { md5 } from '../../src/program/md5';
import { has, withFolder } from './qemu';

test('is what everybody else computes', () => {
  for (let length = 0; length < 200; length++) {
    const bytes = Uint8Array.from({ length }, (_, n) => (n * 151 + length) & 0xff);
    expect(md5(bytes), String(length)).toBe(createHash('md5').update(bytes).digest('hex'));
  }
});

const line = `.file 0 "/src" "kernel.c" md5 0x00112233445566778899aabbccddeeff
.file 1 "/src" "other.c" md5 0xffeeddccbbaa99887766554433221100
.globl _start
_start: .loc 0 1 0
nop
.loc 1 2 0
nop
`;

test.skipIf(!has('as', 'ld'))('DWARF 5 tells that of each file', async () => {
  const bytes = withFolder((folder) => {
    writeFileSync(join(folder, 'a.s'), line);
    execFileSync('as', ['--gdwarf-5', '-o', 'a.o', 'a.s'], { cwd: folder });
    execFileSync('ld', ['-o', 'a.elf', 'a.o'], { cwd: folder });
    return new Uint8Array(readFileSync(join(folder, 'a.elf')));
  });
  const { checksums } = await elfModule(readElf('a.elf', bytes, 'symbols'), {
    kind: 'symbols',
    path: 'a.elf',
    offset: 0n,
    files: new MemoryFiles({}),
    sourceMap: {},
  });
  // This assembler writes the number's low byte first; the standard's 16 bytes are the digest as it is.
  expect([...(checksums ?? [])].map(([path, sum]) => [path.replace(/.*\//, ''), sum])).toEqual([
    ['kernel.c', 'ffeeddccbbaa99887766554433221100'],
    ['other.c', '00112233445566778899aabbccddeeff'],
  ]);
});
