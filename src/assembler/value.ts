/**
 * What an expression is worth: a number, that may move with the sections of the program, and registers when it stands
 * in an address. Arithmetic is modulo 2^64.
 */

import { AssemblyProblem, type Place } from './diagnostics';
import type { BinaryOperator, Expression, UnaryOperator } from './expression';
import type { Register } from './registers';
import type { Section } from './sections';

export interface RegisterTerm {
  readonly register: Register;
  readonly factor: number;
  /** Written with an explicit `*`: such a register prefers to be the index. */
  readonly multiplied: boolean;
}

export interface Value {
  /** Modulo 2^64, with the sections at the addresses of the last pass. */
  readonly number: bigint;
  /** How often the start of a section is contained. Empty for a plain number. */
  readonly sections: ReadonlyMap<Section, number>;
  readonly registers: readonly RegisterTerm[];
  /** A label ahead whose place the first pass does not know yet. */
  readonly unknown: boolean;
}

const noSections: ReadonlyMap<Section, number> = new Map();
const noRegisters: readonly RegisterTerm[] = [];

export const plain = (number: bigint): Value => ({
  number: BigInt.asUintN(64, number),
  sections: noSections,
  registers: noRegisters,
  unknown: false,
});

export const unknownValue: Value = { number: 0n, sections: noSections, registers: noRegisters, unknown: true };

export const inSection = (section: Section, number: bigint): Value => ({
  number: BigInt.asUintN(64, number),
  sections: new Map([[section, 1]]),
  registers: noRegisters,
  unknown: false,
});

/** Neither a label nor a register: known before the program has its place. */
export const isPlain = (value: Value): boolean => value.sections.size === 0 && value.registers.length === 0;

export const signed = (value: Value): bigint => BigInt.asIntN(64, value.number);

/** Where names and `$` get their meaning while one statement is evaluated. */
export interface Scope {
  here(): Value;
  sectionStart(): Value;
  /** @throws AssemblyProblem when the name is not defined. */
  symbol(name: string, place: Place): Value;
}

export function evaluate(expression: Expression, scope: Scope): Value {
  switch (expression.kind) {
    case 'integer':
      return plain(expression.value);
    case 'string':
      return plain(characterConstant(expression.bytes, expression));
    case 'float':
      throw new AssemblyProblem(expression, 'a floating-point number can only stand alone in dw, dd, dq or dt');
    case 'symbol':
      return scope.symbol(expression.name, expression);
    case 'here':
      return scope.here();
    case 'section-start':
      return scope.sectionStart();
    case 'register':
      return {
        ...plain(0n),
        registers: [{ register: expression.register, factor: 1, multiplied: false }],
      };
    case 'unary':
      return unary(expression.operator, evaluate(expression.operand, scope), expression);
    case 'binary':
      return binary(
        expression.operator,
        evaluate(expression.left, scope),
        evaluate(expression.right, scope),
        expression,
      );
    case 'conditional': {
      const condition = evaluate(expression.condition, scope);
      requirePlain(condition, '?', expression);
      return evaluate(condition.number !== 0n ? expression.whenTrue : expression.whenFalse, scope);
    }
  }
}

/** `'ab'` is 0x6261: the first character is the lowest byte. More than eight do not fit. */
function characterConstant(bytes: Uint8Array, place: Place): bigint {
  if (bytes.length > 8) {
    throw new AssemblyProblem(place, 'a character constant in an expression has at most eight bytes');
  }
  return bytes.reduceRight((number, byte) => (number << 8n) | BigInt(byte), 0n);
}

function requirePlain(value: Value, operator: string, place: Place): void {
  if (isPlain(value)) return;
  const message =
    value.registers.length > 0
      ? `\`${operator}\` does not apply to a register`
      : `\`${operator}\` applies to constants only: a label is one after \`label - $$\` or \`label - other\``;
  throw new AssemblyProblem(place, message);
}

function unary(operator: UnaryOperator, operand: Value, place: Place): Value {
  switch (operator) {
    case '+':
      return operand;
    case '-':
      return scale(operand, -1n, false);
    case '~':
      requirePlain(operand, '~', place);
      return { ...plain(~operand.number), unknown: operand.unknown };
    case '!':
      requirePlain(operand, '!', place);
      return { ...plain(operand.number === 0n ? 1n : 0n), unknown: operand.unknown };
  }
}

const truth = (condition: boolean): bigint => (condition ? 1n : 0n);

/** Operators on two plain numbers. Shifts look at the low six bits of their count, as NASM does on a PC. */
const arithmetic: Readonly<Partial<Record<BinaryOperator, (left: bigint, right: bigint) => bigint>>> = {
  '||': (left, right) => truth(left !== 0n || right !== 0n),
  '^^': (left, right) => truth((left !== 0n) !== (right !== 0n)),
  '&&': (left, right) => truth(left !== 0n && right !== 0n),
  '|': (left, right) => left | right,
  '^': (left, right) => left ^ right,
  '&': (left, right) => left & right,
  '<<': (left, right) => left << (right & 63n),
  '>>': (left, right) => left >> (right & 63n),
  '>>>': (left, right) => signedOf(left) >> (right & 63n),
  '/': (left, right) => left / right,
  '//': (left, right) => signedOf(left) / signedOf(right),
  '%': (left, right) => left % right,
  '%%': (left, right) => signedOf(left) % signedOf(right),
};

const signedOf = (number: bigint): bigint => BigInt.asIntN(64, number);

/** Comparisons look at the difference, so that two labels of one section can be compared. */
const comparisons: Readonly<Partial<Record<BinaryOperator, (difference: bigint) => bigint>>> = {
  '==': (difference) => truth(difference === 0n),
  '!=': (difference) => truth(difference !== 0n),
  '<': (difference) => truth(difference < 0n),
  '<=': (difference) => truth(difference <= 0n),
  '>': (difference) => truth(difference > 0n),
  '>=': (difference) => truth(difference >= 0n),
  '<=>': (difference) => (difference < 0n ? -1n : truth(difference > 0n)),
};

function binary(operator: BinaryOperator, left: Value, right: Value, place: Place): Value {
  const unknown = left.unknown || right.unknown;
  if (operator === '+') return add(left, right);
  if (operator === '-') return add(left, scale(right, -1n, false));
  if (operator === '*') {
    if (isPlain(left)) return { ...scale(right, signed(left), true), unknown };
    if (isPlain(right)) return { ...scale(left, signed(right), true), unknown };
    throw new AssemblyProblem(place, '`*` needs a constant on one side');
  }
  const compare = comparisons[operator];
  if (compare !== undefined) {
    const difference = add(left, scale(right, -1n, false));
    if (!unknown) requirePlain(difference, operator, place);
    return { ...plain(compare(signed(difference))), unknown };
  }
  if (unknown) return unknownValue;
  requirePlain(left, operator, place);
  requirePlain(right, operator, place);
  if (right.number === 0n && '//%%'.includes(operator)) throw new AssemblyProblem(place, 'division by zero');
  return plain(arithmetic[operator]?.(left.number, right.number) ?? 0n);
}

function scale(value: Value, factor: bigint, multiplied: boolean): Value {
  if (value.sections.size === 0 && value.registers.length === 0) {
    return { ...plain(value.number * factor), unknown: value.unknown };
  }
  const by = Number(factor);
  return {
    number: BigInt.asUintN(64, value.number * factor),
    sections: new Map(
      [...value.sections]
        .map(([section, count]): [Section, number] => [section, count * by])
        .filter(([, n]) => n !== 0),
    ),
    registers: value.registers.map((term) => ({
      register: term.register,
      factor: term.factor * by,
      multiplied: term.multiplied || multiplied,
    })),
    unknown: value.unknown,
  };
}

function add(left: Value, right: Value): Value {
  const number = BigInt.asUintN(64, left.number + right.number);
  const registers = right.registers.length === 0 ? left.registers : [...left.registers, ...right.registers];
  // What a label ahead leaves of the sections in a difference is not known either.
  if (left.unknown || right.unknown) return { ...unknownValue, registers };
  let sections = left.sections;
  if (right.sections.size > 0) {
    const sum = new Map(left.sections);
    for (const [section, count] of right.sections) {
      const total = (sum.get(section) ?? 0) + count;
      if (total === 0) sum.delete(section);
      else sum.set(section, total);
    }
    sections = sum;
  }
  return { number, sections, registers, unknown: false };
}
