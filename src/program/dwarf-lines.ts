/**
 * The line numbers that compilers and assemblers leave in ELF files (DWARF 2 to 5, "Line Number Information"). They are
 * an extra: whatever is damaged or unknown in them gives fewer rows, never an error.
 */

import { ByteReader } from './byte-reader';
import type { DebugStrings } from './dwarf-forms';
import { type LineHeader, readFile2, readLineHeader } from './dwarf-line-header';
import { compilerFolders } from './dwarf-units';
import { type LineRows, LineRowWriter, rowFlags } from './line-rows';
import type { AddressRange, LineSource } from './lines';
import type { Checksums } from './program';

/** Contents of the sections, empty where the file has none. */
export interface DebugSections {
  readonly line: Uint8Array;
  readonly info: Uint8Array;
  readonly abbreviations: Uint8Array;
  readonly strings: DebugStrings;
}

export interface DwarfPlace {
  /** Added to each address. */
  readonly offset: bigint;
  /** What is loaded, with the offset: linkers that drop a function leave its line numbers behind, at no address. */
  readonly ranges: readonly AddressRange[];
  /** Where a file of this name is now. */
  readonly rename: (file: string) => string;
}

/** Tables of this many bytes are decoded only when they are asked for; they name all their files, with code or not. */
const LARGE = 2 ** 22;

/** The files that the line table names, as the compiler named them. */
export const dwarfFiles = (sections: DebugSections): string[] => {
  const names = new Set<string>();
  forEachUnit(sections, compilerFolders(sections), ({ files }) => {
    for (const file of files) if (file !== '') names.add(file);
  });
  return [...names];
};

/** MD5 of the source files as they were compiled, by name, as far as the compiler told. */
export const dwarfChecksums = (sections: DebugSections): Checksums => {
  const all = new Map<string, string>();
  forEachUnit(sections, compilerFolders(sections), ({ checksums }) => {
    for (const [file, md5] of checksums) all.set(file, md5);
  });
  return all;
};

/** The line table of a file; undefined when it has none. */
export const dwarfLines = (sections: DebugSections, place: DwarfPlace): LineSource | undefined => {
  if (sections.line.length === 0) return undefined;
  const folders = compilerFolders(sections);
  const rows = (): LineRows => readRows(sections, folders, place);
  if (sections.line.length >= LARGE)
    return { files: [...new Set(dwarfFiles(sections).map(place.rename))], ranges: place.ranges, rows };
  const decoded = rows();
  return decoded.length === 0 ? undefined : { files: decoded.files, ranges: place.ranges, rows: () => decoded };
};

const forEachUnit = (
  { line, strings }: DebugSections,
  folders: ReadonlyMap<number, string>,
  use: (header: LineHeader, program: ByteReader) => void,
): void => {
  const reader = new ByteReader(line);
  const tolerant = (work: () => void): void => {
    try {
      work();
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
    }
  };
  tolerant(() => {
    while (reader.left > 0) {
      const start = reader.at;
      const length = reader.u32();
      const wide = length === 0xffff_ffff;
      const unit = reader.part(wide ? Number(reader.u64()) : length);
      tolerant(() => {
        const header = readLineHeader(unit, wide, strings, folders.get(start) ?? '');
        if (header !== undefined) use(header, unit);
      });
    }
  });
};

/** Rows of one run of addresses: from a number of row to before another. */
interface Sequence {
  readonly first: number;
  readonly behind: number;
  readonly start: bigint;
}

const readRows = (sections: DebugSections, folders: ReadonlyMap<number, string>, place: DwarfPlace): LineRows => {
  const writer = new LineRowWriter();
  const sequences: Sequence[] = [];
  forEachUnit(sections, folders, (header, program) => run(program, header, place, writer, sequences));
  return writer.finish(inOrder(writer, sequences));
};

/** The numbers of the rows that are to be kept, by address; where sequences overlap, the earlier one counts. */
const inOrder = (writer: LineRowWriter, sequences: Sequence[]): Uint32Array => {
  sequences.sort((a, b) => (a.start < b.start ? -1 : a.start > b.start ? 1 : a.first - b.first));
  const order: number[] = [];
  let end = 0n;
  for (const { first, behind } of sequences) {
    // The standard wants addresses that only rise; assemblers that go back in a section write others.
    let rises = true;
    for (let n = first + 1; n < behind && rises; n++) rises = writer.address(n) >= writer.address(n - 1);
    const numbers = rises ? undefined : byAddress(writer, first, behind);
    for (let n = first; n < behind; n++) {
      const number = numbers?.[n - first] ?? n;
      if (writer.address(number) >= end) order.push(number);
    }
    const last = order.at(-1);
    if (last !== undefined && writer.address(last) > end) end = writer.address(last);
  }
  return Uint32Array.from(order);
};

const byAddress = (writer: LineRowWriter, first: number, behind: number): number[] => {
  const address = (n: number): bigint => writer.address(n);
  return Array.from({ length: behind - first }, (_, index) => first + index).sort((a, b) =>
    address(a) < address(b) ? -1 : address(a) > address(b) ? 1 : a - b,
  );
};

/** "The Line Number Program", with its state machine's registers as far as rows need them. */
const run = (
  code: ByteReader,
  header: LineHeader,
  { offset, ranges, rename }: DwarfPlace,
  writer: LineRowWriter,
  sequences: Sequence[],
): void => {
  const { minimumLength, lineBase, lineRange, opcodeBase, files } = header;
  const numbers: number[] = [];
  let first = writer.length;
  let address = 0n;
  let file = 1;
  let line = 1;
  let column = 0;
  let isStatement = header.startsAtStatement;
  let body = false;

  const step = BigInt(minimumLength);
  const advances = Array.from(
    { length: 256 },
    (_, opcode) => BigInt(Math.floor((opcode - opcodeBase) / lineRange)) * step,
  );
  const fileNumber = (): number => (numbers[file] ??= writer.file(rename(files[file] || '?')));
  const addRow = (end: boolean): void => {
    // Line 0 says that the code comes from no line.
    const stops = end || line <= 0;
    const flags = stops ? rowFlags.end : (isStatement ? rowFlags.statement : 0) | (body ? rowFlags.body : 0);
    writer.add(address + offset, fileNumber(), Math.max(1, line), column, flags);
    body = false;
  };
  const endSequence = (): void => {
    addRow(true);
    const start = writer.address(first);
    const isLoaded = ranges.some((range) => start >= range.start && start < range.end);
    if (isLoaded) sequences.push({ first, behind: writer.length, start });
    first = writer.length;
    address = 0n;
    file = 1;
    line = 1;
    column = 0;
    isStatement = header.startsAtStatement;
  };
  const extended = (): void => {
    const operation = code.part(code.unsigned());
    if (operation.left === 0) return;
    const opcode = operation.u8();
    if (opcode === 1) endSequence();
    if (opcode === 2) address = operation.word(operation.left);
    if (opcode === 3) files.push(readFile2(operation, header.directories, operation.text()));
  };
  const standard: readonly ((() => void) | undefined)[] = [
    undefined,
    /* copy */ () => addRow(false),
    /* advance_pc */ () => {
      address += code.unsigned64() * step;
    },
    /* advance_line */ () => {
      line += code.signed();
    },
    /* set_file */ () => {
      file = code.unsigned();
    },
    /* set_column */ () => {
      column = code.unsigned();
    },
    /* negate_stmt */ () => {
      isStatement = !isStatement;
    },
    /* set_basic_block */ () => {},
    /* const_add_pc */ () => {
      address += advances[255] as bigint;
    },
    /* fixed_advance_pc */ () => {
      address += BigInt(code.u16());
    },
    /* set_prologue_end */ () => {
      body = true;
    },
    /* set_epilogue_begin */ () => {},
    /* set_isa */ () => void code.unsigned(),
  ];

  while (code.left > 0) {
    const opcode = code.u8();
    if (opcode >= opcodeBase) {
      address += advances[opcode] as bigint;
      line += lineBase + ((opcode - opcodeBase) % lineRange);
      addRow(false);
    } else if (opcode === 0) extended();
    else if (standard[opcode] !== undefined) standard[opcode]();
    else for (let count = header.argumentCounts[opcode - 1] ?? 0; count > 0; count--) code.unsigned();
  }
};
