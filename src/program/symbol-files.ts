/** Files that only say what addresses mean: ELF files of any kind, symbol maps, assembly source of a flat binary. */

import { linear } from '../x86/address';
import { readElf } from './elf';
import { elfModule } from './elf-module';
import { isElf, kindOf } from './kind';
import { type AddressRange, LineTable, movedRange } from './lines';
import { mapSymbols } from './map-file';
import { BadInput, type Files, type Module, type Program } from './program';
import type { SourceMap } from './source-paths';

export interface SymbolFile {
  readonly file: string;
  /** Added to every address in the file. */
  readonly offset: bigint;
  /** For object files: where their sections lie. */
  readonly sections?: Readonly<Record<string, bigint>>;
}

/** @throws BadInput for a file that cannot be read; one that makes no sense is a module without symbols. */
export const symbolModule = async (
  files: Files,
  { file, offset, sections }: SymbolFile,
  sourceMap: SourceMap,
  assemble: (path: string, bytes: Uint8Array) => Promise<Program>,
): Promise<Module> => {
  const bytes = await files.read(file);
  try {
    if (isElf(bytes)) {
      const elf = readElf(file, bytes, 'symbols');
      return await elfModule(elf, {
        kind: 'symbols',
        path: file,
        offset,
        files,
        sourceMap,
        ...(sections === undefined ? {} : { sections }),
      });
    }
    if (kindOf(file, bytes) === 'assembly')
      return movedModule(programModule(await assemble(file, bytes), file), offset);
    const symbols = mapSymbols(new TextDecoder().decode(bytes));
    if (symbols.length === 0)
      throw new BadInput(`${file}: no symbols: it is no ELF file, and no line of it reads \`address name\` as maps do`);
    return movedModule({ ...empty(file), symbols, ranges: rangeOf(symbols) }, offset);
  } catch (error) {
    if (!(error instanceof BadInput)) throw error;
    return { ...empty(file), offset, problem: error.message };
  }
};

/** A program that is no ELF file as a module. */
export const programModule = ({ segments, symbols, lines, checksums }: Program, path: string): Module => ({
  ...empty(path),
  kind: 'program',
  ranges: segments.map(({ physical, size }) => ({ start: linear(physical), end: physical + BigInt(size) })),
  symbols,
  lines: LineTable.of(lines),
  checksums,
});

const empty = (path: string): Module => ({
  name: path.slice(Math.max(path.lastIndexOf('/'), path.lastIndexOf('\\')) + 1),
  path,
  kind: 'symbols',
  offset: 0n,
  ranges: [],
  symbols: [],
  lines: new LineTable([]),
});

const movedModule = (module: Module, offset: bigint): Module => {
  const moved = (address: bigint) => linear(BigInt.asUintN(64, address + offset));
  return {
    ...module,
    kind: 'symbols',
    offset,
    ranges: module.ranges.map((range) => movedRange(range, offset)),
    symbols: module.symbols.map((symbol) =>
      symbol.kind === 'constant' ? symbol : { ...symbol, address: moved(symbol.address) },
    ),
    lines: module.lines.moved(offset),
  };
};

const rangeOf = (symbols: Module['symbols']): AddressRange[] => {
  const places = symbols.filter(({ kind }) => kind !== 'constant');
  const [first] = places;
  if (first === undefined) return [];
  let [start, end] = [first.address, first.address as bigint];
  for (const { address, size } of places) {
    if (address < start) start = address;
    if (address + BigInt(size) >= end) end = address + BigInt(Math.max(1, size));
  }
  return [{ start, end }];
};
