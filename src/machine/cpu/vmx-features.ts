/**
 * What of VT-x this machine has: the controls and capabilities that have behaviour here. A processor's capability MSRs are
 * masked by it, so that nothing is allowed that does nothing. Adding a control is adding its name here, and its mechanism.
 */

import { CR4, cr4Bits, implemented } from '../../x86/control-registers';
import {
  basicParts,
  type CapabilityMsr,
  type CapabilityValues,
  eptVpidParts,
  miscParts,
} from '../../x86/vmx/capabilities';
import { type ControlWordName, controlWords } from '../../x86/vmx/controls';

const controls: Readonly<Record<ControlWordName, readonly string[]>> = {
  pin: ['external-interrupt-exiting', 'nmi-exiting', 'virtual-nmis', 'activate-vmx-preemption-timer'],
  primary: Object.keys(controlWords.primary.bits).filter((name) => name !== 'activate-tertiary-controls'),
  secondary: [
    'enable-ept',
    'descriptor-table-exiting',
    'enable-rdtscp',
    'enable-vpid',
    'wbinvd-exiting',
    'unrestricted-guest',
    'pause-loop-exiting',
    'rdrand-exiting',
    'enable-invpcid',
    'enable-vm-functions',
    'rdseed-exiting',
  ],
  tertiary: [],
  exit: [
    'save-debug-controls',
    'host-address-space-size',
    'acknowledge-interrupt-on-exit',
    'save-ia32-pat',
    'load-ia32-pat',
    'save-ia32-efer',
    'load-ia32-efer',
    'save-vmx-preemption-timer-value',
  ],
  secondaryExit: [],
  entry: ['load-debug-controls', 'ia-32e-mode-guest', 'load-ia32-pat', 'load-ia32-efer'],
};

type Parts = Readonly<Record<string, { readonly bit: number; readonly width?: number }>>;
const maskOf = (parts: Parts, without: readonly string[]): bigint =>
  Object.entries(parts)
    .filter(([name]) => !without.includes(name))
    .reduce((mask, [, { bit, width = 1 }]) => mask | (((1n << BigInt(width)) - 1n) << BigInt(bit)), 0n);

const basicMask = maskOf(basicParts, ['DUAL_MONITOR', 'NESTED_EXCEPTION']);
const miscMask = maskOf(miscParts, ['PT', 'SMBASE', 'SMM_MONITOR_CTL', 'MSEG_REVISION']);
const eptVpidMask = maskOf(eptVpidParts, ['WALK_5', 'ADVANCED', 'SHADOW_STACK']);

/** Bits of a control word that this machine has. */
const supportedControls = (word: ControlWordName): bigint =>
  controls[word].reduce((mask, name) => mask | (1n << BigInt(controlWords[word].bits[name]?.bit ?? 64)), 0n);

const LOW = 0xffff_ffffn;

/** What must be 1 may be 1; of the rest only what the machine has. */
const maskControls = (value: bigint, word: ControlWordName): bigint => {
  const required = value & LOW;
  const allowed = value >> 32n;
  return ((allowed & (supportedControls(word) | required)) << 32n) | required;
};

/** A processor's capability MSRs as this machine shows them, for a model with these features. */
export const maskCapabilities = (real: CapabilityValues, features: ReadonlySet<string>): CapabilityValues => {
  const cr4 = BigInt(implemented(cr4Bits, (feature) => features.has(feature)));
  const shown: Partial<Record<CapabilityMsr, bigint>> = {};
  const put = (name: CapabilityMsr, mask: (value: bigint) => bigint): void => {
    const value = real[name];
    if (value !== undefined) shown[name] = mask(value);
  };
  put('IA32_VMX_BASIC', (value) => value & basicMask);
  put('IA32_VMX_MISC', (value) => value & miscMask);
  put('IA32_VMX_EPT_VPID_CAP', (value) => value & eptVpidMask);
  put('IA32_VMX_CR0_FIXED0', (value) => value);
  put('IA32_VMX_CR0_FIXED1', (value) => value);
  put('IA32_VMX_CR4_FIXED0', (value) => value);
  put('IA32_VMX_CR4_FIXED1', (value) => value & (cr4 | BigInt(CR4.VMXE)));
  put('IA32_VMX_VMCS_ENUM', (value) => value);
  put('IA32_VMX_VMFUNC', () => 0n);
  for (const word of ['pin', 'primary', 'secondary', 'exit', 'entry'] as const) {
    const { capability, trueCapability } = controlWords[word];
    put(capability as CapabilityMsr, (value) => maskControls(value, word));
    if (trueCapability !== undefined) put(trueCapability as CapabilityMsr, (value) => maskControls(value, word));
  }
  return shown;
};
