/** VMCS dumps in the log of a hypervisor: KVM's `dump_vmcs` and Xen's `vmcs_dump_vcpu`, of any generation. */

import { fieldBits } from '../../../machine/vmx/checks/tree';
import type { FieldName } from '../../../x86/vmx/fields';
import type { LineProblem, VmcsText } from '../../vmcs/text';
import { pieces, type Section } from './patterns';

/** What a log puts before the message, one kind after the other. */
const prefixes: readonly RegExp[] = [
  /^(>\s?)+/,
  /^<\d+>/,
  // Of syslog and the journal: date, host and "kernel:".
  /^[A-Z][a-z]{2}\s+\d+\s+[\d:.]+\s+\S+\s+kernel:/,
  /^\d{4}-\d\d-\d\d[T ][\d:.,+-]+Z?\s+\S+\s+kernel:/,
  /^kernel:/,
  /^\(XEN\)/,
  // Time stamps, and the dates that Xen writes.
  /^\[[\s\d.:TCK-]*\]/,
  /^(kvm_intel|kvm|vmx):/,
];

/** The message alone. */
const message = (line: string): string => {
  let rest = line.trim();
  for (let before = ''; before !== rest; ) {
    before = rest;
    for (const prefix of prefixes) rest = rest.replace(prefix, '').trim();
  }
  return rest;
};

interface Piece {
  readonly pattern: RegExp;
  /** Of each number, in order; undefined for one that is no field. */
  readonly fields: readonly (FieldName | undefined)[];
}

/** `CR3 = {GUEST_CR3}` as an expression that takes it from the beginning of a line. */
const compiled = (text: string): Piece => {
  const fields: (FieldName | undefined)[] = [];
  const source = text
    .replace(/[.*+?^$()|[\]\\]/g, '\\$&')
    .replace(/\{(\w*)\}/g, (_, name: string) => {
      fields.push(name === '' ? undefined : (name as FieldName));
      return '(?:0x)?([0-9a-f]+)(?:_AT_)?';
    })
    .replace(/\s*=\s*/g, '\\s*=\\s*')
    .replace(/ +/g, '\\s+')
    // Xen adds the value in the processor, or a symbol, in parentheses.
    .replaceAll('(?:_AT_)?', '(?:\\s*\\((?!autoload|effective)[^)]*\\))?');
  return { pattern: new RegExp(`^${source}(?![\\w.])[,;]?\\s*`, 'i'), fields };
};

const table: Readonly<Record<Section, readonly Piece[]>> = {
  guest: pieces.guest.map(compiled),
  host: pieces.host.map(compiled),
  control: pieces.control.map(compiled),
};

const heading = /^\*+ (Guest|Host|Control) State \*+$/i;
const sections: Readonly<Record<string, Section>> = { guest: 'guest', host: 'host', control: 'control' };
const frame = /^\*+ ?(VMCS Areas?)? ?\*+$|^>>> Domain \d+ <<<$|^VCPU \d+$|^VMCS [0-9a-fx()]+, last attempted VM-entry/i;

export const isLog = (text: string): boolean => /\*+ Guest State \*+/.test(text);
export const isXen = (text: string): boolean => /\(XEN\)|VMCS Area|sel\s+attr\s+limit\s+base/.test(text);

interface Taken {
  readonly values: readonly (readonly [FieldName, bigint])[];
  /** What no piece takes. */
  readonly rest: string;
}

const take = (line: string, section: Section): Taken => {
  const values: (readonly [FieldName, bigint])[] = [];
  let rest = line;
  while (rest !== '') {
    const found = table[section]
      .map((piece) => ({ piece, match: piece.pattern.exec(rest) }))
      .find(({ match }) => match !== null);
    if (found?.match == null) break;
    for (const [n, name] of found.piece.fields.entries())
      if (name !== undefined) values.push([name, BigInt(`0x${found.match[n + 1]}`)]);
    rest = rest.slice(found.match[0].length);
  }
  return { values, rest };
};

/** Lines that a mail or a terminal has broken are read with the one behind them. */
const takeLines = (lines: readonly string[], at: number, section: Section): Taken & { readonly used: number } => {
  const one = take(lines[at] ?? '', section);
  const next = lines[at + 1];
  if (one.rest === '' || next === undefined || heading.test(next)) return { ...one, used: 1 };
  const two = take(`${lines[at]} ${next}`, section);
  return two.rest === '' && take(next, section).rest !== '' ? { ...two, used: 2 } : { ...one, used: 1 };
};

/** The first dump of a log; what stands around it is not looked at. */
export const readLog = (text: string): VmcsText => {
  const rows = text.split(/\r?\n/);
  const lines = rows.map(message);
  const fields = new Map<FieldName, bigint>();
  const places = new Map<FieldName, number>();
  const problems: LineProblem[] = [];
  const pending: LineProblem[] = [];
  let section: Section | undefined;
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at] as string;
    const [, name] = heading.exec(line) ?? [];
    if (name !== undefined) {
      const next = sections[name.toLowerCase()];
      if (next === 'guest' && section !== undefined) {
        problems.push({ line: at + 1, text: rows[at] ?? '', says: 'another dump begins here; only the first is read' });
        break;
      }
      section = next;
      continue;
    }
    if (section === undefined || line === '' || frame.test(line)) continue;
    const { values, rest, used } = takeLines(lines, at, section);
    if (values.length > 0 || rest === '') problems.push(...pending.splice(0));
    for (const [field, value] of values) {
      if (value >> BigInt(fieldBits(field)) !== 0n) {
        problems.push({ line: at + 1, text: rows[at] ?? '', says: `${field} has only ${fieldBits(field)} bits` });
        continue;
      }
      fields.set(field, value);
      places.set(field, at + 1);
    }
    // Behind the last line of the dump the log goes on with other things.
    if (rest !== '') pending.push({ line: at + 1, text: rows[at] ?? '', says: `not understood: ${rest}` });
    at += used - 1;
  }
  return { fields, lines: places, problems };
};
