/**
 * What a Multiboot kernel finds in memory (Multiboot Specification 0.6.96, "Boot information format"). One block of
 * 64 KiB in low memory that the image leaves free holds a flat GDT, the information structure, the memory map, the list
 * of modules and all strings; a kernel may use the RAM after itself at once without losing them. ELF sections that are
 * not part of the kernel's memory (symbols, names, debug data) follow the kernel, then the modules, each at a page.
 */

import { hex, physical } from '../x86/address';
import { SECTION_ALLOCATED, SECTION_NOBITS } from './elf';
import { read32, read64, write8, write32, write64 } from './little-endian';
import { EXTENDED_BIOS_DATA, MIB, memoryMap } from './memory-map';
import { FLAG_VIDEO } from './multiboot-header';
import { BadInput, type MultibootSections, type MultibootStart, type Segment } from './program';

const BLOCK_SIZE = 0x1_0000;
/** The first is the usual one; the others are for images that load in low memory. */
const BLOCKS = [0x9_0000, 0x8_0000, 0x7_0000, 0x6_0000, 0x5_0000, 0x4_0000, 0x3_0000, 0x2_0000, 0x1_0000];
/** Of the information structure in its block; the GDT lies before it. */
export const INFORMATION_OFFSET = 0x100;
const INFORMATION_SIZE = 116;
const PAGE = 0x1000;
const LOADER_NAME = 'Ringside';

/** Bits of the structure's `flags`. */
const HAS_MEMORY = 1 << 0;
const HAS_COMMAND_LINE = 1 << 2;
const HAS_MODULES = 1 << 3;
const HAS_SECTIONS = 1 << 5;
const HAS_MEMORY_MAP = 1 << 6;
const HAS_LOADER_NAME = 1 << 9;
const HAS_FRAMEBUFFER = 1 << 12;

/** VGA text memory as the framebuffer fields describe it: type 2 is EGA text, the pitch is in bytes. */
const TEXT_SCREEN = { address: 0xb_8000n, pitch: 160, width: 80, height: 25, bits: 16, type: 2 } as const;

/** The block of low memory for this image. @throws BadInput when the image leaves none free. */
export function chooseBootBlock(name: string, segments: readonly Segment[]): number {
  const free = BLOCKS.find((block) =>
    segments.every(
      ({ physical: base, size }) => base >= BigInt(block + BLOCK_SIZE) || base + BigInt(size) <= BigInt(block),
    ),
  );
  if (free !== undefined) return free;
  throw new BadInput(
    `${name}: fills all low memory and leaves no 64 KiB for the Multiboot information; load it at 1 MiB`,
  );
}

/** Everything that the boot loader writes besides the kernel's own segments and the GDT. */
export function multibootWrites(
  name: string,
  start: MultibootStart,
  segments: readonly Segment[],
  memoryBytes: number,
): Segment[] {
  const high = new Above(segments, memoryBytes);
  const sections = start.sections === null ? null : placeSections(start.sections, high);
  const modules = start.modules.map((module) => ({ module, at: placeModule(module, high) }));

  const block = new Block(name, Number(start.information) + INFORMATION_SIZE);
  const information = new Uint8Array(INFORMATION_SIZE);
  const put = (offset: number, value: number): void => write32(information, offset, value);
  let flags = HAS_MEMORY | HAS_COMMAND_LINE | HAS_MEMORY_MAP | HAS_LOADER_NAME;
  put(4, EXTENDED_BIOS_DATA / 1024);
  put(8, (memoryBytes - MIB) / 1024);
  put(16, block.text(start.commandLine));
  if (modules.length > 0) {
    flags |= HAS_MODULES;
    put(20, modules.length);
    put(24, block.bytes(moduleList(modules, block)));
  }
  if (sections !== null) {
    flags |= HAS_SECTIONS;
    put(28, sections.count);
    put(32, sections.entrySize);
    put(36, sections.at);
    put(40, sections.names);
  }
  const map = memoryMapEntries(memoryBytes);
  put(44, map.length);
  put(48, block.bytes(map));
  put(64, block.text(LOADER_NAME));
  if ((start.flags & FLAG_VIDEO) !== 0) {
    flags |= HAS_FRAMEBUFFER;
    write64(information, 88, TEXT_SCREEN.address);
    put(96, TEXT_SCREEN.pitch);
    put(100, TEXT_SCREEN.width);
    put(104, TEXT_SCREEN.height);
    write8(information, 108, TEXT_SCREEN.bits);
    write8(information, 109, TEXT_SCREEN.type);
  }
  put(0, flags);
  return [{ physical: start.information, bytes: information, size: INFORMATION_SIZE }, ...block.writes, ...high.writes];
}

/** Entries of 24 bytes: `size` (of what follows it), base, length, type. */
function memoryMapEntries(memoryBytes: number): Uint8Array {
  const ranges = memoryMap(memoryBytes);
  const entries = new Uint8Array(ranges.length * 24);
  for (const [index, range] of ranges.entries()) {
    write32(entries, index * 24, 20);
    write64(entries, index * 24 + 4, BigInt(range.base));
    write64(entries, index * 24 + 12, BigInt(range.size));
    write32(entries, index * 24 + 20, range.type);
  }
  return entries;
}

interface PlacedModule {
  readonly module: MultibootStart['modules'][number];
  readonly at: number;
}

/** Entries of 16 bytes: start, end (the first byte after it), string, zero. */
function moduleList(modules: readonly PlacedModule[], block: Block): Uint8Array {
  const list = new Uint8Array(modules.length * 16);
  for (const [index, { module, at }] of modules.entries()) {
    write32(list, index * 16, at);
    write32(list, index * 16 + 4, at + module.bytes.length);
    write32(list, index * 16 + 8, block.text(module.commandLine));
  }
  return list;
}

function placeModule(module: MultibootStart['modules'][number], high: Above): number {
  const at = high.place(module.bytes, PAGE);
  if (at !== null) return at;
  throw new BadInput(
    `${module.commandLine.split(' ')[0]}: a module of ${hex(module.bytes.length)} bytes does not fit in the RAM after ` +
      'the kernel; give more with --memory',
  );
}

const sectionFields = {
  32: { type: 4, flags: 8, addr: 12, offset: 16, size: 20, align: 32 },
  64: { type: 4, flags: 8, addr: 16, offset: 24, size: 32, align: 48 },
} as const;

interface PlacedSections {
  readonly at: number;
  readonly count: number;
  readonly entrySize: number;
  readonly names: number;
}

/** Null when they do not fit: the kernel is then told that there are none. */
function placeSections(sections: MultibootSections, high: Above): PlacedSections | null {
  const { file, bits, table, entrySize, count, names } = sections;
  const at = sectionFields[bits];
  const headers = file.slice(table, table + count * entrySize);
  const word = (offset: number): bigint => (bits === 32 ? BigInt(read32(headers, offset)) : read64(headers, offset));
  const trial = high.copy();
  for (let index = 0; index < count; index++) {
    const base = index * entrySize;
    const type = read32(headers, base + at.type);
    const size = Number(word(base + at.size));
    if (type === 0 || type === SECTION_NOBITS || size === 0) continue;
    if ((word(base + at.flags) & SECTION_ALLOCATED) !== 0n) continue;
    const offset = Number(word(base + at.offset));
    const alignment = word(base + at.align);
    const place = trial.place(file.subarray(offset, offset + size), alignment > PAGE ? PAGE : Number(alignment));
    if (place === null) return null;
    if (bits === 32) write32(headers, base + at.addr, place);
    else write64(headers, base + at.addr, BigInt(place));
  }
  const place = trial.place(headers, 8);
  if (place === null) return null;
  high.adopt(trial);
  return { at: place, count, entrySize, names };
}

/** Places things in the RAM after the kernel. */
class Above {
  writes: Segment[] = [];
  #next: number;
  readonly #end: number;

  constructor(segments: readonly Segment[], end: number) {
    this.#next = Math.max(MIB, ...segments.map(({ physical: base, size }) => Number(base) + size));
    this.#end = end;
  }

  /** The address, null when it does not fit. An alignment that is no power of two (a damaged file) counts as 1. */
  place(bytes: Uint8Array, alignment: number): number | null {
    const step = alignment > 0 && Number.isInteger(Math.log2(alignment)) ? alignment : 1;
    const at = Math.ceil(this.#next / step) * step;
    if (at + bytes.length > this.#end) return null;
    this.writes.push({ physical: physical(at), bytes, size: bytes.length });
    this.#next = at + bytes.length;
    return at;
  }

  copy(): Above {
    const copy = new Above([], this.#end);
    copy.#next = this.#next;
    return copy;
  }

  adopt(other: Above): void {
    this.writes.push(...other.writes);
    this.#next = other.#next;
  }
}

/** Places small things in the block of low memory, after the information structure. */
class Block {
  readonly writes: Segment[] = [];
  readonly #name: string;
  #next: number;
  readonly #end: number;

  constructor(name: string, start: number) {
    this.#name = name;
    this.#next = start;
    this.#end = Math.min(Math.floor(start / BLOCK_SIZE) * BLOCK_SIZE + BLOCK_SIZE, EXTENDED_BIOS_DATA);
  }

  bytes(bytes: Uint8Array): number {
    const at = Math.ceil(this.#next / 8) * 8;
    if (at + bytes.length > this.#end) {
      throw new BadInput(`${this.#name}: command lines and module list have more than 60 KiB; shorten them`);
    }
    this.writes.push({ physical: physical(at), bytes, size: bytes.length });
    this.#next = at + bytes.length;
    return at;
  }

  /** A string that ends in a zero byte. */
  text(text: string): number {
    return this.bytes(new TextEncoder().encode(`${text}\0`));
  }
}
