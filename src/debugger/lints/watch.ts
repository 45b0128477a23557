/** Asks the lints while somebody listens to their events; nothing is kept and nothing is heard otherwise. */

import type { EventKind, MachineEvent } from '../../machine/core/event';
import type { Machine } from '../../machine/pc';
import { Handling } from './handling';
import { lints } from './lints';

const kinds: readonly EventKind[] = [...new Set<EventKind>([...lints.map(({ at }) => at), 'vmexit', 'vmentry', 'cr'])];

interface Watching {
  listeners: number;
  readonly end: () => void;
}

const watching = new WeakMap<Machine, Watching>();

/** Lints of this machine are told as events until the returned function is called. */
export const watchLints = (machine: Machine): (() => void) => {
  const found = watching.get(machine) ?? { listeners: 0, end: begin(machine) };
  watching.set(machine, found);
  found.listeners++;
  return () => {
    found.listeners--;
    if (found.listeners > 0) return;
    watching.delete(machine);
    found.end();
  };
};

const begin = (machine: Machine): (() => void) => {
  const handlings = machine.cpus.map((vcpu) => new Handling(machine, vcpu));
  const hear = (event: MachineEvent): void => {
    const handling = handlings[event.vcpu];
    if (handling === undefined) return;
    handling.hear(event);
    for (const { at, check, id } of lints) {
      const value = at === event.kind ? check(handling, event) : undefined;
      if (value === undefined) continue;
      const { step, vcpu, rip, at: linear } = event;
      machine.events.emit(
        'lint',
        () => ({ step, vcpu, rip, at: linear }),
        () => ({ id, value }),
      );
    }
  };
  return machine.events.on(kinds, hear);
};
