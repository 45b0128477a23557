/** VM exits: information fields, saving the guest, loading the host. Intel SDM vol. 3, "VM Exits". */

import { CR0, CR4, dr7Fixed, EFER } from '../../x86/control-registers';
import { access } from '../../x86/descriptors';
import type { FieldName } from '../../x86/vmx/fields';
import { state as layout } from '../core/layout';
import { CS, DS, ES, FS, GS, LDTR, type SegmentIndex, SS, TR } from '../core/state';
import { loadPdptes } from '../cpu/control-registers';
import type { Cpu } from '../cpu/cpu';
import { msrOffset } from '../cpu/msrs';
import type { Exit, VmxAbort } from '../cpu/virtualization';
import { type ControlBits, control } from './control-bits';
import { guestCopies, pdpteCopies, saveCopies } from './guest-area';
import { loadMsrs, storeMsrs } from './msr-lists';
import type { Vmcs } from './vmcs';

const ENTRY_FAILURE = 0x8000_0000;
const ENTRY_INFO_VALID = 0x8000_0000;
/** Bits of CR0 that exits and entries leave alone: ET, NW, CD, and those that are reserved. */
export const CR0_KEPT = 0x1ffa_ffd0n | 0x6000_0000n | 0x10n | 0xffff_ffff_0000_0000n;
const UNARMED = 0xffff_ffff_ffff_ffffn;

/** VMX-abort indicators. Intel SDM vol. 3, "VMX Aborts". */
export const aborts = { savingMsrs: 1, pdptes: 2, corrupted: 3, loadingMsrs: 4, machineCheck: 5, hostMode: 6 } as const;

/** Marks a field as written by the exit, where its value changed. */
export type Changed = (field: FieldName) => void;

const flat = { base: 0n, limit: 0xffff_ffff };
const UNUSABLE = { selector: 0, base: 0n, limit: 0, access: access.unusable };

/** Writes the exit-information fields. */
export const writeInformation = (vmcs: Vmcs, exit: Exit): void => {
  const put = (name: FieldName, value: number): void => vmcs.set32(name, value >>> 0);
  put('VM_EXIT_REASON', exit.entryFailure ? exit.reason | ENTRY_FAILURE : exit.reason);
  vmcs.set('EXIT_QUALIFICATION', exit.qualification ?? 0n);
  if (exit.entryFailure) return;
  vmcs.set('GUEST_LINEAR_ADDRESS', exit.guestLinear ?? 0n);
  vmcs.set('GUEST_PHYSICAL_ADDRESS', exit.guestPhysical ?? 0n);
  put('VM_EXIT_INTR_INFO', exit.interruption ?? 0);
  put('VM_EXIT_INTR_ERROR_CODE', exit.errorCode ?? 0);
  put('IDT_VECTORING_INFO_FIELD', exit.vectoring ?? 0);
  put('IDT_VECTORING_ERROR_CODE', exit.vectoringCode ?? 0);
  put('VM_EXIT_INSTRUCTION_LEN', exit.instructionLength ?? 0);
  put('VMX_INSTRUCTION_INFO', exit.instructionInfo ?? 0);
};

/** Saves the guest's state into the guest-state area. Intel SDM vol. 3, "Saving Guest State". */
export const saveGuest = (cpu: Cpu, vmcs: Vmcs, controls: ControlBits, changed: Changed): void => {
  const { state } = cpu;
  const put = (name: FieldName, value: bigint): void => {
    if (vmcs.get(name) === value) return;
    vmcs.set(name, value);
    changed(name);
  };
  saveCopies(guestCopies, vmcs, state, changed);
  put('GUEST_CR0', state.cr0);
  put('GUEST_RFLAGS', BigInt(state.rflags));
  if (controls.exit & control.saveDebug) {
    put('GUEST_DR7', state.dr(7));
    put('GUEST_IA32_DEBUGCTL', state.getU64(msrOffset('IA32_DEBUGCTL')));
  }
  if (controls.exit & control.savePat) put('GUEST_IA32_PAT', state.getU64(msrOffset('IA32_PAT')));
  if (controls.exit & control.saveEfer) put('GUEST_IA32_EFER', state.efer);
  if (controls.secondary & control.enableEpt && state.getU32(layout.cr4) & CR4.PAE)
    saveCopies(pdpteCopies, vmcs, state, changed);
  // IA32_VMX_MISC bit 5: EFER.LMA goes into "IA-32e mode guest".
  const entry = vmcs.get32('VM_ENTRY_CONTROLS');
  const long = state.getU32(layout.efer) & EFER.LMA ? entry | control.guest64 : entry & ~control.guest64;
  put('VM_ENTRY_CONTROLS', BigInt(long >>> 0));
  const injected = vmcs.get32('VM_ENTRY_INTR_INFO_FIELD') & ~ENTRY_INFO_VALID;
  put('VM_ENTRY_INTR_INFO_FIELD', BigInt(injected >>> 0));
};

const setSegment = (
  cpu: Cpu,
  index: SegmentIndex,
  selector: number,
  base: bigint,
  limit: number,
  rights: number,
): void => cpu.state.setSegment(index, { selector, base, limit, access: rights });

/** Accessed and present; code execute/read 11, data read/write 3, busy TSS 11. */
const CODE = 0x809b;
const DATA = 0xc093;
const BUSY_TSS = 0x8b;

/** Loads the processor's state from the host-state area. Intel SDM vol. 3, "Loading Host State". */
export const loadHost = (cpu: Cpu, vmcs: Vmcs, controls: ControlBits, nmiBlocking: number): VmxAbort | undefined => {
  const { state } = cpu;
  const long = (controls.exit & control.host64) !== 0;
  // Before the segments: in virtual-8086 mode their limits mean something else.
  state.rflags = 2;
  state.cr0 = (state.cr0 & CR0_KEPT) | (vmcs.get('HOST_CR0') & ~CR0_KEPT);
  state.cr3 = vmcs.get('HOST_CR3');
  state.cr4 = long ? vmcs.get('HOST_CR4') | BigInt(CR4.PAE) : vmcs.get('HOST_CR4') & ~BigInt(CR4.PCIDE);
  state.setDr(7, BigInt(dr7Fixed.ones));
  state.setU64(msrOffset('IA32_DEBUGCTL'), 0n);
  state.setU64(msrOffset('IA32_SYSENTER_CS'), vmcs.get('HOST_IA32_SYSENTER_CS'));
  state.setU64(msrOffset('IA32_SYSENTER_ESP'), vmcs.get('HOST_IA32_SYSENTER_ESP'));
  state.setU64(msrOffset('IA32_SYSENTER_EIP'), vmcs.get('HOST_IA32_SYSENTER_EIP'));
  const mode = BigInt(EFER.LMA | EFER.LME);
  if (controls.exit & control.loadEfer) state.efer = vmcs.get('HOST_IA32_EFER');
  state.efer = long ? state.efer | mode : state.efer & ~mode;
  if (controls.exit & control.loadHostPat) state.setU64(msrOffset('IA32_PAT'), vmcs.get('HOST_IA32_PAT'));

  const codeBits = long ? access.long : access.big;
  setSegment(cpu, CS, vmcs.get32('HOST_CS_SELECTOR'), 0n, 0xffff_ffff, CODE | codeBits);
  const data = (index: SegmentIndex, name: FieldName, base = 0n): void => {
    const selector = vmcs.get32(name);
    const unusable = selector === 0 ? access.unusable : 0;
    setSegment(cpu, index, selector, base, flat.limit, DATA | unusable);
  };
  data(SS, 'HOST_SS_SELECTOR');
  data(DS, 'HOST_DS_SELECTOR');
  data(ES, 'HOST_ES_SELECTOR');
  data(FS, 'HOST_FS_SELECTOR', vmcs.get('HOST_FS_BASE'));
  data(GS, 'HOST_GS_SELECTOR', vmcs.get('HOST_GS_BASE'));
  setSegment(cpu, TR, vmcs.get32('HOST_TR_SELECTOR'), vmcs.get('HOST_TR_BASE'), 0x67, BUSY_TSS);
  state.setSegment(LDTR, UNUSABLE);
  state.gdtr = { base: vmcs.get('HOST_GDTR_BASE'), limit: 0xffff };
  state.idtr = { base: vmcs.get('HOST_IDTR_BASE'), limit: 0xffff };

  state.rip = vmcs.get('HOST_RIP');
  state.rsp = vmcs.get('HOST_RSP');
  state.cpl = 0;
  state.setU32(layout.interruptibility, nmiBlocking);
  state.setU32(layout.activity, 0);
  state.setU64(layout.pendingDebug, 0n);
  state.setU64(layout.monitor, UNARMED);
  const pae = state.getU32(layout.cr0) & CR0.PG && state.getU32(layout.cr4) & CR4.PAE && !long;
  return pae && !loadPdptes(cpu, state.cr3) ? { indicator: aborts.pdptes } : undefined;
};

/** MSRs that the exit stores and loads. */
export const storeExitMsrs = (cpu: Cpu, vmcs: Vmcs): VmxAbort | undefined => {
  const refused = storeMsrs(cpu, vmcs.get('VM_EXIT_MSR_STORE_ADDR'), vmcs.get32('VM_EXIT_MSR_STORE_COUNT'));
  return refused && { indicator: aborts.savingMsrs, refused };
};
export const loadExitMsrs = (cpu: Cpu, vmcs: Vmcs): VmxAbort | undefined => {
  const refused = loadMsrs(cpu, vmcs.get('VM_EXIT_MSR_LOAD_ADDR'), vmcs.get32('VM_EXIT_MSR_LOAD_COUNT'));
  return refused && { indicator: aborts.loadingMsrs, refused };
};
