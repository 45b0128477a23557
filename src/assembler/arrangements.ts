/**
 * The ways NASM allows operands to be left out or exchanged, as lists of operands in the order of the table of forms.
 */

import { formsOf } from './forms';
import type { Instruction, Operand } from './instruction';
import { undecorated } from './operands';
import { generalRegister, type Register, registerNamed } from './registers';
import { isPlain, plain } from './value';

export interface Arrangement {
  readonly operands: readonly Operand[];
  /** Later ones are tried only if this one fits no form. */
  readonly exclusive: boolean;
}

const x87WithPop: Readonly<Record<string, string>> = {
  fadd: 'faddp',
  fmul: 'fmulp',
  fsub: 'fsubp',
  fsubr: 'fsubrp',
  fdiv: 'fdivp',
  fdivr: 'fdivrp',
};

/** `fadd` alone is `faddp st1, st0`. */
export const withoutOperands = (mnemonic: string): string => x87WithPop[mnemonic] ?? mnemonic;

const countWidths: Readonly<Record<string, 16 | 32 | 64>> = { cx: 16, ecx: 32, rcx: 64 };

/** With what the source leaves to NASM: the base of AAM and AAD, the counter of LOOP. */
export function completed(instruction: Instruction): Instruction {
  const { name, operands, prefixes, line, column } = instruction;
  const [first, second] = operands;
  if ((name === 'aam' || name === 'aad') && first === undefined) {
    return { ...instruction, operands: [{ kind: 'immediate', value: plain(10n), strict: false, line, column }] };
  }
  if (/^(loop|j[er]?cxz)/.test(name) && first !== undefined && second?.kind === 'register') {
    const addressSize = countWidths[second.register.name];
    if (addressSize !== undefined) return { ...instruction, operands: [first], prefixes: { ...prefixes, addressSize } };
  }
  const third = operands[2];
  if (implicitMask.has(name) && third?.kind === 'register' && third.register.name === 'xmm0') {
    return { ...instruction, operands: operands.slice(0, 2) };
  }
  if (implicitAddress.has(name) && first?.kind === 'register') {
    const addressSize = widths[first.register.class];
    const isSized = addressSize !== undefined && !name.startsWith('mwait') && name !== 'skinit';
    return { ...instruction, operands: [], prefixes: isSized ? { ...prefixes, addressSize } : prefixes };
  }
  return instruction;
}

const widths: Readonly<Record<string, 16 | 32 | 64>> = { r16: 16, r32: 32, r64: 64 };

/** Instructions whose third operand, XMM0, may be written. */
const implicitMask = new Set(['blendvpd', 'blendvps', 'pblendvb', 'sha256rnds2']);

/** Instructions whose operands are fixed registers that may be written: the first tells the size of the address. */
const implicitAddress = new Set([
  ...['clzero', 'invlpga', 'monitor', 'monitorx', 'mwait', 'mwaitx', 'skinit', 'vmload', 'vmrun', 'vmsave'],
]);

export function* arrangements(instruction: Instruction): Generator<Arrangement> {
  const { name, named, bits } = instruction;
  const operands = named.predicate === undefined ? instruction.operands : withPredicate(instruction);
  const [first, second, ...rest] = operands;
  if (name === 'xchg' && first !== undefined && second !== undefined) {
    yield { operands: [second, first], exclusive: false };
    yield { operands, exclusive: true };
    return;
  }
  if (name === 'mov' && bits === 64 && first !== undefined && second !== undefined) {
    const narrow = narrowed(first, second);
    if (narrow !== undefined) yield { operands: narrow, exclusive: true };
  }
  if (name.startsWith('f')) yield* x87(name, operands);
  yield { operands, exclusive: true };
  if (first === undefined) return;
  if (name === 'test' && second !== undefined) yield { operands: [second, first], exclusive: true };
  if (name === 'imul' && second?.kind === 'immediate') yield { operands: [first, first, second], exclusive: true };
  if ((name === 'lar' || name === 'lsl') && first.kind === 'register' && second?.kind === 'register') {
    const register = sameWidth(second.register, first.register);
    if (register !== undefined) yield { operands: [first, { ...second, register }], exclusive: true };
  }
  // vaddps ymm0, ymm1 is vaddps ymm0, ymm0, ymm1.
  if (second !== undefined && named.mnemonics.some(hasVectorSource)) {
    const source = first.kind === 'register' ? { ...first, decorations: undecorated } : first;
    yield { operands: [first, source, second, ...rest], exclusive: true };
  }
}

const hasVectorSource = (mnemonic: string): boolean =>
  formsOf(mnemonic).some((form) => form.kinds[1]?.endsWith('_vvvv') === true);

function withPredicate({ operands, named, line, column }: Instruction): readonly Operand[] {
  const value = plain(BigInt(named.predicate ?? 0));
  return [...operands, { kind: 'immediate', value, strict: false, line, column }];
}

/** LAR and LSL read 16 bits of a register of any width. */
function sameWidth(register: Register, like: Register): Register | undefined {
  if (!['r16', 'r32', 'r64'].includes(register.class)) return undefined;
  return generalRegister(like.class, register.number);
}

/** mov rax, 5 is mov eax, 5: the upper half becomes zero anyway. */
function narrowed(target: Operand, source: Operand): readonly Operand[] | undefined {
  if (target.kind !== 'register' || target.register.class !== 'r64') return undefined;
  if (source.kind !== 'immediate' || source.strict || (source.size ?? 8) !== 8) return undefined;
  if (!isPlain(source.value) || source.value.number > 0xffff_ffffn) return undefined;
  const register = generalRegister('r32', target.register.number);
  const { value, strict, line, column } = source;
  return register === undefined
    ? undefined
    : [
        { ...target, register },
        { kind: 'immediate', value, strict, line, column },
      ];
}

/** x87 instructions may leave out st0, and those without operands mean st1. */
function* x87(name: string, operands: readonly Operand[]): Generator<Arrangement> {
  const [first] = operands;
  const top = registerNamed('st0');
  const next = registerNamed('st1');
  if (top === undefined || next === undefined) return;
  const make = (register: typeof top): Operand => ({
    kind: 'register',
    register,
    decorations: undecorated,
    to: false,
    line: 1,
    column: 1,
  });
  if (operands.length === 0) {
    yield { operands, exclusive: true };
    yield { operands: [make(next), make(top)], exclusive: true };
    yield { operands: [make(top), make(next)], exclusive: true };
    yield { operands: [make(next)], exclusive: true };
  } else if (operands.length === 1 && first?.kind === 'register') {
    if (first.to || name.endsWith('p')) yield { operands: [first, make(top)], exclusive: true };
    yield { operands: [make(top), first], exclusive: true };
  }
}
