/** Asks the lints while somebody listens to their events; nothing is kept and nothing is heard otherwise. */

import type { EventKind, MachineEvent } from '../../machine/core/event';
import type { Machine } from '../../machine/pc';
import type { EventOf } from '../events/fields';
import { Handling } from './handling';
import { lints } from './lints';

const kinds: readonly EventKind[] = [...new Set<EventKind>([...lints.map(({ at }) => at), 'vmexit', 'vmentry', 'cr'])];

interface Watching {
  listeners: number;
  /** What the lints would say of an event; nothing is told. */
  readonly ask: (event: MachineEvent) => EventOf<'lint'>[];
  readonly end: () => void;
}

const watching = new WeakMap<Machine, Watching>();

/** Lints of this machine are told as events until the returned function is called. */
export const watchLints = (machine: Machine): (() => void) => {
  const found = watching.get(machine) ?? begin(machine);
  watching.set(machine, found);
  found.listeners++;
  return () => {
    found.listeners--;
    if (found.listeners > 0) return;
    watching.delete(machine);
    found.end();
  };
};

/** The lints that the delivery of this fault will tell, for who wants to stop before it. */
export const lintsAhead = (machine: Machine, fault: EventOf<'trap'>): readonly EventOf<'lint'>[] =>
  watching.get(machine)?.ask(fault) ?? [];

const begin = (machine: Machine): Watching => {
  const handlings = machine.cpus.map((vcpu) => new Handling(machine, vcpu));
  const ask = (event: MachineEvent): EventOf<'lint'>[] => {
    const handling = handlings[event.vcpu];
    if (handling === undefined) return [];
    const { step, vcpu, rip, at: linear } = event;
    return lints.flatMap(({ at, check, id }) => {
      const value = at === event.kind ? check(handling, event) : undefined;
      return value === undefined ? [] : [{ kind: 'lint' as const, id, value, step, vcpu, rip, at: linear }];
    });
  };
  const hear = (event: MachineEvent): void => {
    handlings[event.vcpu]?.hear(event);
    for (const { id, value, step, vcpu, rip, at } of ask(event))
      machine.events.emit(
        'lint',
        () => ({ step, vcpu, rip, at }),
        () => ({ id, value }),
      );
  };
  return { listeners: 0, ask, end: machine.events.on(kinds, hear) };
};
