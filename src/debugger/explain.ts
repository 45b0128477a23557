/**
 * Reasons in words. Everything below gives them as data; here they become sentences, from the rule's own row and the
 * values on which it was decided.
 */

import type { FaultRecord } from '../machine/core/event';
import type { Reason } from '../machine/core/fault';
import { hex } from '../x86/address';
import { bitName, cr0Bits, cr4Bits, dr6Bits, dr7Bits, eferBits, type RegisterBits } from '../x86/control-registers';
import { exceptionOf } from '../x86/exceptions';
import { rules } from '../x86/rules';
import { executionRules } from '../x86/rules/execution';
import type { Rule } from '../x86/rules/rule';
import { controlOf } from '../x86/vmx/controls';
import { controlText } from './why/control-words';

const ruleOf = (id: string): Rule | undefined =>
  Object.hasOwn(rules, id) ? (rules as Readonly<Record<string, Rule>>)[id] : undefined;

/** `#PF`, `NMI`, or `vector 0x20` where the manual gives no name. */
export const vectorName = (vector: number): string => exceptionOf(vector)?.mnemonic ?? `vector ${hex(vector)}`;

/** `#PF Page Fault`. */
export const vectorTitle = (vector: number): string => {
  const row = exceptionOf(vector);
  return row === undefined ? vectorName(vector) : `${row.mnemonic} ${row.name}`;
};

const bitTables: Readonly<Record<string, RegisterBits>> = {
  cr0: cr0Bits,
  cr4: cr4Bits,
  efer: eferBits,
  dr6: dr6Bits,
  dr7: dr7Bits,
};

/** Names of the bits that decide in entries of paging structures. Intel SDM vol. 3, "Paging". */
const entryBits: Readonly<Record<number, string>> = { 0: 'P', 1: 'R/W', 2: 'U/S', 7: 'PS', 63: 'XD' };

/** Rules of the IDT are about a vector: what is kept of it is the error code that would name it. */
export const vectorOfRule = ({ rule, selector }: Reason): number | undefined =>
  selector !== undefined && rule.startsWith('idt.') ? selector >>> 3 : undefined;

/** What was looked at: `PTE 0x83 at 0x93000`, `selector 0x1b`, `CR4 bit 20 (SMEP)`. */
const evidence = (why: Reason): string[] => {
  const { selector, entry, entryAddress, level, linear, register, bit, value, instruction } = why;
  const found: string[] = [];
  if (instruction !== undefined) found.push(instruction);
  if (linear !== undefined) found.push(`linear address ${hex(linear)}`);
  const vector = vectorOfRule(why);
  if (vector !== undefined) found.push(`vector ${hex(vector)}`);
  else if (selector !== undefined) found.push(`selector ${hex(selector)}`);
  if (entry !== undefined) {
    const where = entryAddress === undefined ? '' : ` at ${hex(entryAddress)}`;
    const which = level === undefined || bit === undefined || register !== undefined ? '' : bitOfEntry(entry, bit);
    found.push(`${level ?? (vector === undefined ? 'descriptor' : 'gate')} ${hex(entry)}${where}${which}`);
  }
  if (register !== undefined && controlOf(register) !== undefined) found.push(controlText(register, 0));
  else if (register !== undefined) {
    const name = bit === undefined ? undefined : bitName(bitTables[register.toLowerCase()] ?? {}, bit);
    const which = bit === undefined ? '' : ` bit ${bit}${name === undefined ? '' : ` (${name})`}`;
    found.push(`${register.toUpperCase()}${which}${value === undefined ? '' : ` with ${hex(value)}`}`);
  } else if (value !== undefined) found.push(`value ${hex(value)}`);
  return found;
};

const bitOfEntry = (entry: bigint, bit: number): string =>
  ` (bit ${bit}${entryBits[bit] === undefined ? '' : `, ${entryBits[bit]}`}, is ${(entry >> BigInt(bit)) & 1n})`;

/** What a rule's sentence may name in braces: how it is written, and in words where it is not known. */
const blanks: Readonly<Record<string, readonly [(why: Reason) => string | undefined, string]>> = {
  instruction: [({ instruction }) => instruction, 'the instruction'],
  linear: [({ linear }) => (linear === undefined ? undefined : hex(linear)), 'the address'],
  register: [({ register }) => register?.toUpperCase(), 'the segment register'],
  selector: [({ selector }) => (selector === undefined ? undefined : hex(selector)), 'null'],
  value: [({ value }) => (value === undefined ? undefined : hex(value)), 'unknown'],
};

/** The sentence of a rule with its blanks filled in. */
const sentence = (says: string, why: Reason): string =>
  says.replace(/\{(\w+)\}/g, (_, name: string) => {
    const [read, unknown] = blanks[name] ?? [() => undefined, name];
    return read(why) ?? unknown;
  });

/** The evidence that the rule's sentence does not name by itself. */
const unsaid = (says: string, why: Reason): Reason =>
  Object.fromEntries(Object.entries(why).filter(([name]) => !says.includes(`{${name}}`))) as unknown as Reason;

/** One sentence: what was found, and the rule that it breaks. */
export const explain = (why: Reason): string => {
  const rule = ruleOf(why.rule);
  const found = evidence(unsaid(rule?.says ?? '', why)).join(', ');
  if (rule === undefined) return found === '' ? why.rule : `${found}: ${why.rule}`;
  const says = `${sentence(rule.says, why)} [${why.rule}]`;
  // Rules of plain execution say what is wrong; all others what should have been so, which must not be mistaken for it.
  if (Object.hasOwn(executionRules, why.rule)) return found === '' ? says : `${found}: ${says}`;
  return found === '' ? `the rule: ${says}` : `${found}; the rule: ${says}`;
};

/** Manual and section of the rule. */
export const sectionOf = (why: Reason): string | undefined => ruleOf(why.rule)?.section;

export interface FaultInWords {
  readonly vector: number;
  readonly errorCode?: number | undefined;
  readonly cr2?: bigint | undefined;
  readonly why: Reason;
}

/** Bits of a page fault's error code. Intel SDM vol. 3, "Page-Fault Exceptions". */
const pageFaultCode = (code: number): string => {
  const kind = code & 0x10 ? 'instruction fetch' : code & 2 ? 'write' : 'read';
  const cause = code & 8 ? 'reserved bit set' : code & 1 ? 'page present' : 'page not present';
  return `${code & 4 ? 'user' : 'supervisor'} ${kind}, ${cause}`;
};

/** A selector's error code. Intel SDM vol. 3, "Error Code". */
const selectorCode = (code: number): string => {
  if (code === 0) return '';
  const index = code >>> 3;
  const table = code & 2 ? 'IDT' : code & 4 ? 'LDT' : 'GDT';
  return `entry ${table === 'IDT' ? hex(index) : index} of the ${table}${code & 1 ? ', external' : ''}`;
};

/** `#PF Page Fault (error code 0x2: supervisor write, page not present; CR2 0x40000000)`. */
export const faultTitle = ({ vector, errorCode, cr2 }: FaultInWords): string => {
  const details: string[] = [];
  if (errorCode !== undefined) {
    const row = exceptionOf(vector);
    const words =
      row?.errorCode === 'page-fault'
        ? pageFaultCode(errorCode)
        : row?.errorCode === 'selector'
          ? selectorCode(errorCode)
          : '';
    details.push(`error code ${hex(errorCode)}${words === '' ? '' : `: ${words}`}`);
  }
  if (cr2 !== undefined && vector === 14) details.push(`CR2 ${hex(cr2)}`);
  return vectorTitle(vector) + (details.length === 0 ? '' : ` (${details.join('; ')})`);
};

/** The fault and why, in one line. */
export const explainFault = (fault: FaultInWords): string => `${faultTitle(fault)}: ${explain(fault.why)}`;

/** The chain of a triple fault, one line each, first to last; without an IDT all but the first have the same cause. */
export const explainChain = (chain: readonly FaultRecord[]): string[] => {
  const lines = chain.map(
    (record, n) => `${n + 1}. ${faultTitle(record)} at ${hex(record.rip)}: ${explain(record.why)}`,
  );
  return isWithoutIdt(chain) ? [...lines.slice(0, 1), WITHOUT_IDT] : lines;
};

const WITHOUT_IDT =
  '2. no IDT is loaded (its limit is 0): no handler is found for this fault, nor for those that follow from that; LIDT loads one';

/** Intel SDM vol. 3, "Interrupt Descriptor Table (IDT)": a vector whose entry lies beyond the limit is a #GP. */
const isWithoutIdt = ([, second, ...others]: readonly FaultRecord[]): boolean =>
  second !== undefined && hasNoIdt(second) && others.every((one) => hasNoIdt(one) || one.why.rule === 'double-fault');

const hasNoIdt = ({ why }: FaultRecord): boolean => why.rule === 'idt.beyond-limit' && why.value === 0n;
