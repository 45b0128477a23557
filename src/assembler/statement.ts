/** One line of source as a statement: an optional label, an optional TIMES, and an instruction, data or directive. */

import { withoutOperands } from './arrangements';
import { AssemblyProblem, type Place } from './diagnostics';
import { type DirectiveAction, isDirective, parseDirective } from './directives';
import { type Cursor, type Expression, fullName, parseExpression } from './expression';
import type { Bits } from './forms';
import type { Prefixes } from './instruction';
import { instructionNamed, type NamedInstruction } from './mnemonics';
import { type OperandList, parseOperands } from './operands';
import { type Register, registerNamed } from './registers';

export interface Label extends Place {
  readonly name: string;
  readonly colon: boolean;
}

export type Action =
  | DirectiveAction
  | {
      readonly kind: 'instruction';
      readonly name: string;
      readonly named: NamedInstruction;
      readonly list: OperandList;
      readonly prefixes: Prefixes;
      readonly place: Place;
    }
  /** Prefixes without an instruction are just their bytes. */
  | { readonly kind: 'prefixes'; readonly prefixes: Prefixes }
  | { readonly kind: 'nothing' };

export interface Statement extends Place {
  readonly label?: Label;
  readonly times?: Expression;
  readonly action: Action;
  readonly bits: Bits;
  readonly relativeByDefault: boolean;
}

/** What earlier lines determine for the following ones. */
export interface ParserState {
  bits: Bits;
  relativeByDefault: boolean;
  /** The last label that is not local. */
  scope: string;
}

/** @throws AssemblyProblem at the token that cannot be understood. The label is reported through `onLabel` even then. */
export function parseStatement(cursor: Cursor, state: ParserState, onLabel: (label: Label) => void): Statement {
  const { line, column } = cursor.peek();
  const bracketed = cursor.isOperator('[');
  if (bracketed) cursor.next();
  const label = bracketed ? undefined : parseLabel(cursor, state);
  const isConstant = cursor.word() === 'equ';
  if (label !== undefined) {
    onLabel(label);
    if (!isConstant && !label.name.includes('.')) state.scope = label.name;
  }
  const times = cursor.takeWord('times') ? parseExpression(cursor, state.scope) : undefined;
  const action = parseAction(cursor, state, label, bracketed);
  return {
    line,
    column,
    action,
    bits: state.bits,
    relativeByDefault: state.relativeByDefault,
    ...(label === undefined ? {} : { label }),
    ...(times === undefined ? {} : { times }),
  };
}

function parseLabel(cursor: Cursor, state: ParserState): Label | undefined {
  const token = cursor.peek();
  if (token.kind !== 'name') return undefined;
  const colon = cursor.isOperator(':', 1);
  const word = cursor.word();
  if (!colon && word !== undefined && startsStatement(cursor, word)) return undefined;
  if (colon && word !== undefined && registerNamed(word) !== undefined) {
    throw new AssemblyProblem(token, `\`${token.text}\` is a register: write \`$${token.text}:\` to use it as a label`);
  }
  cursor.next();
  if (colon) cursor.next();
  const following = cursor.word();
  if (!colon && !cursor.atEnd() && (following === undefined || !startsStatement(cursor, following))) {
    throw new AssemblyProblem(token, `\`${token.text}\` is neither an instruction nor a directive`);
  }
  const { line, column, text } = token;
  return { name: fullName(text, state.scope), colon, line, column };
}

const startsStatement = (cursor: Cursor, word: string): boolean =>
  word === 'times' ||
  isDirective(word) ||
  prefixWords[word] !== undefined ||
  (registerNamed(word)?.class === 'segment' && cursor.peek(1).kind !== 'operator') ||
  instructionNamed(word) !== undefined;

type MutablePrefixes = { -readonly [Key in keyof Prefixes]: Prefixes[Key] };

const noPrefixes: Prefixes = {
  lock: false,
  repeat: undefined,
  wait: false,
  segment: undefined,
  operandSize: undefined,
  addressSize: undefined,
  encoding: undefined,
};

const prefixWords: Readonly<Record<string, Partial<Prefixes>>> = {
  lock: { lock: true },
  rep: { repeat: 0xf3 },
  repe: { repeat: 0xf3 },
  repz: { repeat: 0xf3 },
  repne: { repeat: 0xf2 },
  repnz: { repeat: 0xf2 },
  bnd: { repeat: 0xf2 },
  nobnd: {},
  xacquire: { repeat: 0xf2 },
  xrelease: { repeat: 0xf3 },
  o16: { operandSize: 16 },
  o32: { operandSize: 32 },
  o64: { operandSize: 64 },
  a16: { addressSize: 16 },
  a32: { addressSize: 32 },
  a64: { addressSize: 64 },
};

const encodingWords: Readonly<Record<string, Partial<Prefixes>>> = {
  vex: { encoding: 'vex' },
  vex2: { encoding: 'vex2' },
  vex3: { encoding: 'vex3' },
  evex: { encoding: 'evex' },
};

function parseAction(cursor: Cursor, state: ParserState, label: Label | undefined, bracketed: boolean): Action {
  const prefixes: MutablePrefixes = { ...noPrefixes };
  let prefixed = false;
  for (;;) {
    const token = cursor.peek();
    const word = cursor.word();
    const prefix =
      token.kind === 'decoration' ? encodingWords[token.text] : word === undefined ? undefined : prefixOf(cursor, word);
    if (prefix === undefined) break;
    checkPrefix(prefix, state.bits, token);
    Object.assign(prefixes, prefix);
    prefixed = true;
    cursor.next();
  }
  if (cursor.atEnd()) return prefixed ? { kind: 'prefixes', prefixes } : { kind: 'nothing' };
  const token = cursor.peek();
  const word = cursor.word();
  if (word === undefined) throw cursor.unexpected('expected an instruction');
  if (isDirective(word)) {
    if (prefixed) throw new AssemblyProblem(token, `\`${word}\` takes no prefix`);
    cursor.next();
    const action = parseDirective(word, cursor, state, token, label !== undefined);
    if (bracketed) cursor.expectOperator(']', 'a directive in brackets');
    cursor.expectEnd();
    return action;
  }
  const name = word;
  let named = instructionNamed(name);
  if (named === undefined || bracketed) {
    throw new AssemblyProblem(
      token,
      `\`${token.text}\` is ${bracketed ? 'no directive' : 'neither an instruction nor a directive'}`,
    );
  }
  cursor.next();
  const list = parseOperands(cursor, state.scope);
  if (list.operands.length === 0 && withoutOperands(name) !== name) {
    named = instructionNamed(withoutOperands(name)) ?? named;
  }
  return { kind: 'instruction', name, named, list, prefixes, place: { line: token.line, column: token.column } };
}

function checkPrefix({ operandSize, addressSize }: Partial<Prefixes>, bits: Bits, place: Place): void {
  const isWide = (operandSize === 64 || addressSize === 64) && bits !== 64;
  if (isWide) throw new AssemblyProblem(place, `64-bit sizes exist in 64-bit code only, this is ${bits}-bit code`);
  if (addressSize === 16 && bits === 64) throw new AssemblyProblem(place, '64-bit code has no 16-bit addresses');
}

function prefixOf(cursor: Cursor, word: string): Partial<Prefixes> | undefined {
  const listed = prefixWords[word];
  if (listed !== undefined) return listed;
  const register: Register | undefined = registerNamed(word);
  return register?.class === 'segment' && !cursor.isOperator(':', 1) ? { segment: register } : undefined;
}
