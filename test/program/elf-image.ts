/** Builds small ELF executables byte by byte, so that tests can also build damaged ones. */

export interface ImageSegment {
  readonly type?: number;
  readonly physical: bigint;
  readonly virtual?: bigint;
  readonly bytes: Uint8Array;
  /** Size in memory; without it, the size of the bytes. */
  readonly size?: bigint;
}

export interface ImageSymbol {
  readonly name: string;
  readonly value: bigint;
  readonly size?: number;
  /** st_info's type. */
  readonly type?: number;
  readonly section?: number;
}

export interface ElfImage {
  readonly bits: 32 | 64;
  readonly type?: number;
  readonly machine?: number;
  readonly entry: bigint;
  readonly segments: readonly ImageSegment[];
  /** With them come four sections: null, .text (executable, at the first segment), .symtab, .strtab. */
  readonly symbols?: readonly ImageSymbol[];
}

export function elfImage(image: ElfImage): Uint8Array {
  const wide = image.bits === 64;
  const out: number[] = [];
  const put = (value: bigint | number, size: number): void => {
    for (let index = 0; index < size; index++) out.push(Number((BigInt(value) >> BigInt(8 * index)) & 0xffn));
  };
  const word = (value: bigint | number): void => put(value, wide ? 8 : 4);
  const headerSize = wide ? 64 : 52;
  const programHeaderSize = wide ? 56 : 32;
  const dataStart = headerSize + programHeaderSize * image.segments.length;
  const dataSize = image.segments.reduce((sum, { bytes }) => sum + bytes.length, 0);
  const { table, strings } = symbolTable(image);
  const sectionHeaders = dataStart + dataSize + table.length + strings.length;
  const sectionCount = image.symbols === undefined ? 0 : 4;

  put(0x464c457f, 4);
  put(wide ? 2 : 1, 1);
  put(1, 1);
  put(1, 1);
  put(0, 9);
  put(image.type ?? 2, 2);
  put(image.machine ?? (wide ? 62 : 3), 2);
  put(1, 4);
  word(image.entry);
  word(headerSize);
  word(sectionCount === 0 ? 0 : sectionHeaders);
  put(0, 4);
  put(headerSize, 2);
  put(programHeaderSize, 2);
  put(image.segments.length, 2);
  put(wide ? 64 : 40, 2);
  put(sectionCount, 2);
  put(sectionCount === 0 ? 0 : 3, 2);

  let offset = dataStart;
  for (const segment of image.segments) {
    const virtual = segment.virtual ?? segment.physical;
    const size = segment.size ?? BigInt(segment.bytes.length);
    put(segment.type ?? 1, 4);
    if (wide) put(7, 4);
    for (const value of [offset, virtual, segment.physical, segment.bytes.length, size]) word(value);
    if (!wide) put(7, 4);
    word(1);
    offset += segment.bytes.length;
  }
  for (const segment of image.segments) out.push(...segment.bytes);
  out.push(...table, ...strings);
  if (sectionCount > 0) {
    const section = (type: number, flags: number, address: bigint, at: number, size: number, link: number): void => {
      put(0, 4);
      put(type, 4);
      for (const value of [flags, address, at, size]) word(value);
      put(link, 4);
      put(0, 4);
      word(1);
      word(0);
    };
    section(0, 0, 0n, 0, 0, 0);
    section(1, 6, image.segments[0]?.physical ?? 0n, dataStart, image.segments[0]?.bytes.length ?? 0, 0);
    section(2, 0, 0n, dataStart + dataSize, table.length, 3);
    section(3, 0, 0n, dataStart + dataSize + table.length, strings.length, 0);
  }
  return Uint8Array.from(out);
}

function symbolTable(image: ElfImage): { table: number[]; strings: number[] } {
  const table: number[] = [];
  const strings: number[] = [0];
  const put = (value: bigint | number, size: number): void => {
    for (let index = 0; index < size; index++) table.push(Number((BigInt(value) >> BigInt(8 * index)) & 0xffn));
  };
  for (const symbol of image.symbols ?? []) {
    put(strings.length, 4);
    strings.push(...new TextEncoder().encode(`${symbol.name}\0`));
    const [info, section, size] = [symbol.type ?? 0, symbol.section ?? 1, symbol.size ?? 0];
    if (image.bits === 64) {
      put(info, 1);
      put(0, 1);
      put(section, 2);
      put(symbol.value, 8);
      put(size, 8);
    } else {
      put(symbol.value, 4);
      put(size, 4);
      put(info, 1);
      put(0, 1);
      put(section, 2);
    }
  }
  return { table, strings };
}
