/** All scopes, in the order in which they are shown. Another subject is another file and a row here. */

import type { Machine } from '../../machine/pc';
import type { VirtualCpu } from '../../machine/virtual-cpu';
import type { ProgramInfo } from '../program-info';
import { controlItems } from './control-registers';
import { flagItems } from './flags';
import { machineItems } from './machine';
import { registerItems } from './registers';
import type { Scope, ScopeRow } from './scope';
import { segmentItems } from './segments';

const rows: readonly ScopeRow[] = [
  { name: 'Registers', items: registerItems },
  { name: 'Flags', items: flagItems },
  { name: 'Segments', items: segmentItems },
  { name: 'Control registers & MSRs', items: controlItems },
  { name: 'Machine', items: machineItems },
];

export const scopesOf = (machine: Machine, vcpu: VirtualCpu, info: ProgramInfo): Scope[] => {
  const subject = { machine, vcpu, info };
  return rows
    .filter(({ present }) => present === undefined || present(subject))
    .map(({ name, expensive, items }) => ({ name, expensive: expensive === true, items: () => items(subject) }));
};
