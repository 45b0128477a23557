/** Directives: the shape of each, and what this version does not have. NASM manual, "Assembler Directives". */

import { AssemblyProblem, type Place } from './diagnostics';
import { type Cursor, type Expression, parseExpression } from './expression';
import type { Bits } from './forms';
import { registerNamed } from './registers';
import type { ParserState } from './statement';

export type DataItem = Place &
  (
    | { readonly kind: 'expression'; readonly expression: Expression }
    | { readonly kind: 'string'; readonly bytes: Uint8Array }
    | { readonly kind: 'float'; readonly text: string; readonly negative: boolean }
    /** `?` */
    | { readonly kind: 'reserve' }
    /** `count dup (items)` */
    | { readonly kind: 'repeated'; readonly count: Expression; readonly items: readonly DataItem[] }
  );

export type SectionNumber = 'align' | 'start' | 'vstart' | 'valign';

export interface SectionRequest {
  readonly name: string;
  /** align, start, vstart, valign */
  readonly numbers: readonly (readonly [SectionNumber, Expression])[];
  readonly follows?: string;
  readonly vfollows?: string;
  readonly contents?: boolean;
}

export type DirectiveAction =
  /** `size` in bytes. */
  | { readonly kind: 'data'; readonly size: number; readonly items: readonly DataItem[] }
  | { readonly kind: 'reserve'; readonly size: number; readonly count: Expression }
  | { readonly kind: 'equ'; readonly expression: Expression }
  | { readonly kind: 'org'; readonly expression: Expression }
  | { readonly kind: 'section'; readonly request: SectionRequest }
  | { readonly kind: 'absolute'; readonly expression: Expression }
  | { readonly kind: 'bits'; readonly bits: Bits }
  | {
      readonly kind: 'align';
      readonly boundary: Expression;
      /** What fills the gap: zeros, a byte of data, or NOP instructions when it is undefined. */
      readonly filler: 'reserve' | 'nop' | { readonly size: number; readonly items: readonly DataItem[] };
    }
  | { readonly kind: 'sectalign'; readonly boundary: Expression }
  | { readonly kind: 'nothing' };

const dataSizes: Readonly<Record<string, number>> = {
  db: 1,
  dw: 2,
  dd: 4,
  dq: 8,
  dt: 10,
  do: 16,
  ddq: 16,
  dy: 32,
  dz: 64,
};

const reserveSizes: Readonly<Record<string, number>> = {
  resb: 1,
  resw: 2,
  resd: 4,
  resq: 8,
  rest: 10,
  reso: 16,
  resdq: 16,
  resy: 32,
  resz: 64,
};

const unsupported: Readonly<Record<string, string>> = {
  struc: 'structures are not supported in this version: define each field with `name equ offset`',
  endstruc: 'structures are not supported in this version',
  istruc: 'structures are not supported in this version: write the data with db, dw, dd and dq',
  at: 'structures are not supported in this version',
  iend: 'structures are not supported in this version',
  incbin: '`incbin` is not supported in this version',
  extern: 'a flat image has no external symbols: define the label in this file',
  required: 'a flat image has no external symbols: define the label in this file',
  common: 'a flat image has no common symbols: define the label in .bss',
};

type Parser = (cursor: Cursor, state: ParserState, place: Place) => DirectiveAction;

const nothing: DirectiveAction = { kind: 'nothing' };

const skipRest = (cursor: Cursor): DirectiveAction => {
  while (!cursor.atEnd() && !cursor.isOperator(']')) cursor.next();
  return nothing;
};

const parsers: Readonly<Record<string, Parser>> = {
  bits: (cursor, state) => {
    const token = cursor.peek();
    const bits = token.kind === 'integer' ? Number(token.value) : 0;
    if (bits !== 16 && bits !== 32 && bits !== 64) throw cursor.unexpected('`bits` needs 16, 32 or 64');
    cursor.next();
    state.bits = bits;
    return { kind: 'bits', bits };
  },
  use16: (_cursor, state) => {
    state.bits = 16;
    return { kind: 'bits', bits: 16 };
  },
  use32: (_cursor, state) => {
    state.bits = 32;
    return { kind: 'bits', bits: 32 };
  },
  org: (cursor, { scope }) => ({ kind: 'org', expression: parseExpression(cursor, scope) }),
  absolute: (cursor, { scope }) => ({ kind: 'absolute', expression: parseExpression(cursor, scope) }),
  section: parseSection,
  segment: parseSection,
  default: (cursor, state) => {
    const word = cursor.word();
    if (word === 'rel' || word === 'abs') state.relativeByDefault = word === 'rel';
    else if (word !== 'bnd' && word !== 'nobnd') throw cursor.unexpected('`default` needs rel or abs');
    cursor.next();
    return nothing;
  },
  align: (cursor, { scope }) => {
    const boundary = parseExpression(cursor, scope);
    return { kind: 'align', boundary, filler: cursor.takeOperator(',') ? parseFiller(cursor, scope) : 'nop' };
  },
  alignb: (cursor, { scope }) => {
    const boundary = parseExpression(cursor, scope);
    return { kind: 'align', boundary, filler: cursor.takeOperator(',') ? parseFiller(cursor, scope) : 'reserve' };
  },
  sectalign: (cursor, { scope }) => {
    if (cursor.takeWord('on') || cursor.takeWord('off')) return nothing;
    return { kind: 'sectalign', boundary: parseExpression(cursor, scope) };
  },
  equ: (cursor, { scope }) => ({ kind: 'equ', expression: parseExpression(cursor, scope) }),
  // Every label of a flat image is in its symbol table anyway.
  global: skipRest,
  static: skipRest,
  // All instructions are always available.
  cpu: skipRest,
  float: skipRest,
  warning: skipRest,
  map: skipRest,
};

export const isDirective = (word: string): boolean =>
  Object.hasOwn(parsers, word) ||
  Object.hasOwn(dataSizes, word) ||
  Object.hasOwn(reserveSizes, word) ||
  Object.hasOwn(unsupported, word);

/** The cursor stands behind the directive's word. */
export function parseDirective(
  word: string,
  cursor: Cursor,
  state: ParserState,
  place: Place,
  labelled: boolean,
): DirectiveAction {
  const problem = unsupported[word];
  if (problem !== undefined) throw new AssemblyProblem(place, problem);
  const dataSize = dataSizes[word];
  if (dataSize !== undefined) return { kind: 'data', size: dataSize, items: parseItems(cursor, state.scope) };
  const reserveSize = reserveSizes[word];
  if (reserveSize !== undefined) {
    return { kind: 'reserve', size: reserveSize, count: parseExpression(cursor, state.scope) };
  }
  if (word === 'equ' && !labelled) throw new AssemblyProblem(place, '`equ` needs a name before it: `size equ 16`');
  const parser = parsers[word];
  if (parser === undefined) throw new AssemblyProblem(place, `\`${word}\` is not a directive`);
  return parser(cursor, state, place);
}

function parseItems(cursor: Cursor, scope: string): DataItem[] {
  const items: DataItem[] = [];
  do {
    // A comma at the end of the line adds nothing.
    if (cursor.atEnd() && items.length > 0) break;
    items.push(parseItem(cursor, scope));
  } while (cursor.takeOperator(','));
  return items;
}

function parseItem(cursor: Cursor, scope: string): DataItem {
  const token = cursor.peek();
  const { line, column } = token;
  const isLast = (ahead: number): boolean => {
    const next = cursor.peek(ahead);
    return next.kind === 'end' || (next.kind === 'operator' && (next.text === ',' || next.text === ')'));
  };
  if (token.kind === 'string' && isLast(1)) {
    cursor.next();
    return { kind: 'string', bytes: token.bytes, line, column };
  }
  if (cursor.isOperator('?') && isLast(1)) {
    cursor.next();
    return { kind: 'reserve', line, column };
  }
  const sign = cursor.isOperator('-') || cursor.isOperator('+') ? 1 : 0;
  const literal = cursor.peek(sign);
  if (literal.kind === 'float') {
    const negative = cursor.isOperator('-');
    if (sign === 1) cursor.next();
    cursor.next();
    return { kind: 'float', text: literal.text, negative, line, column };
  }
  const expression = parseExpression(cursor, scope);
  if (cursor.takeWord('dup')) {
    if (!cursor.takeOperator('('))
      return { kind: 'repeated', count: expression, items: [parseItem(cursor, scope)], line, column };
    const items = parseItems(cursor, scope);
    cursor.expectOperator(')', 'an opening parenthesis');
    return { kind: 'repeated', count: expression, items, line, column };
  }
  if (
    expression.kind === 'register' ||
    (expression.kind === 'symbol' && registerNamed(expression.name) !== undefined)
  ) {
    throw new AssemblyProblem(token, 'data is made of numbers and strings, not of registers');
  }
  return { kind: 'expression', expression, line, column };
}

function parseFiller(cursor: Cursor, scope: string): { size: number; items: readonly DataItem[] } | 'reserve' | 'nop' {
  const word = cursor.word() ?? '';
  if (word === 'nop') {
    cursor.next();
    return 'nop';
  }
  const size = dataSizes[word];
  if (size !== undefined) {
    cursor.next();
    return { size, items: parseItems(cursor, scope) };
  }
  if (reserveSizes[word] !== undefined) {
    cursor.next();
    parseExpression(cursor, scope);
    return 'reserve';
  }
  throw cursor.unexpected('the filler of an alignment is `nop`, `db 0` or `resb 1`');
}

const isSectionNumber = (word: string): word is SectionNumber => ['align', 'start', 'vstart', 'valign'].includes(word);

function parseSection(cursor: Cursor, { scope }: ParserState): DirectiveAction {
  const token = cursor.peek();
  if (token.kind !== 'name') throw cursor.unexpected('`section` needs a name like .text');
  cursor.next();
  let request: SectionRequest = { name: token.text, numbers: [] };
  while (!cursor.atEnd() && !cursor.isOperator(']')) {
    const word = cursor.word();
    if (word === undefined) throw cursor.unexpected('expected an attribute of the section');
    const place = cursor.next();
    if (word === 'progbits' || word === 'nobits') request = { ...request, contents: word === 'progbits' };
    else if (isSectionNumber(word)) {
      cursor.expectOperator('=', `\`${word}\``);
      request = { ...request, numbers: [...request.numbers, [word, parseExpression(cursor, scope)]] };
    } else if (word === 'follows' || word === 'vfollows') {
      cursor.expectOperator('=', `\`${word}\``);
      const name = cursor.next();
      if (name.kind !== 'name') throw new AssemblyProblem(name, `\`${word}\` needs the name of a section`);
      request = { ...request, [word]: name.text };
    } else if (
      !['exec', 'noexec', 'write', 'nowrite', 'alloc', 'noalloc', 'code', 'data', 'bss', 'rdata'].includes(word)
    ) {
      const right = 'align=, start=, vstart=, valign=, follows=, vfollows=, progbits or nobits';
      throw new AssemblyProblem(place, `\`${word}\` is no attribute of a section: write ${right}`);
    }
  }
  return { kind: 'section', request };
}
