/**
 * A second opinion on the boot contract: a program's prepared memory and registers are set up in QEMU by a small stub,
 * which then jumps to the entry. What the program prints and its exit status come back.
 */

import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Prepared } from '../../src/program/prepare';

export interface Outcome {
  readonly status: number;
  readonly serial: string;
  readonly console: string;
}

export const has = (...tools: readonly string[]): boolean =>
  tools.every((tool) => spawnSync('which', [tool]).status === 0);

/** Runs `use` with a fresh folder. */
export function withFolder<T>(use: (folder: string) => T): T {
  const folder = mkdtempSync(join(tmpdir(), 'ringside-'));
  try {
    return use(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

export function nasm(source: string): Uint8Array {
  return withFolder((folder) => {
    const [input, output] = [join(folder, 'a.asm'), join(folder, 'a.bin')];
    writeFileSync(input, source);
    execFileSync('nasm', ['-f', 'bin', '-o', output, input]);
    return new Uint8Array(readFileSync(output));
  });
}

/** A kernel by `-kernel` (with command line and modules), or a disk to boot from. */
export function qemu(image: Uint8Array, how: 'kernel' | 'disk', extra: readonly string[] = []): Outcome {
  return withFolder((folder) => {
    const [file, serial, debug] = ['image', 'serial', 'console'].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ];
    writeFileSync(file, image);
    const options =
      `-display none -nodefaults -vga std -no-reboot -m 64 -cpu max -serial file:${serial} -debugcon file:${debug} ` +
      '-device isa-debug-exit,iobase=0xf4,iosize=4';
    const boot = how === 'kernel' ? ['-kernel', file] : ['-drive', `format=raw,file=${file}`];
    const { status } = spawnSync('qemu-system-x86_64', [...options.split(' '), ...boot, ...extra], { timeout: 30_000 });
    return { status: status ?? -1, serial: readFileSync(serial, 'latin1'), console: readFileSync(debug, 'latin1') };
  });
}

/** For starts in protected and long mode. */
export function startInQemu({ writes, state }: Prepared, extra: readonly string[] = []): Outcome {
  const stub = nasm(stubSource(state));
  const table: number[] = [writes.length];
  const dataStart = STUB_ADDRESS + stub.length + 4 + writes.length * 16;
  let offset = 0;
  for (const { physical, bytes, size } of writes) {
    table.push(Number(physical), dataStart + offset, bytes.length, size - bytes.length);
    offset += bytes.length;
  }
  const image = new Uint8Array(stub.length + table.length * 4 + offset);
  image.set(stub);
  image.set(new Uint8Array(Uint32Array.from(table).buffer), stub.length);
  offset = stub.length + table.length * 4;
  for (const { bytes } of writes) {
    image.set(bytes, offset);
    offset += bytes.length;
  }
  return qemu(image, 'kernel', extra);
}

const STUB_ADDRESS = 0x200_0000;

function stubSource(state: Prepared['state']): string {
  const { segments, gdtr, idtr, gpr } = state;
  const long = state.mode === 'long';
  const selectors = (['ds', 'es', 'ss', 'fs', 'gs'] as const)
    .map((name) => `mov ax, ${segments[name].selector}\n mov ${name}, ax`)
    .join('\n');
  return `
bits 32
org ${STUB_ADDRESS}
align 4
header: dd 0x1badb002, 0x10000, -(0x1badb002 + 0x10000), header, header, 0, 0, stub
stub:   mov esp, stack
        mov ebp, table + 4
        mov ebx, [table]
.copy:  mov edi, [ebp]
        mov esi, [ebp + 4]
        mov ecx, [ebp + 8]
        rep movsb
        mov ecx, [ebp + 12]
        xor eax, eax
        rep stosb
        add ebp, 16
        dec ebx
        jnz .copy
        lgdt [gdt]
        lidt [idt]
        mov eax, ${state.cr4}
        mov cr4, eax
        mov eax, ${state.cr3}
        mov cr3, eax
        ${long ? `mov ecx, 0xc0000080\n xor edx, edx\n mov eax, ${state.efer & ~0x400n}\n wrmsr` : ''}
        mov eax, ${state.cr0}
        mov cr0, eax
        jmp ${segments.cs.selector}:there
${long ? 'bits 64' : 'bits 32'}
there:  ${selectors}
        mov esp, ${state.rsp}
        push ${state.rflags}
        ${long ? 'popfq' : 'popfd'}
        mov eax, ${gpr.rax ?? 0n}
        mov ebx, ${gpr.rbx ?? 0n}
        xor ecx, ecx
        xor edx, edx
        xor esi, esi
        xor edi, edi
        xor ebp, ebp
        jmp ${state.rip}
gdt:    dw ${gdtr.limit}
        dd ${gdtr.base}
idt:    dw ${idtr.limit}
        dd ${idtr.base}
align 16
        times 64 db 0
stack:
table:
`;
}
