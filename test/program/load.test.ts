import { expect, test } from 'vitest';
import { MemoryFiles } from '../../src/program/files-memory';
import { type Assemble, type LoadOptions, load } from '../../src/program/load';
import { BadInput, type Program } from '../../src/program/program';
import { linear, physical } from '../../src/x86/address';
import { elfImage } from './elf-image';

const elf = elfImage({
  bits: 64,
  entry: 0xffff_ffff_8010_0000n,
  segments: [{ physical: 0x10_0000n, virtual: 0xffff_ffff_8010_0000n, bytes: new Uint8Array(16) }],
  symbols: [
    { name: '_start', value: 0xffff_ffff_8010_0000n },
    { name: 'other', value: 0xffff_ffff_8010_0004n },
  ],
});
const multiboot = new Uint8Array(64);
for (const [index, value] of [
  0x1bad_b002,
  0x1_0000,
  -0x1bad_b002 - 0x1_0000,
  0x10_0000,
  0x10_0000,
  0,
  0,
  0x10_0020,
].entries()) {
  new DataView(multiboot.buffer).setUint32(index * 4, value, true);
}
const sector = new Uint8Array(512);
sector.set([0x55, 0xaa], 510);
const files = new MemoryFiles({
  'guests/kernel.elf': elf,
  'guests/kernel.bin': multiboot,
  'guests/boot.img': sector,
  'guests/flat.bin': Uint8Array.of(0xf4),
  'guests/empty': new Uint8Array(0),
  'guests/hello.asm': 'bits 64\nhlt\n',
  'init.img': Uint8Array.of(1, 2, 3),
  'rom.bin': new Uint8Array(0x1000),
  'rom.asm': 'rom',
  'odd.bin': new Uint8Array(0x1001),
});

/** Stands for the assembler: what it is given decides what it makes. */
const assembler =
  (at: bigint, bits: 16 | 32 | 64, bytes: Uint8Array): Assemble =>
  (_source, { file }) => ({
    name: file,
    segments: [{ physical: physical(at), bytes, size: bytes.length }],
    start: { kind: 'direct', bits, entry: linear(at) },
    symbols: [{ name: 'late', address: linear(at + 1n), size: 0, kind: 'code' }],
    lines: [{ address: linear(at), file, line: 2 }],
  });
const asm64 = assembler(0x10_0000n, 64, Uint8Array.of(0x90, 0xf4));
const loaded = (path: string | null, options: LoadOptions = {}): Promise<Program> => load(files, path, options);
const refusal = async (path: string | null, options: LoadOptions = {}): Promise<string> => {
  const error = await loaded(path, options).then(
    () => new Error('accepted'),
    (reason) => reason,
  );
  expect(error).toBeInstanceOf(BadInput);
  expect(error.message).not.toContain('\n');
  return error.message;
};

test('an ELF file starts at the physical address of its entry, or at --entry', async () => {
  expect((await loaded('guests/kernel.elf')).start).toEqual({ kind: 'direct', bits: 64, entry: 0x10_0000n });
  expect((await loaded('guests/kernel.elf', { entry: 0x10_0008n, mode: 32 })).start).toEqual({
    kind: 'direct',
    bits: 32,
    entry: 0x10_0008n,
  });
  expect((await loaded('guests/kernel.elf', { entry: 'other' })).start).toMatchObject({ entry: 0x10_0004n });
  expect(await refusal('guests/kernel.elf', { entry: 'nowhere' })).toBe(
    'guests/kernel.elf: has no symbol nowhere; give --entry an address or one of its labels',
  );
});

test('a Multiboot image gets its name before its command line, and each module its own', async () => {
  const program = await loaded('guests/kernel.bin', { commandLine: 'a=b', modules: [' init.img  x y ', 'init.img'] });
  expect(program.start).toMatchObject({
    kind: 'multiboot',
    entry: 0x10_0020n,
    commandLine: 'kernel.bin a=b',
    modules: [
      { commandLine: 'init.img x y', bytes: Uint8Array.of(1, 2, 3) },
      { commandLine: 'init.img', bytes: Uint8Array.of(1, 2, 3) },
    ],
  });
  const withInitrd = await loaded('guests/kernel.bin', { initrd: 'rom.asm', modules: ['init.img'] });
  expect(withInitrd.start).toMatchObject({ modules: [{ commandLine: 'rom.asm' }, { commandLine: 'init.img' }] });
  expect((await loaded('guests/kernel.bin', { entry: 0x10_0024n })).start).toMatchObject({ entry: 0x10_0024n });
  expect(await refusal('guests/kernel.bin', { modules: ['missing.img'] })).toBe('missing.img: no such file');
  expect(await refusal('guests/kernel.bin', { modules: ['  '] })).toBe(
    "a module without a file: give --module 'FILE ARGS'",
  );
  expect(await refusal('guests/kernel.bin', { mode: 64 })).toBe(
    'guests/kernel.bin: --mode 64 does not apply: a Multiboot image starts in 32-bit protected mode',
  );
});

test('--load says that a file is flat, also one that looks bootable', async () => {
  expect(await loaded('guests/flat.bin', { load: 0x20_0000n, entry: 0x20_0001n, mode: 32 })).toMatchObject({
    segments: [{ physical: 0x20_0000n, size: 1 }],
    start: { kind: 'direct', bits: 32, entry: 0x20_0001n },
  });
  expect((await loaded('guests/flat.bin', { load: 0x20_0000n })).start).toEqual({
    kind: 'direct',
    bits: 64,
    entry: 0x20_0000n,
  });
  expect((await loaded('guests/boot.img', { load: 0x8000n, mode: 16 })).start).toMatchObject({ bits: 16 });
  expect(await refusal('guests/flat.bin', { load: 0xffff_ffffn + 1n })).toBe(
    'guests/flat.bin: --load 0x100000000 with 0x1 bytes does not end below 4 GiB; 0x100000 is usual',
  );
});

test('a file of no known kind is refused without --load', async () => {
  expect(await refusal('guests/flat.bin')).toBe(
    'guests/flat.bin: neither ELF, Multiboot, boot sector nor assembly source (.asm, .nasm); for a flat binary give --load',
  );
});

test('command line, modules and initrd are refused where nobody would see them', async () => {
  const only = 'does not apply: only a Multiboot image takes them';
  expect(await refusal('guests/kernel.elf', { commandLine: 'x' })).toBe(`guests/kernel.elf: --cmdline ${only}`);
  expect(await refusal('guests/hello.asm', { initrd: 'x', assemble: asm64 })).toBe(
    `guests/hello.asm: --initrd ${only}`,
  );
  expect(await refusal('guests/flat.bin', { load: 0x500n, modules: ['x'] })).toBe(`guests/flat.bin: --module ${only}`);
});

test('a boot sector takes no entry, mode or command line', async () => {
  expect((await loaded('guests/boot.img', { mode: 16, commandLine: '', modules: [] })).start.kind).toBe('boot-sector');
  expect(await refusal('guests/boot.img', { entry: 1n })).toBe(
    'guests/boot.img: --entry does not apply: a boot sector starts at 0x7c00 by itself',
  );
  expect(await refusal('guests/boot.img', { mode: 64 })).toBe(
    'guests/boot.img: --mode 64 does not apply: a boot sector starts in real mode',
  );
});

test('assembly source goes through the assembler, with mode and entry as asked for', async () => {
  expect((await loaded('guests/hello.asm', { assemble: asm64 })).start).toEqual({
    kind: 'direct',
    bits: 64,
    entry: 0x10_0000n,
  });
  expect((await loaded('guests/hello.asm', { assemble: asm64, mode: 32, entry: 'late' })).start).toEqual({
    kind: 'direct',
    bits: 32,
    entry: 0x10_0001n,
  });
  expect(await refusal('guests/hello.asm', { assemble: asm64, load: 1n })).toBe(
    'guests/hello.asm: --load does not apply: assembly source says with `org` where it is loaded',
  );
  expect(await refusal('guests/hello.asm')).toBe('guests/hello.asm: assembly source; assemble it first');
});

test('16-bit source with the boot signature is a boot sector and keeps its symbols and lines', async () => {
  const program = await loaded('guests/hello.asm', { assemble: assembler(0x7c00n, 16, sector) });
  expect(program).toMatchObject({
    start: { kind: 'boot-sector' },
    segments: [{ physical: 0x7c00n, size: 512 }],
    symbols: [{ name: 'late' }],
    lines: [{ line: 2 }],
  });
  const elsewhere = await loaded('guests/hello.asm', { assemble: assembler(0x8000n, 16, sector) });
  expect(elsewhere.start).toMatchObject({ kind: 'direct', bits: 16 });
  const wide = await loaded('guests/hello.asm', { assemble: assembler(0x7c00n, 32, sector) });
  expect(wide.start).toMatchObject({ kind: 'direct', bits: 32 });
});

test('a ROM starts instead of the program, which lends memory and symbols', async () => {
  expect(await loaded(null, { bios: 'rom.bin' })).toMatchObject({ name: 'rom.bin', start: { kind: 'reset' } });
  expect(await loaded('rom.bin', { bios: 'rom.bin' })).toMatchObject({ start: { kind: 'reset' }, segments: [] });
  expect(await loaded('guests/kernel.elf', { bios: 'rom.bin' })).toMatchObject({
    start: { kind: 'reset' },
    segments: [{ physical: 0x10_0000n }],
    symbols: [{ name: '_start' }, { name: 'other' }],
  });
  const fromSource = await loaded(null, { bios: 'rom.asm', assemble: assembler(0n, 16, new Uint8Array(0x1000)) });
  expect(fromSource).toMatchObject({ start: { kind: 'reset' }, segments: [], symbols: [{ name: 'late' }] });
  expect(await refusal(null, { bios: 'odd.bin' })).toBe(
    'odd.bin: a ROM of 0x1001 bytes; its size must be a multiple of 4 KiB, at most 16 MiB, ' +
      'with the reset vector 16 bytes before its end',
  );
  expect(await refusal(null, { bios: 'rom.bin', entry: 0n })).toBe(
    'rom.bin: --entry does not apply: a ROM starts at the reset vector',
  );
});

test('missing, empty and directory are one line each', async () => {
  expect(await refusal('guests/none')).toBe('guests/none: no such file');
  expect(await refusal('guests')).toBe('guests: is a directory; name a file in it');
  expect(await refusal('guests/empty')).toBe('guests/empty: the file is empty; a program has at least one byte');
  expect(await refusal(null)).toBe('no program: name a file to run');
});

test('with the size of RAM known, a program that does not fit is refused', async () => {
  expect(await refusal('guests/flat.bin', { load: 0x40_0000n, memoryBytes: 0x40_0000 })).toBe(
    'guests/flat.bin: segment 0, 0x400000-0x400000, is outside the 4 MiB of RAM; give --memory 5M',
  );
});

test('files in memory resolve paths beside the file that names them', async () => {
  expect(files.resolve('guests/kernel.elf', '../init.img')).toBe('init.img');
  expect(files.resolve('guests/kernel.elf', 'boot.img')).toBe('guests/boot.img');
  expect(files.resolve('/a/b', '/c/./d')).toBe('/c/d');
});
