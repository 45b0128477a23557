/** Control bits as masks, and the control words of the current VMCS, read once at entry. */

import { controlOf } from '../../x86/vmx/controls';
import { fieldIndex } from '../../x86/vmx/fields';
import type { Vmcs } from './vmcs';

/** Bit of a control as a 32-bit mask. */
const mask = (id: string): number => {
  const row = controlOf(id);
  if (row === undefined) throw new RangeError(`there is no control ${id}`);
  return (2 ** row.bit) | 0;
};

export const control = {
  interruptExiting: mask('pin.external-interrupt-exiting'),
  nmiExiting: mask('pin.nmi-exiting'),
  virtualNmis: mask('pin.virtual-nmis'),
  preemptionTimer: mask('pin.activate-vmx-preemption-timer'),

  interruptWindow: mask('primary.interrupt-window-exiting'),
  tscOffset: mask('primary.use-tsc-offsetting'),
  hlt: mask('primary.hlt-exiting'),
  invlpg: mask('primary.invlpg-exiting'),
  mwait: mask('primary.mwait-exiting'),
  rdpmc: mask('primary.rdpmc-exiting'),
  rdtsc: mask('primary.rdtsc-exiting'),
  cr3Load: mask('primary.cr3-load-exiting'),
  cr3Store: mask('primary.cr3-store-exiting'),
  cr8Load: mask('primary.cr8-load-exiting'),
  cr8Store: mask('primary.cr8-store-exiting'),
  tprShadow: mask('primary.use-tpr-shadow'),
  nmiWindow: mask('primary.nmi-window-exiting'),
  movDr: mask('primary.mov-dr-exiting'),
  unconditionalIo: mask('primary.unconditional-io-exiting'),
  ioBitmaps: mask('primary.use-io-bitmaps'),
  trapFlag: mask('primary.monitor-trap-flag'),
  msrBitmaps: mask('primary.use-msr-bitmaps'),
  monitor: mask('primary.monitor-exiting'),
  pause: mask('primary.pause-exiting'),
  activateSecondary: mask('primary.activate-secondary-controls'),

  enableEpt: mask('secondary.enable-ept'),
  descriptorTable: mask('secondary.descriptor-table-exiting'),
  enableRdtscp: mask('secondary.enable-rdtscp'),
  enableVpid: mask('secondary.enable-vpid'),
  wbinvd: mask('secondary.wbinvd-exiting'),
  unrestricted: mask('secondary.unrestricted-guest'),
  pauseLoop: mask('secondary.pause-loop-exiting'),
  rdrand: mask('secondary.rdrand-exiting'),
  enableInvpcid: mask('secondary.enable-invpcid'),
  enableVmfunc: mask('secondary.enable-vm-functions'),
  rdseed: mask('secondary.rdseed-exiting'),

  saveDebug: mask('exit.save-debug-controls'),
  host64: mask('exit.host-address-space-size'),
  acknowledge: mask('exit.acknowledge-interrupt-on-exit'),
  savePat: mask('exit.save-ia32-pat'),
  loadHostPat: mask('exit.load-ia32-pat'),
  saveEfer: mask('exit.save-ia32-efer'),
  loadEfer: mask('exit.load-ia32-efer'),
  saveTimer: mask('exit.save-vmx-preemption-timer-value'),

  loadDebug: mask('entry.load-debug-controls'),
  guest64: mask('entry.ia-32e-mode-guest'),
  loadGuestPat: mask('entry.load-ia32-pat'),
  loadGuestEfer: mask('entry.load-ia32-efer'),
} as const;

/** The words as they count: the secondary ones are 0 where they are not activated. */
export interface ControlBits {
  readonly pin: number;
  readonly primary: number;
  readonly secondary: number;
  readonly exit: number;
  readonly entry: number;
}

const {
  PIN_BASED_VM_EXEC_CONTROL: PIN,
  CPU_BASED_VM_EXEC_CONTROL: PRIMARY,
  SECONDARY_VM_EXEC_CONTROL: SECONDARY,
  VM_EXIT_CONTROLS: EXIT,
  VM_ENTRY_CONTROLS: ENTRY,
} = fieldIndex;

export const controlBitsOf = (vmcs: Vmcs): ControlBits => {
  const primary = vmcs.low(PRIMARY) | 0;
  return {
    pin: vmcs.low(PIN) | 0,
    primary,
    secondary: primary & control.activateSecondary ? vmcs.low(SECONDARY) | 0 : 0,
    exit: vmcs.low(EXIT) | 0,
    entry: vmcs.low(ENTRY) | 0,
  };
};
