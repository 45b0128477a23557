/** Entries of the descriptor tables by name: `gdt.0x8.dpl`, `ldt.0xc.base`, `idt.14.offset`, `ivt.0x10.segment`. */

import { LDTR } from '../../machine/core/state';
import { isIa32e, modeOf, REAL } from '../../machine/cpu/mode';
import { hex, linear } from '../../x86/address';
import { type EntryShape, entryShape } from '../../x86/descriptor-fields';
import { access } from '../../x86/descriptors';
import { peekValue } from '../guest-memory';
import { type Field, type FieldFamily, memoryField, noSuchPart, numberWord, type Owner, partOf } from './field';

export type TableName = 'gdt' | 'ldt' | 'idt';

export interface EntryPlace extends EntryShape {
  readonly address: bigint;
  readonly entry: bigint;
}

/** Base and limit of a table; undefined where none is loaded. */
export const tableRange = (
  { vcpu: { state } }: Owner,
  table: TableName,
): { base: bigint; limit: number } | undefined => {
  if (table !== 'ldt') return table === 'gdt' ? state.gdtr : state.idtr;
  const { selector, access: rights, base, limit } = state.segment(LDTR);
  return (selector & 0xfffc) === 0 || rights & access.unusable ? undefined : { base, limit };
};

/** The entry of a selector or vector, or undefined beyond the limit and where nothing is mapped. */
export const tableEntry = (owner: Owner, table: TableName, index: number): EntryPlace | undefined => {
  const { cpu, state } = owner.vcpu;
  const range = tableRange(owner, table);
  if (range === undefined || (table === 'idt' && modeOf(state) === REAL)) return undefined;
  const long = isIa32e(state);
  const offset = table === 'idt' ? index * (long ? 16 : 8) : index & 0xfff8;
  if (offset + 7 > range.limit) return undefined;
  const address = BigInt.asUintN(64, range.base + BigInt(offset));
  const entry = peekValue(cpu, linear(address), 8);
  return entry === undefined ? undefined : { address, entry, ...entryShape(entry, table, long) };
};

const entryField = (owner: Owner, head: string, [index, name]: readonly string[]): Field | undefined => {
  const number = numberWord(index);
  const place = number === undefined ? undefined : tableEntry(owner, head as TableName, number);
  if (place === undefined) return undefined;
  const whole = memoryField(owner, { space: 'linear', address: place.address }, place.bytes);
  if (name === undefined) return memoryField(owner, { space: 'linear', address: place.address }, 8);
  const field = Object.hasOwn(place.fields, name) ? place.fields[name] : undefined;
  return field === undefined ? undefined : partOf(whole, field.pieces);
};

const absentEntry = (owner: Owner, head: string, [index = '', name]: readonly string[]): string | undefined => {
  const number = numberWord(index);
  if (number === undefined) return undefined;
  const table = head as TableName;
  const place = tableEntry(owner, table, number);
  if (place !== undefined) return name === undefined ? undefined : noSuchPart(head, name, Object.keys(place.fields));
  const range = tableRange(owner, table);
  if (range === undefined) return `no ${head.toUpperCase()} is loaded`;
  if (table === 'idt' && modeOf(owner.vcpu.state) === REAL) return 'in real mode there is no IDT: ivt.8.offset';
  return `entry ${index} of the ${head.toUpperCase()} lies beyond its limit ${hex(range.limit)}, or is not mapped`;
};

export const tableFields: FieldFamily = {
  heads: () => ['gdt', 'ldt', 'idt'],
  absent: absentEntry,
  find: entryField,
};

const farPointer: Readonly<Record<string, number>> = { offset: 0, segment: 2 };

/** Vectors of real mode. Intel SDM vol. 3, "Real-Address Mode Operation: Interrupt and Exception Handling". */
export const vectorFields: FieldFamily = {
  heads: () => ['ivt'],
  find: (owner, _, [index, name]) => {
    const vector = numberWord(index);
    const at = name === undefined ? undefined : farPointer[name];
    const { base, limit } = owner.vcpu.state.idtr;
    if (vector === undefined || at === undefined || vector * 4 + 3 > limit) return undefined;
    return memoryField(owner, { space: 'linear', address: base + BigInt(vector * 4 + at) }, 2);
  },
};
