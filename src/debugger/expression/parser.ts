/**
 * From text to tree. From loosest to tightest: `||`, `&&`, comparisons, `|`, `^`, `&`, shifts, `+ -`, `* / %`, the
 * prefixes `- + ~ !`, and the suffix `:u8` … `:i64`. Unlike in C, bit operators bind tighter than comparisons, so that
 * `rflags & 1 == 1` means what it seems to.
 */

import { type Format, formats, isFormat } from './format';
import {
  type BinaryOperator,
  type Expression,
  ExpressionError,
  type MemorySpace,
  type Span,
  type UnaryOperator,
  type ValueType,
} from './syntax';
import { type Token, tokenize } from './tokens';

const levels: readonly (readonly BinaryOperator[])[] = [
  ['||'],
  ['&&'],
  ['==', '!=', '<', '<=', '>', '>='],
  ['|'],
  ['^'],
  ['&'],
  ['<<', '>>'],
  ['+', '-'],
  ['*', '/', '%'],
];
const prefixes: readonly UnaryOperator[] = ['-', '+', '~', '!'];

export const types: Readonly<Record<string, ValueType>> = Object.fromEntries(
  ([1, 2, 4, 8] as const).flatMap((size) => [
    [`u${size * 8}`, { size, signed: false }],
    [`i${size * 8}`, { size, signed: true }],
  ]),
);
/** NASM's size words before memory: `dword [rsp]`. */
const sizeWords: Readonly<Record<string, 1 | 2 | 4 | 8>> = { byte: 1, word: 2, dword: 4, qword: 8 };
export const spaces: Readonly<Record<string, MemorySpace>> = { guest: 'guest', gpa: 'gpa', phys: 'phys', msr: 'msr' };
const segments = new Set(['es', 'cs', 'ss', 'ds', 'fs', 'gs']);

/** Parentheses and prefixes nest no deeper than any person writes them. */
const DEEPEST = 200;

/** One value. @throws ExpressionError */
export const parseExpression = (text: string): Expression => {
  const parser = new Parser(tokenize(text));
  const expression = parser.binary(0);
  parser.end();
  return expression;
};

/** What is typed to see a value: an expression and how it is to be shown, perhaps with a place that takes it first. */
export interface Query {
  /** `place = value`. */
  readonly place?: Expression;
  readonly value: Expression;
  /** So many of them, one behind the other in memory. */
  readonly count?: number;
  readonly format?: Format;
}

/** `[place =] expression[:type[COUNT]][,[COUNT]][,FORMAT]` @throws ExpressionError */
export const parseQuery = (text: string): Query => {
  const parser = new Parser(tokenize(text), true);
  const first = parser.binary(0);
  const second = parser.take('=') ? parser.binary(0) : undefined;
  const value = second ?? first;
  const shown = parser.shown(value);
  parser.end();
  return { ...(second === undefined ? {} : { place: first }), value, ...shown };
};

/** More elements than this are no longer looked at by people. */
const MOST_ELEMENTS = 65_536;

class Parser {
  private at = 0;
  private depth = 0;
  /** `:u32[8]` was read; it may only stand at the end. */
  private array: (Span & { readonly count: number }) | undefined;

  constructor(
    private readonly tokens: readonly Token[],
    private readonly arrays = false,
  ) {}

  end(): void {
    const { next } = this;
    if (next.kind === 'end') return;
    const compares = describe(next) === '`=`' ? '; == compares' : '';
    throw new ExpressionError(`an operator is missing before ${describe(next)}${compares}`, next);
  }

  binary(level: number): Expression {
    const operators = levels[level];
    if (operators === undefined) return this.unary();
    let left = this.binary(level + 1);
    for (;;) {
      const operator = operators.find((candidate) => this.take(candidate));
      if (operator === undefined) return left;
      const right = this.binary(level + 1);
      left = { kind: 'binary', operator, left, right, start: left.start, end: right.end };
    }
  }

  /** What stands behind the value: how many of it, and how they are shown. */
  shown(value: Expression): { count?: number; format?: Format } {
    const { array } = this;
    if (array !== undefined && array.end !== value.end)
      throw new ExpressionError('an array can only be shown as a whole', array);
    let count = array?.count;
    let format: Format | undefined;
    while (this.take(',')) {
      const { next } = this;
      if (this.isOperator('[') && count === undefined) count = this.count();
      else if (next.kind === 'name' && format === undefined && isFormat(next.text.toLowerCase())) {
        format = next.text.toLowerCase() as Format;
        this.at++;
      } else
        throw new ExpressionError(
          `${describe(next)} is no format; one of ${Object.keys(formats).join(' ')}, or [8] for eight of them`,
          next,
        );
    }
    return { ...(count === undefined ? {} : { count }), ...(format === undefined ? {} : { format }) };
  }

  /** `[8]` */
  private count(): number {
    this.expect('[');
    const { next } = this;
    if (next.kind !== 'number' || next.value < 1n || next.value > MOST_ELEMENTS)
      throw new ExpressionError(`a number of elements up to ${MOST_ELEMENTS} is wanted`, next);
    this.at++;
    this.expect(']');
    return Number(next.value);
  }

  take(text: string): boolean {
    if (!this.isOperator(text)) return false;
    this.at++;
    return true;
  }

  private unary(): Expression {
    const { start } = this.next;
    const operator = prefixes.find((candidate) => this.take(candidate));
    if (operator === undefined) return this.suffixed();
    const operand = this.nested(() => this.unary());
    return { kind: 'unary', operator, operand, start, end: operand.end };
  }

  private suffixed(): Expression {
    let operand = this.primary();
    while (this.isOperator(':')) {
      this.at++;
      const { next } = this;
      const type = next.kind === 'name' ? types[next.text.toLowerCase()] : undefined;
      if (type === undefined)
        throw new ExpressionError(`${describe(next)} is no type; one of ${Object.keys(types).join(' ')}`, next);
      this.at++;
      const place = { start: operand.start, end: next.end };
      if (this.arrays && this.array === undefined && this.isOperator('['))
        this.array = { start: this.next.start, count: this.count(), end: next.end };
      operand =
        operand.kind === 'memory' && operand.type === undefined
          ? { ...operand, type, ...place }
          : { kind: 'cast', type, operand, ...place };
    }
    return operand;
  }

  private primary(): Expression {
    const { next } = this;
    if (next.kind === 'number') {
      this.at++;
      return { kind: 'number', value: next.value, start: next.start, end: next.end };
    }
    if (this.isOperator('[')) return this.memory('linear', next.start);
    if (this.take('(')) {
      const inner = this.nested(() => this.binary(0));
      const { end } = this.expect(')');
      return { ...inner, start: next.start, end };
    }
    if (next.kind === 'name') return this.named(next);
    throw new ExpressionError(`a value is missing before ${describe(next)}`, next);
  }

  private named(token: Token & { readonly kind: 'name' }): Expression {
    this.at++;
    const word = token.text.toLowerCase();
    if (this.isOperator('[') || this.nextIsSpace()) {
      const size = sizeWords[word];
      if (size !== undefined) {
        const memory = this.suffixed();
        if (memory.kind !== 'memory' || memory.type !== undefined)
          throw new ExpressionError(`\`${word}\` stands before memory without a size of its own`, memory);
        return { ...memory, type: { size, signed: false }, start: token.start };
      }
      const space = spaces[word];
      if (space !== undefined) return this.memory(space, token.start);
      if (segments.has(word)) return { ...this.memory('linear', token.start), segment: word };
    }
    if (segments.has(word) && this.isOperator(':') && this.tokens[this.at + 1]?.start !== undefined) {
      const after = this.tokens[this.at + 1];
      if (after?.kind === 'operator' && after.text === '[') {
        this.at++;
        return { ...this.memory('linear', token.start), segment: word };
      }
    }
    if (this.isOperator('(')) return this.call(token);
    const place = { start: token.start, end: token.end };
    if (token.text === '$') return { kind: 'name', name: 'rip', symbolOnly: false, ...place };
    if (token.text.startsWith('$')) return { kind: 'name', name: token.text.slice(1), symbolOnly: true, ...place };
    const name = token.text.startsWith('%') ? token.text.slice(1) : token.text;
    return { kind: 'name', name, symbolOnly: false, ...place };
  }

  private call(token: Token & { readonly kind: 'name' }): Expression {
    this.expect('(');
    const operands: Expression[] = [];
    if (!this.isOperator(')'))
      do operands.push(this.nested(() => this.binary(0)));
      while (this.take(','));
    const { end } = this.expect(')');
    return { kind: 'call', name: token.text.toLowerCase(), operands, start: token.start, end };
  }

  /** The brackets of `[address]`, with an optional segment register in them. */
  private memory(space: MemorySpace, start: number): Expression & { readonly kind: 'memory' } {
    this.expect('[');
    const segment = space === 'linear' ? this.segmentOverride() : undefined;
    const address = this.nested(() => this.binary(0));
    const { end } = this.expect(']');
    return { kind: 'memory', space, address, start, end, ...(segment === undefined ? {} : { segment }) };
  }

  private segmentOverride(): string | undefined {
    const [name, colon, after] = this.tokens.slice(this.at, this.at + 3);
    if (name?.kind !== 'name' || colon?.kind !== 'operator' || colon.text !== ':') return undefined;
    const word = name.text.toLowerCase();
    if (!segments.has(word) || (after?.kind === 'name' && types[after.text.toLowerCase()] !== undefined))
      return undefined;
    this.at += 2;
    return word;
  }

  private nextIsSpace(): boolean {
    const { next } = this;
    return next.kind === 'name' && spaces[next.text.toLowerCase()] !== undefined;
  }

  private nested<Result>(parse: () => Result): Result {
    if (++this.depth > DEEPEST) throw new ExpressionError('nested too deeply', this.next);
    const result = parse();
    this.depth--;
    return result;
  }

  private get next(): Token {
    return this.tokens[this.at] as Token;
  }

  private isOperator(text: string): boolean {
    const { next } = this;
    return next.kind === 'operator' && next.text === text;
  }

  private expect(text: string): Token {
    const { next } = this;
    if (!this.take(text)) throw new ExpressionError(`\`${text}\` is missing before ${describe(next)}`, next);
    return next;
  }
}

const describe = (token: Token): string => {
  if (token.kind === 'end') return 'the end';
  return token.kind === 'number' ? `the number ${token.value}` : `\`${token.text}\``;
};
