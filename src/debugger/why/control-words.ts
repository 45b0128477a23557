/** Controls, bits and fields of a VMCS as they are named to people: `"HLT exiting" (primary control bit 7) is 1`. */

import type { Vmcs } from '../../machine/vmx/vmcs';
import { hex } from '../../x86/address';
import { bitName, cr0Bits, cr4Bits } from '../../x86/control-registers';
import { controlOf } from '../../x86/vmx/controls';
import { type FieldName, vmcsFields } from '../../x86/vmx/fields';

const words = {
  pin: 'pin-based control',
  primary: 'primary control',
  secondary: 'secondary control',
  tertiary: 'tertiary control',
  exit: 'exit control',
  secondaryExit: 'secondary exit control',
  entry: 'entry control',
} as const;

/** `"HLT exiting" (primary control bit 7)`. */
export const controlName = (id: string): string => {
  const row = controlOf(id);
  return row === undefined ? id : `"${row.title}" (${words[row.word]} bit ${row.bit})`;
};

/** The same with what it is. */
export const controlText = (id: string, value: 0 | 1): string => `${controlName(id)} is ${value}`;

/** A field and its value, as far as there is a VMCS with one of that name. */
export const fieldText = (vmcs: Vmcs | undefined, field: string): string =>
  vmcs === undefined || !Object.hasOwn(vmcsFields, field) ? field : `${field} ${hex(vmcs.get(field as FieldName))}`;

/** `CR0_GUEST_HOST_MASK bit 3 (TS)`. */
export const fieldBitText = (field: string, bit: number): string => {
  const table = field.startsWith('CR0') ? cr0Bits : field.startsWith('CR4') ? cr4Bits : undefined;
  const name = table === undefined ? undefined : bitName(table, bit);
  return `${field} bit ${bit}${name === undefined ? '' : ` (${name})`}`;
};

/** `bit 3 of the byte at 0x5007`. */
export const bitmapBitText = (byte: bigint, bit: number): string => `bit ${bit} of the byte at ${hex(byte)}`;
