/**
 * What was typed or pointed at, as an item: the value in the format that was asked for, with what it consists of as
 * children. Hover, watch, and both consoles show the same.
 */

import { type LinearAddress, linear } from '../x86/address';
import type { Place, Space } from './address';
import { type VcpuEnvironment, WaitingEnvironment } from './environment';
import { evaluate, locate, type Value } from './expression/evaluator';
import type { Query } from './expression/parser';
import { type Expression, ExpressionError, type ValueType } from './expression/syntax';
import { functionsOf } from './functions';
import { scopesOf } from './inspect/scopes';
import { vmcsFieldItem } from './inspect/vmcs-field';
import { type Item, itemValue, type Radix } from './item';
import type { OuterFrame } from './name-sources';
import type { Session } from './session';
import { placeOfGuest, vcpuOfFrame } from './sides';
import { formatted, quoted, valueItem } from './value-text';
import { namedField } from './vmcs/names';

/** Who asks. */
export interface Viewer {
  readonly session: Session;
  readonly vcpu: number;
  readonly radix: Radix;
  /** A frame further out, where one is looked at. */
  readonly frame?: OuterFrame | undefined;
}

/** Names and memory as the viewer sees them. */
export const environmentOf = ({ session, vcpu, frame }: Omit<Viewer, 'radix'>): VcpuEnvironment => {
  const environment = session.environment(vcpu);
  if (frame === undefined) return environment;
  const seen = vcpuOfFrame(session.vcpu(vcpu), frame);
  if (seen === session.vcpu(vcpu)) return environment.inFrame(frame);
  return new WaitingEnvironment(session.machine, seen, session.info, functionsOf(session, vcpu, seen), frame);
};

/** @throws ExpressionError */
export const queryItem = (viewer: Viewer, text: string, query: Query): Item => {
  const { session, radix } = viewer;
  const environment = environmentOf(viewer);
  const { value: expression, count, format } = query;
  if (count !== undefined) return arrayItem(viewer, expression, count, format);
  const value = evaluate(expression, environment);
  if (format === 's') return textItem(text, environment, value.bits);
  const item = {
    ...valueItem(text, value, session.info, radix),
    ...(isPlace(expression) ? { expression: text, settable: true } : {}),
    ...pointed(viewer, expression, value),
    ...(expression.kind === 'name' && !expression.symbolOnly ? named(viewer, expression.name.toLowerCase()) : {}),
    name: text,
  };
  if (format === undefined) return item;
  const { bits: _, size: __, ...rest } = item;
  return { ...rest, meaning: formatted[format](value) };
};

const isPlace = ({ kind }: Expression): boolean => kind === 'name' || kind === 'memory';

/** Where the value, taken as an address, leads. */
const pointed = (viewer: Viewer, expression: Expression, value: Value): Partial<Item> => {
  if (value.wordy === true) return {};
  const { session } = viewer;
  const environment = environmentOf(viewer);
  const found: Place =
    expression.kind === 'memory' && expression.space !== 'msr'
      ? { space: expression.space, address: locate(expression, environment).address }
      : { space: 'linear', address: value.bits };
  const place = environment instanceof WaitingEnvironment ? placeOfGuest(found) : found;
  const at = linear(value.bits);
  const code = value.size >= 2 && session.info.lines.at(at) !== null ? { code: at } : {};
  const parts = isSymbol(environment, expression, at) ? { children: () => views(environment, at) } : {};
  return { memory: place, ...code, ...parts };
};

const isSymbol = (environment: VcpuEnvironment, expression: Expression, address: LinearAddress): boolean => {
  if (expression.kind !== 'name') return false;
  const source = environment.sources.find(({ read }) => read(expression.name) !== undefined);
  return (
    (expression.symbolOnly || source?.kind === 'symbol') && environment.readBytes('linear', address, 1).length === 1
  );
};

const sizes = [1, 2, 4, 8] as const;

/** What lies at a symbol, in every size; its line is where all of them are declared. */
const views = (environment: VcpuEnvironment, address: LinearAddress): Item[] =>
  viewsOf(environment, address).map((item) => ({ ...item, declaration: address }));

const viewsOf = (environment: VcpuEnvironment, address: LinearAddress): Item[] => [
  ...sizes.flatMap((size): Item[] => {
    const bits = environment.read('linear', address, size);
    return bits === undefined ? [] : [element('linear', address, { size, signed: false }, bits, `u${size * 8}`)];
  }),
  textItem('text', environment, address),
];

const hexOf = (value: bigint): string => `0x${value.toString(16)}`;

const element = (space: Space, address: bigint, type: ValueType, bits: bigint, name: string): Item => ({
  name,
  bits: BigInt.asUintN(type.size * 8, bits),
  size: type.size,
  ...(type.signed ? { meaning: String(BigInt.asIntN(type.size * 8, bits)) } : {}),
  expression: `${space === 'linear' ? '' : space}[${hexOf(address)}]:${type.signed ? 'i' : 'u'}${type.size * 8}`,
  settable: true,
  memory: { space, address },
});

/** Where registers have their rows. */
const registerScopes: ReadonlySet<string> = new Set(['Registers', 'Flags', 'Segments', 'Control registers & MSRs']);

/** The row of a scope that shows a register: its decoding and parts are shown here too. */
const named = ({ session, vcpu, frame }: Viewer, name: string): Partial<Item> => {
  // The rows of the scopes are those of the innermost frame.
  if (frame !== undefined) return {};
  const source = session.environment(vcpu).sources.find(({ read }) => read(name) !== undefined);
  if (source?.kind === 'VMCS field') return vmcsRow(session, vcpu, name);
  if (source?.kind !== 'register' && source?.kind !== 'model-specific register') return {};
  for (const { name: scope, items } of scopesOf(session.machine, session.vcpu(vcpu), session.info)) {
    const found = !registerScopes.has(scope)
      ? undefined
      : items().find((item) => item.expression === name || item.name === name);
    if (found !== undefined) return found;
  }
  return {};
};

/** A whole field of a VMCS as its scope shows it. */
const vmcsRow = (session: Session, index: number, name: string): Partial<Item> => {
  const subject = { machine: session.machine, info: session.info, vcpu: session.vcpu(index) };
  const found = namedField(subject, name);
  return found === undefined ? {} : vmcsFieldItem(subject, found.view, found.name);
};

/** Longer texts are looked at as memory. */
const MOST_TEXT = 1024;

/** The text at an address, up to its zero byte or to where nothing is mapped. */
const textItem = (name: string, environment: VcpuEnvironment, address: bigint): Item => {
  const bytes = environment.readBytes('linear', address, MOST_TEXT);
  const end = bytes.indexOf(0);
  const more = end < 0 && bytes.length === MOST_TEXT ? '…' : '';
  const meaning =
    bytes.length === 0
      ? `nothing is mapped at ${hexOf(address)}`
      : quoted(end < 0 ? bytes : bytes.subarray(0, end)) + more;
  return { name, meaning, memory: { space: 'linear', address } };
};

/** Elements that the one line of an array shows. */
const SHOWN = 8;

const littleEndian = (bytes: Uint8Array): bigint => bytes.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n);

/** `[stack]:u64[8]`, `message,[16],c`: values one behind the other; behind an address without a type they are bytes. */
const arrayItem = (viewer: Viewer, expression: Expression, count: number, format: Query['format']): Item => {
  const { radix } = viewer;
  const environment = environmentOf(viewer);
  const memory = expression.kind === 'memory' ? expression : undefined;
  if (memory?.space === 'msr') throw new ExpressionError('only memory has elements', expression);
  const space: Space = memory === undefined ? 'linear' : (memory.space as Space);
  const { address, size } =
    memory === undefined
      ? { address: evaluate(expression, environment).bits, size: 1 as const }
      : locate(memory, environment);
  const type: ValueType = { size, signed: memory?.type?.signed ?? false };
  const read = (): Uint8Array => environment.readBytes(space, address, count * size);
  const bytes = read();
  if (bytes.length === 0) throw new ExpressionError(`nothing is mapped at ${hexOf(address)}`, expression);
  const there = Math.floor(bytes.length / size);
  const one = (now: Uint8Array, index: number): Item => {
    const at = BigInt.asUintN(64, address + BigInt(index * size));
    const raw = littleEndian(now.subarray(index * size, (index + 1) * size));
    const item = element(space, at, type, raw, `[${index}]`);
    if (format === undefined || format === 's') return item;
    const { bits: _, size: __, ...rest } = item;
    return { ...rest, meaning: formatted[format]({ bits: raw, size, signed: type.signed }) };
  };
  const items = (start = 0, length = there): Item[] => {
    const now = read();
    const end = Math.min(start + length, Math.floor(now.length / size));
    return Array.from({ length: Math.max(0, end - start) }, (_, n) => one(now, start + n));
  };
  const line =
    format === 's'
      ? quoted(bytes)
      : `[${items(0, SHOWN)
          .map((item) => itemValue(item, { radix }))
          .join(', ')}${there > SHOWN ? ', …' : ''}]`;
  const missing =
    there < count ? `, nothing is mapped at ${hexOf(BigInt.asUintN(64, address + BigInt(bytes.length)))}` : '';
  return { name: 'array', meaning: line + missing, memory: { space, address }, count: there, children: items };
};
