/**
 * The BIOS services that boot sectors use, as data: which interrupt and function, what it takes and gives. The machine
 * runs each as native code at its own address; this table and docs/boot-contract.md list the same rows. All else
 * returns with carry set and AH = 0x86 (int 15h) or 0x01 (int 13h), or does nothing.
 */

import { physical } from '../x86/address';
import { BOOT_DRIVE, type DiskGeometry, diskGeometry } from './boot-sector';
import { write8, write16, write32 } from './little-endian';
import { EXTENDED_BIOS_DATA, LOW_MEMORY_END, type MemoryRange, memoryMap } from './memory-map';
import type { Segment } from './program';

export interface BiosService {
  /** Stable; by it the machine finds the routine. */
  readonly id: string;
  readonly interrupt: number;
  /** The function number and the register that it is in; null when the interrupt is one service. */
  readonly selects: { readonly register: 'ah' | 'ax' | 'eax'; readonly value: number } | null;
  readonly takes: string;
  readonly gives: string;
}

/** What a machine needs to play the BIOS. */
export interface Bios {
  readonly services: readonly BiosService[];
  /** Physical address of the entry of int 0; that of int n lies `16 * n` bytes further. */
  readonly entries: number;
  readonly memoryMap: readonly MemoryRange[];
  readonly disk: BiosDisk | null;
}

export interface BiosDisk {
  readonly drive: number;
  /** Whole sectors of 512 bytes. */
  readonly image: Uint8Array;
  readonly geometry: DiskGeometry;
}

/** The page of native code in which every interrupt has 16 bytes: F000:0000 + 16 * vector. */
const BIOS_ENTRIES = 0xf_0000;

const ah = (value: number): BiosService['selects'] => ({ register: 'ah', value });
const ax = (value: number): BiosService['selects'] => ({ register: 'ax', value });

export const biosServices: readonly BiosService[] = [
  { id: 'timer.tick', interrupt: 0x08, selects: null, takes: 'IRQ 0', gives: 'dword [0x46c] + 1, then int 0x1c' },
  { id: 'keyboard.key', interrupt: 0x09, selects: null, takes: 'IRQ 1', gives: 'the key in the buffer at 0x41e' },
  { id: 'video.set-mode', interrupt: 0x10, selects: ah(0x00), takes: 'AL = 2 or 3', gives: 'a blank 80x25 screen' },
  { id: 'video.cursor-shape', interrupt: 0x10, selects: ah(0x01), takes: 'CX', gives: 'word [0x460]' },
  { id: 'video.set-cursor', interrupt: 0x10, selects: ah(0x02), takes: 'DH row, DL column', gives: 'word [0x450]' },
  { id: 'video.get-cursor', interrupt: 0x10, selects: ah(0x03), takes: '', gives: 'DH row, DL column, CX shape' },
  {
    id: 'video.scroll-up',
    interrupt: 0x10,
    selects: ah(0x06),
    takes: 'AL lines (0: all), BH attribute, CX and DX the corners',
    gives: 'the window scrolled',
  },
  {
    id: 'video.scroll-down',
    interrupt: 0x10,
    selects: ah(0x07),
    takes: 'AL lines (0: all), BH attribute, CX and DX the corners',
    gives: 'the window scrolled',
  },
  { id: 'video.read', interrupt: 0x10, selects: ah(0x08), takes: '', gives: 'AL character, AH attribute' },
  {
    id: 'video.write-with-attribute',
    interrupt: 0x10,
    selects: ah(0x09),
    takes: 'AL character, BL attribute, CX times',
    gives: 'the cursor stays',
  },
  { id: 'video.write', interrupt: 0x10, selects: ah(0x0a), takes: 'AL character, CX times', gives: 'the cursor stays' },
  {
    id: 'video.teletype',
    interrupt: 0x10,
    selects: ah(0x0e),
    takes: 'AL character; 7, 8, 10 and 13 act',
    gives: 'the cursor moves, the screen scrolls',
  },
  {
    id: 'video.get-mode',
    interrupt: 0x10,
    selects: ah(0x0f),
    takes: '',
    gives: 'AL = 3, AH = 80 columns, BH = page 0',
  },
  {
    id: 'video.write-string',
    interrupt: 0x10,
    selects: ah(0x13),
    takes: 'ES:BP, CX length, DH row, DL column, BL attribute, AL bit 0: move the cursor',
    gives: 'the string written',
  },
  { id: 'equipment', interrupt: 0x11, selects: null, takes: '', gives: 'AX = word [0x410]' },
  { id: 'memory.low', interrupt: 0x12, selects: null, takes: '', gives: 'AX = 639 KiB' },
  { id: 'disk.reset', interrupt: 0x13, selects: ah(0x00), takes: 'DL', gives: 'CF = 0, AH = 0' },
  { id: 'disk.status', interrupt: 0x13, selects: ah(0x01), takes: 'DL', gives: 'AH, the last status' },
  {
    id: 'disk.read',
    interrupt: 0x13,
    selects: ah(0x02),
    takes: 'AL sectors, CH and CL 7:6 cylinder, CL 5:0 sector from 1, DH head, DL, ES:BX buffer',
    gives: 'CF = 0, AH = 0, AL sectors read; else CF = 1, AH = 4 (not found)',
  },
  {
    id: 'disk.geometry',
    interrupt: 0x13,
    selects: ah(0x08),
    takes: 'DL',
    gives: 'CH and CL 7:6 last cylinder, CL 5:0 sectors, DH last head, DL number of disks',
  },
  {
    id: 'disk.type',
    interrupt: 0x13,
    selects: ah(0x15),
    takes: 'DL',
    gives: 'AH = 3 (fixed disk), CX:DX sectors; AH = 0 without a disk',
  },
  {
    id: 'disk.extensions',
    interrupt: 0x13,
    selects: ah(0x41),
    takes: 'BX = 0x55aa, DL',
    gives: 'CF = 0, BX = 0xaa55, AH = 0x21, CX = 1',
  },
  {
    id: 'disk.read-lba',
    interrupt: 0x13,
    selects: ah(0x42),
    takes: 'DL, DS:SI packet: size 16, 0, count, offset, segment, sector (8 bytes)',
    gives: 'CF = 0, AH = 0; else CF = 1, AH = 4, the packet with the count read',
  },
  {
    id: 'disk.parameters-lba',
    interrupt: 0x13,
    selects: ah(0x48),
    takes: 'DL, DS:SI buffer of 26 bytes',
    gives: 'geometry, number of sectors, 512',
  },
  { id: 'a20.disable', interrupt: 0x15, selects: ax(0x2400), takes: '', gives: 'CF = 0, AH = 0' },
  { id: 'a20.enable', interrupt: 0x15, selects: ax(0x2401), takes: '', gives: 'CF = 0, AH = 0' },
  { id: 'a20.status', interrupt: 0x15, selects: ax(0x2402), takes: '', gives: 'CF = 0, AH = 0, AL = 1 when on' },
  { id: 'a20.support', interrupt: 0x15, selects: ax(0x2403), takes: '', gives: 'CF = 0, AH = 0, BX = 3' },
  {
    id: 'memory.extended',
    interrupt: 0x15,
    selects: ah(0x88),
    takes: '',
    gives: 'AX = KiB from 1 MiB, at most 65535',
  },
  {
    id: 'memory.e801',
    interrupt: 0x15,
    selects: ax(0xe801),
    takes: '',
    gives: 'AX = CX = KiB from 1 to 16 MiB, BX = DX = 64 KiB blocks from 16 MiB',
  },
  {
    id: 'memory.map',
    interrupt: 0x15,
    selects: { register: 'eax', value: 0xe820 },
    takes: 'EDX = 0x534d4150, EBX = 0 or the last EBX, ECX at least 20, ES:DI buffer',
    gives: 'EAX = 0x534d4150, ECX = 20, one entry, EBX = 0 after the last',
  },
  {
    id: 'keyboard.read',
    interrupt: 0x16,
    selects: ah(0x00),
    takes: '',
    gives: 'waits; AH scan code, AL character',
  },
  {
    id: 'keyboard.look',
    interrupt: 0x16,
    selects: ah(0x01),
    takes: '',
    gives: 'ZF = 1: no key; else AX as function 0, the key stays',
  },
  { id: 'keyboard.shifts', interrupt: 0x16, selects: ah(0x02), takes: '', gives: 'AL = byte [0x417]' },
  {
    id: 'keyboard.read-extended',
    interrupt: 0x16,
    selects: ah(0x10),
    takes: '',
    gives: 'as function 0',
  },
  {
    id: 'keyboard.look-extended',
    interrupt: 0x16,
    selects: ah(0x11),
    takes: '',
    gives: 'as function 1',
  },
  {
    id: 'time.ticks',
    interrupt: 0x1a,
    selects: ah(0x00),
    takes: '',
    gives: 'CX:DX = dword [0x46c], AL = 0',
  },
];

export function bios(memoryBytes: number, disk: Uint8Array | null): Bios {
  return {
    services: biosServices,
    entries: BIOS_ENTRIES,
    memoryMap: memoryMap(memoryBytes),
    disk: disk === null ? null : { drive: BOOT_DRIVE, image: disk, geometry: diskGeometry(disk.length) },
  };
}

/** 256 vectors, segment F000, 16 bytes apart. */
export function interruptVectors(): Segment {
  const bytes = new Uint8Array(0x400);
  for (let vector = 0; vector < 256; vector++) {
    write16(bytes, vector * 4, vector * 16);
    write16(bytes, vector * 4 + 2, BIOS_ENTRIES >> 4);
  }
  return { physical: physical(0), bytes, size: bytes.length };
}

/** The BIOS data area at 0x400 and the size byte of the extended one. */
export function biosDataArea(disks: number): Segment[] {
  const area = new Uint8Array(0x100);
  write16(area, 0x00, 0x3f8);
  write16(area, 0x0e, EXTENDED_BIOS_DATA >> 4);
  // One serial port, an 80x25 colour screen at the start, no diskette, no coprocessor.
  write16(area, 0x10, 0x0220);
  write16(area, 0x13, EXTENDED_BIOS_DATA / 1024);
  write16(area, 0x1a, 0x1e);
  write16(area, 0x1c, 0x1e);
  write8(area, 0x49, 3);
  write16(area, 0x4a, 80);
  write16(area, 0x4c, 0x1000);
  write16(area, 0x60, 0x0607);
  write16(area, 0x63, 0x3d4);
  write32(area, 0x6c, 0);
  write8(area, 0x75, disks);
  write16(area, 0x80, 0x1e);
  write16(area, 0x82, 0x3e);
  write8(area, 0x84, 24);
  const size = (LOW_MEMORY_END - EXTENDED_BIOS_DATA) / 1024;
  return [
    { physical: physical(0x400), bytes: area, size: area.length },
    { physical: physical(EXTENDED_BIOS_DATA), bytes: Uint8Array.of(size), size: 1 },
  ];
}
