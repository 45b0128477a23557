/** Cuts the text of an expression into tokens. Numbers are written as in C or in NASM: 255, 0xff, 0ffh, 0b11, 'A'. */

import { ExpressionError, type Span } from './syntax';

export type Token = Span &
  (
    | { readonly kind: 'number'; readonly value: bigint }
    | { readonly kind: 'name'; readonly text: string }
    | { readonly kind: 'operator'; readonly text: string }
    | { readonly kind: 'end' }
  );

/** Longest first: the first that fits is taken. */
const operators = [
  ...['||', '&&', '==', '!=', '<=', '>=', '<<', '>>'],
  ...['|', '^', '&', '<', '>', '+', '-', '*', '/', '%', '~', '!', '(', ')', '[', ']', ':', '=', ','],
];

const NUMBER = /[0-9][0-9a-zA-Z_]*/y;
/** Names of registers and symbols; `$name` is a symbol even where a register has that name, and a lone `$` is RIP. */
const NAME = /[A-Za-z_.?@$%][A-Za-z0-9_.?@$#~]*/y;

const notations: readonly { readonly pattern: RegExp; readonly prefix: string }[] = [
  { pattern: /^0[xX]([0-9a-fA-F]+)$/, prefix: '0x' },
  { pattern: /^([0-9][0-9a-fA-F]*)[hH]$/, prefix: '0x' },
  { pattern: /^0[bB]([01]+)$/, prefix: '0b' },
  { pattern: /^0[oOqQ]([0-7]+)$/, prefix: '0o' },
  { pattern: /^([0-9]+)$/, prefix: '' },
];

/** @throws ExpressionError at the first character that begins no token */
export const tokenize = (text: string): Token[] => {
  const tokens: Token[] = [];
  for (let at = 0; at < text.length; ) {
    if (/\s/.test(text.charAt(at))) {
      at++;
      continue;
    }
    const token = number(text, at) ?? character(text, at) ?? name(text, at) ?? operator(text, at);
    if (token === undefined)
      throw new ExpressionError(`\`${text.charAt(at)}\` begins no number, name or operator`, {
        start: at,
        end: at + 1,
      });
    tokens.push(token);
    at = token.end;
  }
  tokens.push({ kind: 'end', start: text.length, end: text.length });
  return tokens;
};

const match = (pattern: RegExp, text: string, at: number): string | undefined => {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0];
};

const number = (text: string, start: number): Token | undefined => {
  const written = match(NUMBER, text, start);
  if (written === undefined) return undefined;
  const span = { start, end: start + written.length };
  const plain = written.replace(/_/g, '');
  for (const { pattern, prefix } of notations) {
    const digits = pattern.exec(plain)?.[1];
    if (digits === undefined) continue;
    const value = BigInt(prefix + digits);
    if (value >> 64n !== 0n) throw new ExpressionError(`${written} does not fit into 64 bits`, span);
    return { kind: 'number', value, ...span };
  }
  throw new ExpressionError(`${written} is no number; write 255, 0xff, 0ffh or 0b11111111`, span);
};

/** Up to eight characters, the first in the lowest byte, as NASM has it. */
const character = (text: string, start: number): Token | undefined => {
  const quote = text.charAt(start);
  if (quote !== "'" && quote !== '"') return undefined;
  const close = text.indexOf(quote, start + 1);
  if (close < 0) throw new ExpressionError(`the closing ${quote} is missing`, { start, end: text.length });
  const span = { start, end: close + 1 };
  const bytes = new TextEncoder().encode(text.slice(start + 1, close));
  if (bytes.length === 0 || bytes.length > 8)
    throw new ExpressionError('a character constant has one to eight characters', span);
  const value = bytes.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
  return { kind: 'number', value, ...span };
};

const name = (text: string, start: number): Token | undefined => {
  const written = match(NAME, text, start);
  // A lone % is the operator; %rax is how others write a register.
  if (written === undefined || written === '%') return undefined;
  return { kind: 'name', text: written, start, end: start + written.length };
};

const operator = (text: string, start: number): Token | undefined => {
  const found = operators.find((candidate) => text.startsWith(candidate, start));
  return found === undefined ? undefined : { kind: 'operator', text: found, start, end: start + found.length };
};
