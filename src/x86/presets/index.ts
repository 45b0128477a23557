/** The processor models by name; the first is the default. */

import type { Preset } from '../cpuid';
import { core2 } from './core2';
import { haswell } from './haswell';
import { icelakeSp } from './icelake-sp';
import { kvmNested } from './kvm-nested';
import { max } from './max';
import { nehalem } from './nehalem';
import { skylake } from './skylake';
import { skylakeSp } from './skylake-sp';

export const presets: readonly Preset[] = [haswell, max, nehalem, skylake, skylakeSp, icelakeSp, kvmNested, core2];

export const presetNamed = (name: string): Preset | undefined => presets.find((preset) => preset.name === name);
