/** The descriptor tables as they lie in memory now: GDT, LDT, IDT, the TSS; in real mode the interrupt vector table. */

import { TR } from '../../machine/core/state';
import { modeOf, REAL } from '../../machine/cpu/mode';
import { hex, linear } from '../../x86/address';
import { exceptionOf } from '../../x86/exceptions';
import { type TableName, tableEntry, tableRange } from '../fields/tables';
import { taskState } from '../fields/task';
import { peekLinear, peekValue } from '../guest-memory';
import type { Item } from '../item';
import { entryItem } from './entries';
import type { Subject } from './scope';

export const tableItems = (subject: Subject): Item[] => {
  const real = modeOf(subject.vcpu.state) === REAL;
  return [
    table(subject, 'gdt', () => selectorItems(subject, 'gdt')),
    ...(tableRange(subject, 'ldt') === undefined ? [] : [table(subject, 'ldt', () => selectorItems(subject, 'ldt'))]),
    real ? table(subject, 'ivt', () => vectorItems(subject)) : table(subject, 'idt', () => gateItems(subject)),
    ...taskItem(subject),
  ];
};

const registerOf = { gdt: 'gdtr', ldt: 'ldtr', idt: 'idtr', ivt: 'idtr' } as const;

const table = (subject: Subject, name: keyof typeof registerOf, children: () => Item[]): Item => {
  const { base, limit } = tableRange(subject, name === 'ivt' ? 'idt' : name) ?? { base: 0n, limit: 0 };
  return {
    name,
    bits: base,
    size: 8,
    meaning: `limit ${hex(limit)}`,
    expression: `${registerOf[name]}.base`,
    settable: true,
    memory: { space: 'linear', address: base },
    children,
  };
};

/** Entries that are not null. */
const selectorItems = (subject: Subject, name: TableName & ('gdt' | 'ldt')): Item[] => {
  const { limit } = tableRange(subject, name) ?? { limit: 0 };
  const items: Item[] = [];
  for (let offset = 0; offset + 7 <= limit; offset += 8) {
    const selector = offset | (name === 'ldt' ? 4 : 0);
    const item = entryItem(subject, name, selector);
    if (item === undefined) continue;
    items.push(item);
    if (tableEntry(subject, name, selector)?.bytes === 16) offset += 8;
  }
  return items;
};

const VECTORS = 256;

/** `0xe #PF`. */
const vectorTitle = (vector: number): string => {
  const name = exceptionOf(vector)?.mnemonic;
  return name === undefined ? hex(vector) : `${hex(vector)} ${name}`;
};

const gateItems = (subject: Subject): Item[] =>
  Array.from({ length: VECTORS }, (_, vector) => entryItem(subject, 'idt', vector, vectorTitle(vector))).filter(
    (item) => item !== undefined,
  );

/** In real mode interrupts of the BIOS and of devices share vectors with all exceptions but the first. */
const OWN_EXCEPTIONS = 8;

const vectorItems = ({ vcpu: { cpu, state }, info }: Subject): Item[] => {
  const { base, limit } = state.idtr;
  const items: Item[] = [];
  for (let vector = 0; vector < VECTORS && vector * 4 + 3 <= limit; vector++) {
    const address = linear(base + BigInt(vector * 4));
    const pointer = peekValue(cpu, address, 4);
    if (pointer === undefined || pointer === 0n) continue;
    const [segment, offset] = [pointer >> 16n, pointer & 0xffffn];
    const code = linear(segment * 16n + offset);
    const symbol = info.nameOf(code);
    items.push({
      name: vector < OWN_EXCEPTIONS ? vectorTitle(vector) : hex(vector),
      meaning: `${hex(segment)}:${hex(offset)}${symbol === undefined ? '' : ` ${symbol}`}`,
      memory: { space: 'linear', address },
      code,
      children: () => [part(vector, 'segment', segment), part(vector, 'offset', offset)],
    });
  }
  return items;
};

const part = (vector: number, name: string, bits: bigint): Item => ({
  name,
  bits,
  size: 2,
  expression: `ivt.${hex(vector)}.${name}`,
  settable: true,
});

const taskItem = (subject: Subject): Item[] => {
  const task = taskState(subject);
  if (task === undefined) return [];
  const { selector } = subject.vcpu.state.segment(TR);
  return [
    {
      name: 'tss',
      bits: task.base,
      size: 8,
      meaning: `${task.width}-bit TSS, selector ${hex(selector)}, limit ${hex(task.limit)}`,
      expression: 'tr.base',
      settable: true,
      memory: { space: 'linear', address: task.base },
      children: () => taskFieldItems(subject, task),
    },
  ];
};

const taskFieldItems = (subject: Subject, task: NonNullable<ReturnType<typeof taskState>>): Item[] => {
  const { cpu } = subject.vcpu;
  const fields = task.fields.map(([name, { at, size, meaning }]): Item => {
    const address = task.base + BigInt(at);
    const bits = peekValue(cpu, linear(address), size);
    return {
      name,
      ...(bits === undefined ? {} : { bits }),
      size,
      meaning: bits === undefined ? 'not mapped' : (meaning ?? ''),
      expression: `tss.${name}`,
      settable: true,
      memory: { space: 'linear', address },
    };
  });
  return [...fields, ...permissionItem(subject, task)];
};

const PORTS = 65_536;

/** Intel SDM vol. 1, "I/O Permission Bit Map": which ports the map lets through, as ranges. */
const permissionItem = (
  subject: Subject,
  { base, limit, width }: { base: bigint; limit: number; width: number },
): Item[] => {
  const offset = width === 16 ? undefined : peekValue(subject.vcpu.cpu, linear(base + 0x66n), 2);
  if (offset === undefined) return [];
  const at = base + offset;
  const bytes = Math.min(PORTS / 8, limit + 1 - Number(offset));
  if (bytes <= 0)
    return [
      { name: 'ports', meaning: 'no port: the map lies beyond the limit', memory: { space: 'linear', address: at } },
    ];
  const map = peekLinear(subject.vcpu.cpu, linear(at), bytes);
  const open: string[] = [];
  for (let port = 0; port < map.length * 8; port++) {
    if (isClosed(map, port)) continue;
    const first = port;
    while (port + 1 < map.length * 8 && !isClosed(map, port + 1)) port++;
    open.push(first === port ? hex(first) : `${hex(first)}-${hex(port)}`);
  }
  const words = open.length === 0 ? 'no port' : open.length > 8 ? `${open.slice(0, 8).join(' ')} …` : open.join(' ');
  return [
    {
      name: 'ports',
      meaning: `open above IOPL: ${words}`,
      memory: { space: 'linear', address: at },
      ...(open.length > 8 ? { children: () => open.map((range): Item => ({ name: range, meaning: 'open' })) } : {}),
    },
  ];
};

const isClosed = (map: Uint8Array, port: number): boolean => (((map[port >> 3] ?? 0xff) >> (port & 7)) & 1) === 1;
