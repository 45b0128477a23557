/** The VMCSs that a program has used, looked at wherever they are: in a slot of a vCPU, or in their region in memory. */

import type { Machine } from '../../machine/pc';
import type { VirtualCpu } from '../../machine/virtual-cpu';
import { peekRegion } from '../../machine/vmx/region';
import type { FieldWriter, Vmcs } from '../../machine/vmx/vmcs';
import { hex } from '../../x86/address';
import { type FieldName, groupOf, vmcsFields } from '../../x86/vmx/fields';

export interface VmcsView {
  /** Physical, of its region. */
  readonly address: bigint;
  /** `cleared`: no processor has it active; what its region in memory holds counts. */
  readonly state: 'current' | 'active' | 'cleared';
  readonly launched: boolean;
  /** Index of the vCPU that has it active, or that looks. */
  readonly vcpu: number;
  readonly get: (name: FieldName) => bigint;
  /** Undefined for one in memory, where nobody keeps it. */
  readonly writer: (name: FieldName) => FieldWriter | undefined;
}

const ofSlot = ({ index, vmx }: VirtualCpu, vmcs: Vmcs): VmcsView => ({
  address: vmcs.address,
  state: vmx?.current === vmcs ? 'current' : 'active',
  launched: vmcs.launched,
  vcpu: index,
  get: (name) => vmcs.get(name),
  writer: (name) => writerOf(vmcs, name),
});

/** An exit stamps its information fields through the reason; one that is a failed entry writes the qualification alone. */
const writerOf = (vmcs: Vmcs, name: FieldName): FieldWriter => {
  const own = vmcs.writer(name);
  const exit = vmcs.writer('VM_EXIT_REASON');
  const failedEntry = vmcs.get32('VM_EXIT_REASON') >>> 31 === 1;
  const written = failedEntry
    ? name === 'EXIT_QUALIFICATION'
    : groupOf(vmcsFields[name].encoding) === 'information' && name !== 'VM_INSTRUCTION_ERROR';
  return written && exit.by === 'exit' && exit.step >= own.step ? exit : own;
};

/** The one that VMREAD and VMWRITE work on. */
export const currentVmcs = (vcpu: VirtualCpu): VmcsView | undefined => {
  const current = vcpu.vmx?.current;
  return current === undefined ? undefined : ofSlot(vcpu, current);
};

const REVISION = 0x7fff_ffffn;

/** Regions that were active once, and are not now: what VMCLEAR has written, unless software has since. */
const inactive = (machine: Machine): readonly bigint[] => {
  const used = new Set(machine.cpus.flatMap(({ vmx }) => [...(vmx?.regions ?? [])]));
  return [...used].filter((address) => machine.cpus.every(({ vmx }) => vmx?.slots.find(address) === undefined));
};

const revision = (machine: Machine): number => Number((machine.model.vmx?.IA32_VMX_BASIC ?? 0n) & REVISION);

/** Without the revision identifier there is no VMCS there any more. */
const cleared = (machine: Machine, vcpu: VirtualCpu): VmcsView[] =>
  inactive(machine).flatMap((address): VmcsView[] => {
    const { revision: own, launched, get } = peekRegion(machine.physical, address);
    if (own !== revision(machine)) return [];
    return [{ address, state: 'cleared', launched, vcpu: vcpu.index, get, writer: () => undefined }];
  });

/** Inactive regions that VMPTRLD would not take, and what they begin with. */
export const withoutRevision = (
  machine: Machine,
): { readonly address: bigint; readonly found: number; readonly wanted: number }[] =>
  inactive(machine).flatMap((address) => {
    const { revision: found } = peekRegion(machine.physical, address);
    const wanted = revision(machine);
    return found === wanted ? [] : [{ address, found, wanted }];
  });

/** All of the machine, by address. */
export const vmcsViews = (machine: Machine, vcpu: VirtualCpu): VmcsView[] => {
  const slots = machine.cpus.flatMap((owner) => (owner.vmx?.slots.active() ?? []).map((vmcs) => ofSlot(owner, vmcs)));
  const own = slots.filter((view) => view.vcpu === vcpu.index);
  const others = slots.filter((view) => view.vcpu !== vcpu.index);
  return [...own, ...others, ...cleared(machine, vcpu)].sort((a, b) => (a.address < b.address ? -1 : 1));
};

export const vmcsAt = (machine: Machine, vcpu: VirtualCpu, address: bigint): VmcsView | undefined =>
  vmcsViews(machine, vcpu).find((view) => view.address === address);

/** `current, launched`, `active on vCPU 1, clear`, `in memory, clear`. */
export const stateText = ({ state, launched, vcpu }: VmcsView, from: number): string => {
  const place = state === 'cleared' ? 'in memory' : state;
  return `${vcpu === from ? place : `${place} on vCPU ${vcpu}`}, ${launched ? 'launched' : 'clear'}`;
};

export const vmcsTitle = (view: VmcsView, from: number): string => `${hex(view.address)} (${stateText(view, from)})`;
