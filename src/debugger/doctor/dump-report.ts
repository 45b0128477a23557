/** What the doctor says of a dump: the terminal prints it, and the editor shows it beside the dump. */

import { BadInput } from '../../program/program';
import type { Preset } from '../../x86/cpuid';
import type { FieldName } from '../../x86/vmx/fields';
import { decodedLines } from './decoded';
import { type Dump, readDump } from './dump/read';
import { dumpFacts } from './dump-facts';
import { diagnose, type Report } from './report';
import { reportLines } from './report-lines';

export interface DumpReport {
  readonly dump: Dump;
  readonly report: Report;
  /** Whose dump it is, and the processor that judges it. */
  readonly title: string;
  /** The VMCS, decoded. */
  readonly decoded: readonly string[];
  /** What is broken, and how much could be decided. */
  readonly findings: readonly string[];
}

/** @throws BadInput where nothing of a VMCS can be found, or the processor has no VT-x */
export const doctorDump = (text: string, preset: Preset): DumpReport => {
  if (preset.vmx === undefined) throw new BadInput(`${preset.name}: this processor has no VT-x`);
  const dump = readDump(text);
  if (dump.fields.size === 0) {
    // A line that looks like a field tells more than that there is none.
    const almost = dump.problems.find((problem) => /^\s*\w+\s*[=:]\s*\w+\s*$/.test(problem.text));
    throw new BadInput(
      `no VMCS was found: ${
        almost === undefined
          ? 'neither a dump of KVM or Xen, which begins with "*** Guest State ***", nor lines FIELD = VALUE'
          : `line ${almost.line}: ${almost.says}`
      }`,
    );
  }
  const report = diagnose(dumpFacts(dump.fields, preset));
  const size = dump.fields.size === 1 ? '1 field' : `${dump.fields.size} fields`;
  const missing = (name: FieldName): boolean => !dump.fields.has(name);
  return {
    dump,
    report,
    title: `${dump.form === 'text' ? 'A VMCS as text' : `A VMCS dump of ${dump.form}`}, ${size}, judged for ${preset.title}.`,
    decoded: decodedLines(dump.fields),
    findings: reportLines(report, { missing }),
  };
};
