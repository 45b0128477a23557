/** `ringside cpu [PRESET]`: the processor models, and of one what it has and what of the real processor is masked. */

import { nearest } from '../debugger/nearest';
import { describePreset, type PresetDescription } from '../machine/cpu/model';
import { BadInput } from '../program/program';
import { presets } from '../x86/presets';
import type { Run } from './dispatch';
import { writeOrComplain } from './result';

export const cpu: Run = async ({ operands, values }) => {
  const [name] = operands;
  const json = values.get('--json');
  const shown = name === undefined ? presets.map((preset) => describePreset(preset.name)) : [describe(name)];
  if (json !== undefined) {
    const text = `${JSON.stringify(name === undefined ? shown : shown[0], null, 2)}\n`;
    if (json === '-') process.stdout.write(text);
    else writeOrComplain(json, text);
    return 0;
  }
  process.stdout.write(name === undefined ? overview(shown) : shown.map(details).join(''));
  return 0;
};

const describe = (name: string): PresetDescription => {
  const names = presets.map((preset) => preset.name);
  if (names.includes(name)) return describePreset(name);
  const near = nearest(name, names);
  throw new BadInput(
    `${name}: no such processor model; ${near === undefined ? `one of ${names.join(', ')}` : `did you mean ${near}?`}`,
  );
};

const overview = (all: readonly PresetDescription[]): string =>
  [
    ...all.map(({ name, title }, n) => `${name.padEnd(10)} ${title}${n === 0 ? ' (default)' : ''}`),
    '',
    '`ringside cpu PRESET` shows the features of one, and what of the real processor is masked.',
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
  ].join('\n');

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
