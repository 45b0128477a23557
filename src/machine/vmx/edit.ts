/** A field of a VMCS written from outside, wherever the VMCS is: in a slot, or in its region in memory. */

import { type FieldName, vmcsFields } from '../../x86/vmx/fields';
import { pokeRegion } from './region';
import type { Vmx } from './vmx';

export const editField = (vmx: Vmx, address: bigint, name: FieldName, value: bigint): void => {
  const slot = vmx.slots.find(address);
  if (slot === undefined) {
    pokeRegion(vmx.cpu.physical, address, name, value);
    return;
  }
  vmx.writeField(slot, vmcsFields[name].encoding, value, 'debugger');
  // Controls of the guest that runs count from now on, as they would after a snapshot of this state.
  if (vmx.nonRoot && slot === vmx.current) vmx.resume();
};
