/** VMCSs as they were when the machine last began to move. */

import type { Machine } from '../../machine/pc';
import { type FieldName, fieldNames } from '../../x86/vmx/fields';
import type { VmcsView } from './view';

type Values = ReadonlyMap<FieldName, bigint>;

const pasts = new WeakMap<Machine, ReadonlyMap<bigint, Values>>();

/** The machine is about to move. */
export const rememberVmcss = (machine: Machine): void => {
  const found = new Map<bigint, Values>();
  for (const { vmx } of machine.cpus) {
    if (vmx?.on !== true) continue;
    for (const slot of vmx.slots.active())
      found.set(slot.address, new Map(fieldNames.map((name) => [name, slot.get(name)])));
  }
  if (found.size > 0 || pasts.has(machine)) pasts.set(machine, found);
};

/** A field at that time; undefined where the VMCS was not active then. */
export const pastValue = (machine: Machine, { address }: Pick<VmcsView, 'address'>, name: FieldName) =>
  pasts.get(machine)?.get(address)?.get(name);

/** Was it active then? */
export const isRemembered = (machine: Machine, { address }: Pick<VmcsView, 'address'>): boolean =>
  pasts.get(machine)?.has(address) === true;
