/** The tree of an expression: what was written, with the place of each part. Nothing in it is decided yet. */

import type { Space } from '../address';

/** Characters of the text, from 0; `end` is behind the last. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** How many bytes memory has and whether its top bit is a sign: the suffix `:u8` … `:i64`. */
export interface ValueType {
  readonly size: 1 | 2 | 4 | 8;
  readonly signed: boolean;
}

/** `[…]`, `guest[…]`, `gpa[…]`, `phys[…]`; model-specific registers are addressed like memory. */
export type MemorySpace = Space | 'msr';

export type UnaryOperator = '-' | '+' | '~' | '!';
export type BinaryOperator =
  | '||'
  | '&&'
  | '=='
  | '!='
  | '<'
  | '<='
  | '>'
  | '>='
  | '|'
  | '^'
  | '&'
  | '<<'
  | '>>'
  | '+'
  | '-'
  | '*'
  | '/'
  | '%';

export type Expression = Span &
  (
    | { readonly kind: 'number'; readonly value: bigint }
    /** A register, flag or symbol; `symbolOnly` for `$name`. */
    | { readonly kind: 'name'; readonly name: string; readonly symbolOnly: boolean }
    | {
        readonly kind: 'memory';
        readonly space: MemorySpace;
        /** The base of this segment register is added. */
        readonly segment?: string;
        readonly address: Expression;
        /** Without one, the natural size of the processor's mode. */
        readonly type?: ValueType;
      }
    | { readonly kind: 'unary'; readonly operator: UnaryOperator; readonly operand: Expression }
    | {
        readonly kind: 'binary';
        readonly operator: BinaryOperator;
        readonly left: Expression;
        readonly right: Expression;
      }
    /** `value:i32`: the low bits of a value, taken with or without sign. */
    | { readonly kind: 'cast'; readonly type: ValueType; readonly operand: Expression }
    /** `walk(rip)`: one of the environment's functions, in lower case. */
    | { readonly kind: 'call'; readonly name: string; readonly operands: readonly Expression[] }
  );

/** What is wrong with an expression, and where in its text. The message does not repeat the place. */
export class ExpressionError extends Error {
  readonly span: Span;
  /** The text that `span` counts in, where somebody knew it. */
  text: string | undefined;

  constructor(message: string, span: Span) {
    super(message);
    this.span = span;
  }
}

/** One line for the user: what, and in which column (from 1) of the expression. */
export const describeError = (error: ExpressionError): string => `${error.message} (column ${error.span.start + 1})`;

/** Three lines for the user where there is room: what, the expression, and a caret below the place. */
export const pointAt = (text: string, error: ExpressionError): string => {
  const line = text.slice(text.lastIndexOf('\n', error.span.start - 1) + 1).split('\n', 1)[0] ?? '';
  const before = text.slice(0, error.span.start).split('\n').at(-1) ?? '';
  return `${error.message}\n  ${line}\n  ${before.replace(/[^\t]/g, ' ')}^`;
};
