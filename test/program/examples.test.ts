/** The examples under QEMU, started by the boot contract: what they print and how they end is what they say. */

import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { assembleProgram } from '../../src/assembler/assemble';
import { MemoryFiles } from '../../src/program/files-memory';
import { load } from '../../src/program/load';
import { type Prepared, prepare } from '../../src/program/prepare';
import type { Program } from '../../src/program/program';
import { linear, physical } from '../../src/x86/address';
import { has, nasm, qemu, startInQemu, withFolder } from './qemu';

const examples = join(import.meta.dirname, '../../examples');
const memoryBytes = 64 * 0x10_0000;

/** NASM as the assembler: the examples name their mode and origin in one line each. */
function assemble(source: string, { file }: { file: string }): Program {
  const at = BigInt(/^org (\S+)/m.exec(source)?.[1] ?? 0);
  const bits = Number(/^bits (\d+)/m.exec(source)?.[1]) as 16 | 32 | 64;
  const bytes = nasm(source);
  return {
    name: file,
    segments: [{ physical: physical(at), bytes, size: bytes.length }],
    start: { kind: 'direct', bits, entry: linear(at) },
    symbols: [],
    lines: [],
  };
}

async function prepared(name: string): Promise<Prepared> {
  const files = new MemoryFiles({ [name]: new Uint8Array(readFileSync(join(examples, name))) });
  return prepare(await load(files, name, { assemble, memoryBytes }), { memoryBytes });
}

describe.skipIf(!has('nasm'))('with nasm at hand', () => {
  test.each(['hello', 'rings', 'paging', 'timer', 'boot-sector'])('our assembler makes the same of %s.asm', (name) => {
    const file = `${name}.asm`;
    const source = readFileSync(join(examples, file), 'utf8');
    const { segments, start } = assembleProgram(source, { file });
    expect({ segments, start }).toMatchObject({
      segments: assemble(source, { file }).segments,
      start: assemble(source, { file }).start,
    });
  });
});

describe.skipIf(!has('nasm', 'qemu-system-x86_64'))('with nasm and QEMU at hand', () => {
  test.each([
    ['hello.asm', 'Hello from the serial port.\n', 'Hello from the debug console.\n'],
    ['rings.asm', '', 'Ring 3 calls the kernel by INT 0x80.\nAnd again by SYSCALL.\n'],
    ['paging.asm', '', `${'#PF: mapped one more page.\n'.repeat(3)}Three pages, three faults, all data there.\n`],
    ['timer.asm', '', '.......... ten ticks.\n'],
  ])('%s', async (name, serial, console) => {
    expect(startInQemu(await prepared(name))).toEqual({ status: 1, serial, console });
  });

  test('boot-sector.asm', async () => {
    const { bios, state } = await prepared('boot-sector.asm');
    expect(state.kind).toBe('boot-sector');
    expect(qemu(bios?.disk?.image ?? new Uint8Array(), 'disk')).toMatchObject({
      status: 1,
      console: 'Hello from the boot sector. 639 KiB of low memory.\r\nAnd this came from the second sector.\r\n',
    });
  });

  test('a 32-bit program starts in flat protected mode with a stack', async () => {
    const source = `
bits 32
org 0x100000
        push dword 0x1234
        pop eax
        cmp eax, 0x1234
        jne wrong
        mov eax, [0x90008]      ; the descriptor that CS was loaded from
        cmp eax, 0xffff
        jne wrong
        smsw ax
        and ax, 1
        jz wrong
        mov al, 4
        out 0xf4, al
wrong:  mov al, 1
        out 0xf4, al`;
    const files = new MemoryFiles({ 'p.asm': source });
    const outcome = startInQemu(prepare(await load(files, 'p.asm', { assemble }), { memoryBytes }));
    expect(outcome.status).toBe(9);
  });
});

/** Prints the command line and its own message on the debug console by 32-bit code, then ends with status 5. */
const kernelSource = (head: string): string => `
bits 32
${head}
start:  cmp eax, 0x2badb002
        jne wrong
        mov esi, [ebx + 16]
        call print
        mov esi, text
        call print
        mov al, 2
        out 0xf4, al
wrong:  mov al, 1
        out 0xf4, al
print:  lodsb
        test al, al
        jz .end
        out 0xe9, al
        jmp print
.end:   ret
text:   db '!', 0
`;

describe.skipIf(!has('nasm', 'ld', 'qemu-system-x86_64'))('Multiboot kernels made by nasm', () => {
  const run = async (name: string, kernel: Uint8Array): Promise<unknown> => {
    const program = await load(new MemoryFiles({ [name]: kernel }), name, { commandLine: 'x y', memoryBytes });
    expect(program.start.kind).toBe('multiboot');
    return startInQemu(prepare(program, { memoryBytes }));
  };

  test.each([32, 64])('ELF%i', async (bits) => {
    const kernel = withFolder((folder) => {
      const head = 'global start\nsection .text\nalign 4\ndd 0x1badb002, 0, -0x1badb002';
      writeFileSync(join(folder, 'k.asm'), kernelSource(head));
      execFileSync('nasm', ['-f', `elf${bits}`, '-o', 'k.o', 'k.asm'], { cwd: folder });
      const emulation = bits === 32 ? 'elf_i386' : 'elf_x86_64';
      const link = ['-m', emulation, '-static', '-n', '-Ttext=0x100000', '-e', 'start', '-o', 'k.elf', 'k.o'];
      execFileSync('ld', link, { cwd: folder });
      return new Uint8Array(readFileSync(join(folder, 'k.elf')));
    });
    expect(await run('k.elf', kernel)).toEqual({ status: 5, serial: '', console: 'k.elf x y!' });
  });

  test('a flat image with addresses in its header', async () => {
    const head = 'org 0x100000\nheader: dd 0x1badb002, 0x10000, -(0x1badb002 + 0x10000), header, header, 0, 0, start';
    expect(await run('k.bin', nasm(kernelSource(head)))).toEqual({ status: 5, serial: '', console: 'k.bin x y!' });
  });
});

describe.skipIf(!has('make', 'gcc', 'qemu-system-x86_64'))('with gcc and QEMU at hand', () => {
  const kernel = withFolder((folder) => {
    const output = join(folder, 'kernel.elf');
    if (has('make', 'gcc')) execFileSync('make', ['-s', '-C', join(examples, 'multiboot-c'), `OUT=${output}`]);
    return has('make', 'gcc') ? new Uint8Array(readFileSync(output)) : new Uint8Array();
  });
  const files = new MemoryFiles({ 'kernel.elf': kernel, 'data.txt': 'abc' });
  const lines = (commandLine: string, module: string, memory: string): string =>
    `Hello from C.\ncommand line: ${commandLine}\nmodule: ${module}, 0x3 bytes\nmemory: 0x0 + 0x9fc00\nmemory: ${memory}\n`;

  test('multiboot-c prints what our boot information says', async () => {
    const program = await load(files, 'kernel.elf', { commandLine: 'a=b', modules: ['data.txt x'], memoryBytes });
    expect(program.symbols).toContainEqual(expect.objectContaining({ name: 'kernel', kind: 'code' }));
    expect(startInQemu(prepare(program, { memoryBytes }))).toMatchObject({
      status: 1,
      serial: lines('kernel.elf a=b', 'data.txt x', '0x100000 + 0x3f00000'),
    });
  });

  test('multiboot-c prints the same with QEMU’s own loader, but for paths and firmware tables', () => {
    expect(qemu(kernel, 'kernel', ['-append', 'a=b'])).toMatchObject({
      status: 1,
      serial: expect.stringMatching(
        /^Hello from C\.\ncommand line: \S+ a=b\nmemory: 0x0 \+ 0x9fc00\nmemory: 0x100000 \+ 0x3e\w+\n$/,
      ),
    });
  });
});
