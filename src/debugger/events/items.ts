/** An event as a tree: its fields, and what they consist of. */

import type { MachineEvent } from '../../machine/core/event';
import type { Reason } from '../../machine/core/fault';
import type { Machine } from '../../machine/pc';
import { type LinearAddress, linear } from '../../x86/address';
import { explain, faultTitle, sectionOf } from '../explain';
import type { Item } from '../item';
import { commonFields, type Field, isNumber } from './fields';
import { rowOf } from './kinds';

/** The fields as they were when it happened; `machine` only answers what the event leaves open. */
export const eventItems = (event: MachineEvent, machine: Machine): Item[] => {
  const { fields } = rowOf(event.kind);
  const taken = new Set(fields.map(({ name }) => name));
  const all = [...fields, ...commonFields.filter(({ name }) => !taken.has(name))];
  return [...all.flatMap((field) => fieldItem(field, event, machine)), ...details(event)];
};

const fieldItem = (field: Field, event: MachineEvent, machine: Machine): Item[] => {
  if (!isNumber(field)) return [{ name: field.name, meaning: field.word(event), type: field.help }];
  const value = field.read(event, machine);
  if (value === undefined) return [];
  const bits = BigInt.asUintN(64, BigInt(value));
  const meaning = field.meaning?.(bits, event);
  return [
    {
      name: field.name,
      bits,
      size: field.size,
      type: field.help,
      ...(meaning === undefined ? {} : { meaning }),
      ...(field.space === undefined ? {} : { memory: { space: field.space, address: bits } }),
      ...(field.name === 'at' ? { code: linear(bits) } : {}),
    },
  ];
};

/** What is no field: why a trap came, and the links of a chain of faults. */
const details = (event: MachineEvent): Item[] => {
  if (event.kind === 'trap') return [reasonItem('why', event.why)];
  if (event.kind !== 'triple-fault') return [];
  return event.chain.map((record, n): Item => {
    const code: LinearAddress = linear(record.rip);
    return { name: `${n + 1}`, meaning: faultTitle(record), code, children: () => [reasonItem('why', record.why)] };
  });
};

const reasonItem = (name: string, why: Reason): Item => {
  const section = sectionOf(why);
  const children = (): Item[] => [
    { name: 'rule', meaning: why.rule },
    ...(section === undefined ? [] : [{ name: 'section', meaning: section }]),
  ];
  return { name, meaning: explain(why), children };
};
