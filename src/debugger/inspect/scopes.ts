/** All scopes, in the order in which they are shown. Another subject is another file and a row here. */

import type { Machine } from '../../machine/pc';
import type { VirtualCpu } from '../../machine/virtual-cpu';
import type { Item } from '../item';
import type { OuterFrame } from '../name-sources';
import type { ProgramInfo } from '../program-info';
import { placeOfGuest, vcpuOfFrame } from '../sides';
import { markChanges } from './changes';
import { controlItems } from './control-registers';
import { dataItems, hasData } from './data';
import { tableItems } from './descriptor-tables';
import { deviceItems } from './devices';
import { faultItems } from './faults';
import { flagItems } from './flags';
import { interruptItems } from './interrupts';
import { live } from './live';
import { machineItems } from './machine';
import { outerFrameItems } from './outer-frame';
import { pagingItems } from './paging';
import { recollectionOf } from './recollection';
import { registerItems } from './registers';
import type { Scope, ScopeRow } from './scope';
import { segmentItems } from './segments';
import { translationItems } from './translations';
import { hasVmcs, vmcsItems } from './vmcs';

const rows: readonly ScopeRow[] = [
  { name: 'Registers', items: registerItems },
  { name: 'Flags', items: flagItems },
  { name: 'Segments', items: segmentItems },
  { name: 'Control registers & MSRs', items: controlItems },
  { name: 'Descriptor tables', items: tableItems },
  { name: 'Paging', items: pagingItems },
  { name: 'TLB', expensive: true, items: translationItems },
  { name: 'VMCS', present: hasVmcs, absent: 'VMXON has not been executed', items: vmcsItems },
  { name: 'Interrupts', items: interruptItems },
  { name: 'Devices', expensive: true, items: deviceItems },
  { name: 'Machine', items: machineItems },
  { name: 'Faults', items: faultItems },
  { name: 'Data', expensive: true, present: hasData, absent: 'the program has no symbols of data', items: dataItems },
];

/** Why there is no scope whose name begins so; undefined where none would. */
export const absenceOfScope = (word: string): string | undefined => {
  const row = rows.find(
    ({ name, absent }) => absent !== undefined && name.toLowerCase().startsWith(word.toLowerCase()),
  );
  return row === undefined ? undefined : `there is no ${row.name} now: ${row.absent}`;
};

/** What a guest that waits has of its own. */
const ofGuest: ReadonlySet<string> = new Set([
  'Registers',
  'Flags',
  'Segments',
  'Control registers & MSRs',
  'Descriptor tables',
  'Paging',
]);

/** Its registers are set as fields of the VMCS. */
const asGuests = ({ settable: _, memory, children, ...rest }: Item): Item => ({
  ...rest,
  ...(memory === undefined ? {} : { memory: placeOfGuest(memory) }),
  ...(children === undefined ? {} : { children: (start, count) => children(start, count).map(asGuests) }),
});

/**
 * Of a frame further out: where a guest was left by a VM exit all that is its own, from the VMCS and its memory; else what the
 * stack tells.
 */
export const scopesOfFrame = (machine: Machine, vcpu: VirtualCpu, info: ProgramInfo, frame: OuterFrame): Scope[] => {
  const isWaiting = vcpuOfFrame(vcpu, frame) !== vcpu;
  if (!isWaiting || frame.entered !== 'VM exit') {
    const items = (): Item[] => outerFrameItems(frame, info).map((item) => (isWaiting ? asGuests(item) : item));
    return [{ name: 'Registers', expensive: false, items }];
  }
  return rows
    .filter(({ name }) => ofGuest.has(name))
    .map(({ name, items }) => ({
      name,
      expensive: false,
      items: (start = 0, count) =>
        items({ machine, vcpu: vcpuOfFrame(vcpu, frame), info })
          .slice(start, count === undefined ? undefined : start + count)
          .map(asGuests),
    }));
};

/** Listing costs nothing: what a scope holds is made when it is opened. */
export const scopesOf = (machine: Machine, vcpu: VirtualCpu, info: ProgramInfo): Scope[] => {
  const subject = { machine, vcpu, info };
  return rows
    .filter(({ present }) => present === undefined || present(subject))
    .map(({ name, expensive, items }) => ({
      name,
      expensive: expensive === true,
      items: (start, count) => {
        const all = (from = 0, length?: number): Item[] =>
          items(subject).slice(from, length === undefined ? undefined : from + length);
        return markChanges(live(machine, all, start, count), vcpu.index, recollectionOf(machine));
      },
    }));
};
