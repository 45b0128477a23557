/** What a file is: told by its content, and only for assembly source by its name. */

import { findMultibootHeader } from './multiboot-header';
import { BadInput } from './program';

export type Kind = 'assembly' | 'elf' | 'multiboot' | 'boot-sector' | 'unknown';

/** A boot sector ends in these two bytes; the BIOS looks for them before it jumps there. */
const SECTOR_SIZE = 512;
const SIGNATURE_OFFSET = 510;

/** @throws BadInput for an empty file. */
export function kindOf(name: string, bytes: Uint8Array): Kind {
  if (bytes.length === 0) throw new BadInput(`${name}: the file is empty; a program has at least one byte`);
  if (/\.(asm|nasm)$/i.test(name)) return 'assembly';
  if (isElf(bytes)) return 'elf';
  if (findMultibootHeader(bytes) !== null) return 'multiboot';
  if (hasBootSignature(bytes)) return 'boot-sector';
  return 'unknown';
}

export function isElf(bytes: Uint8Array): boolean {
  return bytes[0] === 0x7f && bytes[1] === 0x45 && bytes[2] === 0x4c && bytes[3] === 0x46;
}

export function hasBootSignature(bytes: Uint8Array): boolean {
  return bytes.length >= SECTOR_SIZE && bytes[SIGNATURE_OFFSET] === 0x55 && bytes[SIGNATURE_OFFSET + 1] === 0xaa;
}
