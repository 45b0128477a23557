/** Descriptor tables and page walks as rows for people; read without any side effect. */

import { LDTR } from '../machine/core/state';
import type { Cpu } from '../machine/cpu/cpu';
import { isIa32e, modeOf, REAL } from '../machine/cpu/mode';
import { explainWalk, type WalkStep } from '../machine/cpu/paging';
import { hex, type LinearAddress, linear } from '../x86/address';
import { access, Descriptor, systemTypes } from '../x86/descriptors';
import { exceptionOf } from '../x86/exceptions';
import { peekValue } from './guest-memory';
import { rightsText } from './inspect/rights';

export interface TableRow {
  /** Selector or vector. */
  readonly index: number;
  readonly address: LinearAddress;
  readonly text: string;
}

const callGates = new Set([4, 12]);
const gates = new Set([4, 5, 6, 7, 12, 14, 15]);

/** The entries of the GDT or of the LDT that is loaded; null and unmapped ones are left out. */
export const descriptorRows = (cpu: Cpu, table: 'gdt' | 'ldt'): TableRow[] => {
  const { state } = cpu;
  const ldt = state.segment(LDTR);
  if (table === 'ldt' && ((ldt.selector & 0xfffc) === 0 || ldt.access & access.unusable)) return [];
  const { base, limit } = table === 'gdt' ? state.gdtr : ldt;
  const rows: TableRow[] = [];
  const long = isIa32e(state);
  for (let offset = 0; offset + 7 <= limit; offset += 8) {
    const address = linear(base + BigInt(offset));
    const entry = readEntry(cpu, address, 0);
    if (entry === undefined || entry.entry === 0n) continue;
    const wide = long && entry.isSystem;
    const whole = wide ? (readEntry(cpu, address, 8) ?? entry) : entry;
    rows.push({ index: offset | (table === 'ldt' ? 4 : 0), address, text: entryText(whole, long) });
    if (wide) offset += 8;
  }
  return rows;
};

/** One entry; with 8 more bytes where it has 16. */
const readEntry = (cpu: Cpu, address: LinearAddress, more: 0 | 8): Descriptor | undefined => {
  const value = peekValue(cpu, address, 8);
  const upper = more === 8 ? peekValue(cpu, linear(address + 8n), 8) : 0n;
  if (value === undefined || upper === undefined) return undefined;
  const word = (from: bigint, shift: bigint): number => Number((from >> shift) & 0xffff_ffffn);
  return new Descriptor(
    0,
    word(address, 0n),
    word(address, 32n),
    word(value, 0n),
    word(value, 32n),
    word(upper, 0n),
    word(upper, 32n),
  );
};

const entryText = (entry: Descriptor, long: boolean): string => {
  const raw = hex(entry.entry);
  if (entry.isSystem && gates.has(entry.type)) return `${raw} ${gateText(entry, long)}`;
  const base = entry.isSystem && long ? entry.base64 : BigInt(entry.base);
  return `${raw} base ${hex(base)} limit ${hex(entry.limit)} ${rightsText(entry.rights, long)}`;
};

const gateText = (gate: Descriptor, long: boolean): string => {
  const row = systemTypes.find(({ type }) => type === gate.type);
  const name = (long ? row?.long?.name : row?.name) ?? `type ${gate.type}`;
  const offset = long ? gate.offset64 : BigInt(gate.type < 8 ? gate.offset16 : gate.offset32);
  const where = gate.type === 5 ? hex(gate.target) : `${hex(gate.target)}:${hex(offset)}`;
  const stack = long && gate.interruptStack !== 0 ? `, IST ${gate.interruptStack}` : '';
  const parameters =
    !long && callGates.has(gate.type) && gate.parameters !== 0 ? `, ${gate.parameters} parameters` : '';
  return `${name} to ${where}, DPL ${gate.dpl}${stack}${parameters}${gate.isPresent ? '' : ', not present'}`;
};

const VECTORS = 256;

/** The vectors that have an entry; in real mode the far pointers of the interrupt vector table. */
export const interruptRows = (cpu: Cpu): TableRow[] => {
  const { state } = cpu;
  const { base, limit } = state.idtr;
  const real = modeOf(state) === REAL;
  const long = isIa32e(state);
  const size = real ? 4 : long ? 16 : 8;
  const rows: TableRow[] = [];
  for (let vector = 0; vector < VECTORS && vector * size + size - 1 <= limit; vector++) {
    const address = linear(base + BigInt(vector * size));
    const text = real ? realVector(cpu, address) : gateAt(cpu, address, long);
    // In real mode interrupts of the BIOS and of devices share vectors with all exceptions but the first.
    if (text !== undefined)
      rows.push({ index: vector, address, text: real && vector > 7 ? text : named(vector, text) });
  }
  return rows;
};

const named = (vector: number, text: string): string => {
  const row = exceptionOf(vector);
  return row === undefined ? text : `${row.mnemonic.padEnd(4)} ${text}`;
};

const realVector = (cpu: Cpu, address: LinearAddress): string | undefined => {
  const pointer = peekValue(cpu, address, 4);
  return pointer === undefined || pointer === 0n ? undefined : `${hex(pointer >> 16n)}:${hex(pointer & 0xffffn)}`;
};

const gateAt = (cpu: Cpu, address: LinearAddress, long: boolean): string | undefined => {
  const gate = readEntry(cpu, address, long ? 8 : 0);
  return gate === undefined || gate.entry === 0n ? undefined : gateText(gate, long);
};

/** How an address is translated, one line a level, and what comes of it. */
export const walkLines = (cpu: Cpu, address: LinearAddress): string[] => {
  const steps = explainWalk(cpu, address);
  if (steps.length === 0) return [`paging is off: physical ${hex(address & 0xffff_ffffn)}`];
  const last = steps[steps.length - 1];
  const end =
    last?.leaf === undefined
      ? `not mapped: ${last?.refused === 'walk.reserved' ? 'a reserved bit is set' : 'bit P is 0'} in the ${last?.level}`
      : `physical ${hex(last.leaf.physical + (address & 0xfffn))}, page of ${sizeText(last.leaf.size)}`;
  return [...steps.map(stepText), end];
};

const stepText = ({
  level,
  entry,
  entryAddress,
  register,
  present,
  writable,
  user,
  accessed,
  noExecute,
  leaf,
}: WalkStep): string => {
  const bits = present
    ? [
        'P',
        ...(register ? [] : [writable ? 'R/W' : 'read-only', user ? 'user' : 'supervisor']),
        ...(noExecute ? ['XD'] : []),
        ...(accessed ? ['A'] : []),
        ...(leaf?.dirty ? ['D'] : []),
        ...(leaf?.global ? ['G'] : []),
      ].join(' ')
    : 'not present';
  return `${level.padEnd(6)} ${hex(entry)} at ${hex(entryAddress)}: ${bits}`;
};

const sizeText = (bytes: number): string =>
  bytes >= 2 ** 30 ? `${bytes / 2 ** 30} GiB` : bytes >= 2 ** 20 ? `${bytes / 2 ** 20} MiB` : `${bytes / 1024} KiB`;
