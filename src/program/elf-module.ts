/** What an ELF file says about addresses, as a module: its ranges, symbols and lines, moved to where its code is. */

import { type LinearAddress, linear } from '../x86/address';
import { dwarfChecksums, dwarfFiles, dwarfLines } from './dwarf-lines';
import { type ElfFile, SECTION_ALLOCATED, sectionNames } from './elf';
import { debugSections } from './elf-debug';
import { elfSymbols } from './elf-symbols';
import { type AddressRange, LineTable } from './lines';
import type { Files, Module } from './program';
import { type SourceMap, sourcePaths } from './source-paths';

export interface ModulePlace {
  readonly kind: Module['kind'];
  readonly path: string;
  readonly offset: bigint;
  /** Where the sections of an object file lie; the others follow each other from the offset on. */
  readonly sections?: Readonly<Record<string, bigint>>;
  readonly files: Files;
  readonly sourceMap: SourceMap;
}

export const elfModule = async (file: ElfFile, place: ModulePlace): Promise<Module> => {
  const { offset } = place;
  const bases = sectionBases(file, place);
  const base = (section: number): bigint => bases.get(section) ?? 0n;
  const ranges = rangesOf(file, base, offset);
  const sections = await debugSections(file, base);
  const rename = await sourcePaths(dwarfFiles(sections), place.files, place.path, place.sourceMap);
  const lines = dwarfLines(sections, { offset, ranges, rename });
  return {
    name: place.path.slice(Math.max(place.path.lastIndexOf('/'), place.path.lastIndexOf('\\')) + 1),
    path: place.path,
    kind: place.kind,
    offset,
    ranges,
    symbols: elfSymbols(file, base).map((symbol) =>
      offset === 0n || symbol.kind === 'constant' ? symbol : { ...symbol, address: moved(symbol.address, offset) },
    ),
    lines: new LineTable(lines === undefined ? [] : [lines]),
    checksums: new Map([...dwarfChecksums(sections)].map(([name, md5]) => [rename(name), md5])),
    ...(sections.problem === undefined
      ? {}
      : { problem: `${place.path}: ${sections.problem}; its lines are not known` }),
  };
};

const moved = (address: bigint, offset: bigint): LinearAddress => linear(BigInt.asUintN(64, address + offset));

/** Object files have all sections at 0: they are laid out one behind the other, code first, unless they are placed. */
const sectionBases = (file: ElfFile, { sections: placed = {}, offset }: ModulePlace): Map<number, bigint> => {
  const bases = new Map<number, bigint>();
  if (!file.isRelocatable) return bases;
  const names = sectionNames(file);
  const loaded = file.sections.map((section, index) => ({ section, index, name: names[index] ?? '' }));
  const ofProgram = loaded.filter(({ section }) => (section.flags & SECTION_ALLOCATED) !== 0n);
  ofProgram.sort((a, b) => Number(b.name === '.text') - Number(a.name === '.text') || a.index - b.index);
  let next = 0n;
  for (const { section, index, name } of ofProgram) {
    const fixed = placed[name];
    if (fixed !== undefined) {
      bases.set(index, fixed - offset);
      continue;
    }
    const alignment = section.alignment > 0n ? section.alignment : 1n;
    next = ((next + alignment - 1n) / alignment) * alignment;
    bases.set(index, next);
    next += BigInt(section.length);
  }
  return bases;
};

const rangesOf = (file: ElfFile, base: (section: number) => bigint, offset: bigint): AddressRange[] => {
  const pieces = file.sections.flatMap(({ flags, address, length }, index) =>
    (flags & SECTION_ALLOCATED) === 0n || length === 0 ? [] : [{ start: address + base(index), size: BigInt(length) }],
  );
  const found =
    pieces.length > 0 ? pieces : file.segments.map(({ virtual, size }) => ({ start: virtual, size: BigInt(size) }));
  return found
    .map(({ start, size }) => ({ start: moved(start, offset), end: moved(start, offset) + size }))
    .sort((a, b) => (a.start < b.start ? -1 : a.start > b.start ? 1 : 0));
};
