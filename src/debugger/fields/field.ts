/** Places that have a name and a few bits: parts of table entries, of page table entries, of devices' registers. */

import type { Machine } from '../../machine/pc';
import type { VirtualCpu } from '../../machine/virtual-cpu';
import { BadInput } from '../../program/program';
import { gather, type Pieces, piecesWidth, scatter } from '../../x86/bit-pieces';
import type { Place } from '../address';
import { bytesOf, littleEndian, peekSpace, readableRuns } from '../guest-memory';
import { nearest } from '../nearest';

export interface Field {
  readonly width: number;
  /** Undefined where the memory is not mapped. */
  readonly read: () => bigint | undefined;
  /** Goes through the machine's input log. @throws BadInput */
  readonly write?: (value: bigint) => void;
}

/** Whose fields are asked for. */
export interface Owner {
  readonly machine: Machine;
  readonly vcpu: VirtualCpu;
}

/** One family of names, told by its first word: `gdt.0x8.dpl` is words `0x8` and `dpl` of the family `gdt`. */
export interface FieldFamily {
  /** First words of the family's names on this machine. */
  readonly heads: (owner: Owner) => readonly string[];
  readonly find: (owner: Owner, head: string, words: readonly string[]) => Field | undefined;
  /** Why there is no such field, where that can be said. */
  readonly absent?: (owner: Owner, head: string, words: readonly string[]) => string | undefined;
  /** Names that begin with a head and a dot, as far as they can be listed. */
  readonly names?: (owner: Owner, head: string) => readonly string[];
}

/** Bytes of memory as a number. */
export const memoryField = ({ machine, vcpu }: Owner, { space, address }: Place, bytes: 1 | 2 | 4 | 8 | 16): Field => {
  const runs = () => readableRuns(vcpu.cpu, space, address, bytes);
  return {
    width: bytes * 8,
    read: () => {
      const found = peekSpace(vcpu.cpu, space, address, bytes);
      return found.length < bytes ? undefined : littleEndian(found);
    },
    write: (value) => {
      const pieces = runs();
      if (pieces.reduce((sum, { length }) => sum + length, 0) < bytes)
        throw new BadInput(`nothing is mapped at 0x${address.toString(16)}`);
      const all = bytesOf(value, bytes);
      for (const { offset, physical, length } of pieces)
        machine.input({ kind: 'memory', physical, bytes: [...all.subarray(offset, offset + length)] });
    },
  };
};

/** Some bits of a field. */
export const partOf = (whole: Field, pieces: Pieces): Field => {
  const { write } = whole;
  return {
    width: piecesWidth(pieces),
    read: () => {
      const word = whole.read();
      return word === undefined ? undefined : gather(word, pieces);
    },
    ...(write === undefined ? {} : { write: (value) => write(scatter(whole.read() ?? 0n, pieces, value)) }),
  };
};

/** What is said of a field's name that is none of those there are. */
export const noSuchPart = (whole: string, name: string, known: readonly string[]): string => {
  const near = nearest(name, known);
  if (known.length === 0) return `${whole} has no fields`;
  return `${whole} has no field ${name}${near === undefined ? '' : `, did you mean ${near}?`}; it has ${known.join(', ')}`;
};

/** The number that a word of a name is; undefined for other words. */
export const numberWord = (word: string | undefined): number | undefined => {
  if (word === undefined || !/^(0x[0-9a-f]{1,13}|[0-9]{1,15})$/i.test(word)) return undefined;
  return Number(word);
};

export const bigWord = (word: string | undefined): bigint | undefined =>
  word !== undefined && /^(0x[0-9a-f]{1,16}|[0-9]{1,20})$/i.test(word) ? BigInt.asUintN(64, BigInt(word)) : undefined;
