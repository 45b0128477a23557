/**
 * What can make a guest exit although its instruction does not: exceptions, and what is looked at between instructions.
 * Intel SDM vol. 3, "Other Causes of VM Exits". Of each, what decides and how it stands.
 */

import type { Vmx } from '../../machine/vmx/vmx';
import { hex } from '../../x86/address';
import { controlOf } from '../../x86/vmx/controls';
import type { Item } from '../item';
import { controlText } from './control-words';
import { supposing } from './looking';

interface Boundary {
  readonly name: string;
  readonly control: string;
  /** What becomes of it where the control is 1, and where it is 0. */
  readonly set: string;
  readonly clear: string;
}

const rows: readonly Boundary[] = [
  {
    name: 'external interrupt',
    control: 'pin.external-interrupt-exiting',
    set: 'it exits, whatever IF is',
    clear: "it goes through the guest's IDT when IF is 1",
  },
  { name: 'NMI', control: 'pin.nmi-exiting', set: 'it exits', clear: "it goes through the guest's IDT" },
  {
    name: 'interrupt window',
    control: 'primary.interrupt-window-exiting',
    set: 'the guest exits as soon as IF is 1 and nothing blocks interrupts',
    clear: 'it passes unseen',
  },
  {
    name: 'NMI window',
    control: 'primary.nmi-window-exiting',
    set: 'the guest exits as soon as virtual NMIs are not blocked',
    clear: 'it passes unseen',
  },
  {
    name: 'preemption timer',
    control: 'pin.activate-vmx-preemption-timer',
    set: 'the guest exits when it reaches 0',
    clear: 'it does not count',
  },
  {
    name: 'monitor trap flag',
    control: 'primary.monitor-trap-flag',
    set: 'the guest exits after one instruction',
    clear: 'no exit follows an instruction',
  },
];

/** One row each, with the bit that decides. */
export const boundaryItems = (vmx: Vmx): Item[] => {
  const { current, controls } = vmx;
  if (current === undefined) return [];
  const events = rows.map(({ name, control, set, clear }): Item => {
    const row = controlOf(control);
    const word = row?.word === 'pin' ? controls.pin : controls.primary;
    const value = ((word >>> (row?.bit ?? 0)) & 1) as 0 | 1;
    return { name, meaning: `${controlText(control, value)}: ${value ? set : clear}` };
  });
  const bitmap = current.get32('EXCEPTION_BITMAP');
  const mask = hex(current.get('PAGE_FAULT_ERROR_CODE_MASK'));
  const match = hex(current.get('PAGE_FAULT_ERROR_CODE_MATCH'));
  return [
    ...events,
    {
      name: 'exceptions',
      bits: BigInt(bitmap),
      size: 4,
      meaning: `EXCEPTION_BITMAP: vectors whose bit is 1 exit, others go through the guest's IDT; for #PF bit 14 counts inverted where error code & ${mask} (PAGE_FAULT_ERROR_CODE_MASK) is not ${match} (PAGE_FAULT_ERROR_CODE_MATCH)`,
    },
    {
      name: 'task priority',
      meaning: taskPriority(vmx),
    },
  ];
};

const taskPriority = (vmx: Vmx): string => {
  const { current } = vmx;
  const priority = supposing(vmx, {}).readTaskPriority();
  const shadow = controlText('primary.use-tpr-shadow', priority === undefined ? 0 : 1);
  if (priority === undefined) return `${shadow}: no threshold is looked at`;
  return `${shadow}: it exits when CR8 (now ${priority}) falls below TPR_THRESHOLD ${current?.get32('TPR_THRESHOLD') ?? 0}`;
};
