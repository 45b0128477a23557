/**
 * The same images on QEMU and Bochs: a boot sector brings them to the state of the boot contract and jumps to the
 * guest, which tells its value by the debug-exit port, or on Bochs by COM1.
 */

import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { assembleProgram } from '../../src/assembler/assemble';
import { runOnBochs } from '../bochs';
import { withFolder } from '../program/qemu';
import { ORIGIN } from './starts';
import type { Bits, Trial } from './trial';

const SECTOR = 512;
/** Bochs wants whole cylinders. */
const CYLINDER = 16 * 63 * SECTOR;

/** Value of the exit port; undefined when the guest did not get there: a reset, or no end. */
export type PeerOutcome = number | undefined;

const assembled = (source: string): Uint8Array => {
  const { segments } = assembleProgram(source, { file: 'trial.asm' });
  const start = Math.min(...segments.map(({ physical }) => Number(physical)));
  const end = Math.max(...segments.map(({ physical, size }) => Number(physical) + size));
  const bytes = new Uint8Array(end - start);
  for (const { physical, bytes: own } of segments) bytes.set(own, Number(physical) - start);
  return bytes;
};

/** A disk whose boot sector starts a program of this mode. */
const disk = (trial: Pick<Trial, 'source' | 'bits'>): Uint8Array => {
  const guest = assembled(trial.source);
  const sectors = Math.ceil(guest.length / SECTOR);
  const bytes = new Uint8Array(CYLINDER);
  bytes.set(assembled(bootSector(trial.bits, sectors)));
  bytes.set(guest, SECTOR);
  return bytes;
};

const RAM_IMAGE = 0x8000;
/** The same in memory, for a peer that starts without a BIOS: the address to jump to in real mode, and what lies there. */
export const ramImage = (
  trial: Pick<Trial, 'source' | 'bits'>,
): { readonly image: Uint8Array; readonly at: number } => {
  const guest = assembled(trial.source);
  const image = new Uint8Array(ORIGIN[trial.bits] - RAM_IMAGE + guest.length);
  image.set(assembled(startInMemory(trial.bits)));
  image.set(guest, ORIGIN[trial.bits] - RAM_IMAGE);
  return { image, at: RAM_IMAGE };
};

/** QEMU's exit status is value * 2 + 1. */
export const onQemu = (trial: Trial): PeerOutcome =>
  withFolder((folder) => {
    const file = join(folder, 'disk');
    writeFileSync(file, disk(trial));
    const { status } = spawnSync(
      'qemu-system-x86_64',
      [
        ...'-accel tcg -cpu max -m 16 -display none -nodefaults -no-reboot'.split(' '),
        ...'-device isa-debug-exit,iobase=0xf4,iosize=4'.split(' '),
        ...['-drive', `file=${file},format=raw`],
      ],
      { stdio: 'ignore', timeout: 20_000 },
    );
    return status === null || !(status & 1) ? undefined : status >> 1;
  });

export const onBochs = (trial: Trial): PeerOutcome => {
  const model = trial.cpu === 'haswell' ? 'corei7_haswell_4770' : 'corei7_skylake_x';
  return runOnBochs({ disk: disk(trial) }, { model, ips: 100_000_000, patience: 20_000 }).serial?.at(-1);
};

const startInMemory = (bits: Bits): string => `
bits 16
org ${RAM_IMAGE}
        cli
        xor ax, ax
        mov ds, ax
        mov es, ax
        mov ss, ax
        mov sp, 0x7c00
        in al, 0x92
        or al, 2
        and al, 0xfe
        out 0x92, al
        mov al, 0xff
        out 0x21, al
        out 0xa1, al
${bits === 16 ? real : bits === 32 ? wide : long}
${table(bits)}
`;

const bootSector = (bits: Bits, sectors: number): string => `
bits 16
org 0x7c00
        jmp 0:start
start:  cli
        xor ax, ax
        mov ds, ax
        mov es, ax
        mov ss, ax
        mov sp, 0x7c00
        mov cx, ${sectors}
read:   mov ah, 0x42
        mov si, packet
        push cx
        int 0x13
        pop cx
        jc stuck
        add word [packet+6], 0x20
        inc dword [packet+8]
        loop read
        in al, 0x92
        or al, 2
        and al, 0xfe
        out 0x92, al
        mov al, 0xff
        out 0x21, al
        out 0xa1, al
        cli
${bits === 16 ? real : bits === 32 ? wide : long}
stuck:  hlt
        jmp stuck
${table(bits)}
packet: db 16, 0
        dw 1, 0, ${ORIGIN[bits] >> 4}
        dq 1
        times 510-($-$$) db 0
        dw 0xaa55
`;

const table = (bits: Bits): string => `
align 8
gdt:    dq 0
        dq ${bits === 64 ? '0x00af9b000000ffff' : '0x00cf9b000000ffff'}
        dq 0x00cf93000000ffff
        dq 0x00cf9b000000ffff
gdtr:   dw 31
        dd gdt
`;

const real = `
        mov eax, 0x10
        mov cr0, eax
        mov ax, 0x8000
        mov ss, ax
        xor sp, sp
        jmp 0:${ORIGIN[16]}
`;
const wide = `
        lgdt [gdtr]
        mov eax, 0x11
        mov cr0, eax
        jmp 8:flat
bits 32
flat:   mov ax, 0x10
        mov ds, ax
        mov es, ax
        mov ss, ax
        mov fs, ax
        mov gs, ax
        mov esp, 0x90000
        xor eax, eax
        mov cr4, eax
        jmp ${ORIGIN[32]}
bits 16
`;
const long = `
        mov ax, 0x9100
        mov es, ax
        xor eax, eax
        xor di, di
        mov cx, 0x1800
        cld
        rep stosd
        mov dword [es:0], 0x92003
        mov dword [es:0x1000], 0x93003
        mov dword [es:0x1008], 0x94003
        mov dword [es:0x1010], 0x95003
        mov dword [es:0x1018], 0x96003
        mov di, 0x2000
        mov eax, 0x83
        mov cx, 2048
page:   mov [es:di], eax
        add di, 8
        add eax, 0x200000
        loop page
        mov eax, 0x20
        mov cr4, eax
        mov eax, 0x91000
        mov cr3, eax
        mov ecx, 0xc0000080
        xor edx, edx
        mov eax, 0x100
        wrmsr
        lgdt [gdtr]
        mov eax, 0x80000011
        mov cr0, eax
        jmp 8:flat
bits 64
flat:   mov ax, 0x10
        mov ds, ax
        mov es, ax
        mov ss, ax
        mov fs, ax
        mov gs, ax
        mov esp, 0x90000
        mov eax, ${ORIGIN[64]}
        jmp rax
bits 16
`;
