/**
 * `ringside doctor FILE`: which rules of VM entry a VMCS breaks, from a dump; with `--matrix`, where a program fails on the
 * processor models. Exit status: 0 nothing decidable is broken, 1 something is, 2 unreadable, 3 undecidable with --strict.
 */

import { readFileSync } from 'node:fs';
import { type DumpReport, doctorDump } from '../debugger/doctor/dump-report';
import { reportJson } from '../debugger/doctor/json';
import { processorNamed } from '../program/processor';
import { BadInput } from '../program/program';
import type { Preset } from '../x86/cpuid';
import type { Run } from './dispatch';
import { DiskFiles } from './files-node';
import { complain, writeOrComplain } from './result';

const [BROKEN, UNDECIDED] = [1, 3];

export const doctor: Run = async (given) => {
  const [path] = given.operands;
  if (path === undefined) throw new BadInput('doctor: which dump? ringside doctor FILE');
  if (given.values.has('--matrix')) {
    const { matrix } = await import('./doctor-matrix');
    return matrix(path, given);
  }
  const processor = await processorNamed(new DiskFiles(), given.values.get('--cpu') ?? 'haswell');
  const { dump, report, title, decoded, findings } = judged(path, processor);
  for (const { line, says } of dump.problems) complain(`${path}:${line}: ${says}`);
  const json = given.values.get('--json');
  // The findings last: in a terminal the end is what stays in view.
  if (json !== '-') process.stdout.write(`${[title, '', ...decoded, ...findings].join('\n')}\n`);
  if (json !== undefined) {
    const text = `${JSON.stringify(reportJson(report, dump.fields), null, 2)}\n`;
    if (json === '-') process.stdout.write(text);
    else writeOrComplain(json, text);
  }
  if (report.findings.length > 0) return BROKEN;
  return given.values.has('--strict') && report.undecided.length > 0 ? UNDECIDED : 0;
};

/** @throws BadInput with the file's name */
const judged = (path: string, processor: Preset): DumpReport => {
  const text = textOf(path);
  try {
    return doctorDump(text, processor);
  } catch (error) {
    if (!(error instanceof BadInput) || processor.vmx === undefined) throw error;
    throw new BadInput(`${path}: ${error.message}; a program is launched by --matrix`);
  }
};

/** @throws BadInput */
const textOf = (path: string): string => {
  try {
    return readFileSync(path === '-' ? 0 : path, 'utf8');
  } catch (error) {
    throw new BadInput(`${path}: cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown error'})`);
  }
};
