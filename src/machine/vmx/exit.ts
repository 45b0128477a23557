/** VM exits: information fields, saving the guest, loading the host. Intel SDM vol. 3, "VM Exits". */

import { CR0, CR4, dr7Fixed, EFER } from '../../x86/control-registers';
import { access } from '../../x86/descriptors';
import { state as layout } from '../core/layout';
import { CS, DS, ES, FS, GS, LDTR, SS, TR } from '../core/state';
import { loadPdptes } from '../cpu/control-registers';
import type { Cpu } from '../cpu/cpu';
import { msrOffset } from '../cpu/msrs';
import type { Exit, VmxAbort } from '../cpu/virtualization';
import { type ControlBits, control } from './control-bits';
import { copiesOf, guestCopies, loadCopies, pdpteCopies, saveCopies } from './guest-area';
import { loadMsrs, storeMsrs } from './msr-lists';
import { fieldIndex, type Vmcs } from './vmcs';

const ENTRY_FAILURE = 0x8000_0000;
const ENTRY_INFO_VALID = 0x8000_0000;
/** Bits of CR0 that exits and entries leave alone, of its low half: ET, NW, CD, and those that are reserved. The high half stays. */
export const CR0_KEPT = 0x7ffa_ffd0;

/** VMX-abort indicators. Intel SDM vol. 3, "VMX Aborts". */
export const aborts = { savingMsrs: 1, pdptes: 2, corrupted: 3, loadingMsrs: 4, machineCheck: 5, hostMode: 6 } as const;

/** Hears the number of a field that the exit gave another value. */
export type Changed = (field: number) => void;

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
  GUEST_CR0,
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
  vmcs.put(VM_EXIT_REASON, exit.entryFailure ? exit.reason | ENTRY_FAILURE : exit.reason, 0);
  putWide(vmcs, EXIT_QUALIFICATION, exit.qualification);
  if (exit.entryFailure) return;
  putWide(vmcs, GUEST_LINEAR_ADDRESS, exit.guestLinear);
  putWide(vmcs, GUEST_PHYSICAL_ADDRESS, exit.guestPhysical);
  vmcs.put(VM_EXIT_INTR_INFO, exit.interruption ?? 0, 0);
  vmcs.put(VM_EXIT_INTR_ERROR_CODE, exit.errorCode ?? 0, 0);
  vmcs.put(IDT_VECTORING_INFO_FIELD, exit.vectoring ?? 0, 0);
  vmcs.put(IDT_VECTORING_ERROR_CODE, exit.vectoringCode ?? 0, 0);
  vmcs.put(VM_EXIT_INSTRUCTION_LEN, exit.instructionLength ?? 0, 0);
  vmcs.put(VMX_INSTRUCTION_INFO, exit.instructionInfo ?? 0, 0);
};
const putWide = (vmcs: Vmcs, field: number, value: bigint | undefined): void => {
  if (value === undefined) vmcs.put(field, 0, 0);
  else vmcs.put(field, Number(value & 0xffff_ffffn), Number((value >> 32n) & 0xffff_ffffn));
};

const PAT = msrOffset('IA32_PAT');
const DEBUGCTL = msrOffset('IA32_DEBUGCTL');

/** Saves the guest's state into the guest-state area. Intel SDM vol. 3, "Saving Guest State". */
export const saveGuest = (cpu: Cpu, vmcs: Vmcs, controls: ControlBits, changed: Changed): void => {
  const { state } = cpu;
  const put = (field: number, low: number, high: number): void => {
    if (vmcs.low(field) === low && vmcs.high(field) === high) return;
    vmcs.put(field, low, high);
    changed(field);
  };
  const save = (field: number, at: number): void => put(field, state.getU32(at), state.getU32(at + 4));
  saveCopies(guestCopies, vmcs, state, changed);
  save(GUEST_CR0, layout.cr0);
  put(GUEST_RFLAGS, state.rflags >>> 0, 0);
  if (controls.exit & control.saveDebug) {
    save(GUEST_DR7, layout.dr + 7 * 8);
    save(GUEST_IA32_DEBUGCTL, DEBUGCTL);
  }
  if (controls.exit & control.savePat) save(GUEST_IA32_PAT, PAT);
  if (controls.exit & control.saveEfer) save(GUEST_IA32_EFER, layout.efer);
  if (controls.secondary & control.enableEpt && state.getU32(layout.cr4) & CR4.PAE)
    saveCopies(pdpteCopies, vmcs, state, changed);
  // IA32_VMX_MISC bit 5: EFER.LMA goes into "IA-32e mode guest".
  const entry = vmcs.low(VM_ENTRY_CONTROLS);
  const long = state.getU32(layout.efer) & EFER.LMA ? entry | control.guest64 : entry & ~control.guest64;
  put(VM_ENTRY_CONTROLS, long >>> 0, 0);
  put(VM_ENTRY_INTR_INFO_FIELD, (vmcs.low(VM_ENTRY_INTR_INFO_FIELD) & ~ENTRY_INFO_VALID) >>> 0, 0);
};

/** Accessed and present; code execute/read 11, data read/write 3, busy TSS 11. */
const CODE = 0x809b;
const DATA = 0xc093;
const BUSY_TSS = 0x8b;

/** What is loaded as it is. FS, GS and TR have bases of their own. */
const hostCopies = copiesOf([
  ['HOST_CR3', layout.cr3, 2],
  ['HOST_RSP', layout.gpr + 4 * 8, 2],
  ['HOST_RIP', layout.rip, 2],
  ['HOST_IA32_SYSENTER_CS', msrOffset('IA32_SYSENTER_CS'), 2],
  ['HOST_IA32_SYSENTER_ESP', msrOffset('IA32_SYSENTER_ESP'), 2],
  ['HOST_IA32_SYSENTER_EIP', msrOffset('IA32_SYSENTER_EIP'), 2],
  ['HOST_GDTR_BASE', layout.gdtrBase, 2],
  ['HOST_IDTR_BASE', layout.idtrBase, 2],
  ['HOST_FS_BASE', layout.segmentBase + FS * 8, 2],
  ['HOST_GS_BASE', layout.segmentBase + GS * 8, 2],
  ['HOST_TR_BASE', layout.segmentBase + TR * 8, 2],
  ['HOST_CS_SELECTOR', layout.segmentSelector + CS * 4, 1],
  ['HOST_SS_SELECTOR', layout.segmentSelector + SS * 4, 1],
  ['HOST_DS_SELECTOR', layout.segmentSelector + DS * 4, 1],
  ['HOST_ES_SELECTOR', layout.segmentSelector + ES * 4, 1],
  ['HOST_FS_SELECTOR', layout.segmentSelector + FS * 4, 1],
  ['HOST_GS_SELECTOR', layout.segmentSelector + GS * 4, 1],
  ['HOST_TR_SELECTOR', layout.segmentSelector + TR * 4, 1],
]);
const dataSegments = [ES, SS, DS, FS, GS] as const;

/** The hidden parts that exits load whatever the fields say; where the selector is 0 the segment is unusable. */
const loadHidden = ({ state }: Cpu, long: boolean): void => {
  const hidden = (index: number, limit: number, rights: number): void => {
    state.setU32(layout.segmentLimit + index * 4, limit);
    state.setU32(layout.segmentAccess + index * 4, rights);
  };
  hidden(CS, 0xffff_ffff, CODE | (long ? access.long : access.big));
  for (const index of dataSegments) {
    const selector = state.getU32(layout.segmentSelector + index * 4);
    hidden(index, 0xffff_ffff, selector === 0 ? DATA | access.unusable : DATA);
  }
  hidden(TR, 0x67, BUSY_TSS);
  hidden(LDTR, 0, access.unusable);
  state.setU32(layout.segmentSelector + LDTR * 4, 0);
  for (const index of [ES, CS, SS, DS, LDTR]) state.setHalves(layout.segmentBase + index * 8, 0, 0);
  state.setU32(layout.gdtrLimit, 0xffff);
  state.setU32(layout.idtrLimit, 0xffff);
  state.segmentsChanged = true;
  // 64-bit mode knows no limits.
  if (!long) state.deriveAllLimits();
};

/** Loads the processor's state from the host-state area. Intel SDM vol. 3, "Loading Host State". */
export const loadHost = (cpu: Cpu, vmcs: Vmcs, controls: ControlBits, nmiBlocking: number): VmxAbort | undefined => {
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
  loadCopies(hostCopies, vmcs, state);
  loadHidden(cpu, long);
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
