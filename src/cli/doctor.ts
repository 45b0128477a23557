/**
 * `ringside doctor FILE`: which rules of VM entry a VMCS breaks, from a dump; with `--matrix`, where a program fails on the
 * processor models. Exit status: 0 nothing decidable is broken, 1 something is, 2 unreadable, 3 undecidable with --strict.
 */

import { readFileSync } from 'node:fs';
import { doctorDump } from '../debugger/doctor/dump-report';
import { reportJson } from '../debugger/doctor/json';
import { nearest } from '../debugger/nearest';
import { BadInput } from '../program/program';
import type { Preset } from '../x86/cpuid';
import { presetNamed, presets } from '../x86/presets';
import type { Run } from './dispatch';
import { complain, writeOrComplain } from './result';

const [BROKEN, UNDECIDED] = [1, 3];

export const doctor: Run = async (given) => {
  const [path] = given.operands;
  if (path === undefined) throw new BadInput('doctor: which dump? ringside doctor FILE');
  if (given.values.has('--matrix')) {
    const { matrix } = await import('./doctor-matrix');
    return matrix(path, given);
  }
  const { dump, report, lines } = doctorDump(textOf(path), processorOf(given.values.get('--cpu') ?? 'haswell'));
  for (const { line, says } of dump.problems) complain(`${path}:${line}: ${says}`);
  const json = given.values.get('--json');
  if (json !== '-') process.stdout.write(`${lines.join('\n')}\n`);
  if (json !== undefined) {
    const text = `${JSON.stringify(reportJson(report, dump.fields), null, 2)}\n`;
    if (json === '-') process.stdout.write(text);
    else writeOrComplain(json, text);
  }
  if (report.findings.length > 0) return BROKEN;
  return given.values.has('--strict') && report.undecided.length > 0 ? UNDECIDED : 0;
};

/** @throws BadInput */
const textOf = (path: string): string => {
  try {
    return readFileSync(path === '-' ? 0 : path, 'utf8');
  } catch (error) {
    throw new BadInput(`${path}: cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown error'})`);
  }
};

/** The processor's own data, without what this machine masks. @throws BadInput */
const processorOf = (name: string): Preset => {
  const preset = presetNamed(name);
  if (preset !== undefined) return preset;
  const names = presets.filter(({ vmx }) => vmx !== undefined).map((one) => one.name);
  const near = nearest(name, names);
  throw new BadInput(
    `${name}: no such processor; ${near === undefined ? `one of ${names.join(', ')}` : `did you mean ${near}?`}`,
  );
};
