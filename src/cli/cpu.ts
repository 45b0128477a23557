/** `ringside cpu [PRESET|FILE]`: the processor models, and of one what it has and what of the real processor is masked. */

import { nearest } from '../debugger/nearest';
import { describePreset, type PresetDescription } from '../machine/cpu/preset-description';
import { namesFile, processorNamed } from '../program/processor';
import { BadInput } from '../program/program';
import { presetNamed, presets } from '../x86/presets';
import type { Run } from './dispatch';
import { DiskFiles } from './files-node';
import { writeOrComplain } from './result';

export const cpu: Run = async ({ operands, values }) => {
  const [name] = operands;
  const json = values.get('--json');
  const shown = name === undefined ? presets.map((preset) => describePreset(preset.name)) : [await describe(name)];
  if (json !== undefined) {
    const text = `${JSON.stringify(name === undefined ? shown : shown[0], hexadecimal, 2)}\n`;
    if (json === '-') process.stdout.write(text);
    else writeOrComplain(json, text);
    return 0;
  }
  process.stdout.write(name === undefined ? overview(shown) : shown.map(details).join(''));
  return 0;
};

const describe = async (name: string): Promise<PresetDescription> => {
  const near =
    presetNamed(name) || namesFile(name)
      ? undefined
      : nearest(
          name,
          presets.map((preset) => preset.name),
        );
  if (near !== undefined) throw new BadInput(`${name}: no such processor model; did you mean ${near}?`);
  return describePreset(await processorNamed(new DiskFiles(), name));
};

const overview = (all: readonly PresetDescription[]): string =>
  [
    ...all.map(({ name, title }, n) => `${name.padEnd(10)} ${title}${n === 0 ? ' (default)' : ''}`),
    '',
    '`ringside cpu PRESET` shows the features of one, its VMX capability MSRs, and what of the real processor is masked.',
    '',
  ].join('\n');

const details = ({
  name,
  title,
  source,
  physicalBits,
  frequency,
  features,
  masked,
  added,
  vmx,
}: PresetDescription): string =>
  [
    `${name}: ${title}`,
    `  physical addresses  ${physicalBits} bits`,
    `  TSC frequency       ${frequency / 1e6} MHz`,
    `  data from           ${source}`,
    '',
    'Features:',
    ...wrapped(features),
    ...(added.length > 0 ? ['', 'Of these, the real processor lacks:', ...wrapped(added)] : []),
    '',
    masked.length > 0 ? 'Masked, because this machine does not have them:' : 'Nothing is masked.',
    ...masked.map((bit) => `  ${bit.name.padEnd(18)} ${bit.place.padEnd(24)} ${bit.meaning}`),
    '',
    ...(vmx === undefined ? ['No VT-x.', ''] : vmxLines(vmx)),
  ].join('\n');

const vmxLines = ({ source, capabilities, masked }: NonNullable<PresetDescription['vmx']>): string[] => [
  `VMX capability MSRs, from ${source}:`,
  `  ${'MSR'.padEnd(33)} ${'the processor'.padEnd(18)} here`,
  ...capabilities.map(
    ({ name, address, real, shown, assumed }) =>
      `  ${address.toString(16).toUpperCase()}H ${name.padEnd(28)} ${hex(real)} ${shown === real ? 'the same' : hex(shown)}${assumed === undefined ? '' : ' *'}`,
  ),
  ...capabilities.flatMap(({ name, assumed }) => (assumed === undefined ? [] : [`  * ${name}: ${assumed}`])),
  '',
  masked.length > 0 ? 'Of VT-x, masked:' : 'Of VT-x, nothing is masked.',
  ...masked.map(({ name, place, meaning }) => `  ${name.padEnd(34)} ${place.padEnd(50)} ${meaning}`),
  '',
];

const hex = (value: bigint): string => `0x${value.toString(16).padStart(16, '0')}`;
const hexadecimal = (_: string, value: unknown): unknown => (typeof value === 'bigint' ? hex(value) : value);

const wrapped = (words: readonly string[]): string[] => {
  const lines: string[] = [];
  let line = ' ';
  for (const word of words) {
    if (line.length + word.length > 98) {
      lines.push(line);
      line = ' ';
    }
    line += ` ${word}`;
  }
  return [...lines, line];
};
