/** The groups of a VMCS as the manual divides it. Intel SDM vol. 3, "Organization of VMCS Data". */

import { type FieldName, fieldNames, groupOf, vmcsFields, widthOf } from '../../x86/vmx/fields';

const EXIT = /^VM_EXIT_|^SECONDARY_VM_EXIT_CONTROLS$/;
const ENTRY = /^VM_ENTRY_|^INJECTED_EVENT_DATA$/;

const isControl = (name: FieldName): boolean => groupOf(vmcsFields[name].encoding) === 'control';
const inGroup =
  (group: 'guest' | 'host' | 'information') =>
  (name: FieldName): boolean =>
    groupOf(vmcsFields[name].encoding) === group;

const rows: readonly (readonly [string, (name: FieldName) => boolean])[] = [
  ['Guest state', inGroup('guest')],
  ['Host state', inGroup('host')],
  ['Execution controls', (name) => isControl(name) && !EXIT.test(name) && !ENTRY.test(name)],
  ['Exit controls', (name) => isControl(name) && EXIT.test(name)],
  ['Entry controls', (name) => isControl(name) && ENTRY.test(name)],
  ['Exit information', inGroup('information')],
];

/** Registers before their parts, controls before addresses: what is looked at most stands first. */
const order = ['natural', 32, 64, 16] as const;
const rank = (name: FieldName): number => order.indexOf(widthOf(vmcsFields[name].encoding));

export const fieldGroups: readonly { readonly name: string; readonly fields: readonly FieldName[] }[] = rows.map(
  ([name, has]) => ({ name, fields: fieldNames.filter(has).sort((a, b) => rank(a) - rank(b)) }),
);
