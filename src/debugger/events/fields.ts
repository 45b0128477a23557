/**
 * The fields of events: how each is read, named in expressions, chosen by in the grammar, and shown. A field is a number
 * (it has a name in expressions) or a word (it has not).
 */

import type { EventKind, MachineEvent } from '../../machine/core/event';
import type { Machine } from '../../machine/pc';
import { exceptions } from '../../x86/exceptions';
import { msrAt, msrs } from '../../x86/msrs';
import { vectorTitle } from '../explain';
import { isHandled } from './handled';

export type EventOf<Kind extends EventKind> = Extract<MachineEvent, { kind: Kind }>;

export interface NumberField<Event = MachineEvent> {
  readonly name: string;
  readonly size: 1 | 2 | 4 | 8;
  /** Undefined where this event has none; in expressions that is 0, or `absent`. */
  readonly read: (event: Event, machine: Machine) => number | bigint | undefined;
  readonly absent?: bigint;
  /** Names for its values in the grammar: `#PF`, `IA32_LSTAR`. */
  readonly named?: (text: string) => bigint | undefined;
  /** All that `named` knows, for completion and messages. */
  readonly names?: () => readonly string[];
  /** No value comes that has no name. */
  readonly allNamed?: true;
  /** The names are constants in conditions too: `reason == CPUID`. */
  readonly constants?: true;
  readonly meaning?: (value: bigint, event: Event) => string | undefined;
  /** The value is an address in this space. */
  readonly space?: 'linear' | 'phys';
  readonly help: string;
}

export interface WordField<Event = MachineEvent> {
  readonly name: string;
  readonly word: (event: Event) => string;
  /** All its values, where the grammar chooses by them; short forms (`r`) first. */
  readonly words?: readonly (readonly string[])[];
  readonly help: string;
}

export type Field<Event = MachineEvent> = NumberField<Event> | WordField<Event>;

export const isNumber = <Event>(field: Field<Event>): field is NumberField<Event> => 'read' in field;

const indexed = (entries: Iterable<readonly [string, number]>): ReadonlyMap<string, bigint> =>
  new Map([...entries].map(([name, value]) => [name.toLowerCase(), BigInt(value)]));

const vectors = indexed(
  exceptions.flatMap(({ mnemonic, vector }) => [
    [mnemonic, vector] as const,
    [mnemonic.replace('#', ''), vector] as const,
  ]),
);
const msrAddresses = indexed(Object.entries(msrs).map(([name, { address }]) => [name, address]));

export const accessOf = <Event extends { readonly access: 'r' | 'w' }>(): WordField<Event> => ({
  name: 'access',
  word: ({ access }) => (access === 'r' ? 'read' : 'write'),
  words: [
    ['r', 'read'],
    ['w', 'write'],
  ],
  help: 'read or write',
});

/** Whether it was a write, for expressions, which know no words. */
export const writeOf = <Event extends { readonly access: 'r' | 'w' }>(): NumberField<Event> => ({
  name: 'write',
  size: 1,
  read: ({ access }) => (access === 'w' ? 1 : 0),
  help: '1 for a write, 0 for a read',
});

/** What is common to all fields that are vectors. */
export const vectorNames = {
  name: 'vector',
  size: 1,
  named: (text: string) => vectors.get(text.toLowerCase()),
  names: () => exceptions.map(({ mnemonic }) => mnemonic),
  meaning: (value: bigint) => vectorTitle(Number(value)),
} as const;

export const vectorOf = <Event extends { readonly vector: number }>(): NumberField<Event> => ({
  ...vectorNames,
  read: ({ vector }) => vector,
  help: 'vector',
});

export const msrOf = <Event extends { readonly register: number }>(): NumberField<Event> => ({
  name: 'register',
  size: 4,
  read: ({ register }) => register,
  named: (text) => msrAddresses.get(text.toLowerCase()),
  names: () => Object.keys(msrs),
  meaning: (value) => msrAt(Number(value))?.name,
  help: 'address of the MSR',
});

/** Does the guest have a gate for it? */
export const handledOf = (): NumberField<EventOf<'trap'>> => ({
  name: 'handled',
  size: 1,
  read: ({ vcpu, vector }, machine) => (isHandled(machine, vcpu, vector) ? 1 : 0),
  meaning: (value) => (value === 0n ? 'the IDT has no gate for it' : undefined),
  help: '1 where the IDT, as it is now, has a present gate for the vector',
});

/** What every event has. */
export const commonFields: readonly NumberField[] = [
  { name: 'step', size: 8, read: ({ step }) => step, help: 'steps done before it' },
  { name: 'vcpu', size: 1, read: ({ vcpu }) => vcpu, help: 'number of the vCPU' },
  {
    name: 'at',
    size: 8,
    read: ({ at }) => at,
    space: 'linear',
    help: 'linear address of the instruction that did it, or that it interrupted',
  },
];
