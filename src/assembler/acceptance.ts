/** What a form accepts: whether an operand as written fits a kind of operand of the table. */

import { type Form, formsOf } from './forms';
import type { Instruction, Operand } from './instruction';
import { type OperandKind, operandKind } from './operand-kinds';
import { undecorated } from './operands';
import type { Register } from './registers';
import { isPlain, signed, type Value } from './value';

/** Whether there is anything that only EVEX has. */
export function isDecorated(operands: readonly Operand[], { rounding }: Instruction): boolean {
  if (rounding !== undefined) return true;
  for (const operand of operands) {
    if ((operand.kind === 'register' || operand.kind === 'memory') && operand.decorations !== undecorated) return true;
  }
  return false;
}

/** Whether the form allows the masks, broadcasts and roundings that stand in the source. */
export function decorationsFit(form: Form, operands: readonly Operand[], { rounding }: Instruction): boolean {
  const needsRounding = rounding !== undefined;
  if (needsRounding) {
    if (rounding === 'sae' ? !form.suppressesExceptions : !form.rounds) return false;
    if (operands.some((operand) => operand.kind === 'memory')) return false;
  }
  let masked = false;
  for (const operand of operands) {
    if (operand.kind !== 'register' && operand.kind !== 'memory') continue;
    const { mask, zeroing, broadcast } = operand.decorations;
    if (mask !== undefined) masked = true;
    if (mask !== undefined && !form.maskable) return false;
    if (zeroing === true && !form.zeroable) return false;
    if (broadcast !== undefined) {
      if (!form.broadcasts || operand.kind !== 'memory') return false;
      if (form.memorySize / form.broadcastSize !== broadcast) return false;
    }
  }
  return masked || !form.needsMask;
}

/** Whether an operand can stand where the form has that kind. */
export function accepts(
  form: Form,
  kind: OperandKind,
  operand: Operand,
  instruction: Instruction,
  operands: readonly Operand[],
): boolean {
  const { name } = kind;
  switch (operand.kind) {
    case 'register':
      return (
        kind.classes.includes(operand.register.class) &&
        (kind.fixed === undefined || kind.fixed === operand.register.name) &&
        (operand.register.number < 16 || form.encoding === 'evex') &&
        (operand.size === undefined ||
          operand.register.class === 'x87' ||
          operand.size === classSize(operand.register.class)) &&
        (name !== 'kp1_reg' || operand.register.number % 2 === 0) &&
        !isNop(form, kind, operand.register, instruction)
      );
    case 'memory':
      return kind.memory && kind.field !== 'implied' && acceptsMemory(form, name, kind, operand, instruction, operands);
    case 'immediate':
      if (kind.field === 'relative') return acceptsTarget(form, kind, operand, instruction);
      return (
        kind.field === 'immediate' &&
        (form.mnemonic !== 'push' || operand.size !== undefined || form.operandSize === defaultSize(instruction)) &&
        acceptsImmediate(form, name, kind, operand, instruction, operands)
      );
    case 'far-pointer':
      return kind.field === 'far-pointer' && (operand.size ?? defaultFar(instruction)) === kind.bytes;
  }
}

/** In 64-bit code 90 does nothing, while XCHG EAX, EAX clears the upper half of RAX. */
const isNop = (form: Form, kind: OperandKind, register: Register, { bits }: Instruction): boolean =>
  bits === 64 && form.mnemonic === 'xchg' && kind.field === 'opcode' && register.name === 'eax';

const defaultSize = ({ bits, prefixes }: Instruction): number => prefixes.operandSize ?? bits;

const defaultFar = ({ bits, prefixes }: Instruction): number =>
  prefixes.operandSize === undefined ? (bits === 16 ? 2 : 4) : prefixes.operandSize / 8;

const classSizes: Readonly<Record<string, number>> = {
  r8: 1,
  'r8-high': 1,
  r16: 2,
  r32: 4,
  r64: 8,
  mmx: 8,
  xmm: 16,
  ymm: 32,
  zmm: 64,
};

const classSize = (registerClass: string): number => classSizes[registerClass] ?? 0;

export const namedSizes = [1, 2, 4, 8, 10, 16, 32, 64];
export const branches = new Set(['call', 'jmp']);

function acceptsMemory(
  form: Form,
  name: string,
  kind: OperandKind,
  operand: Extract<Operand, { kind: 'memory' }>,
  instruction: Instruction,
  operands: readonly Operand[],
): boolean {
  const { address, size } = operand;
  const isVector = address.index !== undefined && ['xmm', 'ymm', 'zmm'].includes(address.index.class);
  if (isVector ? kind.vectorIndex !== address.index?.class : kind.vectorIndex !== undefined) return false;
  if (isVector && (address.index?.number ?? 0) > 15 && form.encoding !== 'evex') return false;
  if (kind.field === 'offset' && !acceptsOffset(operand, instruction)) return false;
  if (kind.field === 'rm' && hasLongOffset(form, operand, operands)) return false;
  if (form.kinds.some((other) => other.endsWith('_reg_mem')) && !directoryFits(form, address.addressSize)) return false;
  if (branches.has(form.mnemonic)) return acceptsBranchMemory(form, name, operand, instruction);
  if (operand.far) return false;
  if (operand.decorations.broadcast !== undefined) return size === undefined || size === form.broadcastSize;
  if (size === undefined) {
    const immediate = operands.length === 2 ? operands[1] : undefined;
    return immediate?.kind !== 'immediate' || immediate.size === undefined || immediate.size === form.memorySize;
  }
  return size === form.memorySize || !namedSizes.includes(form.memorySize) || form.mnemonic === 'lea';
}

/** MOVDIR64B and its like: the register has the size of addresses. */
const directoryFits = (form: Form, addressSize: number): boolean =>
  form.kinds.some((kind) => kind === `r${addressSize}_reg_mem`);

function acceptsOffset({ address }: Extract<Operand, { kind: 'memory' }>, { bits }: Instruction): boolean {
  if (!address.direct) return false;
  return bits !== 64 || (address.absolute && (address.displacementSize === 8 || address.addressSize === 32));
}

/** `mov eax, [qword address]` asks for the form with a 64-bit offset. */
const hasLongOffset = (
  form: Form,
  { address }: Extract<Operand, { kind: 'memory' }>,
  operands: readonly Operand[],
): boolean =>
  form.mnemonic === 'mov' &&
  address.absolute &&
  address.displacementSize === 8 &&
  operands.some(
    (operand) => operand.kind === 'register' && operand.register.number === 0 && operand.register.class !== 'segment',
  );

function acceptsBranchMemory(
  form: Form,
  name: string,
  { far, size }: Extract<Operand, { kind: 'memory' }>,
  { bits, prefixes }: Instruction,
): boolean {
  if (far !== (name === 'mem')) return false;
  const wanted = size === undefined ? (prefixes.operandSize ?? bits) : size * 8;
  return form.operandSize === wanted;
}

function acceptsTarget(
  form: Form,
  kind: OperandKind,
  { size, distance, value }: Extract<Operand, { kind: 'immediate' }>,
  { bits, prefixes, section, keepLong, named }: Instruction,
): boolean {
  if (distance === 'far') return false;
  const worded = size !== undefined && size > 1 ? size * 8 : undefined;
  // In 64-bit code targets are 64 bits wide whatever the prefix; only AMD's processors know `word` ones.
  const ordinary = bits === 64 ? 64 : (prefixes.operandSize ?? named.operandSize ?? bits);
  const operandSize = worded === undefined || (bits === 64 && worded === 32) ? ordinary : worded;
  if (form.operandSize !== 0 && form.operandSize !== targetSize(form, operandSize)) return false;
  if (
    form.addressSize !== 0 &&
    form.addressSize !== (prefixes.addressSize ?? bits) &&
    form.mnemonic.startsWith('loop')
  ) {
    return false;
  }
  const shortOnly = distance === 'short';
  if (kind.bytes > 1) return !shortOnly;
  if (distance === 'near') return false;
  const onlyShort = !formsOf(form.mnemonic).some((other) => other.kinds.some((name) => operandKind(name).bytes > 1));
  if (shortOnly || onlyShort) return true;
  return !keepLong && (value.unknown || inThisSection(value, section));
}

/** XBEGIN knows only 16 and 32. */
const targetSize = (form: Form, operandSize: number): number =>
  form.mnemonic === 'xbegin' ? Math.min(operandSize, 32) : operandSize;

const inThisSection = (value: Value, section: unknown): boolean => {
  const [only] = value.sections;
  return section === undefined ? value.sections.size === 0 : value.sections.size === 1 && only?.[0] === section;
};

function acceptsImmediate(
  form: Form,
  name: string,
  kind: OperandKind,
  { size, strict, value, distance }: Extract<Operand, { kind: 'immediate' }>,
  { keepLong }: Instruction,
  operands: readonly Operand[],
): boolean {
  if (distance !== undefined) return false;
  const known = isPlain(value);
  if (name === 'imm8_const_1') return known && !value.unknown && value.number === 1n && !strict && (size ?? 1) === 1;
  if (kind.bytes === kind.extendsTo) return size === undefined || size === kind.bytes;
  if (kind.bytes === 1) {
    if (size === 1) return true;
    if (strict || keepLong || !known || !sizeFits(form, kind, size)) return false;
    // A 64-bit operation has only 32 bits to extend anyway.
    const wrapped = BigInt.asIntN(Math.min(8 * kind.extendsTo, 32), value.number);
    return value.unknown || (wrapped >= -128n && wrapped <= 127n);
  }
  if (!sizeFits(form, kind, size)) return false;
  // MOV has a form with all 64 bits for what a signed dword cannot hold.
  if (form.mnemonic !== 'mov' || operands[0]?.kind !== 'register') return true;
  if (strict) return size === 4;
  const number = signed(value);
  return known && number >= -(1n << 31n) && number < 1n << 31n;
}

/** A 64-bit push calls what it holds a dword, or a qword by what it becomes. */
const sizeFits = (form: Form, kind: OperandKind, size: number | undefined): boolean =>
  size === undefined ||
  size === kind.extendsTo ||
  (size === 4 &&
    kind.extendsTo === 8 &&
    (form.mnemonic === 'push' || form.mnemonic === 'mov' || (form.mnemonic === 'imul' && kind.bytes === 4)));
