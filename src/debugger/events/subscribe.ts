/** Hears events that match one of several specifications. */

import type { MachineEvent } from '../../machine/core/event';
import type { Machine } from '../../machine/pc';
import { watchLints } from '../lints/watch';
import type { EventSpec } from './spec';

/** @returns ends it */
export const subscribe = (
  machine: Machine,
  specs: readonly EventSpec[],
  listener: (event: MachineEvent) => void,
): (() => void) => {
  const kinds = [...new Set(specs.map(({ kind }) => kind))];
  const ends = [
    ...kinds.map((kind) => {
      const wanted = specs.filter((spec) => spec.kind === kind);
      return machine.events.on([kind], (event) => {
        if (wanted.some((spec) => spec.matches(event, machine))) listener(event);
      });
    }),
    ...(kinds.includes('vmcs-memory') ? [machine.regions.watch()] : []),
    ...(kinds.includes('lint') ? [watchLints(machine)] : []),
    ...specs.flatMap(({ place }) => (place === undefined ? [] : [machine.entries.watch(place)])),
  ];
  return () => {
    for (const end of ends) end();
  };
};
