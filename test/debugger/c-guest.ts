/** A session on a program that real tools have built: C by gcc, assembly by nasm or as; linked by ld. */

import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type RawSettings, readSettings } from '../../src/debugger/machine-options';
import { Session } from '../../src/debugger/session';
import { currentAddress } from '../../src/debugger/vcpu-view';
import { MemoryFiles } from '../../src/program/files-memory';
import type { LinearAddress } from '../../src/x86/address';
import { has, withFolder } from '../program/qemu';

export const hasTools = has('gcc', 'ld', 'nasm');

export interface Built {
  readonly bytes: Uint8Array;
  /** Where it was built: the folder of its files' names. */
  readonly folder: string;
}

const script = `ENTRY(_start)
SECTIONS {
  . = 0x100000;
  .text : { *(.first) *(.text .text.*) }
  .data : { *(.rodata .rodata.* .data .data.*) }
  .bss : { *(.bss .bss.* COMMON) }
  /DISCARD/ : { *(.note.* .comment .eh_frame) }
}
`;

/** C and assembly for GNU as by gcc, as a kernel is built. */
export const gcc = (files: Readonly<Record<string, string>>, options: readonly string[]): Built =>
  withFolder((folder) => {
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
    const sources = Object.keys(files).filter((name) => /\.[cS]$/.test(name));
    const kernel = ['-g', '-ffreestanding', '-fno-pie', '-fno-stack-protector', '-mgeneral-regs-only', '-mno-red-zone'];
    const link = [
      '-no-pie',
      '-static',
      '-nostdlib',
      '-Wl,-T,link.ld,--build-id=none,-z,noexecstack,--no-warn-rwx-segments',
    ];
    if (files['link.ld'] === undefined) writeFileSync(join(folder, 'link.ld'), script);
    execFileSync('gcc', [...kernel, ...link, ...options, '-o', 'a.elf', ...sources], { cwd: folder });
    return { bytes: new Uint8Array(readFileSync(join(folder, 'a.elf'))), folder };
  });

/** `nasm -f elf64 -g -F dwarf` and ld. */
export const nasm = (files: Readonly<Record<string, string>>, format = 'elf64', linker?: string): Built =>
  withFolder((folder) => {
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
    const objects = Object.keys(files).map((name) => {
      execFileSync('nasm', ['-f', format, '-g', '-F', 'dwarf', '-o', `${name}.o`, name], { cwd: folder });
      return `${name}.o`;
    });
    if (linker !== undefined) writeFileSync(join(folder, 'link.ld'), linker);
    const where = linker === undefined ? ['-Ttext=0x100000'] : ['-T', 'link.ld'];
    const machine = format === 'elf32' ? 'elf_i386' : 'elf_x86_64';
    execFileSync('ld', ['-m', machine, '--no-warn-rwx-segments', '-static', ...where, '-o', 'a.elf', ...objects], {
      cwd: folder,
    });
    return { bytes: new Uint8Array(readFileSync(join(folder, 'a.elf'))), folder };
  });

export interface BuiltGuest {
  readonly session: Session;
  readonly notes: string[];
  /** `main.c:12`, where vCPU 0 stands. */
  at(): string;
  /** The address of the line's code, the first piece. */
  line(file: string, line: number): LinearAddress;
}

export const debugBuilt = async (
  { bytes }: Built,
  options: RawSettings = {},
  more: { readonly files?: Readonly<Record<string, Uint8Array | string>>; readonly stepIntoInterrupts?: boolean } = {},
): Promise<BuiltGuest> => {
  const notes: string[] = [];
  const session = await Session.start({
    files: new MemoryFiles({ 'a.elf': bytes, ...more.files }),
    program: 'a.elf',
    settings: readSettings({ memory: '16M', ...options }, (name) => name),
    sinks: { serial: () => {}, console: () => {} },
    note: (text) => notes.push(text),
    ...(more.stepIntoInterrupts === undefined ? {} : { stepIntoInterrupts: more.stepIntoInterrupts }),
  });
  const { lines } = session.info;
  return {
    session,
    notes,
    at: () => {
      const at = lines.at(currentAddress(session.vcpu(0)));
      return at === null ? 'no line' : `${at.file.slice(at.file.lastIndexOf('/') + 1)}:${at.line}`;
    },
    line: (name, line) => {
      const file = lines.files.find((one) => one === name || one.endsWith(`/${name}`)) ?? name;
      const found = lines.addresses(file, line);
      if (found === null) throw new Error(`no code on ${name}:${line}`);
      return found.addresses[0] as LinearAddress;
    },
  };
};
