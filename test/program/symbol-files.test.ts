/** Files that only lend their symbols: of every kind, moved by an offset, several at once, and damaged ones. */

import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { assembleProgram } from '../../src/assembler/assemble';
import { MemoryFiles } from '../../src/program/files-memory';
import { LineTable } from '../../src/program/lines';
import { load } from '../../src/program/load';
import { mapSymbols } from '../../src/program/map-file';
import type { Program } from '../../src/program/program';
import type { SymbolFile } from '../../src/program/symbol-files';
import { linear } from '../../src/x86/address';
import { has, withFolder } from './qemu';

const flat = Uint8Array.of(0x90, 0xf4);

const loaded = (
  files: Readonly<Record<string, Uint8Array | string>>,
  symbols: readonly SymbolFile[],
): Promise<Program> =>
  load(new MemoryFiles({ 'boot.bin': flat, ...files }), 'boot.bin', {
    load: 0x10_0000n,
    symbols,
    assemble: assembleProgram,
  });

const named = (program: Program): string[] =>
  program.symbols.map(({ name, address, kind }) => `${name} ${address.toString(16)} ${kind}`);

test('nm, with and without sizes, and kallsyms', () => {
  const text = [
    'ffffffff81000000 T _text',
    'ffffffff81000040 t helper.part.0',
    '0000000000000010 A OFFSET',
    'ffffffff82000000 00000000000000ff D table',
    'ffffffffa0000000 t init_module\t[ext4]',
    '                 U missing',
  ].join('\n');
  expect(mapSymbols(text)).toEqual([
    { name: '_text', address: 0xffff_ffff_8100_0000n, size: 0, kind: 'code' },
    { name: 'helper.part.0', address: 0xffff_ffff_8100_0040n, size: 0, kind: 'code' },
    { name: 'OFFSET', address: 0x10n, size: 0, kind: 'constant' },
    { name: 'table', address: 0xffff_ffff_8200_0000n, size: 0xff, kind: 'data' },
    { name: 'init_module', address: 0xffff_ffff_a000_0000n, size: 0, kind: 'code' },
  ]);
});

test('plain text, `address name`', () => {
  expect(
    mapSymbols('0x7c00 start\n7c10 print\r\nno symbol here\n').map(({ name, address }) => [name, address]),
  ).toEqual([
    ['start', 0x7c00n],
    ['print', 0x7c10n],
  ]);
});

test('the offset moves everything but constants', async () => {
  const program = await loaded({ 'a.map': '1000 T f\n2000 D d\n3000 A c\n' }, [
    { file: 'a.map', offset: 0xffff_8000_0000_0000n },
  ]);
  expect(named(program)).toEqual(['f ffff800000001000 code', 'd ffff800000002000 data', 'c 3000 constant']);
  expect(program.modules?.map(({ name, kind, offset, ranges }) => ({ name, kind, offset, ranges }))).toEqual([
    { name: 'boot.bin', kind: 'program', offset: 0n, ranges: [{ start: 0x10_0000n, end: 0x10_0002n }] },
    {
      name: 'a.map',
      kind: 'symbols',
      offset: 0xffff_8000_0000_0000n,
      ranges: [{ start: 0xffff_8000_0000_1000n, end: 0xffff_8000_0000_2001n }],
    },
  ]);
});

test('assembly source of a flat binary gives symbols and lines; two files, each where it is', async () => {
  const program = await loaded(
    { 'one.asm': 'bits 64\nfirst: nop\n hlt\n', 'two.asm': 'bits 64\norg 0\nsecond: nop\n' },
    [
      { file: 'one.asm', offset: 0n },
      { file: 'two.asm', offset: 0x20_0000n },
    ],
  );
  expect(named(program)).toEqual(['first 100000 code', 'second 200000 code']);
  const lines = LineTable.of(program.lines);
  expect(lines.files).toEqual(['one.asm', 'two.asm']);
  expect(lines.at(linear(0x10_0001n))).toEqual({ file: 'one.asm', line: 3 });
  expect(lines.at(linear(0x20_0000n))).toEqual({ file: 'two.asm', line: 3 });
  expect(lines.addresses('two.asm', 1)?.addresses).toEqual([0x20_0000n]);
  expect(lines.at(linear(0n))).toBeNull();
});

test('a file that makes no sense is one line, and the program without its symbols', async () => {
  const damaged = Uint8Array.of(0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0);
  const program = await loaded({ 'x.elf': damaged, 'x.map': 'What is this?\n', 'x.asm': 'bits 64\n mov eax\n' }, [
    { file: 'x.elf', offset: 0n },
    { file: 'x.map', offset: 0n },
    { file: 'x.asm', offset: 0n },
  ]);
  expect(program.symbols).toEqual([]);
  expect(program.modules?.map(({ problem }) => problem)).toEqual([
    undefined,
    'x.elf: truncated: the ELF header should end at byte 0x40, the file has 0x12 bytes',
    'x.map: no symbols: it is no ELF file, and no line of it reads `address name` as maps do',
    expect.stringMatching(/^x\.asm:2:\d+: .*\bmov\b/),
  ]);
});

test('a file that is not there ends the start', async () => {
  await expect(loaded({}, [{ file: 'gone.elf', offset: 0n }])).rejects.toThrow('gone.elf: no such file');
});

describe.skipIf(!has('gcc', 'ld'))('with gcc and ld at hand', () => {
  const build = (options: readonly string[], output: string): Uint8Array =>
    withFolder((folder) => {
      writeFileSync(
        join(folder, 'm.c'),
        'int value = 3;\nint get(void) { return value; }\nint put(int n) {\n  return value = n;\n}\n',
      );
      execFileSync('gcc', ['-g', '-ffreestanding', '-nostdlib', ...options, '-o', output, 'm.c'], { cwd: folder });
      return new Uint8Array(readFileSync(join(folder, output)));
    });

  test('a shared object and what objcopy keeps of it, loaded twice', async () => {
    const shared = build(['-shared', '-fPIC', '-Wl,--build-id=none'], 'm.so');
    const stripped = withFolder((folder) => {
      writeFileSync(join(folder, 'm.so'), shared);
      execFileSync('objcopy', ['--only-keep-debug', 'm.so', 'm.debug'], { cwd: folder });
      return new Uint8Array(readFileSync(join(folder, 'm.debug')));
    });
    const files = { 'm.so': shared, 'm.debug': stripped };
    const program = await loaded(files, [
      { file: 'm.so', offset: 0x40_0000n },
      { file: 'm.debug', offset: 0xffff_ffff_8000_0000n },
    ]);
    const both = program.symbols.filter(({ name }) => name === 'put').map(({ address }) => address);
    expect((both[1] ?? 0n) - (both[0] ?? 0n)).toBe(0xffff_ffff_8000_0000n - 0x40_0000n);
    const lines = LineTable.of(program.lines);
    for (const address of both) expect(lines.at(address)).toMatchObject({ line: 3 });
    const [file = ''] = lines.files.filter((one) => one.endsWith('/m.c'));
    expect(lines.addresses(file, 4)?.addresses.length).toBe(2);
  });

  test('the map that ld writes', async () => {
    const map = withFolder((folder) => {
      writeFileSync(join(folder, 'm.c'), 'int value = 3;\nint get(void) { return value; }\n');
      const link = ['-static', '-no-pie', '-Wl,-Ttext=0x100000,-Map=m.map,-e,get'];
      execFileSync('gcc', ['-ffreestanding', '-nostdlib', '-fno-pie', ...link, '-o', 'm.elf', 'm.c'], { cwd: folder });
      return readFileSync(join(folder, 'm.map'), 'utf8');
    });
    const symbols = mapSymbols(map);
    expect(symbols.find(({ name }) => name === 'get')?.address).toBe(0x10_0000n);
    expect(symbols.map(({ name }) => name)).toContain('value');
  });
});

describe.skipIf(!has('nasm'))('with nasm at hand', () => {
  test('the map that it writes', () => {
    const map = withFolder((folder) => {
      writeFileSync(join(folder, 'b.asm'), '[map symbols b.map]\norg 0x7c00\nstart: nop\nprint: ret\n');
      execFileSync('nasm', ['-f', 'bin', '-o', 'b.bin', 'b.asm'], { cwd: folder });
      return readFileSync(join(folder, 'b.map'), 'utf8');
    });
    expect(mapSymbols(map).map(({ name, address }) => [name, address])).toEqual([
      ['start', 0x7c00n],
      ['print', 0x7c01n],
    ]);
  });
});
