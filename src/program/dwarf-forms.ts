/** How DWARF writes the value of an attribute (DWARF 5, "Attribute Encodings"; the GNU forms of earlier versions too). */

import { ByteReader } from './byte-reader';

/** The sections that strings lie in. */
export interface DebugStrings {
  readonly line: Uint8Array;
  readonly common: Uint8Array;
  readonly offsets: Uint8Array;
}

export interface FormContext {
  /** 64-bit DWARF: offsets have 8 bytes. */
  readonly wide: boolean;
  readonly version: number;
  readonly addressSize: number;
  readonly strings: DebugStrings;
}

/** A number, a string, or the index of a string in the section of string offsets. */
export type FormValue = number | string | { readonly stringIndex: number };

const skipped = (size: number) => (reader: ByteReader) => {
  reader.skip(size);
  return 0;
};

const readers: Readonly<Record<number, (reader: ByteReader, context: FormContext) => FormValue>> = {
  /* addr */ 1: (reader, { addressSize }) => Number(reader.word(addressSize)),
  /* block2 */ 3: (reader) => skipped(reader.u16())(reader),
  /* block4 */ 4: (reader) => skipped(reader.u32())(reader),
  /* data2 */ 5: (reader) => reader.u16(),
  /* data4 */ 6: (reader) => reader.u32(),
  /* data8 */ 7: (reader) => Number(reader.u64()),
  /* string */ 8: (reader) => reader.text(),
  /* block */ 9: (reader) => skipped(reader.unsigned())(reader),
  /* block1 */ 10: (reader) => skipped(reader.u8())(reader),
  /* data1 */ 11: (reader) => reader.u8(),
  /* flag */ 12: (reader) => reader.u8(),
  /* sdata */ 13: (reader) => reader.signed(),
  /* strp */ 14: (reader, { wide, strings }) => textAt(strings.common, reader.offset(wide)),
  /* udata */ 15: (reader) => reader.unsigned(),
  // In version 2 a reference to another unit had the size of an address.
  /* ref_addr */ 16: (reader, { wide, version, addressSize }) =>
    version === 2 ? Number(reader.word(addressSize)) : reader.offset(wide),
  /* ref1 */ 17: (reader) => reader.u8(),
  /* ref2 */ 18: (reader) => reader.u16(),
  /* ref4 */ 19: (reader) => reader.u32(),
  /* ref8 */ 20: (reader) => Number(reader.u64()),
  /* ref_udata */ 21: (reader) => reader.unsigned(),
  /* indirect */ 22: (reader, context) => readForm(reader, reader.unsigned(), context),
  /* sec_offset */ 23: (reader, { wide }) => reader.offset(wide),
  /* exprloc */ 24: (reader) => skipped(reader.unsigned())(reader),
  /* flag_present */ 25: () => 1,
  /* strx */ 26: (reader) => ({ stringIndex: reader.unsigned() }),
  /* addrx */ 27: (reader) => reader.unsigned(),
  /* ref_sup4 */ 28: skipped(4),
  /* strp_sup */ 29: (reader, { wide }) => skipped(wide ? 8 : 4)(reader),
  /* data16, in hexadecimal */ 30: (reader) =>
    Array.from({ length: 16 }, () => reader.u8().toString(16).padStart(2, '0')).join(''),
  /* line_strp */ 31: (reader, { wide, strings }) => textAt(strings.line, reader.offset(wide)),
  /* ref_sig8 */ 32: skipped(8),
  /* loclistx */ 34: (reader) => reader.unsigned(),
  /* rnglistx */ 35: (reader) => reader.unsigned(),
  /* ref_sup8 */ 36: skipped(8),
  /* strx1 to strx4 */ 37: (reader) => ({ stringIndex: reader.u8() }),
  38: (reader) => ({ stringIndex: reader.u16() }),
  39: (reader) => ({ stringIndex: reader.u24() }),
  40: (reader) => ({ stringIndex: reader.u32() }),
  /* addrx1 to addrx4 */ 41: (reader) => reader.u8(),
  42: (reader) => reader.u16(),
  43: (reader) => reader.u24(),
  44: (reader) => reader.u32(),
  /* GNU_addr_index */ 7937: (reader) => reader.unsigned(),
  /* GNU_str_index */ 7938: (reader) => ({ stringIndex: reader.unsigned() }),
  /* GNU_ref_alt */ 7968: (reader, { wide }) => skipped(wide ? 8 : 4)(reader),
  /* GNU_strp_alt */ 7969: (reader, { wide }) => skipped(wide ? 8 : 4)(reader),
};

/** @throws RangeError for a form that no version of DWARF has, or at the end. */
export const readForm = (reader: ByteReader, form: number, context: FormContext): FormValue => {
  const read = readers[form];
  if (read === undefined) throw new RangeError(`form ${form}`);
  return read(reader, context);
};

const textAt = (section: Uint8Array, offset: number): string => new ByteReader(section, offset).text();

/** The string of an index. @param base where the unit's offsets begin in their section */
export const indexedText = (index: number, base: number, { wide, strings }: FormContext): string => {
  const at = base + index * (wide ? 8 : 4);
  return textAt(strings.common, new ByteReader(strings.offsets, at).offset(wide));
};
