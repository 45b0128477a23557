/**
 * ELF executables for x86 (System V gABI, "Object Files" and "Program Loading"): the segments at their physical
 * addresses, the entry, and the section table. Everything that a damaged or unsuitable file can do is one line.
 */

import { hex, linear, physical } from '../x86/address';
import { elfSymbols } from './elf-symbols';
import { read16, read32, read64 } from './little-endian';
import { BadInput, type Program, type Segment } from './program';

export interface ElfFile {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly bits: 32 | 64;
  /** An object file: its addresses count from the beginnings of its sections. */
  readonly isRelocatable: boolean;
  /** As the header says; see `physicalEntry`. */
  readonly entry: bigint;
  readonly segments: readonly ElfSegment[];
  readonly sections: readonly ElfSection[];
  /** Where the section table lies in the file, for loaders that hand it on. */
  readonly sectionTable: { readonly offset: number; readonly entrySize: number; readonly names: number };
}

interface ElfSegment extends Segment {
  readonly virtual: bigint;
}

export interface ElfSection {
  /** Offset of the name in the section of names. */
  readonly name: number;
  readonly type: number;
  readonly flags: bigint;
  readonly address: bigint;
  readonly offset: number;
  readonly size: number;
  /** Bytes in memory, which a section without contents has too. */
  readonly length: number;
  readonly link: number;
  /** Of a table of relocations: the section that they are for. */
  readonly info: number;
  readonly alignment: bigint;
}

/** The contents of a section. */
export const contentsOf = ({ bytes }: ElfFile, { offset, size }: ElfSection): Uint8Array =>
  bytes.subarray(offset, offset + size);

/** The names of the sections, in their order. */
export function sectionNames(file: ElfFile): string[] {
  const names = file.sections[file.sectionTable.names];
  if (names === undefined) return [];
  const strings = contentsOf(file, names);
  return file.sections.map(({ name }) => {
    const end = strings.indexOf(0, name);
    return end < 0 ? '' : new TextDecoder().decode(strings.subarray(name, end));
  });
}

export const SECTION_NOBITS = 8;
export const SECTION_ALLOCATED = 2n;

/** Offsets of the fields, by class; `word` fields have the size of an address. */
const headers = {
  32: { size: 52, entry: 24, phoff: 28, shoff: 32, phentsize: 42, phnum: 44, shentsize: 46, shnum: 48, shstrndx: 50 },
  64: { size: 64, entry: 24, phoff: 32, shoff: 40, phentsize: 54, phnum: 56, shentsize: 58, shnum: 60, shstrndx: 62 },
} as const;
const programHeaders = {
  32: { size: 32, offset: 4, vaddr: 8, paddr: 12, filesz: 16, memsz: 20 },
  64: { size: 56, offset: 8, vaddr: 16, paddr: 24, filesz: 32, memsz: 40 },
} as const;
const sectionHeaders = {
  32: { size: 40, flags: 8, addr: 12, offset: 16, length: 20, link: 24, addralign: 32 },
  64: { size: 64, flags: 8, addr: 16, offset: 24, length: 32, link: 40, addralign: 48 },
} as const;

const PT_LOAD = 1;
const PT_DYNAMIC = 2;
const PT_INTERP = 3;
const PN_XNUM = 0xffff;
/** e_machine of the processor that each class is for. */
const machines = { 32: 3, 64: 62 } as const;
const types: Readonly<Record<number, string>> = {
  0: 'has no ELF type; link it to an executable',
  1: 'is an object file that is not linked; link it to an executable (ld -static -no-pie)',
  3: 'is a position-independent or shared ELF; link it with -static -no-pie',
  4: 'is a core dump; give the executable instead',
};
const ADDRESS_LIMIT = { 32: 1n << 32n, 64: 1n << 52n } as const;

/**
 * @param purpose files that only lend their symbols may be of any type: objects, shared ones, stripped of their contents
 * @throws BadInput when the file is damaged, truncated, or (to be loaded) not a static x86 executable.
 */
export function readElf(name: string, bytes: Uint8Array, purpose: 'load' | 'symbols' = 'load'): ElfFile {
  const bits = readIdentification(name, bytes);
  const at = headers[bits];
  if (bytes.length < at.size) throw truncated(name, bytes, 'the ELF header', 0n, BigInt(at.size));
  const word = (offset: number): bigint => (bits === 32 ? BigInt(read32(bytes, offset)) : read64(bytes, offset));

  const machine = read16(bytes, 18);
  if (machine !== machines[bits]) {
    throw new BadInput(
      `${name}: an ELF${bits} file for machine ${machine}; ELF32 must be for the 80386 (3), ELF64 for x86-64 (62)`,
    );
  }
  const type = read16(bytes, 16);
  if (type !== 2 && purpose === 'load')
    throw new BadInput(`${name}: ${types[type] ?? `has the unknown ELF type ${type}; give an executable`}`);

  const segments =
    purpose === 'symbols'
      ? []
      : readSegments(name, bytes, bits, word(at.phoff), read16(bytes, at.phentsize), read16(bytes, at.phnum));
  const sectionTable = {
    offset: word(at.shoff),
    entrySize: read16(bytes, at.shentsize),
    count: read16(bytes, at.shnum),
  };
  const sections = readSections(name, bytes, bits, sectionTable);
  return {
    name,
    bytes,
    bits,
    isRelocatable: type === 1,
    entry: word(at.entry),
    segments,
    sections,
    sectionTable: {
      offset: Number(sectionTable.offset),
      entrySize: sectionTable.entrySize,
      names: read16(bytes, at.shstrndx),
    },
  };
}

/** A plain ELF file as a program that starts at once, in the mode of its class unless `bits` says another. */
export function elfProgram(file: ElfFile, options: { bits?: 16 | 32 | 64; entry?: bigint } = {}): Program {
  return {
    name: file.name,
    segments: file.segments,
    start: {
      kind: 'direct',
      bits: options.bits ?? file.bits,
      entry: linear(options.entry ?? physicalEntry(file)),
    },
    symbols: elfSymbols(file),
    lines: [],
  };
}

/**
 * Execution starts with linear addresses equal to physical ones. A kernel linked for another virtual address names its
 * entry there, so the entry moves with the segment that holds it.
 * @throws BadInput when no segment holds the entry.
 */
export function physicalEntry(file: ElfFile): bigint {
  const entry = toPhysical(file, file.entry);
  if (entry !== null) return entry;
  throw new BadInput(`${file.name}: the entry ${hex(file.entry)} is in no segment; name one with --entry`);
}

/** Where the byte of this virtual address is loaded; null when no segment holds it. */
export function toPhysical(file: ElfFile, address: bigint): bigint | null {
  for (const { virtual, physical: base, size } of file.segments) {
    if (address >= virtual && address - virtual < BigInt(size)) return address - virtual + base;
  }
  // Some linker scripts name the entry by its physical address already.
  for (const { physical: base, size } of file.segments) {
    if (address >= base && address - base < BigInt(size)) return address;
  }
  return null;
}

function readIdentification(name: string, bytes: Uint8Array): 32 | 64 {
  if (bytes.length < 16) throw truncated(name, bytes, 'the ELF identification', 0n, 16n);
  if (bytes[5] === 2) throw new BadInput(`${name}: a big-endian ELF file; x86 is little-endian`);
  if (bytes[5] !== 1) throw new BadInput(`${name}: damaged ELF header: data encoding ${bytes[5]}, must be 1`);
  if (bytes[4] === 1) return 32;
  if (bytes[4] === 2) return 64;
  throw new BadInput(`${name}: damaged ELF header: class ${bytes[4]}, must be 1 (32 bits) or 2 (64 bits)`);
}

function readSegments(
  name: string,
  bytes: Uint8Array,
  bits: 32 | 64,
  table: bigint,
  entrySize: number,
  count: number,
): ElfSegment[] {
  const at = programHeaders[bits];
  if (count === 0)
    throw new BadInput(`${name}: has no program headers and so nothing to load; link it to an executable`);
  if (count === PN_XNUM) throw new BadInput(`${name}: has 65535 or more program headers; an executable has a few`);
  if (entrySize < at.size) {
    throw new BadInput(`${name}: damaged ELF header: program headers of ${entrySize} bytes, must be ${at.size}`);
  }
  requireBytes(name, bytes, 'the program headers', table, BigInt(count * entrySize));

  const segments: ElfSegment[] = [];
  for (let index = 0; index < count; index++) {
    const base = Number(table) + index * entrySize;
    const word = (offset: number): bigint =>
      bits === 32 ? BigInt(read32(bytes, base + offset)) : read64(bytes, base + offset);
    const type = read32(bytes, base);
    if (type === PT_INTERP || type === PT_DYNAMIC) {
      throw new BadInput(`${name}: needs a dynamic linker; link it with -static -no-pie`);
    }
    const size = word(at.memsz);
    if (type !== PT_LOAD || size === 0n) continue;
    const fileSize = word(at.filesz);
    const offset = word(at.offset);
    const start = word(at.paddr);
    const segment = `segment ${index}`;
    if (fileSize > size) {
      throw new BadInput(`${name}: ${segment} has ${hex(fileSize)} bytes in the file and only ${hex(size)} in memory`);
    }
    if (start + size > ADDRESS_LIMIT[bits]) {
      const limit = hex(ADDRESS_LIMIT[bits]);
      throw new BadInput(`${name}: ${segment}, ${hex(size)} bytes at ${hex(start)}, does not end below ${limit}`);
    }
    if (fileSize > 0n) requireBytes(name, bytes, segment, offset, fileSize);
    segments.push({
      physical: physical(start),
      virtual: word(at.vaddr),
      bytes: fileSize > 0n ? bytes.subarray(Number(offset), Number(offset + fileSize)) : new Uint8Array(0),
      size: Number(size),
    });
  }
  if (segments.length === 0) throw new BadInput(`${name}: has no loadable segment; link it to an executable`);
  refuseOverlaps(name, segments);
  return segments;
}

function refuseOverlaps(name: string, segments: readonly ElfSegment[]): void {
  const sorted = [...segments].sort((a, b) => (a.physical < b.physical ? -1 : a.physical > b.physical ? 1 : 0));
  for (const [index, next] of sorted.entries()) {
    const previous = sorted[index - 1];
    if (previous !== undefined && previous.physical + BigInt(previous.size) > next.physical) {
      throw new BadInput(
        `${name}: the segments at physical ${hex(previous.physical)} and ${hex(next.physical)} overlap; ` +
          'mend the load addresses (AT) in the linker script',
      );
    }
  }
}

function readSections(
  name: string,
  bytes: Uint8Array,
  bits: 32 | 64,
  table: { offset: bigint; entrySize: number; count: number },
): ElfSection[] {
  if (table.offset === 0n || table.count === 0) return [];
  const at = sectionHeaders[bits];
  if (table.entrySize < at.size) {
    throw new BadInput(`${name}: damaged ELF header: section headers of ${table.entrySize} bytes, must be ${at.size}`);
  }
  requireBytes(name, bytes, 'the section headers', table.offset, BigInt(table.count * table.entrySize));
  const sections: ElfSection[] = [];
  for (let index = 0; index < table.count; index++) {
    const base = Number(table.offset) + index * table.entrySize;
    const word = (offset: number): bigint =>
      bits === 32 ? BigInt(read32(bytes, base + offset)) : read64(bytes, base + offset);
    const type = read32(bytes, base + 4);
    const offset = word(at.offset);
    const size = word(at.length);
    // A section without contents keeps whatever numbers it has: nothing is read through them.
    const inFile = type !== 0 && type !== SECTION_NOBITS;
    if (inFile) requireBytes(name, bytes, `section ${index}`, offset, size);
    sections.push({
      name: read32(bytes, base),
      type,
      flags: word(at.flags),
      address: word(at.addr),
      offset: inFile ? Number(offset) : 0,
      size: inFile ? Number(size) : 0,
      length: Number(size),
      link: read32(bytes, base + at.link),
      info: read32(bytes, base + at.link + 4),
      alignment: word(at.addralign),
    });
  }
  return sections;
}

function requireBytes(name: string, bytes: Uint8Array, what: string, offset: bigint, size: bigint): void {
  if (offset + size > BigInt(bytes.length)) throw truncated(name, bytes, what, offset, size);
}

function truncated(name: string, bytes: Uint8Array, what: string, offset: bigint, size: bigint): BadInput {
  return new BadInput(
    `${name}: truncated: ${what} should end at byte ${hex(offset + size)}, the file has ${hex(bytes.length)} bytes`,
  );
}
