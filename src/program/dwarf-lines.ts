/**
 * The line numbers that compilers and assemblers leave in ELF files (DWARF 2 to 5, "Line Number Information"). They are
 * an extra: whatever is damaged, compressed or unknown in them gives fewer rows, never an error.
 */

import { linear } from '../x86/address';
import type { ElfFile, ElfSection } from './elf';
import type { LineRow } from './program';

/** Rows by address, as `Program.lines` has them. */
export function dwarfLines(file: ElfFile): LineRow[] {
  const program = sectionNamed(file, '.debug_line');
  if (program === null) return [];
  const strings = {
    line: sectionNamed(file, '.debug_line_str') ?? new Uint8Array(0),
    common: sectionNamed(file, '.debug_str') ?? new Uint8Array(0),
  };
  const sequences: LineRow[][] = [];
  const reader = new Reader(program);
  try {
    while (reader.left > 0) {
      const length = reader.u32();
      const wide = length === 0xffff_ffff;
      const unit = reader.part(wide ? Number(reader.u64()) : length);
      try {
        readUnit(unit, wide, strings, sequences);
      } catch (error) {
        if (!(error instanceof RangeError)) throw error;
      }
    }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
  }
  return inOrder(sequences.filter((sequence) => isLoaded(file, sequence)));
}

interface Strings {
  readonly line: Uint8Array;
  readonly common: Uint8Array;
}

const SECTION_COMPRESSED = 0x800n;

function sectionNamed(file: ElfFile, name: string): Uint8Array | null {
  const names = file.sections[file.sectionTable.names];
  if (names === undefined) return null;
  const contents = (section: ElfSection): Uint8Array =>
    file.bytes.subarray(section.offset, section.offset + section.size);
  const wanted = new TextEncoder().encode(`${name}\0`);
  const section = file.sections.find(({ name: at }) =>
    wanted.every((byte, index) => contents(names)[at + index] === byte),
  );
  return section === undefined || (section.flags & SECTION_COMPRESSED) !== 0n ? null : contents(section);
}

/** Linkers that drop a function leave its line numbers behind, at an address of nothing. */
function isLoaded(file: ElfFile, [first]: readonly LineRow[]): boolean {
  return (
    first !== undefined &&
    file.segments.some(({ virtual, size }) => first.address >= virtual && first.address - virtual < BigInt(size))
  );
}

function inOrder(sequences: LineRow[][]): LineRow[] {
  const start = (sequence: readonly LineRow[]): bigint => sequence[0]?.address ?? 0n;
  sequences.sort((a, b) => (start(a) < start(b) ? -1 : start(a) > start(b) ? 1 : 0));
  const rows: LineRow[] = [];
  for (const sequence of sequences) {
    const last = rows.at(-1);
    if (last !== undefined && last.address > start(sequence)) continue;
    for (const row of sequence) rows.push(row);
  }
  return rows;
}

/** "The Line Number Program Header". @throws RangeError when it is damaged. */
function readUnit(unit: Reader, wide: boolean, strings: Strings, sequences: LineRow[][]): void {
  const version = unit.u16();
  if (version < 2 || version > 5) return;
  if (version === 5) unit.skip(2);
  const headerLength = wide ? Number(unit.u64()) : unit.u32();
  const header = unit.part(headerLength);
  const step = header.u8();
  if (version >= 4) header.skip(1);
  const startsAtStatement = header.u8() !== 0;
  const lineBase = header.i8();
  const lineRange = header.u8();
  const opcodeBase = header.u8();
  if (lineRange === 0 || opcodeBase === 0) return;
  const argumentCounts = Array.from({ length: opcodeBase - 1 }, () => header.u8());
  const fileNames = version === 5 ? fileTable5(header, wide, strings) : fileTable2(header);
  const name = (file: number): string => fileNames[version === 5 ? file : file - 1] ?? '?';
  run(unit, { step, startsAtStatement, lineBase, lineRange, opcodeBase, argumentCounts, name }, sequences);
}

interface LineProgram {
  readonly step: number;
  readonly startsAtStatement: boolean;
  readonly lineBase: number;
  readonly lineRange: number;
  readonly opcodeBase: number;
  readonly argumentCounts: readonly number[];
  name(file: number): string;
}

/** "The Line Number Program", with its state machine's registers as far as rows need them. */
function run(code: Reader, program: LineProgram, sequences: LineRow[][]): void {
  const { step, lineBase, lineRange, opcodeBase } = program;
  let rows: LineRow[] = [];
  let address = 0n;
  let file = 1;
  let line = 1;
  let isStatement = program.startsAtStatement;

  const advance = (operations: bigint): void => {
    address = BigInt.asUintN(64, address + operations * BigInt(step));
  };
  const addRow = (end: boolean): void => {
    const position = { address: linear(address), file: program.name(file), line };
    // Line 0 says that the code comes from no line.
    if (end || line <= 0) rows.push({ ...position, line: Math.max(1, line), end: true });
    else if (isStatement) rows.push(position);
  };
  const extended = (): void => {
    const operation = code.part(Number(code.unsigned()));
    if (operation.left === 0) return;
    const opcode = operation.u8();
    if (opcode === 2) address = operation.left === 8 ? operation.u64() : BigInt(operation.u32());
    if (opcode !== 1) return;
    addRow(true);
    if (isAscending(rows)) sequences.push(rows);
    rows = [];
    address = 0n;
    file = 1;
    line = 1;
    isStatement = program.startsAtStatement;
  };
  const standard: Readonly<Record<number, () => void>> = {
    1: () => addRow(false),
    2: () => advance(code.unsigned()),
    3: () => {
      line += Number(code.signed());
    },
    4: () => {
      file = Number(code.unsigned());
    },
    6: () => {
      isStatement = !isStatement;
    },
    8: () => advance(BigInt(Math.floor((255 - opcodeBase) / lineRange))),
    9: () => {
      address = BigInt.asUintN(64, address + BigInt(code.u16()));
    },
  };

  while (code.left > 0) {
    const opcode = code.u8();
    if (opcode >= opcodeBase) {
      const special = opcode - opcodeBase;
      advance(BigInt(Math.floor(special / lineRange)));
      line += lineBase + (special % lineRange);
      addRow(false);
    } else if (opcode === 0) extended();
    else if (standard[opcode] !== undefined) standard[opcode]();
    else for (let count = program.argumentCounts[opcode - 1] ?? 0; count > 0; count--) code.unsigned();
  }
}

const isAscending = (rows: readonly LineRow[]): boolean =>
  rows.every((row, index) => index === 0 || row.address >= (rows[index - 1]?.address ?? 0n));

/** Directories and files of versions 2 to 4: strings up to an empty one; directory 0 is where the compiler ran. */
function fileTable2(header: Reader): string[] {
  const directories = [''];
  for (let name = header.text(); name !== ''; name = header.text()) directories.push(name);
  const files: string[] = [];
  for (let name = header.text(); name !== ''; name = header.text()) {
    files.push(joined(directories[Number(header.unsigned())] ?? '', name));
    header.unsigned();
    header.unsigned();
  }
  return files;
}

const PATH = 1;
const DIRECTORY_INDEX = 2;

/** Those of version 5: tables that describe their own columns; the other directories are relative to the first. */
function fileTable5(header: Reader, wide: boolean, strings: Strings): string[] {
  const directories = readTable(header, wide, strings).map(({ path }) => path);
  return readTable(header, wide, strings).map(({ path, directory }) =>
    joined(joined(directories[0] ?? '', directories[directory] ?? ''), path),
  );
}

function readTable(header: Reader, wide: boolean, strings: Strings): { path: string; directory: number }[] {
  const columns = Array.from({ length: header.u8() }, () => [Number(header.unsigned()), Number(header.unsigned())]);
  const count = Number(header.unsigned());
  if (count > 0 && columns.length === 0) throw new RangeError('rows without columns');
  const rows: { path: string; directory: number }[] = [];
  for (let index = 0; index < count; index++) {
    const row = { path: '', directory: 0 };
    for (const [type, form = 0] of columns) {
      const value = readForm(header, form, wide, strings);
      if (type === PATH && typeof value === 'string') row.path = value;
      if (type === DIRECTORY_INDEX && typeof value === 'number') row.directory = value;
    }
    rows.push(row);
  }
  return rows;
}

/** "Attribute Encodings": the forms that file tables use. */
function readForm(reader: Reader, form: number, wide: boolean, strings: Strings): string | number {
  const offset = (): number => (wide ? Number(reader.u64()) : reader.u32());
  switch (form) {
    case 0x08:
      return reader.text();
    case 0x0e:
      return new Reader(strings.common).skip(offset()).text();
    case 0x1f:
      return new Reader(strings.line).skip(offset()).text();
    case 0x0b:
      return reader.u8();
    case 0x05:
      return reader.u16();
    case 0x06:
      return reader.u32();
    case 0x07:
      return Number(reader.u64());
    case 0x0f:
      return Number(reader.unsigned());
    case 0x1e:
      reader.skip(16);
      return 0;
    case 0x09:
      reader.skip(Number(reader.unsigned()));
      return 0;
    default:
      throw new RangeError(`form ${form}`);
  }
}

/** Also takes Windows paths, which cross compilers write. */
function joined(folder: string, path: string): string {
  if (folder === '' || /^([/\\]|[A-Za-z]:)/.test(path)) return path;
  return path === '' ? folder : `${folder.replace(/[/\\]$/, '')}/${path.replace(/^\.\//, '')}`;
}

/** Reads on from byte to byte. Every method throws RangeError at the end. */
class Reader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  skip(count: number): this {
    if (!(count >= 0 && count <= this.left)) throw new RangeError('beyond the end');
    this.#at += count;
    return this;
  }

  part(length: number): Reader {
    const start = this.#at;
    this.skip(length);
    return new Reader(this.#bytes.subarray(start, this.#at));
  }

  u8(): number {
    return this.#view.getUint8(this.#take(1));
  }

  i8(): number {
    return this.#view.getInt8(this.#take(1));
  }

  u16(): number {
    return this.#view.getUint16(this.#take(2), true);
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4), true);
  }

  u64(): bigint {
    return this.#view.getBigUint64(this.#take(8), true);
  }

  /** LEB128. */
  unsigned(): bigint {
    return this.#leb128().value;
  }

  signed(): bigint {
    const { value, bits } = this.#leb128();
    return BigInt.asIntN(bits, value);
  }

  /** Up to a zero byte. */
  text(): string {
    const end = this.#bytes.indexOf(0, this.#at);
    if (end < 0) throw new RangeError('beyond the end');
    const text = new TextDecoder().decode(this.#bytes.subarray(this.#at, end));
    this.#at = end + 1;
    return text;
  }

  #take(count: number): number {
    const at = this.#at;
    this.skip(count);
    return at;
  }

  #leb128(): { value: bigint; bits: number } {
    let value = 0n;
    for (let bits = 0; bits < 70; bits += 7) {
      const byte = this.u8();
      value |= BigInt(byte & 0x7f) << BigInt(bits);
      if (byte < 0x80) return { value: BigInt.asUintN(64, value), bits: Math.min(64, bits + 7) };
    }
    throw new RangeError('a number of more than 64 bits');
  }
}
