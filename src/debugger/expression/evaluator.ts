/**
 * The value of a tree. Values are 64 bits, exact: arithmetic wraps as the processor's does. A value is unsigned unless
 * it says otherwise (`:i32`, a prefix minus); an operation with a signed operand is signed.
 */

import { BadInput } from '../../program/program';
import type { Item } from '../item';
import { type BinaryOperator, type Expression, ExpressionError, type MemorySpace, type ValueType } from './syntax';

export interface Value {
  /** Below 2^64; two's complement when `signed`. */
  readonly bits: bigint;
  readonly signed: boolean;
  /** Bytes it has where it lives, for showing; 8 for results of arithmetic. */
  readonly size: 1 | 2 | 4 | 8;
  /** A comparison or a flag: shown as 0 or 1. */
  readonly truth?: true;
  /** What it means, where the function that gave it knows better than the number says. */
  readonly meaning?: string;
  /** What it consists of: the levels of a page walk, the evidence of a refusal. */
  readonly items?: () => Item[];
  /** The value is in its meaning: there is no number to show. */
  readonly wordy?: true;
}

/** A function that expressions can call: `walk(rip)`. */
export interface ExpressionFunction {
  /** `walk(ADDRESS[, ACCESS])` */
  readonly usage: string;
  readonly help: string;
  /** Operands it takes at least and at most. */
  readonly takes: readonly [number, number];
  /** @throws BadInput in one line, without a place */
  readonly call: (operands: readonly Value[]) => Value;
}

/** What the world behind the names is; reading has no side effect. */
export interface Environment {
  /** A register, flag or symbol; undefined when there is no such thing. `symbolOnly` leaves registers out. */
  name(name: string, symbolOnly: boolean): Value | undefined;
  /** Why there is no such name, where more is known than that. */
  absent?(name: string): string | undefined;
  /** Memory or a model-specific register; undefined when nothing is there. */
  read(space: MemorySpace, address: bigint, size: 1 | 2 | 4 | 8): bigint | undefined;
  /** Bytes of memory that is read without a type: the mode's word. */
  readonly natural: 2 | 4 | 8;
  /** By lower-case name. */
  readonly functions?: ReadonlyMap<string, ExpressionFunction>;
}

/** An environment that can be changed. Each throws a `BadInput` in one line when the place refuses. */
export interface Places {
  setName(name: string, value: bigint): void;
  write(space: MemorySpace, address: bigint, size: 1 | 2 | 4 | 8, value: bigint): void;
}

const wrap = (value: bigint): bigint => BigInt.asUintN(64, value);
const make = (value: bigint, signed: boolean): Value => ({ bits: wrap(value), signed, size: 8 });
const truth = (is: boolean): Value => ({ bits: is ? 1n : 0n, signed: false, size: 1, truth: true });
const isTrue = (value: Value): boolean => value.bits !== 0n;

/** The number that a value means: negative ones are negative. */
export const numberOf = ({ bits, signed }: Value): bigint => (signed ? BigInt.asIntN(64, bits) : bits);

/** @throws ExpressionError where a name is unknown, memory is not mapped, or a divisor is 0 */
export const evaluate = (expression: Expression, environment: Environment): Value => {
  switch (expression.kind) {
    case 'number':
      return make(expression.value, false);
    case 'name': {
      const value = environment.name(expression.name, expression.symbolOnly);
      if (value !== undefined) return value;
      const kinds = expression.symbolOnly ? 'symbol' : 'register, flag or symbol';
      const why = expression.symbolOnly ? undefined : environment.absent?.(expression.name);
      throw new ExpressionError(why ?? `there is no ${kinds} \`${expression.name}\``, expression);
    }
    case 'memory':
      return readMemory(expression, environment);
    case 'cast':
      return cast(evaluate(expression.operand, environment).bits, expression.type);
    case 'unary':
      return unary(expression.operator, evaluate(expression.operand, environment));
    case 'binary':
      return binary(expression, environment);
    case 'call':
      return call(expression, environment);
  }
};

/** Whether a condition holds: any value but 0. @throws ExpressionError */
export const holds = (expression: Expression, environment: Environment): boolean =>
  isTrue(evaluate(expression, environment));

/** Writes to a register, flag or memory. @throws ExpressionError where the expression is no place, BadInput */
export const assign = (place: Expression, value: bigint, environment: Environment & Places): void => {
  if (place.kind === 'name' && !place.symbolOnly) {
    environment.setName(place.name, value);
    return;
  }
  if (place.kind === 'memory') {
    const { space, address, size } = locate(place, environment);
    environment.write(space, address, size, wrap(value));
    return;
  }
  throw new ExpressionError('only a register, a flag or memory can be set', place);
};

export type MemoryExpression = Expression & { readonly kind: 'memory' };

/** Where memory lies that an expression names, and its size. @throws ExpressionError */
export const locate = (
  expression: MemoryExpression,
  environment: Environment,
): { readonly space: MemorySpace; readonly address: bigint; readonly size: 1 | 2 | 4 | 8 } => {
  const { space, segment, type } = expression;
  const offset = evaluate(expression.address, environment).bits;
  const base = segment === undefined ? 0n : (environment.name(`${segment}.base`, false)?.bits ?? 0n);
  return { space, address: wrap(base + offset), size: space === 'msr' ? 8 : (type?.size ?? environment.natural) };
};

const readMemory = (expression: MemoryExpression, environment: Environment): Value => {
  const { space, address, size } = locate(expression, environment);
  const bits = environment.read(space, address, size);
  if (bits !== undefined) return cast(bits, { size, signed: expression.type?.signed ?? false });
  const where = `0x${address.toString(16)}`;
  throw new ExpressionError(
    space === 'msr' ? `there is no model-specific register ${where}` : `nothing is mapped at ${where}`,
    expression,
  );
};

const call = (expression: Expression & { readonly kind: 'call' }, environment: Environment): Value => {
  const { name, operands } = expression;
  const row = environment.functions?.get(name);
  if (row === undefined) {
    const known = [...(environment.functions?.keys() ?? [])].join(', ');
    throw new ExpressionError(`there is no function \`${name}\`${known === '' ? '' : `; one of ${known}`}`, expression);
  }
  const [least, most] = row.takes;
  if (operands.length < least || operands.length > most) throw new ExpressionError(`write ${row.usage}`, expression);
  const values = operands.map((operand) => evaluate(operand, environment));
  try {
    return row.call(values);
  } catch (error) {
    if (!(error instanceof BadInput)) throw error;
    throw new ExpressionError(error.message, expression);
  }
};

const cast = (bits: bigint, { size, signed }: ValueType): Value => ({
  bits: signed ? wrap(BigInt.asIntN(size * 8, bits)) : BigInt.asUintN(size * 8, bits),
  signed,
  size,
});

const unary = (operator: '-' | '+' | '~' | '!', operand: Value): Value => {
  switch (operator) {
    case '-':
      return make(-operand.bits, true);
    case '+':
      return operand;
    case '~':
      return make(~operand.bits, operand.signed);
    case '!':
      return truth(!isTrue(operand));
  }
};

type Binary = Expression & { readonly kind: 'binary' };

const binary = (expression: Binary, environment: Environment): Value => {
  const { operator } = expression;
  const left = evaluate(expression.left, environment);
  // The right side may be unmapped memory that the left side guards.
  if (operator === '&&') return truth(isTrue(left) && isTrue(evaluate(expression.right, environment)));
  if (operator === '||') return truth(isTrue(left) || isTrue(evaluate(expression.right, environment)));
  const right = evaluate(expression.right, environment);
  if ((operator === '/' || operator === '%') && right.bits === 0n)
    throw new ExpressionError('division by 0', expression.right);
  if (operator === '==') return truth(left.bits === right.bits);
  if (operator === '!=') return truth(left.bits !== right.bits);
  const signed = left.signed || right.signed;
  const a = signed ? BigInt.asIntN(64, left.bits) : left.bits;
  const b = signed ? BigInt.asIntN(64, right.bits) : right.bits;
  const compare = comparisons[operator];
  if (compare !== undefined) return truth(compare(a, b));
  if (operator === '<<' || operator === '>>') return shift(operator, left, right.bits);
  return make(arithmetic[operator]?.(a, b) ?? 0n, signed);
};

const comparisons: Readonly<Partial<Record<BinaryOperator, (a: bigint, b: bigint) => boolean>>> = {
  '<': (a, b) => a < b,
  '<=': (a, b) => a <= b,
  '>': (a, b) => a > b,
  '>=': (a, b) => a >= b,
};

const arithmetic: Readonly<Partial<Record<BinaryOperator, (a: bigint, b: bigint) => bigint>>> = {
  '|': (a, b) => a | b,
  '^': (a, b) => a ^ b,
  '&': (a, b) => a & b,
  '+': (a, b) => a + b,
  '-': (a, b) => a - b,
  '*': (a, b) => a * b,
  '/': (a, b) => a / b,
  '%': (a, b) => a % b,
};

/** Counts from 64 up shift everything out, as in mathematics; only the left side's sign counts. */
const shift = (operator: '<<' | '>>', left: Value, count: bigint): Value => {
  const by = count > 64n ? 64n : count;
  const value = numberOf(left);
  return make(operator === '<<' ? value << by : value >> by, left.signed);
};
