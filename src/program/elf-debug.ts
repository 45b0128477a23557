/** The sections of an ELF file that hold debugging information: found, unpacked, and in object files relocated. */

import type { DebugSections } from './dwarf-lines';
import { contentsOf, type ElfFile, sectionNames } from './elf';
import { read32, read64, write32, write64 } from './little-endian';

const SECTION_COMPRESSED = 0x800n;

export interface FoundSections extends DebugSections {
  /** Sections that are there and cannot be read: one line. */
  readonly problem?: string;
}

/** @param base of an object file's sections: where each lies */
export const debugSections = async (file: ElfFile, base: (section: number) => bigint): Promise<FoundSections> => {
  const names = sectionNames(file);
  const problems: string[] = [];
  const find = async (name: string): Promise<Uint8Array> => {
    const index = names.findIndex((one) => one === `.${name}` || one === `.z${name}`);
    const section = file.sections[index];
    if (section === undefined) return new Uint8Array(0);
    const raw = contentsOf(file, section);
    try {
      const packing =
        (section.flags & SECTION_COMPRESSED) !== 0n ? packingOf(file.bits, raw) : gnuPacking(names[index], raw);
      const bytes = packing === undefined ? raw : await unpack(packing);
      return file.isRelocatable ? relocated(file, index, bytes, base) : bytes;
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      problems.push(`${names[index]} ${error.message}`);
      return new Uint8Array(0);
    }
  };
  const [line, info, abbreviations, lineStrings, common, offsets] = [
    await find('debug_line'),
    await find('debug_info'),
    await find('debug_abbrev'),
    await find('debug_line_str'),
    await find('debug_str'),
    await find('debug_str_offsets'),
  ];
  const [problem] = problems;
  return {
    line,
    info,
    abbreviations,
    strings: { line: lineStrings, common, offsets },
    ...(problem === undefined ? {} : { problem }),
  };
};

interface Packing {
  readonly bytes: Uint8Array;
  readonly size: number;
}

const ZLIB = 1;
const LARGEST = 2 ** 30;

/** System V gABI, "Section Compression": a header, then the packed bytes. */
const packingOf = (bits: 32 | 64, raw: Uint8Array): Packing => {
  const headerSize = bits === 32 ? 12 : 24;
  if (raw.length < headerSize) throw new RangeError('is truncated');
  const type = read32(raw, 0);
  if (type !== ZLIB)
    throw new RangeError(`is packed with ${type === 2 ? 'zstd' : `method ${type}`}; only zlib is known here`);
  return { bytes: raw.subarray(headerSize), size: bits === 32 ? read32(raw, 4) : Number(read64(raw, 8)) };
};

/** As GNU tools packed sections before: `.zdebug_line`, `ZLIB` and the size in 8 bytes, the highest first. */
const gnuPacking = (name: string | undefined, raw: Uint8Array): Packing | undefined => {
  if (!name?.startsWith('.z')) return undefined;
  if (raw.length < 12 || read32(raw, 0) !== 0x42494c5a) throw new RangeError('is damaged');
  const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
  return { bytes: raw.subarray(12), size: Number(view.getBigUint64(4, false)) };
};

/** @throws RangeError when the bytes are not what zlib has packed. */
const unpack = async ({ bytes, size }: Packing): Promise<Uint8Array> => {
  if (size > LARGEST) throw new RangeError('is larger than 1 GiB unpacked');
  const unpacked = new Uint8Array(size);
  let end = 0;
  try {
    const stream = new Blob([bytes as Uint8Array<ArrayBuffer>])
      .stream()
      .pipeThrough(new DecompressionStream('deflate'));
    const reader = stream.getReader();
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      unpacked.set(next.value, end);
      end += next.value.length;
    }
  } catch {
    throw new RangeError('is damaged: it cannot be unpacked');
  }
  if (end !== size) throw new RangeError('is damaged: it is not as long as it says');
  return unpacked;
};

const RELOCATIONS_WITH_ADDENDS = 4;
const RELOCATIONS = 9;
/** Bytes that a relocation of an absolute address changes: R_X86_64_64, _32, _32S; R_386_32. */
const absolute: Readonly<Record<32 | 64, Readonly<Record<number, 4 | 8>>>> = {
  32: { 1: 4 },
  64: { 1: 8, 10: 4, 11: 4 },
};

/** System V gABI, "Relocation": in object files, addresses and offsets to other sections are only named. */
const relocated = (file: ElfFile, target: number, bytes: Uint8Array, base: (section: number) => bigint): Uint8Array => {
  const result = bytes.slice();
  const { bits } = file;
  for (const table of file.sections) {
    const withAddends = table.type === RELOCATIONS_WITH_ADDENDS;
    if (table.info !== target || (!withAddends && table.type !== RELOCATIONS)) continue;
    const symbols = file.sections[table.link];
    if (symbols === undefined) continue;
    const [rows, names] = [contentsOf(file, table), contentsOf(file, symbols)];
    const word = (from: Uint8Array, at: number): bigint => (bits === 32 ? BigInt(read32(from, at)) : read64(from, at));
    const size = (bits / 8) * (withAddends ? 3 : 2);
    for (let at = 0; at + size <= rows.length; at += size) {
      const place = Number(word(rows, at));
      const info = word(rows, at + bits / 8);
      const width = absolute[bits][Number(info & (bits === 32 ? 0xffn : 0xffff_ffffn))];
      if (width === undefined || place + width > result.length) continue;
      const symbol = Number(info >> (bits === 32 ? 8n : 32n)) * (bits === 32 ? 16 : 24);
      if (symbol + (bits === 32 ? 16 : 24) > names.length) throw new RangeError('has damaged relocations');
      const value = bits === 32 ? BigInt(read32(names, symbol + 4)) : read64(names, symbol + 8);
      const section =
        (names[symbol + (bits === 32 ? 14 : 6)] ?? 0) | ((names[symbol + (bits === 32 ? 15 : 7)] ?? 0) << 8);
      const inPlace = width === 4 ? BigInt(read32(result, place)) : read64(result, place);
      const addend = withAddends ? word(rows, at + (bits / 8) * 2) : inPlace;
      const sum = value + base(section) + addend;
      if (width === 4) write32(result, place, Number(BigInt.asUintN(32, sum)));
      else write64(result, place, BigInt.asUintN(64, sum));
    }
  }
  return result;
};
