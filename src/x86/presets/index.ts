/** The processor models by name; the first is the default. */

import type { Preset } from '../cpuid';
import { core2 } from './core2';
import { haswell } from './haswell';
import { max } from './max';
import { skylake } from './skylake';

export const presets: readonly Preset[] = [haswell, max, skylake, core2];

export const presetNamed = (name: string): Preset | undefined => presets.find((preset) => preset.name === name);
