/** Operands as they are written: registers, immediates, addresses, far pointers, with their size words and decorations. */

import { AssemblyProblem, type Place } from './diagnostics';
import { type Cursor, type Expression, parseExpression } from './expression';
import { type Register, registerNamed } from './registers';

export interface Decorations {
  /** `{k1}` to `{k7}` */
  readonly mask?: number;
  /** `{z}` */
  readonly zeroing?: boolean;
  /** `{1to8}`: how many elements one is copied to. */
  readonly broadcast?: number;
}

export const undecorated: Decorations = {};

/** `{rn-sae}` and its like stand as an operand of their own or behind the last register. */
export type Rounding = 'rn-sae' | 'rd-sae' | 'ru-sae' | 'rz-sae' | 'sae';

export interface AddressSyntax {
  readonly expression: Expression;
  readonly segment?: Register;
  /** `rel` or `abs` inside the brackets. */
  readonly reference?: 'rel' | 'abs';
  readonly nosplit: boolean;
  /** A size word inside the brackets, in bytes. */
  readonly displacementSize?: number;
}

export type Distance = 'short' | 'near' | 'far';

export interface OperandSyntax extends Place {
  /** A size word before the operand, in bytes. */
  readonly size?: number;
  readonly strict: boolean;
  readonly distance?: Distance;
  /** `to` of x87 arithmetic. */
  readonly to: boolean;
  readonly decorations: Decorations;
  readonly body:
    | { readonly kind: 'register'; readonly register: Register }
    | { readonly kind: 'value'; readonly expression: Expression }
    | { readonly kind: 'far-pointer'; readonly segment: Expression; readonly offset: Expression }
    | { readonly kind: 'memory'; readonly address: AddressSyntax };
}

const sizeWords: Readonly<Record<string, number>> = {
  byte: 1,
  word: 2,
  dword: 4,
  qword: 8,
  tword: 10,
  oword: 16,
  yword: 32,
  zword: 64,
};

/** Size words of other assemblers, and what NASM calls them. */
const foreignSizeWords: Readonly<Record<string, string>> = {
  ptr: 'NASM has no `ptr`: write `dword [address]`',
  offset: 'NASM has no `offset`: the name of a label is its address',
  xmmword: '`xmmword` is `oword` in NASM',
  ymmword: '`ymmword` is `yword` in NASM',
  zmmword: '`zmmword` is `zword` in NASM',
  tbyte: '`tbyte` is `tword` in NASM',
};

export interface OperandList {
  readonly operands: readonly OperandSyntax[];
  readonly rounding?: Rounding;
}

const roundings: readonly string[] = ['rn-sae', 'rd-sae', 'ru-sae', 'rz-sae', 'sae'];

/** The operands up to the end of the line. */
export function parseOperands(cursor: Cursor, scope: string): OperandList {
  const operands: OperandSyntax[] = [];
  let rounding: Rounding | undefined;
  const takeRounding = (): boolean => {
    const token = cursor.peek();
    if (token.kind !== 'decoration' || !roundings.includes(token.text)) return false;
    cursor.next();
    rounding = token.text as Rounding;
    return true;
  };
  if (!cursor.atEnd()) {
    do {
      if (takeRounding()) continue;
      operands.push(parseOperand(cursor, scope));
      takeRounding();
    } while (cursor.takeOperator(','));
    if (!cursor.atEnd()) throw cursor.unexpected('expected `,` or the end of the line');
  }
  return rounding === undefined ? { operands } : { operands, rounding };
}

function parseOperand(cursor: Cursor, scope: string): OperandSyntax {
  const { line, column } = cursor.peek();
  let size: number | undefined;
  let strict = false;
  let to = false;
  let distance: Distance | undefined;
  for (;;) {
    const word = cursor.word();
    if (word === undefined) break;
    const foreign = foreignSizeWords[word];
    if (foreign !== undefined && !cursor.isOperator(':', 1)) throw new AssemblyProblem(cursor.peek(), foreign);
    if (sizeWords[word] !== undefined) size = sizeWords[word];
    else if (word === 'strict') strict = true;
    else if (word === 'to') to = true;
    else if (word === 'short' || word === 'near' || word === 'far') distance = word;
    else break;
    cursor.next();
  }
  const body = cursor.isOperator('[') ? parseAddress(cursor, scope) : parseBody(cursor, scope);
  return {
    line,
    column,
    strict,
    to,
    body,
    decorations: parseDecorations(cursor),
    ...(size === undefined ? {} : { size }),
    ...(distance === undefined ? {} : { distance }),
  };
}

function parseBody(cursor: Cursor, scope: string): OperandSyntax['body'] {
  const expression = parseExpression(cursor, scope);
  if (expression.kind === 'register') {
    if (cursor.isOperator(':')) {
      throw new AssemblyProblem(cursor.peek(), 'a segment override stands inside the brackets: `[es:di]`');
    }
    return { kind: 'register', register: expression.register };
  }
  if (cursor.takeOperator(':')) {
    return { kind: 'far-pointer', segment: expression, offset: parseExpression(cursor, scope) };
  }
  return { kind: 'value', expression };
}

function parseAddress(cursor: Cursor, scope: string): OperandSyntax['body'] {
  cursor.next();
  let displacementSize: number | undefined;
  let reference: 'rel' | 'abs' | undefined;
  let nosplit = false;
  let segment: Register | undefined;
  for (;;) {
    const word = cursor.word();
    if (word === undefined) break;
    const register = registerNamed(word);
    if (register?.class === 'segment' && cursor.isOperator(':', 1)) {
      segment = register;
      cursor.next();
    } else if (sizeWords[word] !== undefined) displacementSize = sizeWords[word];
    else if (word === 'rel' || word === 'abs') reference = word;
    else if (word === 'nosplit') nosplit = true;
    else break;
    cursor.next();
  }
  let expression = parseExpression(cursor, scope);
  // [base, index*scale]: the split form of MPX.
  while (cursor.isOperator(',')) {
    const { line, column } = cursor.next();
    expression = {
      kind: 'binary',
      operator: '+',
      left: expression,
      right: parseExpression(cursor, scope),
      line,
      column,
    };
  }
  cursor.expectOperator(']', 'an address');
  return {
    kind: 'memory',
    address: {
      expression,
      nosplit,
      ...(segment === undefined ? {} : { segment }),
      ...(reference === undefined ? {} : { reference }),
      ...(displacementSize === undefined ? {} : { displacementSize }),
    },
  };
}

function parseDecorations(cursor: Cursor): Decorations {
  let decorations = undecorated;
  for (;;) {
    const token = cursor.peek();
    if (token.kind !== 'decoration' || roundings.includes(token.text)) return decorations;
    cursor.next();
    const mask = /^k([1-7])$/.exec(token.text);
    const broadcast = /^1to(2|4|8|16|32)$/.exec(token.text);
    if (mask !== null) decorations = { ...decorations, mask: Number(mask[1]) };
    else if (broadcast !== null) decorations = { ...decorations, broadcast: Number(broadcast[1]) };
    else if (token.text === 'z') decorations = { ...decorations, zeroing: true };
    else {
      const right = '{k1} to {k7}, {z}, {1to2} to {1to32}, {sae} or {rn-sae}';
      throw new AssemblyProblem(token, `{${token.text}} is no decoration of an operand: write ${right}`);
    }
  }
}
