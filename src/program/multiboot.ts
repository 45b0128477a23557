/**
 * Multiboot 1 images (Multiboot Specification 0.6.96): where the image goes and where it starts, from the ELF headers
 * or from the address fields of the Multiboot header itself.
 */

import { hex, linear, physical } from '../x86/address';
import { type ElfFile, physicalEntry } from './elf';
import { elfSymbols } from './elf-symbols';
import { read32 } from './little-endian';
import {
  DEMANDS,
  FLAG_ADDRESSES,
  FLAG_VIDEO,
  findMultibootHeader,
  KNOWN_DEMANDS,
  type MultibootHeader,
} from './multiboot-header';
import { chooseBootBlock, INFORMATION_OFFSET } from './multiboot-information';
import { BadInput, type MultibootModule, type MultibootStart, type Program, type Segment } from './program';

export interface MultibootOptions {
  /** Without the program's name, which is put before it. */
  readonly commandLine?: string;
  readonly modules?: readonly MultibootModule[];
  readonly entry?: bigint;
}

interface Placement {
  readonly segments: readonly Segment[];
  readonly entry: bigint;
}

/**
 * @param elf the same file read as ELF, null when it is not one.
 * @throws BadInput when the header asks for what this loader cannot do, or its addresses make no sense.
 */
export function multibootProgram(
  name: string,
  image: Uint8Array,
  elf: ElfFile | null,
  options: MultibootOptions = {},
): Program {
  const header = findMultibootHeader(image);
  if (header === null) throw new BadInput(`${name}: has no Multiboot header in its first 8192 bytes`);
  const unknown = header.flags & DEMANDS & ~KNOWN_DEMANDS;
  if (unknown !== 0) {
    throw new BadInput(
      `${name}: the Multiboot header demands flags ${hex(unknown)}, which Multiboot 1 does not define`,
    );
  }
  requireFields(name, image, header);
  const { segments, entry } = place(name, image, elf, header, options.entry);
  const start: MultibootStart = {
    kind: 'multiboot',
    entry: linear(options.entry ?? entry),
    information: physical(chooseBootBlock(name, segments) + INFORMATION_OFFSET),
    flags: header.flags,
    commandLine: withName(name, options.commandLine ?? ''),
    modules: options.modules ?? [],
    sections: elf === null || elf.sections.length === 0 ? null : sectionsOf(elf),
  };
  return {
    name,
    segments,
    start,
    symbols: elf === null ? [] : elfSymbols(elf),
    lines: [],
  };
}

/**
 * The name stands without its folders: what the guest sees, and so every later state of the machine, must not depend
 * on where a file lies.
 */
export function withName(path: string, rest: string): string {
  const name = path.split(/[\\/]/).at(-1) ?? path;
  return rest === '' ? name : `${name} ${rest}`;
}

function requireFields(name: string, image: Uint8Array, { offset, flags }: MultibootHeader): void {
  const size = (flags & FLAG_VIDEO) !== 0 ? 48 : (flags & FLAG_ADDRESSES) !== 0 ? 32 : 12;
  if (offset + size > Math.min(image.length, 8192)) {
    throw new BadInput(
      `${name}: the Multiboot header at ${hex(offset)} has ${size} bytes and must end in the file's first 8192`,
    );
  }
}

function place(
  name: string,
  image: Uint8Array,
  elf: ElfFile | null,
  header: MultibootHeader,
  entry: bigint | undefined,
): Placement {
  if ((header.flags & FLAG_ADDRESSES) !== 0) return placeByHeader(name, image, header);
  if (elf !== null) return { segments: elf.segments, entry: entry ?? physicalEntry(elf) };
  throw new BadInput(
    `${name}: a Multiboot image that is not ELF must give its addresses: set flag 16 and the fields after it`,
  );
}

/** "The address fields of Multiboot header". */
function placeByHeader(name: string, image: Uint8Array, { offset }: MultibootHeader): Placement {
  const headerAddress = read32(image, offset + 12);
  const loadAddress = read32(image, offset + 16);
  const loadEnd = read32(image, offset + 20);
  const bssEnd = read32(image, offset + 24);
  const entry = BigInt(read32(image, offset + 28));
  const field = (what: string): BadInput => new BadInput(`${name}: Multiboot header: ${what}`);

  const from = offset - (headerAddress - loadAddress);
  if (loadAddress > headerAddress || from < 0) {
    throw field(
      `load_addr ${hex(loadAddress)} does not fit header_addr ${hex(headerAddress)} with the header at ${hex(offset)} ` +
        'of the file; header_addr is the address of the header itself',
    );
  }
  const size = loadEnd === 0 ? image.length - from : loadEnd - loadAddress;
  if (size <= 0) throw field(`load_end_addr ${hex(loadEnd)} must be above load_addr ${hex(loadAddress)}`);
  if (from + size > image.length) {
    throw field(
      `truncated: load_end_addr ${hex(loadEnd)} wants the file up to byte ${hex(from + size)}, ` +
        `it has ${hex(image.length)} bytes`,
    );
  }
  if (bssEnd !== 0 && bssEnd < loadAddress + size) {
    throw field(`bss_end_addr ${hex(bssEnd)} must not be below the end of the data, ${hex(loadAddress + size)}`);
  }
  const memory = bssEnd === 0 ? size : bssEnd - loadAddress;
  if (entry < BigInt(loadAddress) || entry >= BigInt(loadAddress + memory)) {
    throw field(`entry_addr ${hex(entry)} must be in the image, ${hex(loadAddress)}-${hex(loadAddress + memory - 1)}`);
  }
  return {
    segments: [{ physical: physical(loadAddress), bytes: image.subarray(from, from + size), size: memory }],
    entry,
  };
}

function sectionsOf(elf: ElfFile): MultibootStart['sections'] {
  const { offset, entrySize, names } = elf.sectionTable;
  return { file: elf.bytes, bits: elf.bits, table: offset, entrySize, count: elf.sections.length, names };
}
