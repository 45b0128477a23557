/** Entries of descriptor tables as items: the raw number, what it means, and every field. */

import { isIa32e } from '../../machine/cpu/mode';
import { hex, linear } from '../../x86/address';
import { gather, piecesWidth } from '../../x86/bit-pieces';
import { Descriptor } from '../../x86/descriptors';
import { type EntryPlace, type TableName, tableEntry } from '../fields/tables';
import { peekValue } from '../guest-memory';
import type { Item } from '../item';
import { rightsText, systemName } from './rights';
import type { Subject } from './scope';

const gates = new Set([4, 5, 6, 7, 12, 14, 15]);
const callGates = new Set([4, 12]);

/** What an entry says, with its upper half where it has one. */
export const descriptorOf = ({ vcpu: { cpu } }: Subject, { address, entry, bytes }: EntryPlace): Descriptor => {
  const upper = bytes === 16 ? (peekValue(cpu, linear(address + 8n), 8) ?? 0n) : 0n;
  const word = (from: bigint, shift: bigint): number => Number((from >> shift) & 0xffff_ffffn);
  return new Descriptor(
    0,
    word(address, 0n),
    word(address, 32n),
    word(entry, 0n),
    word(entry, 32n),
    word(upper, 0n),
    word(upper, 32n),
  );
};

/** The entry at a selector or vector; undefined where there is none, or a null one. */
export const entryItem = (subject: Subject, table: TableName, index: number, name = hex(index)): Item | undefined => {
  const place = tableEntry(subject, table, index);
  if (place === undefined || place.entry === 0n) return undefined;
  const { address, entry, bytes, fields } = place;
  const long = isIa32e(subject.vcpu.state);
  const descriptor = descriptorOf(subject, place);
  const isGate = table === 'idt' || (descriptor.isSystem && gates.has(descriptor.type));
  const expression = `${table}.${hex(index)}`;
  const target = isGate && descriptor.type !== 5 ? gateOffset(descriptor, long) : undefined;
  const symbol = target === undefined ? undefined : subject.info.nameOf(linear(target));
  const words = isGate ? gateText(descriptor, long) : segmentText(descriptor, long);
  return {
    name,
    bits: entry,
    size: 8,
    meaning: symbol === undefined ? words : `${words} (${symbol})`,
    expression,
    settable: true,
    memory: { space: 'linear', address },
    ...(target === undefined ? {} : { code: linear(target) }),
    children: () => {
      const whole =
        bytes === 16 ? entry | ((peekValue(subject.vcpu.cpu, linear(address + 8n), 8) ?? 0n) << 64n) : entry;
      return Object.entries(fields).map(
        ([field, { pieces, meaning }]): Item => ({
          name: field,
          bits: gather(whole, pieces),
          width: piecesWidth(pieces),
          meaning,
          expression: `${expression}.${field}`,
          settable: true,
        }),
      );
    },
  };
};

const segmentText = (entry: Descriptor, long: boolean): string => {
  const base = entry.isSystem && long ? entry.base64 : BigInt(entry.base);
  return `base ${hex(base)} limit ${hex(entry.limit)} ${rightsText(entry.rights, long)}`;
};

const gateOffset = (gate: Descriptor, long: boolean): bigint =>
  long ? gate.offset64 : BigInt(gate.type < 8 ? gate.offset16 : gate.offset32);

const gateText = (gate: Descriptor, long: boolean): string => {
  const where = gate.type === 5 ? hex(gate.target) : `${hex(gate.target)}:${hex(gateOffset(gate, long))}`;
  const stack = long && gate.interruptStack !== 0 ? `, IST ${gate.interruptStack}` : '';
  const parameters =
    !long && callGates.has(gate.type) && gate.parameters !== 0 ? `, ${gate.parameters} parameters` : '';
  return `${systemName(gate.type, long)} to ${where}, DPL ${gate.dpl}${stack}${parameters}${gate.isPresent ? '' : ', not present'}`;
};
