/**
 * Every kind of event, one row each: its fields, what the grammar chooses it by, and its words. Filters, breakpoints,
 * traces, trees, completions and the documentation are made from this table; a new kind is a new row (and its type in
 * machine/core/event.ts).
 */

import type { EventKind, MachineEvent } from '../../machine/core/event';
import { modeNames } from '../../machine/cpu/mode';
import { hex } from '../../x86/address';
import { msrAt } from '../../x86/msrs';
import { explain, faultTitle, vectorName } from '../explain';
import { translationRights } from '../translation-rights';
import {
  accessOf,
  commonFields,
  type EventOf,
  type Field,
  handledOf,
  isNumber,
  msrOf,
  type NumberField,
  vectorOf,
  writeOf,
} from './fields';
import { lintRow } from './lint-kind';
import { virtualizationRows } from './virtualization-kinds';

export interface EventRow<Event = MachineEvent> {
  /** For help and completion: what happens. */
  readonly summary: string;
  /** Where the machine stands when it stops for it. */
  readonly stops:
    | 'before its delivery'
    | 'after the instruction'
    | 'after the instruction, or before the delivery of the fault'
    | 'in its handler'
    | 'before the reset';
  readonly fields: readonly Field<Event>[];
  /** The field that a detail without a name is about: `port:0x3f8`. */
  readonly subject?: string;
  /** Kinds that say the same with a detail: `cr3` for `cr:cr3`. */
  readonly shorthands?: readonly string[];
  /** The subject has to be given, and is an address: an expression of the language. */
  readonly place?: true;
  readonly example: string;
  /** What happened, without kind and position. */
  readonly text: (event: Event) => string;
  /** The same in words for people: `Paused on …`. */
  readonly title: (event: Event) => string;
}

const accessWord = { r: 'read', w: 'write' } as const;
const direction = { r: '->', w: '<-' } as const;
const pastWord = { r: 'read', w: 'written' } as const;
const msrName = (register: number): string => msrAt(register)?.name ?? hex(register);
const bytes = (size: number): string => (size === 1 ? '1 byte' : `${size} bytes`);
const controlRegisters = ['cr0', 'cr2', 'cr3', 'cr4', 'cr8'];

const value = <Event extends { readonly value: number | bigint }>(): NumberField<Event> => ({
  name: 'value',
  size: 8,
  read: (event) => event.value,
  help: 'what was read or is written',
});
const size = <Event extends { readonly size: number }>(): NumberField<Event> => ({
  name: 'size',
  size: 1,
  read: (event) => event.size,
  help: 'bytes',
});

/** Where only the rights differ, they are told. */
const freshText = (fresh: bigint | null, cached: bigint, before: number, now: number | null): string => {
  if (fresh === null) return 'nothing';
  if (fresh !== cached || now === null) return hex(fresh);
  return `${translationRights(now)}, the TLB ${translationRights(before)}`;
};

const rows: { readonly [Kind in EventKind]: EventRow<EventOf<Kind>> } = {
  trap: {
    summary: 'an exception: a fault or a trap',
    stops: 'before its delivery',
    subject: 'vector',
    fields: [
      vectorOf(),
      { name: 'error_code', size: 4, read: ({ errorCode }) => errorCode, help: 'error code; 0 where it has none' },
      { name: 'cr2', size: 8, read: ({ cr2 }) => cr2, space: 'linear', help: 'address of a page fault' },
      handledOf(),
      {
        name: 'during',
        size: 1,
        read: ({ during }) => during,
        absent: 0xffff_ffff_ffff_ffffn,
        meaning: (vector) => vectorName(Number(vector)),
        help: 'vector that was being delivered when it came up; all ones otherwise',
      },
      { name: 'rule', word: ({ why }) => why.rule, help: 'the rule that was broken' },
    ],
    example: 'trap:#PF',
    text: (event) => `${faultTitle(event)}: ${explain(event.why)}`,
    title: ({ vector }) => vectorName(vector),
  },
  int: {
    summary: 'a software interrupt (INT n)',
    stops: 'in its handler',
    subject: 'vector',
    fields: [vectorOf()],
    example: 'int:0x80',
    text: ({ vector }) => `vector ${hex(vector)}`,
    title: ({ vector }) => `INT ${hex(vector)}`,
  },
  irq: {
    summary: 'an external interrupt, by its line (irq:0) or vector (irq:vector=0x20)',
    stops: 'in its handler',
    subject: 'line',
    fields: [
      {
        name: 'line',
        size: 1,
        read: ({ line }) => line,
        absent: 0xffff_ffff_ffff_ffffn,
        help: 'ISA line; all ones where there is none, as for a local APIC timer',
      },
      vectorOf(),
    ],
    example: 'irq:0',
    text: ({ vector, line }) => `vector ${hex(vector)}${line === undefined ? '' : `, line ${line}`}`,
    title: ({ vector, line }) => (line === undefined ? `interrupt ${hex(vector)}` : `IRQ ${line}`),
  },
  nmi: {
    summary: 'a non-maskable interrupt',
    stops: 'in its handler',
    fields: [],
    example: 'nmi',
    text: () => 'delivered',
    title: () => 'NMI',
  },
  ring: {
    summary: 'a change of privilege level, by the new one',
    stops: 'after the instruction',
    subject: 'to',
    fields: [
      { name: 'from', size: 1, read: ({ from }) => from, help: 'privilege level before' },
      { name: 'to', size: 1, read: ({ to }) => to, help: 'privilege level after' },
    ],
    example: 'ring:3',
    text: ({ from, to }) => `${from} -> ${to}`,
    title: ({ from, to }) => `ring ${from} to ring ${to}`,
  },
  mode: {
    summary: 'a change of operating mode, by the new one',
    stops: 'after the instruction',
    fields: [
      { name: 'from', word: ({ from }) => from, help: 'mode before' },
      { name: 'to', word: ({ to }) => to, words: modeNames.map((name) => [name]), help: 'mode after' },
    ],
    example: 'mode:64-bit',
    text: ({ from, to }) => `${from} -> ${to}`,
    title: ({ to }) => `entering ${to} mode`,
  },
  cr: {
    summary: 'access to a control register',
    stops: 'after the instruction',
    subject: 'register',
    shorthands: controlRegisters,
    fields: [
      {
        name: 'register',
        size: 1,
        read: ({ register }) => register,
        named: (text) => {
          const name = text.toLowerCase();
          return controlRegisters.includes(name) ? BigInt(name.slice(2)) : undefined;
        },
        names: () => controlRegisters,
        meaning: (register) => `CR${register}`,
        help: 'number of the register',
      },
      accessOf(),
      writeOf(),
      value(),
    ],
    example: 'cr3:w',
    text: ({ register, access, value: now }) => `${accessWord[access]} cr${register} ${direction[access]} ${hex(now)}`,
    title: ({ register, access }) => `CR${register} ${pastWord[access]}`,
  },
  msr: {
    summary: 'RDMSR or WRMSR, by name or address',
    stops: 'after the instruction',
    subject: 'register',
    fields: [msrOf(), accessOf(), writeOf(), value()],
    example: 'msr:IA32_LSTAR:w',
    text: ({ register, access, value: now }) =>
      `${accessWord[access]} ${msrName(register)} (${hex(register)}) ${direction[access]} ${hex(now)}`,
    title: ({ register, access }) => `${msrName(register)} ${pastWord[access]}`,
  },
  port: {
    summary: 'access to an I/O port or a range of them',
    stops: 'after the instruction',
    subject: 'port',
    fields: [
      { name: 'port', size: 2, read: ({ port }) => port, help: 'number of the port' },
      size(),
      accessOf(),
      writeOf(),
      value(),
    ],
    example: 'port:0x3f8:w',
    text: ({ port, size: width, access, value: now }) =>
      `${accessWord[access]} ${hex(port)}, ${bytes(width)} ${direction[access]} ${hex(now)}`,
    title: ({ port, access }) => `port ${hex(port)} ${pastWord[access]}`,
  },
  mmio: {
    summary: 'access to a device in memory, by physical address or range',
    stops: 'after the instruction',
    subject: 'address',
    fields: [
      { name: 'address', size: 8, read: ({ address }) => address, space: 'phys', help: 'physical address' },
      size(),
      accessOf(),
      writeOf(),
      value(),
    ],
    example: 'mmio:0xfee000b0:w',
    text: ({ address, size: width, access, value: now }) =>
      `${accessWord[access]} ${hex(address)}, ${bytes(width)} ${direction[access]} ${hex(now)}`,
    title: ({ address, access }) => `device memory ${hex(address)} ${pastWord[access]}`,
  },
  cpuid: {
    summary: 'CPUID, by leaf',
    stops: 'after the instruction',
    subject: 'leaf',
    fields: [
      { name: 'leaf', size: 4, read: ({ leaf }) => leaf, help: 'EAX' },
      { name: 'subleaf', size: 4, read: ({ subleaf }) => subleaf, help: 'ECX' },
    ],
    example: 'cpuid:1',
    text: ({ leaf, subleaf }) => `leaf ${hex(leaf)}, subleaf ${hex(subleaf)}`,
    title: ({ leaf }) => `CPUID leaf ${hex(leaf)}`,
  },
  pte: {
    summary: 'a write to an entry, of any level, that translates an address',
    stops: 'after the instruction',
    subject: 'address',
    place: true,
    fields: [
      {
        name: 'address',
        size: 8,
        read: ({ address }) => address,
        space: 'linear',
        help: 'the address that is watched',
      },
      {
        name: 'level',
        word: ({ level }) => level,
        words: [['PML4E'], ['PDPTE'], ['PDE'], ['PTE']],
        help: 'level of the entry',
      },
      {
        name: 'entry',
        size: 8,
        read: ({ entryAddress }) => entryAddress,
        space: 'phys',
        help: 'physical address of the entry',
      },
      { name: 'before', size: 8, read: ({ before }) => before, help: 'the entry before' },
      { name: 'after', size: 8, read: ({ after }) => after, help: 'the entry after' },
    ],
    example: 'pte:0x400000',
    text: ({ address, level, entryAddress, before, after }) =>
      `${level} of ${hex(address)} at phys:${hex(entryAddress)}, ${hex(before)} -> ${hex(after)}`,
    title: ({ address, level }) => `${level} of ${hex(address)} written`,
  },
  'triple-fault': {
    summary: 'the shutdown after a fault that could not be delivered, with the chain of faults',
    stops: 'before the reset',
    fields: [{ name: 'faults', size: 1, read: ({ chain }) => chain.length, help: 'number of faults in the chain' }],
    example: 'triple-fault',
    text: ({ chain }) => chain.map(({ vector }) => vectorName(vector)).join(', then '),
    title: () => 'triple fault',
  },
  'task-switch': {
    summary: 'a hardware task switch, by the new TSS selector',
    stops: 'after the instruction',
    subject: 'to',
    fields: [
      { name: 'from', size: 2, read: ({ from }) => from, help: 'selector of the old TSS' },
      { name: 'to', size: 2, read: ({ to }) => to, help: 'selector of the new TSS' },
    ],
    example: 'task-switch:0x28',
    text: ({ from, to }) => `TSS ${hex(from)} -> ${hex(to)}`,
    title: ({ to }) => `task switch to ${hex(to)}`,
  },
  syscall: {
    summary: 'SYSCALL and SYSENTER (in), SYSRET and SYSEXIT (out)',
    stops: 'after the instruction',
    fields: [
      { name: 'direction', word: ({ direction: way }) => way, words: [['in'], ['out']], help: 'in or out' },
      { name: 'entering', size: 1, read: ({ direction: way }) => (way === 'in' ? 1 : 0), help: '1 for in, 0 for out' },
    ],
    example: 'syscall:in',
    text: ({ direction: way }) => (way === 'in' ? 'entry' : 'return'),
    title: ({ direction: way }) => (way === 'in' ? 'system call' : 'return from a system call'),
  },
  'tlb-fill': {
    summary: 'a translation that a page walk puts into the TLB',
    stops: 'after the instruction',
    subject: 'linear',
    fields: [
      { name: 'linear', size: 8, read: ({ linear }) => linear, space: 'linear', help: 'page that is translated' },
      { name: 'physical', size: 8, read: ({ physical }) => physical, space: 'phys', help: 'page that it is' },
    ],
    example: 'tlb-fill:0x400000-0x400fff',
    text: ({ linear, physical }) => `${hex(linear)} -> ${hex(physical)}`,
    title: ({ linear }) => `TLB fill for ${hex(linear)}`,
  },
  stale: {
    summary: 'the use of a TLB entry that the page tables do not give any more',
    stops: 'after the instruction',
    subject: 'linear',
    fields: [
      { name: 'linear', size: 8, read: ({ linear }) => linear, space: 'linear', help: 'address that is used' },
      { name: 'cached', size: 8, read: ({ cached }) => cached, space: 'phys', help: 'page that the TLB gives' },
      {
        name: 'fresh',
        size: 8,
        read: ({ fresh }) => fresh ?? undefined,
        absent: 0xffff_ffff_ffff_ffffn,
        space: 'phys',
        help: 'page that the tables give; all ones for none',
      },
      {
        name: 'cached_rights',
        size: 2,
        read: ({ cachedRights }) => cachedRights,
        meaning: (rights) => translationRights(Number(rights)),
        help: 'what the TLB allows: bit 0 write, 1 user, 2 no execution, 3 dirty, 4 global; 7-9 what EPT forbids',
      },
      {
        name: 'fresh_rights',
        size: 2,
        read: ({ freshRights }) => freshRights ?? undefined,
        meaning: (rights) => translationRights(Number(rights)),
        help: 'what the tables allow, the same bits',
      },
    ],
    example: 'stale',
    text: ({ linear, cached, cachedRights, fresh, freshRights }) =>
      `${hex(linear)} used as ${hex(cached)}, the tables say ${freshText(fresh, cached, cachedRights, freshRights)}`,
    title: ({ linear }) => `stale translation of ${hex(linear)}`,
  },
  'not-implemented': {
    summary: 'an instruction that this version does not implement',
    stops: 'after the instruction',
    fields: [{ name: 'instruction', word: ({ instruction }) => instruction, help: 'its name' }],
    example: 'not-implemented',
    text: ({ instruction }) => `${instruction}: this version does not implement it`,
    title: ({ instruction }) => `${instruction}, which is not implemented`,
  },
  reset: {
    summary: 'the reset line, pulled by a device',
    stops: 'before the reset',
    fields: [{ name: 'by', word: ({ by }) => by, help: 'the device' }],
    example: 'reset',
    text: ({ by }) => `by ${by}`,
    title: ({ by }) => `reset by ${by}`,
  },
  ...virtualizationRows,
  lint: lintRow,
};

export const eventKinds = Object.keys(rows) as readonly EventKind[];

/** The row of a kind, for events of that kind. */
export const rowOf = (kind: EventKind): EventRow => rows[kind] as unknown as EventRow;

/** The names that events of a kind add to expressions, first its own. */
export const numbersOf = (kind: EventKind): readonly NumberField[] => numberFields[kind];

/** Names of values that conditions on a kind know, in lower case. */
export const constantsOf = (kind: EventKind): ReadonlyMap<string, bigint> => constants[kind];

const numberFields = Object.fromEntries(
  eventKinds.map((kind) => {
    const own = rowOf(kind).fields.filter(isNumber);
    const taken = new Set(own.map(({ name }) => name));
    return [kind, [...own, ...commonFields.filter(({ name }) => !taken.has(name))]];
  }),
) as unknown as Readonly<Record<EventKind, readonly NumberField[]>>;

const constants = Object.fromEntries(
  eventKinds.map((kind) => [
    kind,
    new Map(
      numberFields[kind]
        .filter((field) => field.constants === true)
        .flatMap(({ names, named }) => (names?.() ?? []).map((name) => [name.toLowerCase(), named?.(name) ?? 0n])),
    ),
  ]),
) as unknown as Readonly<Record<EventKind, ReadonlyMap<string, bigint>>>;

/** What happened, without its kind and position. */
export const eventText = (event: MachineEvent): string => rowOf(event.kind).text(event);

/** What happened, in words: `INT 0x80`, `CR3 written`. */
export const eventTitle = (event: MachineEvent): string => rowOf(event.kind).title(event);

/** One line of a trace: position, place, kind, and what happened. */
export const traceLine = (event: MachineEvent, vcpus: number): string => {
  const where = vcpus > 1 ? `vcpu ${event.vcpu} ` : '';
  return `${event.step} ${where}${hex(event.rip)} ${event.kind} ${eventText(event)}`;
};
