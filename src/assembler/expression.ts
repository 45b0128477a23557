/**
 * Expressions: the tree and its parser, with NASM's operators and precedence. NASM manual, "Expressions".
 */

import { AssemblyProblem, type Place } from './diagnostics';
import type { Token } from './lexer';
import { type Register, registerNamed } from './registers';

export type UnaryOperator = '-' | '+' | '~' | '!';

export type BinaryOperator =
  | '||'
  | '^^'
  | '&&'
  | '=='
  | '!='
  | '<'
  | '<='
  | '>'
  | '>='
  | '<=>'
  | '|'
  | '^'
  | '&'
  | '<<'
  | '>>'
  | '>>>'
  | '+'
  | '-'
  | '*'
  | '/'
  | '//'
  | '%'
  | '%%';

export type Expression = Place &
  (
    | { readonly kind: 'integer'; readonly value: bigint }
    | { readonly kind: 'float'; readonly text: string }
    | { readonly kind: 'string'; readonly bytes: Uint8Array }
    | { readonly kind: 'symbol'; readonly name: string }
    | { readonly kind: 'register'; readonly register: Register }
    /** `$` */
    | { readonly kind: 'here' }
    /** `$$` */
    | { readonly kind: 'section-start' }
    | { readonly kind: 'unary'; readonly operator: UnaryOperator; readonly operand: Expression }
    | {
        readonly kind: 'binary';
        readonly operator: BinaryOperator;
        readonly left: Expression;
        readonly right: Expression;
      }
    | {
        readonly kind: 'conditional';
        readonly condition: Expression;
        readonly whenTrue: Expression;
        readonly whenFalse: Expression;
      }
  );

/** Binary operators from the loosest level to the tightest, with the spellings of each. */
const levels: readonly ReadonlyMap<string, BinaryOperator>[] = [
  new Map([['||', '||']]),
  new Map([['^^', '^^']]),
  new Map([['&&', '&&']]),
  new Map([
    ['=', '=='],
    ['==', '=='],
    ['!=', '!='],
    ['<>', '!='],
    ['<', '<'],
    ['<=', '<='],
    ['>', '>'],
    ['>=', '>='],
    ['<=>', '<=>'],
  ]),
  new Map([['|', '|']]),
  new Map([['^', '^']]),
  new Map([['&', '&']]),
  new Map([
    ['<<', '<<'],
    ['<<<', '<<'],
    ['>>', '>>'],
    ['>>>', '>>>'],
  ]),
  new Map([
    ['+', '+'],
    ['-', '-'],
  ]),
  new Map([
    ['*', '*'],
    ['/', '/'],
    ['//', '//'],
    ['%', '%'],
    ['%%', '%%'],
  ]),
];

const binaryOperators = new Map(
  levels.flatMap((spellings, level) => [...spellings].map(([text, operator]) => [text, { operator, level }] as const)),
);

/** Walks over the tokens of one logical line. The last token is always the end. */
export class Cursor {
  private readonly tokens: readonly Token[];
  private position = 0;

  constructor(tokens: readonly Token[]) {
    this.tokens = tokens;
  }

  peek(ahead = 0): Token {
    const token = this.tokens[Math.min(this.position + ahead, this.tokens.length - 1)];
    if (token === undefined) throw new RangeError('a line has at least its end');
    return token;
  }

  next(): Token {
    const token = this.peek();
    if (token.kind !== 'end') this.position++;
    return token;
  }

  atEnd(): boolean {
    return this.peek().kind === 'end';
  }

  isOperator(text: string, ahead = 0): boolean {
    const token = this.peek(ahead);
    return token.kind === 'operator' && token.text === text;
  }

  /** The word at the cursor in lower case, unless it was escaped by `$`. */
  word(ahead = 0): string | undefined {
    const token = this.peek(ahead);
    return token.kind === 'name' && !token.escaped ? token.text.toLowerCase() : undefined;
  }

  takeOperator(text: string): boolean {
    if (!this.isOperator(text)) return false;
    this.next();
    return true;
  }

  takeWord(text: string): boolean {
    if (this.word() !== text) return false;
    this.next();
    return true;
  }

  expectOperator(text: string, context: string): void {
    if (!this.takeOperator(text)) throw this.unexpected(`${context} needs \`${text}\``);
  }

  /** @throws AssemblyProblem when something is left on the line. */
  expectEnd(): void {
    if (!this.atEnd()) throw this.unexpected('expected the end of the line');
  }

  unexpected(expected: string): AssemblyProblem {
    const token = this.peek();
    const found = token.kind === 'end' ? 'the end of the line' : `\`${token.text}\``;
    return new AssemblyProblem(token, `${expected}, found ${found}`);
  }
}

/** Parses one expression. `scope` makes the full name of a local label. */
export function parseExpression(cursor: Cursor, scope: string): Expression {
  const condition = parseLevel(cursor, scope, 0);
  if (!cursor.isOperator('?')) return condition;
  const { line, column } = cursor.next();
  const whenTrue = parseExpression(cursor, scope);
  cursor.expectOperator(':', '`condition ? value : value`');
  const whenFalse = parseExpression(cursor, scope);
  return { kind: 'conditional', condition, whenTrue, whenFalse, line, column };
}

/** An operand and the operators behind it that bind at least as tightly as `minimum`. */
function parseLevel(cursor: Cursor, scope: string, minimum: number): Expression {
  let left = parseUnary(cursor, scope);
  for (;;) {
    const token = cursor.peek();
    const found = token.kind === 'operator' ? binaryOperators.get(token.text) : undefined;
    if (found === undefined || found.level < minimum) return left;
    cursor.next();
    const right = parseLevel(cursor, scope, found.level + 1);
    left = { kind: 'binary', operator: found.operator, left, right, line: token.line, column: token.column };
  }
}

function parseUnary(cursor: Cursor, scope: string): Expression {
  const token = cursor.peek();
  const { line, column } = token;
  switch (token.kind) {
    case 'integer':
      cursor.next();
      return { kind: 'integer', value: token.value, line, column };
    case 'float':
      cursor.next();
      return { kind: 'float', text: token.text, line, column };
    case 'string':
      cursor.next();
      return { kind: 'string', bytes: token.bytes, line, column };
    case 'name':
      return parseName(cursor, scope, token.text, token.escaped);
    case 'operator':
      switch (token.text) {
        case '-':
        case '+':
        case '~':
        case '!':
          cursor.next();
          return { kind: 'unary', operator: token.text, operand: parseUnary(cursor, scope), line, column };
        case '(': {
          cursor.next();
          const inner = parseExpression(cursor, scope);
          cursor.expectOperator(')', 'an opening parenthesis');
          return inner;
        }
        case '$':
          cursor.next();
          return { kind: 'here', line, column };
        case '$$':
          cursor.next();
          return { kind: 'section-start', line, column };
      }
  }
  throw cursor.unexpected('expected a value');
}

/** Words that stand for an operation NASM has and a flat image, or this version, does not. */
const foreignWords: Readonly<Record<string, string>> = {
  seg: '`seg` is not available: a flat image has no segment bases; write the segment as a number',
  wrt: '`wrt` is not available: a flat image has no segment bases; write the segment as a number',
};

function parseName(cursor: Cursor, scope: string, text: string, escaped: boolean): Expression {
  const { line, column } = cursor.next();
  if (!escaped) {
    const register = registerNamed(text);
    if (register !== undefined) {
      if (register.class === 'instruction-pointer') {
        throw new AssemblyProblem({ line, column }, `NASM syntax has no \`${text}\` here: write \`[rel label]\``);
      }
      return { kind: 'register', register, line, column };
    }
    const problem = foreignWords[text.toLowerCase()];
    if (problem !== undefined) throw new AssemblyProblem({ line, column }, problem);
  }
  return { kind: 'symbol', name: fullName(text, scope), line, column };
}

/** `.count` below the label `start` is `start.count`; names that begin with `..` are never local. */
export const fullName = (name: string, scope: string): string =>
  name.startsWith('.') && !name.startsWith('..') ? scope + name : name;
