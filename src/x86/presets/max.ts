/**
 * Every feature that this machine has: the Skylake preset's data and whatever it lacks (UMIP, which VMX operation allows
 * too). No such processor exists.
 */

import type { Preset } from '../cpuid';
import { skylakeLeaves, skylakeVmx } from './skylake';

export const max: Preset = {
  name: 'max',
  title: 'every feature of this machine, on the data of skylake',
  source: 'skylake',
  frequency: 3_504_000_000,
  ratio: 35,
  microcode: 0xf0,
  everything: true,
  vmxSource: 'skylake',
  assumed: { IA32_VMX_CR4_FIXED1: 'skylake, and CR4.UMIP (bit 11)' },
  vmx: { ...skylakeVmx, IA32_VMX_CR4_FIXED1: skylakeVmx.IA32_VMX_CR4_FIXED1 | (1n << 11n) },
  leaves: [
    ...skylakeLeaves,
    // "Ringside max"
    [0x80000002, 0, 0x676e6952, 0x65646973, 0x78616d20, 0x00000000],
    [0x80000003, 0, 0x00000000, 0x00000000, 0x00000000, 0x00000000],
    [0x80000004, 0, 0x00000000, 0x00000000, 0x00000000, 0x00000000],
  ],
};
