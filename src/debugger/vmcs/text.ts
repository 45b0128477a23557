/**
 * A VMCS as text (docs/vmcs.md): a line `FIELD = VALUE` for each field, by name or encoding, and comments behind `#` or
 * `;`. What is written here is read back here, by the doctor and by the diff.
 */

import { hex } from '../../x86/address';
import { type FieldName, fieldAt, fieldNames, isHighAccess, vmcsFields, widthOf } from '../../x86/vmx/fields';
import { nearest } from '../nearest';

export interface VmcsText {
  readonly fields: ReadonlyMap<FieldName, bigint>;
  /** Line of each field, from 1. */
  readonly lines: ReadonlyMap<FieldName, number>;
  readonly problems: readonly LineProblem[];
}

export interface LineProblem {
  /** From 1. */
  readonly line: number;
  readonly text: string;
  readonly says: string;
}

const byName: ReadonlyMap<string, FieldName> = new Map(fieldNames.map((name) => [name, name]));

/** The field that a name or an encoding means; hypervisors write names in either case. */
const fieldNamed = (text: string): FieldName | undefined => {
  const name = byName.get(text.toUpperCase());
  if (name !== undefined) return name;
  if (!/^0x[0-9a-f]{1,8}$/i.test(text) || isHighAccess(Number(text))) return undefined;
  return fieldAt(Number(text));
};

const bitsOf = (name: FieldName): number => {
  const width = widthOf(vmcsFields[name].encoding);
  return width === 'natural' ? 64 : width;
};

/** `0x1f`, `1fh`, `31`; digits may be parted by `_`. */
const readValue = (text: string): bigint | undefined => {
  const digits = text.replace(/[_`]/g, '');
  if (/^0x[0-9a-f]+$/i.test(digits) || /^[0-9]+$/.test(digits)) return BigInt(digits);
  return /^[0-9][0-9a-f]*h$/i.test(digits) ? BigInt(`0x${digits.slice(0, -1)}`) : undefined;
};

type Line = { readonly field: FieldName; readonly value: bigint } | { readonly says: string } | undefined;

const readLine = (text: string): Line => {
  const line = text.replace(/[#;].*$/, '').trim();
  if (line === '') return undefined;
  const [, word, written = ''] = /^(\w+)\s*[=:]\s*(\S+)$/.exec(line) ?? [];
  if (word === undefined) return { says: 'no line of the form FIELD = VALUE' };
  const field = fieldNamed(word);
  if (field === undefined) {
    const near = nearest(word.toUpperCase(), [...fieldNames]);
    return { says: `${word}: no field of a VMCS${near === undefined ? '' : `; did you mean ${near}?`}` };
  }
  const value = readValue(written);
  if (value === undefined) return { says: `${written}: no number; write 0x1f, 1fh or 31` };
  if (value >> BigInt(bitsOf(field)) !== 0n) return { says: `${written} does not fit into the ${bitsOf(field)} bits` };
  return { field, value };
};

/** All that can be read of it; of a field that stands there twice, the last counts. */
export const readVmcsText = (text: string): VmcsText => {
  const fields = new Map<FieldName, bigint>();
  const lines = new Map<FieldName, number>();
  const problems: LineProblem[] = [];
  for (const [index, row] of text.split(/\r?\n/).entries()) {
    const read = readLine(row);
    if (read === undefined) continue;
    const line = index + 1;
    if ('says' in read) problems.push({ line, text: row, says: read.says });
    else {
      if (fields.has(read.field))
        problems.push({ line, text: row, says: `${read.field} stands on line ${lines.get(read.field)} already` });
      fields.set(read.field, read.value);
      lines.set(read.field, line);
    }
  }
  return { fields, lines, problems };
};

const NAME_WIDTH = 32;

export interface WrittenVmcs {
  readonly get: (name: FieldName) => bigint;
  /** Fields to be written; all where it is not given. */
  readonly has?: (name: FieldName) => boolean;
}

/** One line a field, in the order of the fields' table, behind comments. */
export const writeVmcsText = ({ get, has = () => true }: WrittenVmcs, comments: readonly string[] = []): string[] => [
  ...comments.map((comment) => `# ${comment}`),
  ...fieldNames.filter(has).map((name) => `${name.padEnd(NAME_WIDTH)} = ${hex(get(name))}`),
];
