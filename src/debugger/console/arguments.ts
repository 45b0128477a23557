/** What the arguments of commands consist of: values, places in memory, locations in the program, lists, counts. */

import { BadInput } from '../../program/program';
import { type LinearAddress, linear } from '../../x86/address';
import type { Place, Space } from '../address';
import { evaluate, locate, type Value } from '../expression/evaluator';
import { parseExpression } from '../expression/parser';
import { ExpressionError } from '../expression/syntax';
import { stopAtSymbol } from '../function-body';
import { readInteger } from '../machine-options';
import type { ProgramInfo } from '../program-info';
import { environmentOf } from '../query-item';
import { currentAddress } from '../vcpu-view';
import type { ConsoleContext } from './command';

/** Does something with an expression; an error then knows the text that it points into. */
export const inText = <Result>(text: string, work: () => Result): Result => {
  try {
    return work();
  } catch (error) {
    if (error instanceof ExpressionError) error.text ??= text;
    throw error;
  }
};

/** @throws ExpressionError */
export const evaluated = (console: ConsoleContext, text: string): Value =>
  inText(text, () => evaluate(parseExpression(text), environmentOf(console)));

/** A small number that is not an expression of the machine: a count, an id. @throws BadInput */
export const readCount = (text: string, what: string, most = Number.MAX_SAFE_INTEGER, least = 1): number => {
  const value = readInteger(text);
  if (value === undefined || value < BigInt(least) || value > BigInt(most))
    throw new BadInput(`${text === '' ? 'nothing' : text}: ${what} is wanted`);
  return Number(value);
};

const closing: Readonly<Record<string, string>> = { '[': ']', '(': ')' };

/** Cuts at commas that are in no brackets and no quotes. */
export const splitArguments = (text: string): string[] => {
  const parts: string[] = [];
  let part = '';
  let quote = '';
  const open: string[] = [];
  for (const character of text) {
    if (character === ',' && quote === '' && open.length === 0) {
      parts.push(part.trim());
      part = '';
      continue;
    }
    part += character;
    if (quote !== '') quote = character === quote ? '' : quote;
    else if (character === '"' || character === "'") quote = character;
    else if (closing[character] !== undefined) open.push(closing[character]);
    else if (character === open.at(-1)) open.pop();
  }
  return [...parts, part.trim()].filter((one, index, all) => one !== '' || index < all.length - 1);
};

export interface MemoryPlace {
  readonly space: Space;
  readonly address: bigint;
  /** Bytes of one element; undefined where the argument was a bare address. */
  readonly size?: 1 | 2 | 4 | 8;
}

/** `phys:ADDRESS`, `gpa:ADDRESS`, `guest:ADDRESS`; undefined where no space is named. @throws ExpressionError */
export const readSpace = (console: ConsoleContext, text: string): MemoryPlace | undefined => {
  const [, prefix, rest = text] = /^(phys|gpa|guest):(.*)$/is.exec(text) ?? [];
  return prefix === undefined
    ? undefined
    : { space: prefix.toLowerCase() as Space, address: evaluated(console, rest).bits };
};

/** `ADDRESS`, `[ADDRESS]:u32`, `phys[ADDRESS]`, `phys:ADDRESS`. @throws BadInput, ExpressionError */
export const readMemoryPlace = (console: ConsoleContext, text: string): MemoryPlace => {
  const named = readSpace(console, text);
  if (named !== undefined) return named;
  return inText(text, () => {
    const expression = parseExpression(text);
    const environment = environmentOf(console);
    if (expression.kind !== 'memory') return { space: 'linear', address: evaluate(expression, environment).bits };
    const { space, address, size } = locate(expression, environment);
    if (space === 'msr') throw new ExpressionError('a place in memory is wanted', expression);
    return { space, address, size };
  });
};

/** `1` byte for 0x90, 4 for 0x12345678: where nobody says how wide a number is. */
const smallest = (bits: bigint): 1 | 2 | 4 | 8 =>
  bits < 1n << 8n ? 1 : bits < 1n << 16n ? 2 : bits < 1n << 32n ? 4 : 8;

/** What is to be found or written: texts in double quotes, and numbers, little-endian. @throws BadInput, ExpressionError */
export const readPattern = (console: ConsoleContext, parts: readonly string[]): Uint8Array => {
  const bytes = parts.flatMap((part): number[] => {
    const text = /^"([^"]*)"$/.exec(part)?.[1];
    if (text !== undefined) return [...new TextEncoder().encode(text)];
    const { bits, size } = evaluated(console, part);
    const written = /:[ui](8|16|32|64)\s*$/i.test(part) || /^(byte|word|dword|qword)\b/i.test(part);
    const count = written ? size : smallest(bits);
    return Array.from({ length: count }, (_, index) => Number((bits >> BigInt(index * 8)) & 0xffn));
  });
  if (bytes.length === 0) throw new BadInput('which bytes? 0x90, 0x1234:u32, "text"');
  return Uint8Array.from(bytes);
};

/** Where code is to stop: a location, or `phys:ADDRESS`, `cpu1:SYMBOL`, `cpu1:phys:ADDRESS`. @throws BadInput, ExpressionError */
export const readCodePlaces = (console: ConsoleContext, text: string): readonly Place[] => {
  const [, vcpu, space = '', rest = text] = /^(?:cpu(\d{1,3}):)?(?:(phys|gpa|guest):)?(.*)$/is.exec(text) ?? [];
  const of = vcpu === undefined ? {} : { vcpu: console.session.vcpu(Number(vcpu)).index };
  if (space !== '') return [{ space: space.toLowerCase() as Space, address: evaluated(console, rest).bits, ...of }];
  const body = stopAtSymbol(console.session.codeView(console.vcpu), rest);
  const addresses = body === undefined ? readLocation(console, rest) : [body];
  return addresses.map((address) => ({ space: 'linear', address, ...of }));
};

/** A line, FILE:LINE, a symbol, or an expression that gives an address. @throws BadInput, ExpressionError */
export const readLocation = (console: ConsoleContext, text: string): readonly LinearAddress[] => {
  if (text === '') throw new BadInput('where? a line, FILE:LINE, a symbol or an address');
  const { info } = console.session;
  const [, file, digits] = /^(?:(\S+):)?(\d+)$/.exec(text) ?? [];
  if (digits !== undefined && info.lines.files.length > 0) return lineAddresses(console, file, Number(digits));
  return [linear(evaluated(console, text.replace(/^\*/, '')).bits)];
};

const lineAddresses = (console: ConsoleContext, named: string | undefined, line: number): readonly LinearAddress[] => {
  const { info } = console.session;
  const file = named === undefined ? currentFile(console) : fileNamed(info, named);
  if (file === undefined)
    throw new BadInput(`${named}: no file of this program; they are ${info.lines.files.join(', ')}`);
  const found = info.lines.addresses(file, line);
  if (found === null) throw new BadInput(`${file}:${line}: there is no code on this line or after it`);
  return found.addresses;
};

/** A file by its path or by the end of it. */
const fileNamed = (info: ProgramInfo, named: string): string | undefined => {
  const ending = named.startsWith('/') ? named : `/${named}`;
  const found = info.lines.files.filter((file) => file.endsWith(ending));
  return info.fileFor(ending) ?? (found.length === 1 ? found[0] : undefined);
};

const currentFile = ({ session, vcpu }: ConsoleContext): string | undefined =>
  session.info.lines.at(currentAddress(session.vcpu(vcpu)))?.file ?? session.info.lines.files[0];
