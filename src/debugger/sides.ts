/** The two sides of VT-x: the hypervisor in root operation, its guest in non-root operation, and the address space of each. */

import { state as layout } from '../machine/core/layout';
import type { Cpu } from '../machine/cpu/cpu';
import type { VirtualCpu } from '../machine/virtual-cpu';
import { control, controlBitsOf } from '../machine/vmx/control-bits';
import { guestSideOf } from '../machine/vmx/guest-side';
import type { Vmcs } from '../machine/vmx/vmcs';
import { hex } from '../x86/address';
import type { Place } from './address';

export interface Side {
  readonly name: 'root' | 'guest';
  /** Of a guest, where it has them. */
  readonly vpid?: number;
  readonly eptPointer?: bigint;
}

/** On which side a vCPU is; undefined outside VMX operation. */
export const sideOf = (vcpu: VirtualCpu): Side | undefined => {
  const { vmx } = vcpu;
  if (vmx === undefined || !vmx.on) return undefined;
  return vmx.nonRoot ? guestSide(vcpu) : { name: 'root' };
};

/** The guest of the current VMCS. */
export const guestSide = ({ vmx }: VirtualCpu): Side => {
  const vmcs = vmx?.current;
  const secondary = vmcs === undefined ? 0 : controlBitsOf(vmcs).secondary;
  return {
    name: 'guest',
    ...(vmcs !== undefined && secondary & control.enableVpid ? { vpid: vmcs.get32('VIRTUAL_PROCESSOR_ID') } : {}),
    ...(vmcs !== undefined && secondary & control.enableEpt ? { eptPointer: vmcs.get('EPT_POINTER') } : {}),
  };
};

/** `guest, EPT 0x5000, VPID 1`. */
export const sideText = ({ name, vpid, eptPointer }: Side): string =>
  [
    name,
    ...(eptPointer === undefined ? [] : [`EPT ${hex(eptPointer & ~0xfffn)}`]),
    ...(vpid === undefined ? [] : [`VPID ${vpid}`]),
  ].join(', ');

/** A launched guest that waits while its hypervisor runs. */
const waitingGuest = ({ vmx }: VirtualCpu): Vmcs | undefined => {
  const vmcs = vmx?.on && !vmx.nonRoot ? vmx.current : undefined;
  return vmcs?.launched ? vmcs : undefined;
};

/** The vCPU as the waiting guest is on it, to be looked at; undefined where none waits. */
export const guestVcpuOf = (vcpu: VirtualCpu): VirtualCpu | undefined => {
  const vmcs = waitingGuest(vcpu);
  if (vmcs === undefined) return undefined;
  const { state, eptPointer } = guestSideOf(vcpu.cpu, vmcs);
  const property = (value: unknown) => ({ value });
  const paging = Object.create(vcpu.cpu.paging, { eptPointer: property(eptPointer) });
  const cpu = Object.create(vcpu.cpu, { state: property(state), paging: property(paging) }) as Cpu;
  return Object.create(vcpu, { state: property(state), cpu: property(cpu) }) as VirtualCpu;
};

/** The vCPU as a frame sees it: one of a guest that waits has the guest's registers and address space. */
export const vcpuOfFrame = (vcpu: VirtualCpu, frame?: { readonly side?: Side | undefined }): VirtualCpu =>
  frame?.side?.name === 'guest' ? (guestVcpuOf(vcpu) ?? vcpu) : vcpu;

/** A place as the guest means it, for those who look from its hypervisor. */
export const placeOfGuest = (place: Place): Place => (place.space === 'linear' ? { ...place, space: 'guest' } : place);

/** Is the vCPU in a guest? Addresses of guest and host may be the same. */
export const isInGuest = ({ state }: VirtualCpu): boolean => state.getU32(layout.vmxNonRoot) !== 0;
