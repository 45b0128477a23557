/**
 * The VMCSs of a vCPU in VMX operation: the current one by the manual's groups, what changed in it, and every other one
 * that the program has used.
 */

import { state as layout } from '../../machine/core/layout';
import { hex } from '../../x86/address';
import type { Item } from '../item';
import { hasField } from '../vmcs/availability';
import { changedBits, type Difference, differences } from '../vmcs/diff';
import { fieldGroups } from '../vmcs/groups';
import { isRaw } from '../vmcs/names';
import { isRemembered, pastValue } from '../vmcs/past';
import { currentVmcs, stateText, type VmcsView, vmcsViews } from '../vmcs/view';
import type { Subject } from './scope';
import { vmcsFieldItem } from './vmcs-field';

/** VT-x is on, or was: VMCSs are left to be looked at. */
export const hasVmcs = ({ vcpu: { vmx } }: Subject): boolean => vmx !== undefined && (vmx.on || vmx.regions.size > 0);

export const vmcsItems = (subject: Subject): Item[] => {
  const { machine, vcpu } = subject;
  const current = currentVmcs(vcpu);
  const others = vmcsViews(machine, vcpu).filter(({ address }) => address !== current?.address);
  return [
    operationItem(subject),
    currentItem(subject, current),
    ...(current === undefined ? [] : [...groupItems(subject, current), changesItem(subject, current)]),
    ...others.map((view) => otherItem(subject, view)),
    {
      name: 'raw',
      bits: isRaw(machine) ? 1n : 0n,
      width: 1,
      meaning: isRaw(machine) ? 'edits are not checked' : 'edits keep the rules of VMWRITE',
      expression: 'vmcs.raw',
      settable: true,
    },
  ];
};

const operationItem = ({ vcpu: { vmx, state } }: Subject): Item => {
  const pointer = state.getU64(layout.vmxonPointer);
  return vmx?.on === true
    ? {
        name: 'operation',
        meaning: `VMX ${vmx.nonRoot ? 'non-root' : 'root'} operation, VMXON region ${hex(pointer)}`,
        memory: { space: 'phys', address: pointer },
      }
    : { name: 'operation', meaning: 'VMX is off' };
};

const currentItem = ({ vcpu }: Subject, current: VmcsView | undefined): Item =>
  current === undefined
    ? { name: 'current', meaning: 'no VMCS is current' }
    : {
        name: 'current',
        bits: current.address,
        size: 8,
        meaning: stateText(current, vcpu.index).replace(/^current, /, ''),
        expression: 'vmcs.pointer',
        memory: { space: 'phys', address: current.address },
      };

const otherItem = (subject: Subject, view: VmcsView): Item => ({
  name: hex(view.address),
  meaning: stateText(view, subject.vcpu.index),
  memory: { space: 'phys', address: view.address },
  children: () => groupItems(subject, view),
});

const counted = (fields: number): string => `${fields} ${fields === 1 ? 'field' : 'fields'}`;

const groupItems = (subject: Subject, view: VmcsView): Item[] =>
  fieldGroups.map(({ name, fields }): Item => {
    const { vmx } = subject.vcpu;
    const lacking = fields.filter((field) => vmx === undefined || !hasField(vmx, field));
    return {
      name,
      meaning: counted(fields.length - lacking.length),
      children: () => [
        ...fields.filter((field) => !lacking.includes(field)).map((field) => vmcsFieldItem(subject, view, field)),
        ...(lacking.length === 0
          ? []
          : [
              {
                name: 'not on this processor',
                meaning: counted(lacking.length),
                children: () => lacking.map((field) => vmcsFieldItem(subject, view, field)),
              },
            ]),
      ],
    };
  });

const CHANGES = 'changed since the last stop';

const changesItem = (subject: Subject, view: VmcsView): Item => {
  const { machine } = subject;
  if (!isRemembered(machine, view)) return { name: CHANGES, meaning: 'it was not active then' };
  const found = differences((name) => pastValue(machine, view, name), view.get);
  return {
    name: CHANGES,
    meaning: found.length === 0 ? 'nothing' : `${found.length} ${found.length === 1 ? 'field' : 'fields'}`,
    children: () => found.map((one) => differenceItem(one, view.get)),
  };
};

/** `GUEST_RIP 0x1000 -> 0x1002`, with the bits that differ. */
export const differenceItem = (one: Difference, values: VmcsView['get']): Item => {
  const bits = changedBits(one, values);
  const words = bits.length === 0 ? '' : ` (${bits.join(', ')})`;
  return { name: one.name, meaning: `${hex(one.before)} -> ${hex(one.after)}${words}` };
};
