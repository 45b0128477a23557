/** Events as lines: the words of the event grammar, then what happened. One table for traces, logs and stops. */

import type { EventKind, MachineEvent } from '../machine/core/event';
import { hex } from '../x86/address';
import { msrAt } from '../x86/msrs';
import { explain, faultTitle, vectorName } from './explain';

type Texts = { readonly [Kind in EventKind]: (event: Extract<MachineEvent, { kind: Kind }>) => string };

const accessWord = { r: 'read', w: 'write' } as const;
const direction = { r: '->', w: '<-' } as const;
const msrName = (register: number): string => msrAt(register)?.name ?? hex(register);

const texts: Texts = {
  trap: (event) => `${faultTitle(event)}: ${explain(event.why)}`,
  int: ({ vector }) => `vector ${hex(vector)}`,
  irq: ({ vector, line }) => `vector ${hex(vector)}${line === undefined ? '' : `, line ${line}`}`,
  nmi: () => 'delivered',
  ring: ({ from, to }) => `${from} -> ${to}`,
  mode: ({ from, to }) => `${from} -> ${to}`,
  cr: ({ register, access, value }) => `${accessWord[access]} cr${register} ${direction[access]} ${hex(value)}`,
  msr: ({ register, access, value }) =>
    `${accessWord[access]} ${msrName(register)} (${hex(register)}) ${direction[access]} ${hex(value)}`,
  port: ({ port, size, access, value }) =>
    `${accessWord[access]} ${hex(port)}, ${bytes(size)} ${direction[access]} ${hex(value)}`,
  mmio: ({ address, size, access, value }) =>
    `${accessWord[access]} ${hex(address)}, ${bytes(size)} ${direction[access]} ${hex(value)}`,
  cpuid: ({ leaf, subleaf }) => `leaf ${hex(leaf)}, subleaf ${hex(subleaf)}`,
  'task-switch': ({ from, to }) => `TSS ${hex(from)} -> ${hex(to)}`,
  syscall: ({ direction: way }) => (way === 'in' ? 'entry' : 'return'),
  'tlb-fill': ({ linear, physical }) => `${hex(linear)} -> ${hex(physical)}`,
  stale: ({ linear, cached, fresh }) =>
    `${hex(linear)} used as ${hex(cached)}, the tables say ${fresh === null ? 'nothing' : hex(fresh)}`,
  'triple-fault': ({ chain }) => chain.map(({ vector }) => vectorName(vector)).join(', then '),
  'not-implemented': ({ instruction }) => `${instruction}: this version does not implement it`,
  reset: ({ by }) => `by ${by}`,
};

const bytes = (size: number): string => (size === 1 ? '1 byte' : `${size} bytes`);

export const eventKinds = Object.keys(texts) as readonly EventKind[];

/** What happened, without its kind and position. */
export const eventText = (event: MachineEvent): string => (texts[event.kind] as (event: MachineEvent) => string)(event);

/** One line of a trace: position, place, kind, and what happened. */
export const traceLine = (event: MachineEvent, vcpus: number): string => {
  const where = vcpus > 1 ? `vcpu ${event.vcpu} ` : '';
  return `${event.step} ${where}${hex(event.rip)} ${event.kind} ${eventText(event)}`;
};
