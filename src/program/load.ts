/** The one way in: a path and the options that say how to take the file, and out comes a program or one line. */

import { hex, linear } from '../x86/address';
import { biosProgram } from './bios-rom';
import { BOOT_ADDRESS, bootSectorProgram } from './boot-sector';
import { type ElfFile, elfProgram, readElf, toPhysical } from './elf';
import { elfModule } from './elf-module';
import { elfSymbols } from './elf-symbols';
import { checkFits } from './fits';
import { flatProgram } from './flat';
import { hasBootSignature, kindOf } from './kind';
import { LineTable } from './lines';
import { md5 } from './md5';
import { multibootProgram, withName } from './multiboot';
import { findMultibootHeader } from './multiboot-header';
import { BadInput, type Files, type MultibootModule, type Program, type Start } from './program';
import type { SourceMap } from './source-paths';
import { programModule, type SymbolFile, symbolModule } from './symbol-files';
import { SymbolTable } from './symbols';

export type Bits = 16 | 32 | 64;

/** The assembler, given by whoever may import it. @throws BadInput with the lines of its errors. */
export type Assemble = (source: string, options: { readonly file: string }) => Program | Promise<Program>;

export interface LoadOptions {
  /** Says that the file is flat, and where it goes. */
  readonly load?: bigint;
  /** An address, or the name of one of the file's symbols. */
  readonly entry?: bigint | string;
  readonly mode?: Bits;
  /** For Multiboot images: what stands after the program's name. */
  readonly commandLine?: string;
  /** For Multiboot images: `FILE ARGS` each. */
  readonly modules?: readonly string[];
  /** For Multiboot images: one more module, the first, as QEMU hands it over. */
  readonly initrd?: string;
  /** A ROM (or assembly source of one) that starts instead of the program. */
  readonly bios?: string;
  /** Without it, nothing is checked against the size of RAM. */
  readonly memoryBytes?: number;
  readonly assemble?: Assemble;
  /** Further files that say what addresses mean. */
  readonly symbols?: readonly SymbolFile[];
  /** Where the source files are now. */
  readonly sourceMap?: SourceMap;
}

/**
 * @param path null only together with a ROM.
 * @throws BadInput with one line, for whatever is wrong with the files or options.
 */
export async function load(files: Files, path: string | null, options: LoadOptions = {}): Promise<Program> {
  const program =
    options.bios === undefined ? await loadFile(files, path, options) : await loadRom(files, path, options);
  if (options.memoryBytes !== undefined) checkFits(program, options.memoryBytes);
  return withModules(files, program, path ?? options.bios ?? program.name, options);
}

/** The program with the symbols and lines of all files that have some. */
async function withModules(files: Files, program: Program, path: string, options: LoadOptions): Promise<Program> {
  const modules = [...(program.modules ?? [programModule(program, path)])];
  for (const file of options.symbols ?? [])
    modules.push(
      await symbolModule(files, file, options.sourceMap ?? {}, (name, bytes) => assembled(name, bytes, options)),
    );
  if (modules.length === 1 && program.modules === undefined) return { ...program, modules };
  return {
    ...program,
    modules,
    symbols: modules.flatMap(({ symbols }) => symbols),
    lines: LineTable.join(modules.map(({ lines }) => lines)),
  };
}

async function loadFile(files: Files, path: string | null, options: LoadOptions): Promise<Program> {
  if (path === null) throw new BadInput('no program: name a file to run');
  const bytes = await files.read(path);
  const kind = kindOf(path, bytes);
  if (kind === 'assembly') return loadAssembly(path, bytes, options);
  if (kind === 'elf') return loadElf(files, path, bytes, options);
  if (options.load !== undefined) return loadFlat(path, bytes, options.load, options);
  if (kind === 'multiboot')
    return multibootProgram(path, bytes, null, await multibootOptions(files, path, options, null));
  if (kind === 'boot-sector') {
    refuse(path, options, ['entry', ...forMultiboot], `a boot sector starts at ${hex(BOOT_ADDRESS)} by itself`);
    requireMode(path, options, 16, 'a boot sector starts in real mode');
    return bootSectorProgram(path, bytes);
  }
  throw new BadInput(
    `${path}: neither ELF, Multiboot, boot sector nor assembly source (.asm, .nasm); for a flat binary give --load`,
  );
}

async function loadAssembly(path: string, bytes: Uint8Array, options: LoadOptions): Promise<Program> {
  refuse(path, options, ['load'], 'assembly source says with `org` where it is loaded');
  refuse(path, options, [...forMultiboot], 'only a Multiboot image takes them');
  const program = await assembled(path, bytes, options);
  if (program.start.kind !== 'direct') return program;
  const bits = options.mode ?? program.start.bits;
  const entry = entryOption(path, options, program.symbols);
  if (bits === 16 && entry === undefined) return asBootSector(program) ?? withStart(program, bits, program.start.entry);
  return withStart(program, bits, entry ?? program.start.entry);
}

/** 16-bit source that assembles to an image with the boot signature is a boot sector, as its binary would be. */
function asBootSector(program: Program): Program | null {
  const [image] = program.segments;
  if (program.segments.length !== 1 || image?.physical !== BigInt(BOOT_ADDRESS) || !hasBootSignature(image.bytes)) {
    return null;
  }
  return {
    ...bootSectorProgram(program.name, image.bytes),
    symbols: program.symbols,
    lines: program.lines,
    checksums: program.checksums,
  };
}

async function loadElf(files: Files, path: string, bytes: Uint8Array, options: LoadOptions): Promise<Program> {
  refuse(path, options, ['load'], 'an ELF file says itself where it is loaded');
  const elf = readElf(path, bytes);
  const place = { kind: 'program', path, offset: 0n, files, sourceMap: options.sourceMap ?? {} } as const;
  const modules = [await elfModule(elf, place)];
  if (findMultibootHeader(bytes) !== null) {
    const program = multibootProgram(path, bytes, elf, await multibootOptions(files, path, options, elf));
    return { ...program, modules };
  }
  refuse(path, options, [...forMultiboot], 'only a Multiboot image takes them');
  const entry = elfEntryOption(path, options, elf);
  const program = elfProgram(elf, {
    ...(options.mode === undefined ? {} : { bits: options.mode }),
    ...(entry === undefined ? {} : { entry }),
  });
  return { ...program, modules };
}

function loadFlat(path: string, bytes: Uint8Array, load: bigint, options: LoadOptions): Program {
  refuse(path, options, [...forMultiboot], 'only a Multiboot image takes them');
  const entry = entryOption(path, options, []);
  return flatProgram(path, bytes, {
    load,
    ...(entry === undefined ? {} : { entry }),
    ...(options.mode === undefined ? {} : { bits: options.mode }),
  });
}

/** The ROM starts; a program beside it, ELF or assembly source, only lends its memory contents and symbols. */
async function loadRom(files: Files, path: string | null, options: LoadOptions): Promise<Program> {
  const { bios = '' } = options;
  refuse(bios, options, ['load', 'entry', 'mode', ...forMultiboot], 'a ROM starts at the reset vector');
  const bytes = await files.read(bios);
  const source = kindOf(bios, bytes) === 'assembly' ? await assembled(bios, bytes, options) : null;
  const rom = biosProgram(bios, source === null ? bytes : onlySegment(source));
  const named =
    source === null ? rom : { ...rom, symbols: source.symbols, lines: source.lines, checksums: source.checksums };
  if (path === null || path === bios) return named;
  const beside = await loadFile(files, path, options.assemble === undefined ? {} : { assemble: options.assemble });
  return { ...beside, start: rom.start };
}

function onlySegment(program: Program): Uint8Array {
  const [segment] = program.segments;
  if (segment !== undefined && program.segments.length === 1) return segment.bytes;
  throw new BadInput(`${program.name}: a ROM is one piece; this has ${program.segments.length} segments`);
}

async function assembled(path: string, bytes: Uint8Array, options: LoadOptions): Promise<Program> {
  if (options.assemble === undefined) throw new BadInput(`${path}: assembly source; assemble it first`);
  const program = await options.assemble(new TextDecoder().decode(bytes), { file: path });
  return { ...program, checksums: new Map([[path, md5(bytes)]]) };
}

async function multibootOptions(
  files: Files,
  path: string,
  options: LoadOptions,
  elf: ElfFile | null,
): Promise<{ commandLine: string; modules: MultibootModule[]; entry?: bigint }> {
  requireMode(path, options, 32, 'a Multiboot image starts in 32-bit protected mode');
  const modules: MultibootModule[] = [];
  const { initrd = '' } = options;
  if (initrd !== '') modules.push({ commandLine: withName(initrd, ''), bytes: await files.read(initrd) });
  for (const module of options.modules ?? []) modules.push(await readModule(files, module));
  const entry = elf === null ? entryOption(path, options, []) : elfEntryOption(path, options, elf);
  return { commandLine: options.commandLine ?? '', modules, ...(entry === undefined ? {} : { entry }) };
}

async function readModule(files: Files, module: string): Promise<MultibootModule> {
  const [, file = '', rest = ''] = /^\s*(\S+)\s*(.*?)\s*$/s.exec(module) ?? [];
  if (file === '') throw new BadInput("a module without a file: give --module 'FILE ARGS'");
  return { commandLine: withName(file, rest), bytes: await files.read(file) };
}

function entryOption(path: string, { entry }: LoadOptions, symbols: Program['symbols']): bigint | undefined {
  if (typeof entry !== 'string') return entry;
  const symbol = new SymbolTable(symbols).named(entry);
  if (symbol === null)
    throw new BadInput(`${path}: has no symbol ${entry}; give --entry an address or one of its labels`);
  return symbol.address;
}

/** A symbol's address is the linked one; execution starts at the physical one. */
function elfEntryOption(path: string, options: LoadOptions, elf: ElfFile): bigint | undefined {
  const entry = entryOption(path, options, elfSymbols(elf));
  return entry === undefined || typeof options.entry !== 'string' ? entry : (toPhysical(elf, entry) ?? entry);
}

function withStart(program: Program, bits: Bits, entry: bigint): Program {
  const start: Start = { kind: 'direct', bits, entry: linear(entry) };
  return { ...program, start };
}

const optionNames = {
  load: '--load',
  entry: '--entry',
  mode: '--mode',
  commandLine: '--cmdline',
  modules: '--module',
  initrd: '--initrd',
} as const;

const forMultiboot = ['commandLine', 'modules', 'initrd'] as const;

function refuse(path: string, options: LoadOptions, names: readonly (keyof typeof optionNames)[], why: string): void {
  for (const name of names) {
    const value = options[name];
    const absent = value === undefined || value === '' || (Array.isArray(value) && value.length === 0);
    if (!absent) throw new BadInput(`${path}: ${optionNames[name]} does not apply: ${why}`);
  }
}

function requireMode(path: string, { mode }: LoadOptions, right: Bits, why: string): void {
  if (mode !== undefined && mode !== right) throw new BadInput(`${path}: --mode ${mode} does not apply: ${why}`);
}
