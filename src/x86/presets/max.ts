/** Every feature that this machine has: the Skylake preset's data and whatever it lacks (UMIP). No such processor exists. */

import type { Preset } from '../cpuid';
import { haswell } from './haswell';
import { skylakeLeaves } from './skylake';

export const max: Preset = {
  name: 'max',
  title: 'every feature of this machine, on the data of skylake',
  source: 'skylake',
  frequency: 3_504_000_000,
  ratio: 35,
  microcode: 0xf0,
  everything: true,
  vmx: haswell.vmx as NonNullable<Preset['vmx']>,
  leaves: [
    ...skylakeLeaves,
    // "Ringside max"
    [0x80000002, 0, 0x676e6952, 0x65646973, 0x78616d20, 0x00000000],
    [0x80000003, 0, 0x00000000, 0x00000000, 0x00000000, 0x00000000],
    [0x80000004, 0, 0x00000000, 0x00000000, 0x00000000, 0x00000000],
  ],
};
