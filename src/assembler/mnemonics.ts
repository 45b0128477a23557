/**
 * NASM's names for instructions, as the mnemonics of the table of forms. NASM manual, "x86 Instruction Reference".
 */

import { type Form, hasForms } from './forms';

export interface NamedInstruction {
  /** Mnemonics in the table of forms whose forms are candidates. */
  readonly mnemonics: readonly string[];
  /** Only forms with this operand size, in bits. */
  readonly operandSize?: 16 | 32 | 64;
  /** Only forms that pass. */
  readonly accepts?: (form: Form) => boolean;
  /** The immediate that a name like `cmpeqps` stands for. */
  readonly predicate?: number;
}

const conditions: Readonly<Record<string, string>> = {
  c: 'b',
  nae: 'b',
  nb: 'ae',
  nc: 'ae',
  z: 'e',
  nz: 'ne',
  na: 'be',
  nbe: 'a',
  pe: 'p',
  po: 'np',
  nge: 'l',
  nl: 'ge',
  ng: 'le',
  nle: 'g',
};

const names: Readonly<Record<string, NamedInstruction>> = {
  ret: { mnemonics: ['ret'] },
  retn: { mnemonics: ['ret'] },
  retw: { mnemonics: ['ret'], operandSize: 16 },
  retd: { mnemonics: ['ret'], operandSize: 32 },
  retq: { mnemonics: ['ret'], operandSize: 64 },
  retnw: { mnemonics: ['ret'], operandSize: 16 },
  retnd: { mnemonics: ['ret'], operandSize: 32 },
  retnq: { mnemonics: ['ret'], operandSize: 64 },
  retfw: { mnemonics: ['retf'], operandSize: 16 },
  retfd: { mnemonics: ['retf'], operandSize: 32 },
  retfq: { mnemonics: ['retf'], operandSize: 64 },
  iret: { mnemonics: ['iret', 'iretd'] },
  iretw: { mnemonics: ['iret'] },
  pushf: { mnemonics: ['pushf', 'pushfd', 'pushfq'] },
  pushfw: { mnemonics: ['pushf'] },
  popf: { mnemonics: ['popf', 'popfd', 'popfq'] },
  popfw: { mnemonics: ['popf'] },
  pusha: { mnemonics: ['pusha', 'pushad'] },
  pushaw: { mnemonics: ['pusha'] },
  popa: { mnemonics: ['popa', 'popad'] },
  popaw: { mnemonics: ['popa'] },
  sal: { mnemonics: ['shl'] },
  xlat: { mnemonics: ['xlatb'] },
  int03: { mnemonics: ['int3'] },
  int01: { mnemonics: ['int1'] },
  icebp: { mnemonics: ['int1'] },
  setalc: { mnemonics: ['salc'] },
  fwait: { mnemonics: ['wait'] },
  ud2a: { mnemonics: ['ud2'] },
  loopz: { mnemonics: ['loope'] },
  loopnz: { mnemonics: ['loopne'] },
  movsx: { mnemonics: ['movsx', 'movsxd'], accepts: (form) => form.mnemonic === 'movsx' || form.operandSize === 64 },
  loadall: { mnemonics: ['loadall'], accepts: (form) => form.opcode[0] === 0x07 },
  loadall286: { mnemonics: ['loadall'], accepts: (form) => form.opcode[0] === 0x05 },
  smint: { mnemonics: ['smint'], accepts: (form) => form.opcode[0] === 0x38 },
  smintold: { mnemonics: ['smint'], accepts: (form) => form.opcode[0] === 0x7e },
  cmpxchg: { mnemonics: ['cmpxchg'], accepts: (form) => form.rare === 0 },
  cmpxchg486: { mnemonics: ['cmpxchg'], accepts: (form) => form.rare !== 0 },
  pmulhrwa: { mnemonics: ['pmulhrw'], accepts: (form) => form.encoding === '3dnow' },
  pmulhrwc: { mnemonics: ['pmulhrw'], accepts: (form) => form.encoding === 'legacy' },
};

const comparisons = ['eq', 'lt', 'le', 'unord', 'neq', 'nlt', 'nle', 'ord'];
const vectorComparisons = [
  ...comparisons,
  'eq_uq',
  'nge',
  'ngt',
  'false',
  'neq_oq',
  'ge',
  'gt',
  'true',
  'eq_os',
  'lt_oq',
  'le_oq',
  'unord_s',
  'neq_us',
  'nlt_uq',
  'nle_uq',
  'ord_s',
  'eq_us',
  'nge_uq',
  'ngt_uq',
  'false_os',
  'neq_os',
  'ge_oq',
  'gt_oq',
  'true_us',
];
const vectorComparisonAliases: Readonly<Record<string, number>> = {
  eq_oq: 0,
  lt_os: 1,
  le_os: 2,
  unord_q: 3,
  neq_uq: 4,
  nlt_us: 5,
  nle_us: 6,
  ord_q: 7,
  nge_us: 9,
  ngt_us: 10,
  false_oq: 11,
  ge_os: 13,
  gt_os: 14,
  true_uq: 15,
};
const integerComparisons = ['eq', 'lt', 'le', 'false', 'neq', 'nlt', 'nle', 'true'];
const integerComparisonAliases: Readonly<Record<string, number>> = { ge: 5, gt: 6 };
const xopComparisons = ['lt', 'le', 'gt', 'ge', 'eq', 'neq', 'false', 'true'];
const carrylessHalves: Readonly<Record<string, number>> = { lqlq: 0x00, hqlq: 0x01, lqhq: 0x10, hqhq: 0x11 };

const found = (
  list: readonly string[],
  name: string,
  aliases: Readonly<Record<string, number>> = {},
): number | undefined => {
  const index = list.indexOf(name);
  return index >= 0 ? index : aliases[name];
};

/** Families of names that carry an immediate, each with what the rest of the name must be. */
const families: readonly (readonly [RegExp, (match: RegExpExecArray) => NamedInstruction | undefined])[] = [
  [/^(j|set|cmov)(\w+)$/, ([, stem, condition]) => withCondition(stem, condition)],
  [/^cmp(\w+)xadd$/, ([, condition]) => ({ mnemonics: [`cmp${exchangeCondition(condition ?? '')}xadd`] })],
  [/^cmp(\w+?)([ps][sd])$/, ([, name, type]) => predicate(`cmp${type}`, found(comparisons, name ?? ''))],
  [
    /^vcmp(\w+?)([ps][sdh])$/,
    ([, name, type]) => predicate(`vcmp${type}`, found(vectorComparisons, name ?? '', vectorComparisonAliases)),
  ],
  [
    /^vpcmp(\w+?)(u?[bwdq])$/,
    ([, name, type]) => predicate(`vpcmp${type}`, found(integerComparisons, name ?? '', integerComparisonAliases)),
  ],
  [/^vpcom(\w+?)(u?[bwdq])$/, ([, name, type]) => predicate(`vpcom${type}`, found(xopComparisons, name ?? ''))],
  [/^(v?)pclmul([lh]q[lh]q)dq$/, ([, v, halves]) => predicate(`${v}pclmulqdq`, carrylessHalves[halves ?? ''])],
];

const withCondition = (stem: string | undefined, condition: string | undefined): NamedInstruction | undefined => {
  const canonical = conditions[condition ?? ''];
  return canonical === undefined ? undefined : { mnemonics: [`${stem}${canonical}`] };
};

/** CMPccXADD has other names for half of the conditions. */
const exchangeConditions: Readonly<Record<string, string>> = {
  ...{ e: 'z', ne: 'nz', a: 'nbe', ae: 'nb', g: 'nle', ge: 'nl' },
};

const exchangeCondition = (condition: string): string => {
  const canonical = conditions[condition] ?? condition;
  return exchangeConditions[canonical] ?? canonical;
};

const predicate = (mnemonic: string, value: number | undefined): NamedInstruction | undefined =>
  value === undefined ? undefined : { mnemonics: [mnemonic], predicate: value };

const known = new Map<string, NamedInstruction | undefined>();

/** The instruction of that name in lower case, or undefined when there is none. */
export function instructionNamed(name: string): NamedInstruction | undefined {
  if (!known.has(name)) known.set(name, find(name));
  return known.get(name);
}

function find(name: string): NamedInstruction | undefined {
  const listed = names[name];
  if (listed !== undefined) return listed;
  if (hasForms(name)) return { mnemonics: [name] };
  for (const [pattern, make] of families) {
    const match = pattern.exec(name);
    const instruction = match === null ? undefined : make(match);
    if (instruction !== undefined && hasForms(instruction.mnemonics[0] ?? '')) return instruction;
  }
  return undefined;
}
