/** A report as JSON: numbers are text in hexadecimal, because they have 64 bits. */

import { hex } from '../../x86/address';
import type { FieldName } from '../../x86/vmx/fields';
import type { Report } from './report';

export interface ReportJson {
  readonly fields: Readonly<Record<string, string>>;
  readonly decided: number;
  readonly undecided: number;
  readonly failing: readonly {
    readonly id: string;
    readonly section: string;
    readonly edition: string;
    readonly fields: Readonly<Record<string, string>>;
    readonly says: string;
    readonly edits: readonly Readonly<Record<string, string>>[];
  }[];
}

const numbers = (values: ReadonlyMap<FieldName, bigint>): Record<string, string> =>
  Object.fromEntries([...values].map(([name, value]) => [name, hex(value)]));

export const reportJson = (report: Report, fields: ReadonlyMap<FieldName, bigint>): ReportJson => ({
  fields: numbers(fields),
  decided: report.decided,
  undecided: report.undecided.length,
  failing: report.findings.map(({ rule, fields: own, says, edits }) => ({
    id: rule.id,
    section: rule.section,
    edition: report.edition,
    fields: numbers(own),
    says,
    edits: edits.map(numbers),
  })),
});
