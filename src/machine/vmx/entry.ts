/**
 * VM entries: checks, loading the guest, MSRs, and the event that is injected. Intel SDM vol. 3, "VM Entries". The order is the
 * manual's: VMfail for controls and host state, a failed entry (which loads the host's state) for guest state and MSRs.
 */

import { CR0, CR4, dr7Fixed, EFER } from '../../x86/control-registers';
import { access } from '../../x86/descriptors';
import { fieldIndex } from '../../x86/vmx/fields';
import type { MsrRefusal } from '../core/exit';
import { state as layout } from '../core/layout';
import { CS, SS } from '../core/state';
import type { VmcsTransfers } from '../core/vmcs-transfers';
import type { Cpu } from '../cpu/cpu';
import { msrOffset } from '../cpu/msrs';
import { type ControlBits, control } from './control-bits';
import { CR0_KEPT } from './exit';
import { loadMsrs } from './msr-lists';
import type { Vmcs } from './vmcs';

/** Bits of DR7 that entries clear: 12, 14 and 15. */
const DR7_WRITABLE = 0xffff_2fff;
const PAT = msrOffset('IA32_PAT');
const DEBUGCTL = msrOffset('IA32_DEBUGCTL');
const {
  GUEST_CR0,
  GUEST_RFLAGS,
  GUEST_DR7,
  GUEST_IA32_DEBUGCTL,
  GUEST_IA32_EFER,
  GUEST_IA32_PAT,
  VM_ENTRY_MSR_LOAD_ADDR,
  VM_ENTRY_MSR_LOAD_COUNT,
} = fieldIndex;

/** Loads the guest-state area into the processor. Intel SDM vol. 3, "Loading Guest State". */
export const loadGuest = (cpu: Cpu, vmcs: Vmcs, controls: ControlBits, transfers: VmcsTransfers): void => {
  const { state } = cpu;
  const long = (controls.entry & control.guest64) !== 0;
  state.setU32(layout.cr0, (state.getU32(layout.cr0) & CR0_KEPT) | (vmcs.low(GUEST_CR0) & ~CR0_KEPT));
  transfers.loadGuest();
  state.rflags = vmcs.low(GUEST_RFLAGS);
  if (controls.entry & control.loadDebug) {
    state.setHalves(layout.dr + 7 * 8, (vmcs.low(GUEST_DR7) & DR7_WRITABLE) | dr7Fixed.ones, 0);
    state.setHalves(DEBUGCTL, vmcs.low(GUEST_IA32_DEBUGCTL), vmcs.high(GUEST_IA32_DEBUGCTL));
  }
  if (controls.entry & control.loadGuestEfer)
    state.setHalves(layout.efer, vmcs.low(GUEST_IA32_EFER), vmcs.high(GUEST_IA32_EFER));
  else {
    const own = EFER.LMA | (state.getU32(layout.cr0) & CR0.PG ? EFER.LME : 0);
    const efer = state.getU32(layout.efer);
    state.setU32(layout.efer, long ? efer | own : efer & ~own);
  }
  if (controls.entry & control.loadGuestPat) state.setHalves(PAT, vmcs.low(GUEST_IA32_PAT), vmcs.high(GUEST_IA32_PAT));
  // The CPL is SS.DPL; nobody can change one without the other.
  state.cpl = (state.segmentAccess(SS) >>> access.dplShift) & 3;
  // 64-bit mode knows no limits; leaving it makes them.
  if (!(long && state.segmentAccess(CS) & access.long)) state.deriveAllLimits();
  loadGuestPdptes(cpu, controls, long, transfers);
  state.setHalves(layout.monitor, 0xffff_ffff, 0xffff_ffff);
};

/** PAE paging keeps four entries in the processor: from the fields under EPT, else from memory. */
const loadGuestPdptes = (cpu: Cpu, controls: ControlBits, long: boolean, transfers: VmcsTransfers): void => {
  const { state } = cpu;
  if (long || !(state.getU32(layout.cr0) & CR0.PG) || !(state.getU32(layout.cr4) & CR4.PAE)) return;
  if (controls.secondary & control.enableEpt) {
    transfers.loadPdptes();
    return;
  }
  const table = Number(state.cr3 & 0xffff_ffe0n);
  for (let n = 0; n < 4; n++)
    state.setU64(layout.pdpte + n * 8, cpu.physical.read(cpu.physical.gate(table + n * 8), 8));
};

export const loadEntryMsrs = (cpu: Cpu, vmcs: Vmcs): MsrRefusal | undefined =>
  loadMsrs(cpu, vmcs, VM_ENTRY_MSR_LOAD_ADDR, VM_ENTRY_MSR_LOAD_COUNT);
