/**
 * Splits the source into logical lines of tokens: comments are dropped, a backslash at the end of a line joins the next
 * one. Every token keeps the line and column it stood at.
 */

import { AssemblyProblem, type Place } from './diagnostics';
import { parseInteger } from './numbers';

export type Token =
  | (Place & { readonly kind: 'name'; readonly text: string; readonly escaped: boolean })
  | (Place & { readonly kind: 'integer'; readonly text: string; readonly value: bigint })
  | (Place & { readonly kind: 'float'; readonly text: string })
  | (Place & { readonly kind: 'string'; readonly text: string; readonly bytes: Uint8Array })
  /** `{k1}`, `{1to8}`, `{rn-sae}`, `{vex}`: the text is what stands between the braces. */
  | (Place & { readonly kind: 'decoration'; readonly text: string })
  | (Place & { readonly kind: 'operator'; readonly text: string })
  | (Place & { readonly kind: 'end'; readonly text: '' });

export interface LogicalLine {
  readonly line: number;
  readonly tokens: readonly Token[];
  readonly problem?: AssemblyProblem;
  /** A preprocessor line's directive, without the percent sign. */
  readonly preprocessor?: string;
}

const name = /(?:[A-Za-z_.@\u0080-\uffff]|\?(?=[\w$#@~.?]))[\w$#@~.?\u0080-\uffff]*/y;
const number = /\$?[0-9][\w.]*/y;
const operator = /<=>|<<<|>>>|<<|>>|<=|>=|<>|==|!=|&&|\|\||\^\^|\/\/|%%|\$\$|[-+*/%&|^~!<>=?:,[\]()$]/y;
const preprocessorLine = /^[ \t]*%[ \t]*([A-Za-z]\w*|!\S*)/;
const encoder = new TextEncoder();

export function splitLines(source: string): LogicalLine[] {
  const physical = source.split(/\r\n|\n|\r/);
  const lines: LogicalLine[] = [];
  for (let index = 0; index < physical.length; index++) {
    const first = index;
    const tokens: Token[] = [];
    const preprocessor = preprocessorLine.exec(physical[index] ?? '')?.[1]?.toLowerCase();
    let problem: AssemblyProblem | undefined;
    let inComment = false;
    for (;;) {
      const text = physical[index] ?? '';
      const continued = text.endsWith('\\') && index + 1 < physical.length;
      try {
        if (preprocessor === undefined && problem === undefined && !inComment) {
          inComment = scanLine(continued ? text.slice(0, -1) : text, index + 1, tokens);
        }
      } catch (error) {
        if (!(error instanceof AssemblyProblem)) throw error;
        problem = error;
      }
      if (!continued) break;
      index++;
    }
    if (tokens.length === 0 && problem === undefined && preprocessor === undefined) continue;
    tokens.push({ kind: 'end', text: '', line: index + 1, column: (physical[index] ?? '').trimEnd().length + 1 });
    lines.push({
      line: first + 1,
      tokens,
      ...(problem === undefined ? {} : { problem }),
      ...(preprocessor === undefined ? {} : { preprocessor }),
    });
  }
  return lines;
}

/** Returns whether the line ended in a comment, which a backslash continues too. */
function scanLine(text: string, line: number, tokens: Token[]): boolean {
  let position = 0;
  const match = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = position;
    return pattern.exec(text)?.[0];
  };
  while (position < text.length) {
    const place = { line, column: position + 1 };
    const character = text[position] ?? '';
    if (character === ' ' || character === '\t' || character === '\f' || character === '\v') {
      position++;
      continue;
    }
    if (character === ';') return true;
    if (character === '"' || character === "'" || character === '`') {
      const end = stringEnd(text, position);
      if (end < 0) throw new AssemblyProblem(place, `the string has no closing ${character}`);
      const inner = text.slice(position + 1, end);
      const bytes = character === '`' ? unescaped(inner, place) : encoder.encode(inner);
      tokens.push({ kind: 'string', text: text.slice(position, end + 1), bytes, ...place });
      position = end + 1;
      continue;
    }
    if (character === '{') {
      const end = text.indexOf('}', position);
      if (end < 0) throw new AssemblyProblem(place, 'the { has no closing }');
      tokens.push({
        kind: 'decoration',
        text: text
          .slice(position + 1, end)
          .trim()
          .toLowerCase(),
        ...place,
      });
      position = end + 1;
      continue;
    }
    const digits = match(number);
    if (digits !== undefined) {
      position += scanNumber(text, position, digits, place, tokens);
      continue;
    }
    const escaped = character === '$' && /[A-Za-z_.?@]/.test(text[position + 1] ?? '');
    if (escaped) position++;
    const word = match(name);
    if (word !== undefined) {
      tokens.push({ kind: 'name', text: word, escaped, ...place });
      position += word.length;
      continue;
    }
    const sign = match(operator);
    if (sign === undefined) throw new AssemblyProblem(place, `unexpected character ${JSON.stringify(character)}`);
    tokens.push({ kind: 'operator', text: sign, ...place });
    position += sign.length;
  }
  return false;
}

/** Pushes the number at `position` and returns its length: the exponent's sign of a float extends `digits`. */
function scanNumber(text: string, position: number, digits: string, place: Place, tokens: Token[]): number {
  const signed = /^(?:0[xXhH][\da-fA-F_]*\.?[\da-fA-F_]*[pP]|[\d_]+(?:\.[\d_]*)?[eE])$/.test(digits)
    ? (/^[-+]\d+/.exec(text.slice(position + digits.length))?.[0] ?? '')
    : '';
  const literal = digits + signed;
  const value = signed === '' ? parseInteger(digits) : undefined;
  if (value !== undefined) tokens.push({ kind: 'integer', text: literal, value, ...place });
  else if (
    /^(?:[\d_]+\.[\d_]*(?:[eE][-+]?\d+)?|[\d_]+[eE][-+]?\d+|0[xXhH][\da-fA-F_]*\.?[\da-fA-F_]*[pP][-+]?\d+)$/.test(
      literal,
    )
  ) {
    tokens.push({ kind: 'float', text: literal.replaceAll('_', ''), ...place });
  } else {
    throw new AssemblyProblem(place, `\`${literal}\` is not a number: write 255, 0xff, 0ffh, 0b1111_1111 or 377o`);
  }
  return literal.length;
}

function stringEnd(text: string, start: number): number {
  const quote = text[start];
  for (let index = start + 1; index < text.length; index++) {
    if (text[index] === quote) return index;
    if (quote === '`' && text[index] === '\\') index++;
  }
  return -1;
}

const escapes: Readonly<Record<string, number>> = {
  a: 7,
  b: 8,
  t: 9,
  n: 10,
  v: 11,
  f: 12,
  r: 13,
  e: 27,
  '\\': 92,
  "'": 39,
  '"': 34,
  '`': 96,
  '?': 63,
};

/** C-style escapes of a back-quoted string. */
function unescaped(text: string, place: Place): Uint8Array {
  const bytes: number[] = [];
  const pattern = /\\(?:([0-7]{1,3})|x([\da-fA-F]{1,2})|u([\da-fA-F]{4})|U([\da-fA-F]{8})|(.))|([^\\]+)/gsu;
  for (const [whole, octal, hexadecimal, short, long, letter, plain] of text.matchAll(pattern)) {
    const point = short ?? long;
    if (plain !== undefined) bytes.push(...encoder.encode(plain));
    else if (octal !== undefined) bytes.push(Number.parseInt(octal, 8) & 0xff);
    else if (hexadecimal !== undefined) bytes.push(Number.parseInt(hexadecimal, 16));
    else if (point !== undefined) {
      const value = Number.parseInt(point, 16);
      if (value > 0x10ffff) throw new AssemblyProblem(place, `${whole} is not a Unicode character`);
      bytes.push(...encoder.encode(String.fromCodePoint(value)));
    } else {
      const value = escapes[letter ?? ''];
      if (value === undefined) bytes.push(...encoder.encode(letter ?? ''));
      else bytes.push(value);
    }
  }
  return Uint8Array.from(bytes);
}
