/** The symbols of an ELF file (System V gABI, "Symbol Table"): functions, objects, labels and constants. */

import { linear } from '../x86/address';
import type { ElfFile, ElfSection } from './elf';
import { read8, read16, read32, read64 } from './little-endian';
import type { ProgramSymbol } from './program';

const SYMBOL_TABLE = 2;
const STRING_TABLE = 3;
const SECTION_EXECUTABLE = 4n;
const UNDEFINED = 0;
const ABSOLUTE = 0xfff1;
const FIRST_RESERVED_INDEX = 0xff00;

/** st_info's type, where it is one of those that name an address. */
const NOTYPE = 0;
const OBJECT = 1;
const FUNCTION = 2;

/** Longer names are cut: only a damaged file has them. */
const LONGEST_NAME = 4096;

const symbolLayouts = {
  32: { size: 16, value: 4, length: 8, info: 12, section: 14 },
  64: { size: 24, value: 8, length: 16, info: 4, section: 6 },
} as const;

/** @param base of an object file's sections: where each lies */
export function elfSymbols(file: ElfFile, base: (section: number) => bigint = () => 0n): ProgramSymbol[] {
  // A file has at most one symbol table; more of them, over the same bytes, are a way to make a loader hang.
  const table = file.sections.find(({ type }) => type === SYMBOL_TABLE);
  const names = table === undefined ? undefined : file.sections[table.link];
  return table !== undefined && names?.type === STRING_TABLE ? readTable(file, table, names, base) : [];
}

function readTable(
  file: ElfFile,
  table: ElfSection,
  names: ElfSection,
  base: (section: number) => bigint,
): ProgramSymbol[] {
  const symbols: ProgramSymbol[] = [];
  const { bytes, bits } = file;
  const at = symbolLayouts[bits];
  const word = (offset: number): bigint => (bits === 32 ? BigInt(read32(bytes, offset)) : read64(bytes, offset));
  const strings = bytes.subarray(names.offset, names.offset + names.size);
  for (let entry = table.offset; entry + at.size <= table.offset + table.size; entry += at.size) {
    const type = read8(bytes, entry + at.info) & 0xf;
    const sectionIndex = read16(bytes, entry + at.section);
    const kind = kindOfSymbol(type, sectionIndex, file.sections);
    const name = stringAt(strings, read32(bytes, entry));
    if (kind === null || name === '') continue;
    const size = word(entry + at.length);
    symbols.push({
      name,
      address: linear(BigInt.asUintN(64, word(entry + at.value) + (kind === 'constant' ? 0n : base(sectionIndex)))),
      size: size <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(size) : 0,
      kind,
    });
  }
  return symbols;
}

function kindOfSymbol(type: number, section: number, sections: readonly ElfSection[]): ProgramSymbol['kind'] | null {
  if (type !== NOTYPE && type !== OBJECT && type !== FUNCTION) return null;
  if (section === ABSOLUTE) return 'constant';
  if (section === UNDEFINED || section >= FIRST_RESERVED_INDEX) return null;
  if (type !== NOTYPE) return type === FUNCTION ? 'code' : 'data';
  return ((sections[section]?.flags ?? 0n) & SECTION_EXECUTABLE) !== 0n ? 'code' : 'data';
}

function stringAt(strings: Uint8Array, offset: number): string {
  if (offset >= strings.length) return '';
  const name = strings.subarray(offset, offset + LONGEST_NAME);
  const end = name.indexOf(0);
  return new TextDecoder().decode(end < 0 ? name : name.subarray(0, end));
}
