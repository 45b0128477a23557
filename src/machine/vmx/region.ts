/**
 * A VMCS region in memory, as this machine writes it at VMCLEAR (docs/vmcs-region.md): revision identifier, abort
 * indicator, launch state, then eight bytes for each field in the order of x86/vmx/fields.ts.
 */

import { fieldNames } from '../../x86/vmx/fields';
import type { PhysicalMemory } from '../core/physical';
import type { Vmcs } from './vmcs';

export const REGION_SIZE = 4096;
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

/** Loads a slot from a region that VMCLEAR (or nobody) wrote. */
export const readRegion = (physical: PhysicalMemory, vmcs: Vmcs): void => {
  const start = Number(vmcs.address);
  const get = (offset: number): bigint => physical.read(physical.gate(start + offset), 8);
  vmcs.launched = get(STATE) === BigInt(LAUNCHED);
  for (const [index, name] of fieldNames.entries()) vmcs.set(name, get(FIELDS + index * 8));
};

export const revisionOf = (physical: PhysicalMemory, address: bigint): number =>
  physical.read32(physical.gate(Number(address)));
