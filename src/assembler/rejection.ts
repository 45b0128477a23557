/** Why no form of an instruction takes the operands, and what it would take. */

import { AssemblyProblem } from './diagnostics';
import { type Form, formsOf, modeBit, rarity } from './forms';
import type { Instruction, Operand } from './instruction';
import { operandKind } from './operand-kinds';

const kindWords: Readonly<Record<string, string>> = {
  mem: 'memory',
  mem_offs: 'memory',
  sibmem: 'memory',
  mem_mib: 'memory',
  mem_mpx: 'memory',
  seg_reg: 'segment register',
  cr_reg: 'control register',
  dr_reg: 'debug register',
  tr_reg: 'test register',
  imm8_const_1: '1',
  sti_opcode: 'st(i)',
};

export function rejection(instruction: Instruction): AssemblyProblem {
  const { name, named, bits, operands } = instruction;
  const all = named.mnemonics.flatMap(formsOf);
  const here = all.filter((form) => (form.modes & modeBit(bits)) !== 0);
  if (here.length === 0) {
    const others = ([16, 32, 64] as const).filter((mode) => all.some((form) => (form.modes & modeBit(mode)) !== 0));
    return new AssemblyProblem(
      instruction,
      `\`${name}\` exists in ${others.join('- and ')}-bit code only, this is ${bits}-bit code`,
    );
  }
  const short = operands.find((operand) => operand.kind === 'immediate' && isTarget(here));
  if (short?.kind === 'immediate' && operands.length === 1 && short.size === undefined) {
    return new AssemblyProblem(short, 'the target is beyond the reach of a short jump, 127 bytes ahead or 128 back');
  }
  const counts = [...new Set(here.map((form) => describedKinds(form).length))].sort((left, right) => left - right);
  if (!counts.includes(operands.length)) {
    const right = `${counts.join(' or ')} operand${counts.at(-1) === 1 ? '' : 's'}`;
    return new AssemblyProblem(instruction, `\`${name}\` takes ${right}, not ${operands.length}`);
  }
  const shapes = [...new Set(here.filter((form) => rarity(form, bits) === 0).map(describeForm))];
  const right = shapes.length > 6 ? `${shapes.slice(0, 6).join('; ')}; …` : shapes.join('; ');
  const given = operands.length === 0 ? 'no operands' : operands.map(describeOperand).join(', ');
  return new AssemblyProblem(operands[0] ?? instruction, `\`${name}\` does not take ${given}: it takes ${right}`);
}

const isTarget = (forms: readonly Form[]): boolean =>
  forms.some((form) => form.kinds.some((kind) => operandKind(kind).field === 'relative'));

const describedKinds = (form: Form): readonly string[] =>
  form.kinds.filter((kind) => operandKind(kind).field !== 'implied');

function describeForm(form: Form): string {
  const words = describedKinds(form).map(describeKind);
  return words.length === 0 ? 'no operands' : words.join(', ');
}

function describeKind(name: string): string {
  const word = kindWords[name];
  if (word !== undefined) return word;
  const { field } = operandKind(name);
  if (field === 'relative') return 'a target';
  if (field === 'far-pointer') return 'segment:offset';
  return name
    .replace(/^(r\d+|mm|xmm|ymm|zmm|bnd|k)_or_mem.*$/, '$1/memory')
    .replace(/_(reg|rm|opcode|vvvv|is4|is5|reg_mem)$/, '')
    .replace(/^(imm\d+)(sex|_).*$/, '$1');
}

const sizeNames: Readonly<Record<number, string>> = {
  1: 'byte ',
  2: 'word ',
  4: 'dword ',
  8: 'qword ',
  10: 'tword ',
  16: 'oword ',
  32: 'yword ',
  64: 'zword ',
};

function describeOperand(operand: Operand): string {
  const size = operand.size === undefined ? '' : (sizeNames[operand.size] ?? '');
  switch (operand.kind) {
    case 'register':
      return operand.register.name;
    case 'memory':
      return `${size}memory`;
    case 'immediate':
      return `${size}number`;
    case 'far-pointer':
      return 'segment:offset';
  }
}
