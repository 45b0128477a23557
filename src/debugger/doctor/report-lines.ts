/** A report as lines of text. */

import { controlChecks, hostStateChecks } from '../../machine/vmx/checks';
import type { Edit } from '../../machine/vmx/checks/edits';
import type { EntryRule } from '../../machine/vmx/checks/rule';
import { hex } from '../../x86/address';
import { fieldBits } from '../../x86/vmx/field-bits';
import type { FieldName } from '../../x86/vmx/fields';
import type { Finding, Report } from './report';

/** Who wrote a field last, where somebody keeps that. */
export type WriterText = (name: FieldName) => string | undefined;

export interface Manner {
  readonly writer?: WriterText;
  /** Names the fields that make rules undecidable. */
  readonly missing?: (name: FieldName) => boolean;
}

export const reportLines = (report: Report, manner: Manner = {}): string[] => {
  const { findings, decided, edition, cure } = report;
  return [
    headline(report),
    ...(findings.length === 0 ? [] : [`Sections are those of ${edition}.`]),
    ...findings.flatMap((finding, n) => ['', ...findingLines(finding, n + 1, manner)]),
    ...(cure === undefined || findings.length < 2 ? [] : ['', `All together: ${editText(cure, report)}`]),
    ...undecidedLines(report, decided, manner),
  ];
};

const plural = (count: number, word: string): string => `${count} ${word}${count === 1 ? '' : 's'}`;

/** `2 of 340 rules are broken: VM entry fails with VMfailValid 7.` */
const headline = ({ findings, decided, undecided }: Report): string => {
  const [first] = findings;
  if (first === undefined)
    return undecided.length === 0
      ? `No rule is broken: this VMCS would enter (${plural(decided, 'rule')}).`
      : `No rule that can be decided is broken (${decided} of ${decided + undecided.length}).`;
  return `${findings.length} of ${plural(decided, 'rule')} ${findings.length === 1 ? 'is' : 'are'} broken: VM entry fails with ${outcome(first.rule)}.`;
};

/** How the processor tells that this rule is broken. */
const outcome = (rule: EntryRule): string => {
  if (controlChecks.includes(rule)) return 'VM-instruction error 7 (invalid control fields)';
  return hostStateChecks.includes(rule)
    ? 'VM-instruction error 8 (invalid host-state fields)'
    : 'exit reason 33 (invalid guest state)';
};

const findingLines = ({ rule, fields, says, edits }: Finding, number: number, { writer }: Manner): string[] => [
  `${number}. ${rule.id} ("${rule.section}")`,
  `   ${says}`,
  ...[...fields].map(([name, value]) => {
    const by = writer?.(name);
    return `   ${name} = ${hex(value)}${by === undefined ? '' : `, ${by}`}`;
  }),
  ...(edits.length === 0
    ? ['   no field of the VMCS can mend it']
    : edits.map((edit, n) => `   ${n === 0 ? 'to mend it:' : '        or:'} ${editText(edit, { fields })}`)),
];

interface Before {
  readonly fields?: ReadonlyMap<FieldName, bigint>;
  readonly findings?: readonly Finding[];
}

const before = (name: FieldName, { fields, findings = [] }: Before): bigint | undefined =>
  fields?.get(name) ?? findings.find((finding) => finding.fields.has(name))?.fields.get(name);

/** `VIRTUAL_PROCESSOR_ID = 0x1`, `SECONDARY_VM_EXEC_CONTROL = 0x2 (enable_vpid 0)`. */
export const editText = (edit: Edit, known: Before = {}): string =>
  [...edit].map(([name, value]) => `${name} = ${hex(value)}${changeText(name, before(name, known), value)}`).join(', ');

const changeText = (name: FieldName, from: bigint | undefined, to: bigint): string => {
  if (from === undefined) return '';
  const changed = Object.entries(fieldBits[name] ?? {}).flatMap(([part, { bit, width = 1 }]) => {
    const mask = (1n << BigInt(width)) - 1n;
    const now = (to >> BigInt(bit)) & mask;
    return now === ((from >> BigInt(bit)) & mask) ? [] : [`${part} ${now < 10n ? now : hex(now)}`];
  });
  return changed.length === 0 || changed.length > 4 ? '' : ` (${changed.join(', ')})`;
};

/** Which fields are wanted to decide more. */
const undecidedLines = ({ undecided }: Report, decided: number, { missing }: Manner): string[] => {
  if (undecided.length === 0) return [];
  const fields = new Set(undecided.flatMap((rule) => rule.fields.filter((name) => missing?.(name) ?? false)));
  return [
    '',
    `${decided} of ${decided + undecided.length} rules could be decided.`,
    ...(fields.size === 0 ? [] : [`Not in the dump: ${[...fields].sort().join(', ')}`]),
  ];
};
