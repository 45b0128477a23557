/** "The Line Number Program Header" of DWARF 2 to 5: how the program behind it is read, and the names of its files. */

import type { ByteReader } from './byte-reader';
import { type DebugStrings, type FormContext, readForm } from './dwarf-forms';
import type { Checksums } from './program';

export interface LineHeader {
  readonly minimumLength: number;
  readonly startsAtStatement: boolean;
  readonly lineBase: number;
  readonly lineRange: number;
  readonly opcodeBase: number;
  /** Arguments of the standard opcodes, from opcode 1 on. */
  readonly argumentCounts: readonly number[];
  readonly directories: readonly string[];
  /** By the number that the program uses; the list grows where it defines further files itself. */
  readonly files: string[];
  /** MD5 of the files as they were compiled, by path; empty where the compiler did not tell. */
  readonly checksums: Checksums;
}

/** Reads up to the program, where the reader stands afterwards. @throws RangeError when it is damaged. */
export const readLineHeader = (
  unit: ByteReader,
  wide: boolean,
  strings: DebugStrings,
  folder: string,
): LineHeader | undefined => {
  const version = unit.u16();
  if (version < 2 || version > 5) return undefined;
  const addressSize = version === 5 ? unit.u8() : 0;
  if (version === 5) unit.skip(1);
  const header = unit.part(unit.offset(wide));
  const minimumLength = header.u8();
  // Operations of one instruction: more than one only where instructions come in bundles.
  if (version >= 4) header.skip(1);
  const startsAtStatement = header.u8() !== 0;
  const lineBase = header.i8();
  const lineRange = header.u8();
  const opcodeBase = header.u8();
  if (lineRange === 0 || opcodeBase === 0) return undefined;
  const argumentCounts = Array.from({ length: opcodeBase - 1 }, () => header.u8());
  const tables =
    version === 5 ? tables5(header, { wide, version, addressSize, strings }, folder) : tables2(header, folder);
  return { minimumLength, startsAtStatement, lineBase, lineRange, opcodeBase, argumentCounts, ...tables };
};

type Tables = Pick<LineHeader, 'directories' | 'files' | 'checksums'>;

/** Strings up to an empty one. Directory 0 is where the compiler ran; files count from 1. */
const tables2 = (header: ByteReader, folder: string): Tables => {
  const directories = [folder];
  for (let name = header.text(); name !== ''; name = header.text()) directories.push(joined(folder, name));
  const files = [''];
  for (let name = header.text(); name !== ''; name = header.text()) files.push(readFile2(header, directories, name));
  return { directories, files, checksums: new Map() };
};

/** What stands behind a file's name: its directory, when it was changed, its length. */
export const readFile2 = (reader: ByteReader, directories: readonly string[], name: string): string => {
  const directory = reader.unsigned();
  reader.unsigned();
  reader.unsigned();
  return joined(directories[directory] ?? '', name);
};

/** Tables that describe their own columns; the directories are relative to the first. */
const tables5 = (header: ByteReader, context: FormContext, folder: string): Tables => {
  const entries = readTable(header, context);
  // The first is the compiler's folder itself.
  const first = folder === '' ? (entries[0]?.path ?? '') : folder;
  const directories = entries.map(({ path }, index) => (index === 0 ? first : joined(first, path)));
  const rows = readTable(header, context);
  const files = rows.map(({ path, directory }) => joined(directories[directory] ?? '', path));
  const checksums = new Map(rows.flatMap(({ md5 }, index) => (md5 === '' ? [] : [[files[index] as string, md5]])));
  return { directories, files, checksums };
};

const PATH = 1;
const DIRECTORY_INDEX = 2;
const MD5 = 5;

interface FileRow {
  path: string;
  directory: number;
  md5: string;
}

const readTable = (header: ByteReader, context: FormContext): FileRow[] => {
  const columns = Array.from({ length: header.u8() }, () => ({ type: header.unsigned(), form: header.unsigned() }));
  const count = header.unsigned();
  // Each row takes a byte at least: a larger count is damage, and would take long.
  if (count > header.left || (count > 0 && columns.length === 0)) throw new RangeError('too many rows');
  return Array.from({ length: count }, () => {
    const row = { path: '', directory: 0, md5: '' };
    for (const { type, form } of columns) {
      const value = readForm(header, form, context);
      if (type === PATH && typeof value === 'string') row.path = value;
      if (type === MD5 && typeof value === 'string') row.md5 = value;
      if (type === DIRECTORY_INDEX && typeof value === 'number') row.directory = value;
    }
    return row;
  });
};

const isAbsolute = (path: string): boolean => /^([/\\]|[A-Za-z]:)/.test(path);

/** A path as seen from a folder, without `.` and `..` where they can be resolved. Takes Windows paths too. */
const joined = (folder: string, path: string): string => {
  const whole =
    folder === '' || isAbsolute(path) ? path : path === '' ? folder : `${folder.replace(/[/\\]$/, '')}/${path}`;
  return /(^|[/\\])\.{1,2}([/\\]|$)|[/\\]{2}/.test(whole) ? straightened(whole) : whole;
};

const straightened = (path: string): string => {
  const [, root = '', rest = ''] = /^([A-Za-z]:[/\\]?|[/\\]*)(.*)$/s.exec(path) ?? [];
  const parts: string[] = [];
  for (const part of rest.split(/[/\\]+/)) {
    if (part === '.' || part === '') continue;
    if (part === '..' && parts.length > 0 && parts.at(-1) !== '..') parts.pop();
    else if (part !== '..' || root === '') parts.push(part);
  }
  return root + parts.join(root.includes('\\') ? '\\' : '/');
};
