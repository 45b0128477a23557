/**
 * Which events somebody wants: `trap`, `trap:#PF`, `int:0x80`, `port:0x3f8`, `port:w`, `cr:3`, `msr:IA32_LSTAR`. A kind,
 * then after colons what must be true of it.
 */

import type { EventKind, MachineEvent } from '../machine/core/event';
import { BadInput } from '../program/program';
import { exceptions } from '../x86/exceptions';
import { msrs } from '../x86/msrs';
import { eventKinds } from './event-text';
import { readInteger } from './machine-options';

export interface EventFilter {
  /** As it was written. */
  readonly text: string;
  readonly kind: EventKind;
  readonly matches: (event: MachineEvent) => boolean;
}

type Test = (event: MachineEvent) => boolean;
/** From the text after a colon to a test; undefined when it means nothing here. */
type DetailReader = (detail: string) => Test | undefined;

const numeric =
  (field: string, named: (text: string) => bigint | undefined = () => undefined): DetailReader =>
  (detail) => {
    const wanted = named(detail) ?? readInteger(detail);
    if (wanted === undefined) return undefined;
    return (event) => BigInt((event as unknown as Record<string, number | bigint>)[field] ?? -1) === wanted;
  };

const access: DetailReader = (detail) =>
  detail === 'r' || detail === 'w' ? (event) => (event as { access?: string }).access === detail : undefined;

const word =
  (field: string): DetailReader =>
  (detail) =>
  (event) =>
    (event as unknown as Record<string, string>)[field] === detail;

const exceptionVector = (text: string): bigint | undefined => {
  const name = text.replace(/^#/, '').toUpperCase();
  const row = exceptions.find(({ mnemonic }) => mnemonic.replace('#', '') === name);
  return row === undefined ? undefined : BigInt(row.vector);
};

const msrAddress = (text: string): bigint | undefined => {
  const name = Object.keys(msrs).find((one) => one.toLowerCase() === text.toLowerCase());
  const row = name === undefined ? undefined : msrs[name];
  return row === undefined ? undefined : BigInt(row.address);
};
const controlRegister = (text: string): bigint | undefined => {
  const digit = /^cr([02348])$/i.exec(text)?.[1];
  return digit === undefined ? undefined : BigInt(digit);
};

const readers: Readonly<
  Partial<Record<EventKind, { readonly details: readonly DetailReader[]; readonly example: string }>>
> = {
  trap: { details: [numeric('vector', exceptionVector)], example: 'trap:#PF' },
  int: { details: [numeric('vector')], example: 'int:0x80' },
  irq: { details: [numeric('vector')], example: 'irq:0x20' },
  ring: { details: [numeric('to')], example: 'ring:3' },
  mode: { details: [word('to')], example: 'mode:64-bit' },
  cr: { details: [access, numeric('register', controlRegister)], example: 'cr:cr3:w' },
  msr: { details: [access, numeric('register', msrAddress)], example: 'msr:IA32_LSTAR:w' },
  port: { details: [access, numeric('port')], example: 'port:0x3f8:w' },
  mmio: { details: [access, numeric('address')], example: 'mmio:0xfee000b0:w' },
  cpuid: { details: [numeric('leaf')], example: 'cpuid:1' },
  syscall: { details: [word('direction')], example: 'syscall:in' },
};

/** @throws BadInput with one line */
export const parseEventFilter = (text: string): EventFilter => {
  const [first = '', ...details] = text.trim().split(':');
  const kind = eventKinds.find((one) => one === first.toLowerCase());
  if (kind === undefined)
    throw new BadInput(`${text.trim() || "''"}: no kind of event; one of ${eventKinds.join(', ')}`);
  const tests = details.map((detail) => {
    const row = readers[kind];
    for (const reader of row?.details ?? []) {
      const test = reader(detail);
      if (test !== undefined) return test;
    }
    throw new BadInput(
      row === undefined
        ? `${text}: events of kind ${kind} have no details to choose by`
        : `${text}: \`${detail}\` says nothing about ${kind}; write for example ${row.example}`,
    );
  });
  return { text: text.trim(), kind, matches: (event) => event.kind === kind && tests.every((test) => test(event)) };
};

/** Several, separated by commas. @throws BadInput */
export const parseEventFilters = (text: string): EventFilter[] => text.split(',').map(parseEventFilter);

/** What an event filter may begin with, for completion. */
export const eventFilterExamples = (): string[] => eventKinds.map((kind) => readers[kind]?.example ?? kind);
