/** The bytes of db, dw, dd and their kin. NASM manual, "DB and Friends: Declaring Initialized Data". */

import { AssemblyProblem, type Place } from './diagnostics';
import type { DataItem } from './directives';
import { floatBits } from './floats';
import { evaluate, isPlain, type Scope, signed } from './value';

type Warn = (place: Place, message: string) => void;

/** `size` of one element in bytes. Strings are padded with zeros to whole elements. */
export function dataBytes(size: number, items: readonly DataItem[], scope: Scope, warn: Warn): Uint8Array {
  const bytes: number[] = [];
  for (const item of items) pushItem(bytes, size, item, scope, warn);
  return Uint8Array.from(bytes);
}

function pushItem(bytes: number[], size: number, item: DataItem, scope: Scope, warn: Warn): void {
  switch (item.kind) {
    case 'string':
      for (const byte of item.bytes) bytes.push(byte);
      while (bytes.length % size !== 0) bytes.push(0);
      break;
    case 'reserve':
      pushNumber(bytes, 0n, size);
      break;
    case 'float': {
      const bits = floatBits(item.text, item.negative, size);
      if (bits === undefined) throw new AssemblyProblem(item, `there is no floating-point format of ${size} bytes`);
      pushNumber(bytes, bits, size);
      break;
    }
    case 'repeated': {
      const count = evaluate(item.count, scope);
      if (!isPlain(count)) throw new AssemblyProblem(item.count, '`dup` needs a constant before it');
      const times = signed(count);
      if (times < 0n || times > 1n << 24n)
        throw new AssemblyProblem(item.count, `\`dup\` cannot repeat ${times} times`);
      for (let round = 0n; round < times; round++) {
        for (const inner of item.items) pushItem(bytes, size, inner, scope, warn);
      }
      break;
    }
    case 'expression': {
      const value = evaluate(item.expression, scope);
      if (value.registers.length > 0)
        throw new AssemblyProblem(item, 'data is made of numbers and strings, not of registers');
      if (size > 8 && size !== 16) {
        throw new AssemblyProblem(
          item,
          `elements of ${size} bytes hold strings and floating-point numbers, not integers`,
        );
      }
      const number = signed(value);
      const bits = BigInt(8 * size);
      if (size < 8 && isPlain(value) && (number < -(1n << (bits - 1n)) || number >= 1n << bits)) {
        warn(item, `${number} does not fit in ${size === 1 ? 'a byte' : `${size} bytes`}`);
      }
      pushNumber(bytes, size > 8 && number >= 0n ? value.number : number, size);
    }
  }
}

function pushNumber(bytes: number[], number: bigint, size: number): void {
  let rest = number;
  for (let index = 0; index < size; index++) {
    bytes.push(Number(rest & 0xffn));
    rest >>= 8n;
  }
}
