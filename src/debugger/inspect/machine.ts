/** The vCPU's mode and activity, and the counters of the machine. */

import { state as layout } from '../../machine/core/layout';
import type { Item } from '../item';
import { activityName, modeAndRing } from '../vcpu-view';
import type { Subject } from './scope';

/** Intel SDM vol. 3, "Interruptibility State": bits as the VMCS field has them. */
const blockings: readonly string[] = ['by STI', 'by MOV SS', 'by SMI', 'by NMI'];

export const machineItems = ({ machine, vcpu: { state } }: Subject): Item[] => {
  const { step, retired, vtime } = machine.counters;
  const blocking = state.getU32(layout.interruptibility);
  const blocked = blockings.filter((_, bit) => blocking & (1 << bit)).join(', ');
  const count = (name: string, value: number): Item => ({
    name,
    bits: BigInt(value),
    size: 8,
    meaning: String(value),
    expression: name,
  });
  return [
    { name: 'mode', meaning: modeAndRing(state) },
    { name: 'cpl', bits: BigInt(state.cpl), width: 2, expression: 'cpl' },
    { name: 'activity', meaning: activityName(state) },
    { name: 'interrupts', meaning: blocked === '' ? 'not blocked' : `blocked ${blocked}` },
    count('step', step),
    count('retired', retired),
    count('vtime', vtime),
  ];
};
