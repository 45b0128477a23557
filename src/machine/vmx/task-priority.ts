/** CR8 of a guest that has a TPR shadow: the byte at offset 80H of its virtual-APIC page. Intel SDM vol. 3, "Virtualizing CR8-Based TPR Accesses". */

import { state as layout } from '../core/layout';
import { control } from './control-bits';
import type { Vmx } from './vmx';

const VTPR = 0x80;

const place = (vmx: Vmx): number =>
  vmx.cpu.physical.gate(Number(vmx.current?.get('VIRTUAL_APIC_PAGE_ADDR') ?? 0n) + VTPR);

const hasShadow = (vmx: Vmx): boolean => vmx.nonRoot && (vmx.controls.primary & control.tprShadow) !== 0;

/** Undefined where the guest has no shadow: CR8 is the processor's. */
export const readTaskPriority = (vmx: Vmx): number | undefined =>
  hasShadow(vmx) ? (Number(vmx.cpu.physical.read(place(vmx), 4)) >>> 4) & 15 : undefined;

/** False where the guest has no shadow. Below the threshold an exit follows the instruction. */
export const writeTaskPriority = (vmx: Vmx, value: number): boolean => {
  if (!hasShadow(vmx)) return false;
  vmx.cpu.physical.write(place(vmx), 4, BigInt(value << 4));
  checkThreshold(vmx);
  return true;
};

/** After a write, and after an entry that leaves the priority below the threshold. */
export const checkThreshold = (vmx: Vmx): void => {
  const { state } = vmx.cpu;
  const threshold = (vmx.current?.get32('TPR_THRESHOLD') ?? 0) & 15;
  if ((readTaskPriority(vmx) ?? 15) >= threshold) return;
  state.setU32(layout.tprExitPending, 1);
  state.setU32(layout.leave, 1);
};
