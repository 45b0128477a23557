/**
 * A VMCS region in memory, as this machine writes it at VMCLEAR (docs/vmx.md): revision identifier, abort
 * indicator, launch state, then eight bytes for each field in the order of x86/vmx/fields.ts.
 */

import { type FieldName, fieldIndex, fieldNames } from '../../x86/vmx/fields';
import type { PhysicalMemory } from '../core/physical';
import type { Vmcs } from './vmcs';

const ABORT = 4;
const STATE = 8;
const FIELDS = 64;
const CLEAR = 0;
const LAUNCHED = 1;

/** VMX-abort indicator. Intel SDM vol. 3, "VMX Aborts". */
export const writeAbort = (physical: PhysicalMemory, address: bigint, indicator: number): void =>
  physical.write(physical.gate(Number(address) + ABORT), 4, BigInt(indicator));

/** Writes fields and launch state; the revision identifier is the software's. */
export const writeRegion = (physical: PhysicalMemory, vmcs: Vmcs): void => {
  const start = Number(vmcs.address);
  const put = (offset: number, value: bigint): void => physical.write(physical.gate(start + offset), 8, value);
  put(STATE, BigInt(vmcs.launched ? LAUNCHED : CLEAR));
  for (const [index, name] of fieldNames.entries()) put(FIELDS + index * 8, vmcs.get(name));
};

/** Loads a slot from a region that VMCLEAR (or nobody) wrote; `changed` hears of the fields that the slot held otherwise. */
export const readRegion = (physical: PhysicalMemory, vmcs: Vmcs, changed: (name: FieldName) => void): void => {
  const start = Number(vmcs.address);
  const get = (offset: number): bigint => physical.read(physical.gate(start + offset), 8);
  vmcs.launched = get(STATE) === BigInt(LAUNCHED);
  for (const [index, name] of fieldNames.entries()) {
    const before = vmcs.get(name);
    vmcs.set(name, get(FIELDS + index * 8));
    if (vmcs.get(name) !== before) changed(name);
  }
};

export const revisionOf = (physical: PhysicalMemory, address: bigint): number =>
  physical.read32(physical.gate(Number(address)));

// From outside

const fieldAt = (physical: PhysicalMemory, address: bigint, name: FieldName): number =>
  physical.gate(Number(address) + FIELDS + fieldIndex[name] * 8);

/** A region that is not active, looked at without a side effect. */
export const peekRegion = (
  physical: PhysicalMemory,
  address: bigint,
): { readonly revision: number; readonly launched: boolean; readonly get: (name: FieldName) => bigint } => ({
  revision: Number(physical.peek(physical.gate(Number(address)), 4)),
  launched: physical.peek(physical.gate(Number(address) + STATE), 8) === BigInt(LAUNCHED),
  get: (name) => physical.peek(fieldAt(physical, address, name), 8),
});

/** Writes a field of such a region. */
export const pokeRegion = (physical: PhysicalMemory, address: bigint, name: FieldName, value: bigint): void => {
  const bytes = Uint8Array.from({ length: 8 }, (_, n) => Number((value >> BigInt(n * 8)) & 0xffn));
  physical.pokeBytes(fieldAt(physical, address, name), bytes);
};
