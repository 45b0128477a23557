/** All scopes, in the order in which they are shown. Another subject is another file and a row here. */

import type { Machine } from '../../machine/pc';
import type { VirtualCpu } from '../../machine/virtual-cpu';
import type { Item } from '../item';
import type { ProgramInfo } from '../program-info';
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
  { name: 'VMCS', present: hasVmcs, items: vmcsItems },
  { name: 'Interrupts', items: interruptItems },
  { name: 'Devices', expensive: true, items: deviceItems },
  { name: 'Machine', items: machineItems },
  { name: 'Faults', items: faultItems },
  { name: 'Data', expensive: true, present: hasData, items: dataItems },
];

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
