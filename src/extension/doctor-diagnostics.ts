/** Where in a dump the doctor's findings stand: at the lines of the fields that the rule is about. */

import type { DumpReport } from '../debugger/doctor/dump-report';
import { editText } from '../debugger/doctor/report-lines';

export interface Mark {
  /** From 0. */
  readonly line: number;
  readonly message: string;
  /** A broken rule; else a line that was not understood. */
  readonly broken: boolean;
}

export const diagnosticsOf = ({ dump, report }: Pick<DumpReport, 'dump' | 'report'>): Mark[] => [
  ...dump.problems.map(({ line, says }): Mark => ({ line: line - 1, message: says, broken: false })),
  ...report.findings.flatMap(({ rule, says, edits, fields }) => {
    const [best] = edits;
    const mend = best === undefined ? '' : `\nTo mend it: ${editText(best, { fields })}`;
    // What would be edited is where people look first; without an edit, all fields of the rule.
    const names = best === undefined ? [...fields.keys()] : [...best.keys()];
    const lines = new Set(names.flatMap((name) => dump.lines.get(name) ?? []));
    return [...lines].map((line): Mark => ({ line: line - 1, message: `${rule.id}: ${says}${mend}`, broken: true }));
  }),
];
