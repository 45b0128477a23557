/** VM exits: information fields, saving the guest, loading the host. Intel SDM vol. 3, "VM Exits". */

import { CR0, CR4, dr7Fixed, EFER } from '../../x86/control-registers';
import { fieldIndex } from '../../x86/vmx/fields';
import { state as layout } from '../core/layout';
import type { VmcsTransfers } from '../core/vmcs-transfers';
import { loadPdptes } from '../cpu/control-registers';
import type { Cpu } from '../cpu/cpu';
import { msrOffset } from '../cpu/msrs';
import type { Exit, VmxAbort } from '../cpu/virtualization';
import { type ControlBits, control } from './control-bits';
import { loadMsrs, storeMsrs } from './msr-lists';
import { stampOf, type Vmcs } from './vmcs';

const ENTRY_FAILURE = 0x8000_0000;
const ENTRY_INFO_VALID = 0x8000_0000;
/** Bits of CR0 that exits and entries leave alone, of its low half: ET, NW, CD, and those that are reserved. The high half stays. */
export const CR0_KEPT = 0x7ffa_ffd0;

/** VMX-abort indicators. Intel SDM vol. 3, "VMX Aborts". */
const aborts = { savingMsrs: 1, pdptes: 2, loadingMsrs: 4 } as const;

const {
  VM_EXIT_REASON,
  EXIT_QUALIFICATION,
  GUEST_LINEAR_ADDRESS,
  GUEST_PHYSICAL_ADDRESS,
  VM_EXIT_INTR_INFO,
  VM_EXIT_INTR_ERROR_CODE,
  IDT_VECTORING_INFO_FIELD,
  IDT_VECTORING_ERROR_CODE,
  VM_EXIT_INSTRUCTION_LEN,
  VMX_INSTRUCTION_INFO,
  GUEST_RFLAGS,
  GUEST_DR7,
  GUEST_IA32_DEBUGCTL,
  GUEST_IA32_PAT,
  GUEST_IA32_EFER,
  VM_ENTRY_CONTROLS,
  VM_ENTRY_INTR_INFO_FIELD,
  HOST_CR0,
  HOST_CR4,
  HOST_IA32_EFER,
  HOST_IA32_PAT,
  VM_EXIT_MSR_STORE_ADDR,
  VM_EXIT_MSR_STORE_COUNT,
  VM_EXIT_MSR_LOAD_ADDR,
  VM_EXIT_MSR_LOAD_COUNT,
} = fieldIndex;

/** Writes the exit-information fields. */
export const writeInformation = (vmcs: Vmcs, exit: Exit): void => {
  vmcs.inform(VM_EXIT_REASON, exit.entryFailure ? exit.reason | ENTRY_FAILURE : exit.reason, 0);
  putWide(vmcs, EXIT_QUALIFICATION, exit.qualification);
  if (exit.entryFailure) return;
  putWide(vmcs, GUEST_LINEAR_ADDRESS, exit.guestLinear);
  putWide(vmcs, GUEST_PHYSICAL_ADDRESS, exit.guestPhysical);
  vmcs.inform(VM_EXIT_INTR_INFO, exit.interruption ?? 0, 0);
  vmcs.inform(VM_EXIT_INTR_ERROR_CODE, exit.errorCode ?? 0, 0);
  vmcs.inform(IDT_VECTORING_INFO_FIELD, exit.vectoring ?? 0, 0);
  vmcs.inform(IDT_VECTORING_ERROR_CODE, exit.vectoringCode ?? 0, 0);
  vmcs.inform(VM_EXIT_INSTRUCTION_LEN, exit.instructionLength ?? 0, 0);
  vmcs.inform(VMX_INSTRUCTION_INFO, exit.instructionInfo ?? 0, 0);
};
const putWide = (vmcs: Vmcs, field: number, value: bigint | undefined): void => {
  if (value === undefined) vmcs.inform(field, 0, 0);
  else vmcs.inform(field, Number(value & 0xffff_ffffn), Number((value >> 32n) & 0xffff_ffffn));
};

const PAT = msrOffset('IA32_PAT');
const DEBUGCTL = msrOffset('IA32_DEBUGCTL');

/** Saves the guest's state into the guest-state area. Intel SDM vol. 3, "Saving Guest State". */
export const saveGuest = (
  cpu: Cpu,
  vmcs: Vmcs,
  controls: ControlBits,
  transfers: VmcsTransfers,
  step: number,
): void => {
  const { state } = cpu;
  const stamp = stampOf(step, 'exit');
  const low = state.getU32(layout.rip);
  const high = state.getU32(layout.rip + 4);
  const put = (field: number, valueLow: number, valueHigh: number): void => {
    if (vmcs.low(field) === valueLow && vmcs.high(field) === valueHigh) return;
    vmcs.put(field, valueLow, valueHigh);
    vmcs.stampAt(field, stamp, low, high);
  };
  const save = (field: number, at: number): void => put(field, state.getU32(at), state.getU32(at + 4));
  transfers.saveGuest(stamp, stamp / 2 ** 32);
  put(GUEST_RFLAGS, state.rflags >>> 0, 0);
  if (controls.exit & control.saveDebug) {
    save(GUEST_DR7, layout.dr + 7 * 8);
    save(GUEST_IA32_DEBUGCTL, DEBUGCTL);
  }
  if (controls.exit & control.savePat) save(GUEST_IA32_PAT, PAT);
  if (controls.exit & control.saveEfer) save(GUEST_IA32_EFER, layout.efer);
  if (controls.secondary & control.enableEpt && state.getU32(layout.cr4) & CR4.PAE)
    transfers.savePdptes(stamp, stamp / 2 ** 32);
  // IA32_VMX_MISC bit 5: EFER.LMA goes into "IA-32e mode guest".
  const entry = vmcs.low(VM_ENTRY_CONTROLS);
  const long = state.getU32(layout.efer) & EFER.LMA ? entry | control.guest64 : entry & ~control.guest64;
  put(VM_ENTRY_CONTROLS, long >>> 0, 0);
  put(VM_ENTRY_INTR_INFO_FIELD, (vmcs.low(VM_ENTRY_INTR_INFO_FIELD) & ~ENTRY_INFO_VALID) >>> 0, 0);
  vmcs.stampAt(VM_EXIT_REASON, stamp, low, high);
};

/** Loads the processor's state from the host-state area. Intel SDM vol. 3, "Loading Host State". */
export const loadHost = (
  cpu: Cpu,
  vmcs: Vmcs,
  controls: ControlBits,
  transfers: VmcsTransfers,
  nmiBlocking: number,
): VmxAbort | undefined => {
  const { state } = cpu;
  const long = (controls.exit & control.host64) !== 0;
  state.rflags = 2;
  state.setU32(layout.cr0, (state.getU32(layout.cr0) & CR0_KEPT) | (vmcs.low(HOST_CR0) & ~CR0_KEPT));
  const cr4 = vmcs.low(HOST_CR4);
  state.setHalves(layout.cr4, long ? cr4 | CR4.PAE : cr4 & ~CR4.PCIDE, vmcs.high(HOST_CR4));
  state.setHalves(layout.dr + 7 * 8, dr7Fixed.ones, 0);
  state.setHalves(DEBUGCTL, 0, 0);
  if (controls.exit & control.loadEfer)
    state.setHalves(layout.efer, vmcs.low(HOST_IA32_EFER), vmcs.high(HOST_IA32_EFER));
  const mode = EFER.LMA | EFER.LME;
  const efer = state.getU32(layout.efer);
  state.setU32(layout.efer, long ? efer | mode : efer & ~mode);
  if (controls.exit & control.loadHostPat) state.setHalves(PAT, vmcs.low(HOST_IA32_PAT), vmcs.high(HOST_IA32_PAT));
  transfers.loadHost(long ? 1 : 0);
  state.segmentsChanged = true;
  // 64-bit mode knows no limits.
  if (!long) state.deriveAllLimits();
  state.setU32(layout.cpl, 0);
  state.setU32(layout.interruptibility, nmiBlocking);
  state.setU32(layout.activity, 0);
  state.setHalves(layout.pendingDebug, 0, 0);
  state.setHalves(layout.monitor, 0xffff_ffff, 0xffff_ffff);
  const pae = state.getU32(layout.cr0) & CR0.PG && state.getU32(layout.cr4) & CR4.PAE && !long;
  return pae && !loadPdptes(cpu, state.cr3) ? { indicator: aborts.pdptes } : undefined;
};

/** MSRs that the exit stores and loads. */
export const storeExitMsrs = (cpu: Cpu, vmcs: Vmcs): VmxAbort | undefined => {
  const refused = storeMsrs(cpu, vmcs, VM_EXIT_MSR_STORE_ADDR, VM_EXIT_MSR_STORE_COUNT);
  return refused && { indicator: aborts.savingMsrs, refused };
};
export const loadExitMsrs = (cpu: Cpu, vmcs: Vmcs): VmxAbort | undefined => {
  const refused = loadMsrs(cpu, vmcs, VM_EXIT_MSR_LOAD_ADDR, VM_EXIT_MSR_LOAD_COUNT);
  return refused && { indicator: aborts.loadingMsrs, refused };
};
