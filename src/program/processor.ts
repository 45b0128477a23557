/** A processor by the name of a preset or as a file: its own data, without what the machine masks. */

import type { Preset } from '../x86/cpuid';
import { presetNamed, presets } from '../x86/presets';
import { readCpuFile } from './cpu-file';
import { BadInput, type Files } from './program';

/** A name with a dot or a slash is a file's; those of presets have none. */
export const namesFile = (name: string): boolean => /[./\\]/.test(name);

/** @throws BadInput */
export const processorNamed = async (files: Files, name: string): Promise<Preset> => {
  const preset = presetNamed(name);
  if (preset !== undefined) return preset;
  if (namesFile(name)) return readCpuFile(new TextDecoder().decode(await files.read(name)), name);
  throw new BadInput(
    `${name}: no such processor model; one of ${presets.map((one) => one.name).join(', ')}, or a file such as ./cpu.txt, is wanted`,
  );
};
