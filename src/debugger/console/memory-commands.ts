/** Commands about memory as bytes: shown, searched, filled, written. */

import { BadInput } from '../../program/program';
import { hex } from '../../x86/address';
import { environmentOf } from '../query-item';
import { yieldToHost } from '../slices';
import { evaluated, type MemoryPlace, readCount, readMemoryPlace, readPattern, splitArguments } from './arguments';
import { type Command, type ConsoleContext, lines, type Output } from './command';
import { completeExpression } from './completion';

const BYTES_PER_ROW = 16;
/** Shown, or changed at once. */
const MOST_BYTES = 1 << 20;
const MOST_SEARCHED = 1 << 30;
const DEFAULT_BYTES = 64;
const DEFAULT_ELEMENTS = 8;

const textOf = ({ space, address }: MemoryPlace): string => `${space === 'linear' ? '' : `${space}:`}${hex(address)}`;
const after = ({ space, address }: MemoryPlace, bytes: number): MemoryPlace => ({
  space,
  address: BigInt.asUintN(64, address + BigInt(bytes)),
});

/** `x ADDRESS`, `x ADDRESS, COUNT`, `x [ADDRESS]:u32, COUNT`. */
const examine = (console: ConsoleContext, argument: string): Output => {
  const [text = '', digits] = splitArguments(argument);
  if (text === '') throw new BadInput('which memory? x ADDRESS, COUNT or x [ADDRESS]:u32, COUNT');
  const place = readMemoryPlace(console, text);
  const { size = 1 } = place;
  const count =
    digits === undefined
      ? place.size === undefined
        ? DEFAULT_BYTES
        : DEFAULT_ELEMENTS
      : readCount(digits, `a count up to ${MOST_BYTES / size}`, MOST_BYTES / size);
  const bytes = environmentOf(console).readBytes(place.space, place.address, count * size);
  const rows: string[] = [];
  for (let at = 0; at < bytes.length; at += BYTES_PER_ROW)
    rows.push(dumpRow(after(place, at), bytes.subarray(at, at + BYTES_PER_ROW), size));
  if (bytes.length < count * size) rows.push(`nothing is mapped at ${textOf(after(place, bytes.length))}`);
  return lines(...rows);
};

const dumpRow = (place: MemoryPlace, bytes: Uint8Array, size: number): string => {
  const words: string[] = [];
  for (let at = 0; at < bytes.length; at += size) {
    const part = [...bytes.subarray(at, at + size)].reverse();
    words.push(part.map((byte) => byte.toString(16).padStart(2, '0')).join(''));
  }
  const text = [...bytes].map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.')).join('');
  const width = (BYTES_PER_ROW / size) * (size * 2 + 1) - 1;
  return `${textOf(place)}  ${words.join(' ').padEnd(width)}  ${text}`;
};

const readLength = (console: ConsoleContext, text: string | undefined, most: number): number => {
  const bits = text === undefined ? 0n : evaluated(console, text).bits;
  if (bits < 1n || bits > BigInt(most))
    throw new BadInput(`${text ?? 'nothing'}: a length up to ${hex(most)} is wanted`);
  return Number(bits);
};

const PAGE = 4096;
const MOST_HITS = 100;
/** Bytes after which others get a turn. */
const BREATH = 1 << 24;

/** `find ADDRESS, LENGTH, PATTERN`: pages that are not mapped are passed over. */
const find = async (console: ConsoleContext, argument: string): Promise<Output> => {
  const [text = '', length, ...parts] = splitArguments(argument);
  if (text === '' || length === undefined || parts.length === 0)
    throw new BadInput('what where? find ADDRESS, LENGTH, 0x1234:u32 or find ADDRESS, LENGTH, "text"');
  const place = readMemoryPlace(console, text);
  const wanted = readPattern(console, parts);
  const total = readLength(console, length, MOST_SEARCHED);
  const environment = environmentOf(console);
  const found: string[] = [];
  for (let at = 0; at < total && found.length < MOST_HITS; ) {
    const here = after(place, at);
    const step = Math.min(total - at, PAGE - Number(here.address & BigInt(PAGE - 1)));
    // Some bytes more, so that what crosses the page's end is found here.
    const bytes = environment.readBytes(here.space, here.address, Math.min(total - at, step + wanted.length - 1));
    for (const offset of occurrences(bytes, wanted)) {
      const hit = after(place, at + offset);
      const name = hit.space === 'linear' ? console.session.info.nameOf(hit.address as never) : undefined;
      found.push(`${textOf(hit)}${name === undefined ? '' : ` ${name}`}`);
    }
    at += step;
    if (at % BREATH < step) await yieldToHost();
  }
  if (found.length === 0) return lines('not found');
  return lines(...found.slice(0, MOST_HITS), ...(found.length >= MOST_HITS ? ['… perhaps more'] : []));
};

function* occurrences(bytes: Uint8Array, wanted: Uint8Array): Generator<number> {
  const first = wanted[0] as number;
  for (let at = bytes.indexOf(first); at >= 0; at = bytes.indexOf(first, at + 1)) {
    if (at + wanted.length > bytes.length) return;
    if (wanted.every((byte, index) => bytes[at + index] === byte)) yield at;
  }
}

const written = (place: MemoryPlace, count: number): Output =>
  lines(`${count} ${count === 1 ? 'byte' : 'bytes'} written at ${textOf(place)}`);

const write = (console: ConsoleContext, argument: string): Output => {
  const [text = '', ...parts] = splitArguments(argument);
  if (text === '' || parts.length === 0) throw new BadInput('what where? write ADDRESS, 0x90, 0x1234:u32, "text"');
  const place = readMemoryPlace(console, text);
  const bytes = readPattern(console, parts);
  environmentOf(console).writeBytes(place.space, place.address, bytes);
  return written(place, bytes.length);
};

const fill = (console: ConsoleContext, argument: string): Output => {
  const [text = '', length, ...parts] = splitArguments(argument);
  if (text === '' || length === undefined || parts.length === 0)
    throw new BadInput('what where? fill ADDRESS, LENGTH, 0x90');
  const place = readMemoryPlace(console, text);
  const pattern = readPattern(console, parts);
  const bytes = new Uint8Array(readLength(console, length, MOST_BYTES));
  for (let at = 0; at < bytes.length; at++) bytes[at] = pattern[at % pattern.length] as number;
  environmentOf(console).writeBytes(place.space, place.address, bytes);
  return written(place, bytes.length);
};

export const memoryCommands: readonly Command[] = [
  {
    names: ['x', 'memory', 'mem'],
    usage: 'ADDRESS[, COUNT]',
    help: 'Shows memory.',
    more: ['`x ADDRESS, 64` as bytes, `x [ADDRESS]:u64, 4` as quadwords, `x phys:ADDRESS` physical memory.'],
    complete: completeExpression,
    run: examine,
  },
  {
    names: ['find', 'search'],
    usage: 'ADDRESS, LENGTH, PATTERN …',
    help: 'Searches memory.',
    more: [
      'A pattern is a list of numbers and "texts": `find 0x100000, 0x10000, 0x0f, 0x05` or `find phys:0, 0x100000, "RSD PTR"`.',
    ],
    complete: completeExpression,
    run: find,
  },
  {
    names: ['write'],
    usage: 'ADDRESS, PATTERN …',
    help: 'Writes numbers and "texts" into memory.',
    complete: completeExpression,
    run: write,
  },
  {
    names: ['fill'],
    usage: 'ADDRESS, LENGTH, PATTERN …',
    help: 'Fills memory with a pattern.',
    complete: completeExpression,
    run: fill,
  },
];
