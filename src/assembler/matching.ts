/**
 * Which form of an instruction NASM would choose for the operands given: all forms that accept them are tried, and the
 * shortest encoding wins; among equals the first in the order of opcodes.
 */

import { accepts, branches, decorationsFit, isDecorated, namedSizes } from './acceptance';
import { arrangements, completed } from './arrangements';
import { AssemblyProblem } from './diagnostics';
import { type Assignment, type Encoded, encode } from './encoder';
import { type Bits, type Form, formsOf, modeBit, rarity } from './forms';
import type { Instruction, Operand } from './instruction';
import type { NamedInstruction } from './mnemonics';
import { rejection } from './rejection';

export interface Choice {
  readonly form: Form;
  readonly encoded: Encoded;
}

interface Candidate extends Choice {
  /** Of an operand without size word; undefined when its size does not matter. */
  readonly openMemorySize: number | undefined;
  readonly arrangement: number;
}

const encodingRank = { legacy: 0, vex: 0, '3dnow': 0, xop: 1, evex: 2 } as const;

/** @throws AssemblyProblem with what would be right when no form takes the operands. */
export function choose(written: Instruction): Choice {
  const instruction = completed(written);
  const { candidates, problem } = findCandidates(instruction, formsFor(instruction));
  if (candidates.length === 0) {
    // A prefix that agrees with no form that fits is only written down.
    const { prefixes } = instruction;
    if (prefixes.operandSize === undefined) throw problem ?? rejection(instruction);
    const open = { ...instruction, prefixes: { ...prefixes, operandSize: undefined } };
    const all = findCandidates(instruction, selectForms(open));
    if (all.candidates.length === 0) throw problem ?? all.problem ?? rejection(instruction);
    candidates.push(...all.candidates);
  }
  const settled = settleMemorySize(candidates, instruction);
  return settled.reduce((best, candidate) => (isBetter(candidate, best, instruction.bits) ? candidate : best));
}

interface Found {
  readonly candidates: Candidate[];
  /** Why a form that accepts the operands cannot be encoded with them. */
  readonly problem: AssemblyProblem | undefined;
}

function findCandidates(instruction: Instruction, forms: readonly Form[]): Found {
  const candidates: Candidate[] = [];
  let problem: AssemblyProblem | undefined;
  let arrangement = 0;
  for (const { operands, exclusive } of arrangements(instruction)) {
    arrangement++;
    for (const form of forms) {
      const assigned = match(form, operands, instruction);
      if (assigned === undefined) continue;
      try {
        const encoded = encode(form, assigned, instruction);
        if (encoded !== undefined) {
          candidates.push({ form, encoded, openMemorySize: openMemorySize(form, operands), arrangement });
        }
      } catch (error) {
        if (!(error instanceof AssemblyProblem)) throw error;
        problem ??= error;
      }
    }
    if (exclusive && candidates.length > 0) break;
  }
  return { candidates, problem };
}

function isBetter(candidate: Candidate, best: Candidate, bits: Bits): boolean {
  const order =
    rarity(candidate.form, bits) - rarity(best.form, bits) ||
    encodingRank[candidate.form.encoding] - encodingRank[best.form.encoding] ||
    candidate.encoded.weight - best.encoded.weight ||
    preference(candidate) - preference(best) ||
    candidate.arrangement - best.arrangement;
  return order < 0;
}

/** Among equals NASM takes the sign-extended byte, the x87 form that writes the register named first, and a few more. */
const preference = ({ form, arrangement }: Candidate): number =>
  form.kinds.some((kind) => kind.startsWith('imm8sex')) ||
  (form.kinds[0] === 'sti_opcode' && arrangement === 1) ||
  (form.mnemonic === 'vmovq' && form.kinds.includes('xmm_or_mem')) ||
  (form.mnemonic === 'vpperm' && form.w === 1)
    ? 0
    : 1;

/** Instructions that had EVEX before they got VEX: NASM takes the younger form on `{vex}` only. */
const evexFirst = new Set([
  ...['vpdpbusd', 'vpdpbusds', 'vpdpwssd', 'vpdpwssds', 'vpmadd52luq', 'vpmadd52huq', 'vcvtneps2bf16'],
]);

const ordinary = new WeakMap<NamedInstruction, Map<Bits, readonly Form[]>>();

/** Forms of the instruction in the current mode that agree with its explicit prefixes. */
function formsFor(instruction: Instruction): readonly Form[] {
  const { named, bits, prefixes } = instruction;
  if (prefixes.operandSize !== undefined || prefixes.encoding !== undefined) return selectForms(instruction);
  let byBits = ordinary.get(named);
  if (byBits === undefined) {
    byBits = new Map();
    ordinary.set(named, byBits);
  }
  let forms = byBits.get(bits);
  if (forms === undefined) {
    forms = selectForms(instruction);
    byBits.set(bits, forms);
  }
  return forms;
}

function selectForms({ named, bits, prefixes }: Instruction): readonly Form[] {
  const mode = modeBit(bits);
  const all = named.mnemonics.flatMap(formsOf).filter((form) => {
    if ((form.modes & mode) === 0) return false;
    if (named.operandSize !== undefined && form.operandSize !== named.operandSize) return false;
    if (named.accepts?.(form) === false) return false;
    if (prefixes.encoding === 'evex') return form.encoding === 'evex';
    if (prefixes.encoding !== undefined) return form.encoding === 'vex';
    return form.encoding !== 'vex' || !evexFirst.has(form.mnemonic);
  });
  const { operandSize } = prefixes;
  if (operandSize === undefined) return all;
  const fitting = all.filter((form) => form.operandSize === operandSize && rarity(form, bits) === 0);
  return fitting.length > 0 ? fitting : all;
}

/** The operands with the kinds of the form, or undefined when they do not fit. */
function match(form: Form, operands: readonly Operand[], instruction: Instruction): Assignment[] | undefined {
  const kinds = form.written;
  if (kinds.length !== operands.length) return undefined;
  if (form.encoding === 'evex' ? !decorationsFit(form, operands, instruction) : isDecorated(operands, instruction)) {
    return undefined;
  }
  const assigned: Assignment[] = [];
  for (let index = 0; index < kinds.length; index++) {
    const kind = kinds[index];
    const operand = operands[index];
    if (kind === undefined || operand === undefined) return undefined;
    if (!accepts(form, kind, operand, instruction, operands)) return undefined;
    assigned.push({ kind, operand });
  }
  return assigned;
}

/** The size that the form gives to a memory operand written without one. */
function openMemorySize(form: Form, operands: readonly Operand[]): number | undefined {
  const open = operands.some((operand) => operand.kind === 'memory' && operand.size === undefined);
  return open && form.memorySize !== 0 && !branches.has(form.mnemonic) ? form.memorySize : undefined;
}

/** What NASM assumes without asking, in bytes. */
function assumedSize({ name, operands }: Instruction, sizes: readonly number[]): number | undefined {
  if (/^v?cvtu?si2s[sdh]$/.test(name)) return 4;
  const [first] = operands;
  if (/^mov[sz]x$/.test(name) && first?.kind === 'register' && first.register.class === 'r16') return 1;
  return sizes.every((size) => size >= 16) ? Math.min(...sizes) : undefined;
}

function settleMemorySize(candidates: readonly Candidate[], instruction: Instruction): readonly Candidate[] {
  const sizes = new Set(
    candidates
      .filter(({ form }) => rarity(form, instruction.bits) === 0)
      .flatMap(({ openMemorySize }) => openMemorySize ?? []),
  );
  const standard = [...sizes].filter((size) => namedSizes.includes(size));
  if (standard.length < 2) return candidates;
  const assumed = assumedSize(instruction, standard);
  if (assumed !== undefined) return candidates.filter(({ openMemorySize }) => openMemorySize === assumed);
  const names = ['byte', 'word', 'dword', 'qword', 'tword', 'oword', 'yword', 'zword'];
  const words = namedSizes.flatMap((size, index) => (sizes.has(size) ? (names[index] ?? []) : []));
  const place = instruction.operands.find((operand) => operand.kind === 'memory') ?? instruction;
  throw new AssemblyProblem(
    place,
    `the size of the memory operand is not clear: write ${alternatives(words)} before it`,
  );
}

const alternatives = (words: readonly string[]): string =>
  words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`;
