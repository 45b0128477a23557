/**
 * The guest of the current VMCS while its hypervisor runs: its registers as the VMCS holds them, and its address space, for
 * people. Made for one look; general registers are those that the processor has now, as after an exit.
 */

import { CR0, EFER } from '../../x86/control-registers';
import { access } from '../../x86/descriptors';
import { state as layout } from '../core/layout';
import type { CoreMemory } from '../core/memory';
import { CpuState, SS } from '../core/state';
import { guestArea, pdpteArea } from '../core/vmcs-areas';
import type { Cpu } from '../cpu/cpu';
import type { AddressView } from '../cpu/look';
import { pagingMode } from '../cpu/page-walk';
import { control, controlBitsOf } from './control-bits';
import type { Vmcs } from './vmcs';

/** A state of its own, with a copy of the processor's. */
const copyOf = ({ state }: Cpu): CpuState => {
  const { buffer } = state.memory.u8.slice(state.base, state.base + Math.ceil(layout.end / 8) * 8);
  const views = {
    u8: new Uint8Array(buffer),
    u16: new Uint16Array(buffer),
    u32: new Uint32Array(buffer),
    i32: new Int32Array(buffer),
    u64: new BigUint64Array(buffer),
    f64: new Float64Array(buffer),
  };
  return new CpuState(views as unknown as CoreMemory, state.index, 0);
};

/** PAE paging without EPT: the entries are loaded from memory at entry. */
const loadPdptes = (cpu: Cpu, state: CpuState): void => {
  const table = Number(state.cr3 & 0xffff_ffe0n);
  for (let n = 0; n < 4; n++)
    state.setU64(layout.pdpte + n * 8, cpu.physical.peek(cpu.physical.gate(table + n * 8), 8));
};

export const guestSideOf = (cpu: Cpu, vmcs: Vmcs): AddressView => {
  const state = copyOf(cpu);
  const controls = controlBitsOf(vmcs);
  const eptPointer = controls.secondary & control.enableEpt ? vmcs.get('EPT_POINTER') : undefined;
  for (const { field, at, bytes } of eptPointer === undefined ? guestArea : [...guestArea, ...pdpteArea]) {
    state.setU32(at, vmcs.low(field));
    if (bytes === 8) state.setU32(at + 4, vmcs.high(field));
  }
  state.cr0 = vmcs.get('GUEST_CR0');
  state.rflags = vmcs.get32('GUEST_RFLAGS');
  state.cpl = (state.segmentAccess(SS) >>> access.dplShift) & 3;
  const long = (controls.entry & control.guest64) !== 0;
  const ownEfer = ((controls.entry & control.loadGuestEfer) | (controls.exit & control.saveEfer)) !== 0;
  const efer = ownEfer ? vmcs.get('GUEST_IA32_EFER') : state.efer & ~BigInt(EFER.LME | EFER.LMA);
  state.efer = long ? efer | BigInt(EFER.LME | EFER.LMA) : efer & ~BigInt(EFER.LMA);
  if (eptPointer === undefined && state.getU32(layout.cr0) & CR0.PG && pagingMode(state) === 'pae')
    loadPdptes(cpu, state);
  const vpid = controls.secondary & control.enableVpid ? vmcs.get32('VIRTUAL_PROCESSOR_ID') : 0;
  return { state, eptPointer, vpid };
};
