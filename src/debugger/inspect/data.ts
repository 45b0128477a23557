/** The program's own data: each symbol that names some, with what lies there now. */

import type { VirtualCpu } from '../../machine/virtual-cpu';
import type { ProgramSymbol } from '../../program/program';
import { linear } from '../../x86/address';
import { peekLinear, peekValue } from '../guest-memory';
import type { Item } from '../item';
import type { ProgramInfo } from '../program-info';
import { registerPlaces } from '../registers';
import type { Subject } from './scope';

/** What no line, no size and no other symbol bounds is shown as so many bytes. */
const UNBOUNDED = 8;
/** Characters of a text, or bytes, that a row shows. */
const SHOWN = 32;
const MOST_BYTES = 0x1_0000;

export const hasData = ({ info }: Subject): boolean => info.symbols.data.length > 0;

export const dataItems = ({ vcpu, info }: Subject): Item[] =>
  info.symbols.data.map((symbol, index, all) => dataItem(vcpu, symbol, lengthOf(info, symbol, all[index + 1])));

const isSize = (length: number): length is 1 | 2 | 4 | 8 => [1, 2, 4, 8].includes(length);

/** Bytes of a symbol's data: as its file says, as its line has, or up to the next symbol. */
const lengthOf = (info: ProgramInfo, { address, size }: ProgramSymbol, next: ProgramSymbol | undefined): number => {
  if (size > 0) return size;
  const piece = info.lines.pieceAt(address);
  if (piece !== null && piece.end > address) return Number(piece.end - address);
  const rest = next === undefined ? 0n : next.address - address;
  return rest > 0n && rest < MOST_BYTES ? Number(rest) : UNBOUNDED;
};

const counters: ReadonlySet<string> = new Set(['step', 'retired', 'vtime', 'vcpu']);

/** As an expression names it: `$gdtr` where a register has the name. The same for every machine. */
const symbolText = ({ state }: VirtualCpu, name: string): string => {
  registerNames ??= new Set(registerPlaces(state, () => 0).keys());
  const word = name.toLowerCase();
  return counters.has(word) || registerNames.has(word) ? `$${name}` : name;
};
let registerNames: ReadonlySet<string> | undefined;

const dataItem = (vcpu: VirtualCpu, { name, address }: ProgramSymbol, length: number): Item => {
  const common = { name, memory: { space: 'linear', address }, declaration: address } as const;
  if (isSize(length)) {
    const bits = peekValue(vcpu.cpu, address, length);
    if (bits === undefined) return { ...common, meaning: 'not mapped' };
    const type = `u${length * 8}`;
    return { ...common, bits, size: length, type, expression: `[${symbolText(vcpu, name)}]:${type}`, settable: true };
  }
  return {
    ...common,
    meaning: describe(peekLinear(vcpu.cpu, address, Math.min(length, SHOWN)), length),
    type: `u8[${length}]`,
    count: length,
    children: (start = 0, count = length - start) =>
      Array.from({ length: Math.max(0, Math.min(count, length - start)) }, (_, n) =>
        byteItem(vcpu, name, address, start + n),
      ),
  };
};

const byteItem = (vcpu: VirtualCpu, name: string, address: bigint, index: number): Item => {
  const at = linear(BigInt.asUintN(64, address + BigInt(index)));
  const bits = peekValue(vcpu.cpu, at, 1);
  const common = { name: `[${index}]`, memory: { space: 'linear', address: at } } as const;
  if (bits === undefined) return { ...common, meaning: 'not mapped' };
  return { ...common, bits, size: 1, expression: `[${symbolText(vcpu, name)} + ${index}]:u8`, settable: true };
};

/** As a text where it begins with one, else as bytes. */
const describe = (bytes: Uint8Array, length: number): string => {
  if (bytes.length === 0) return 'not mapped';
  const more = bytes.length < length ? '…' : '';
  const end = bytes.findIndex((byte) => (byte < 0x20 && ![9, 10, 13].includes(byte)) || byte > 0x7e);
  const text = String.fromCharCode(...(end < 0 ? bytes : bytes.subarray(0, end)));
  if (text.length > 1) return `${JSON.stringify(text)}${end < 0 ? more : ''}`;
  return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join(' ') + more;
};
