/**
 * What compilation units say about their line tables (DWARF 5, "Unit Headers" and "Full and Partial Compilation Unit
 * Entries"): the folder in which the compiler ran. Before version 5 the line table itself does not tell it.
 */

import { ByteReader } from './byte-reader';
import { type DebugStrings, type FormContext, type FormValue, indexedText, readForm } from './dwarf-forms';

export interface UnitSections {
  readonly info: Uint8Array;
  readonly abbreviations: Uint8Array;
  readonly strings: DebugStrings;
}

const attributes = { stmt_list: 0x10, comp_dir: 0x1b, str_offsets_base: 0x72 } as const;
const DW_FORM_implicit_const = 0x21;
/** Unit types whose first entry describes a compilation: compile, partial, skeleton. */
const compiled: readonly number[] = [1, 3, 4];
const SKELETON = 4;

/** The compiler's folder, by where the unit's line table begins in its section. Damaged units are left out. */
export const compilerFolders = (sections: UnitSections): Map<number, string> => {
  const folders = new Map<number, string>();
  const reader = new ByteReader(sections.info);
  try {
    while (reader.left > 0) {
      const length = reader.u32();
      const wide = length === 0xffff_ffff;
      const unit = reader.part(wide ? Number(reader.u64()) : length);
      try {
        readUnit(unit, wide, sections, folders);
      } catch (error) {
        if (!(error instanceof RangeError)) throw error;
      }
    }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
  }
  return folders;
};

const readUnit = (unit: ByteReader, wide: boolean, sections: UnitSections, folders: Map<number, string>): void => {
  const version = unit.u16();
  if (version < 2 || version > 5) return;
  const type = version === 5 ? unit.u8() : 1;
  if (!compiled.includes(type)) return;
  let addressSize = version === 5 ? unit.u8() : 0;
  const abbreviations = unit.offset(wide);
  if (version < 5) addressSize = unit.u8();
  if (type === SKELETON) unit.skip(8);
  const context: FormContext = { wide, version, addressSize, strings: sections.strings };
  const values = readEntry(unit, new ByteReader(sections.abbreviations, abbreviations), context);
  const table = values.get(attributes.stmt_list);
  const folder = values.get(attributes.comp_dir);
  const base = values.get(attributes.str_offsets_base);
  if (typeof table !== 'number' || folder === undefined || typeof folder === 'number') return;
  const name =
    typeof folder === 'string'
      ? folder
      : indexedText(folder.stringIndex, typeof base === 'number' ? base : wide ? 16 : 8, context);
  folders.set(table, name);
};

/** The attributes of the entry that follows. */
const readEntry = (unit: ByteReader, abbreviations: ByteReader, context: FormContext): Map<number, FormValue> => {
  const wanted = unit.unsigned();
  const values = new Map<number, FormValue>();
  for (;;) {
    const code = abbreviations.unsigned();
    if (code === 0) throw new RangeError('no such abbreviation');
    abbreviations.unsigned();
    abbreviations.u8();
    for (;;) {
      const attribute = abbreviations.unsigned();
      const form = abbreviations.unsigned();
      const constant = form === DW_FORM_implicit_const ? abbreviations.signed() : undefined;
      if (attribute === 0 && form === 0) break;
      if (code === wanted) values.set(attribute, constant ?? readForm(unit, form, context));
    }
    if (code === wanted) return values;
  }
};
