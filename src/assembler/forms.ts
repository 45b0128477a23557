/** The forms of each instruction: which operands it takes and how it is encoded, from the table derived from iced-x86. */

import { formRows, operandKinds } from './forms-data';
import { type OperandKind, operandKind } from './operand-kinds';

export type Bits = 16 | 32 | 64;

export type Encoding = 'legacy' | 'vex' | 'evex' | 'xop' | '3dnow';

export interface Form {
  readonly mnemonic: string;
  /** 1: 16-bit code, 2: 32-bit code, 4: 64-bit code. */
  readonly modes: number;
  readonly encoding: Encoding;
  /** 0 none, 1 none allowed, 2: 66, 3: F3, 4: F2. */
  readonly mandatoryPrefix: number;
  /** 0 one byte, 1: 0F, 2: 0F38, 3: 0F3A, 4: MAP5, 5: MAP6, 6: XOP 8, 7: XOP 9, 8: XOP A. */
  readonly table: number;
  readonly opcode: readonly number[];
  /** The reg field of ModRM when it belongs to the opcode. */
  readonly group: number | undefined;
  readonly rmGroup: number | undefined;
  /** In bits; 0 when the instruction has none. */
  readonly operandSize: number;
  readonly addressSize: number;
  readonly l: number;
  readonly w: number;
  readonly defaultSize64: boolean;
  readonly forcedSize64: boolean;
  readonly ignoresL: boolean;
  readonly ignoresW: boolean;
  readonly wait: boolean;
  readonly lockable: boolean;
  readonly maskable: boolean;
  readonly needsMask: boolean;
  readonly zeroable: boolean;
  readonly broadcasts: boolean;
  readonly rounds: boolean;
  readonly suppressesExceptions: boolean;
  /** 0 ordinary, 1 of one vendor in 64-bit mode, 2 of retired processors. */
  readonly rare: number;
  /** Bytes; 0 when there is no memory operand or it has no size of its own. */
  readonly memorySize: number;
  readonly broadcastSize: number;
  /** What an 8-bit displacement counts in, in bytes. */
  readonly displacementScale: number;
  readonly kinds: readonly string[];
  /** The kinds that stand in the source: string instructions name none of theirs. */
  readonly written: readonly OperandKind[];
  readonly order: number;
}

const encodings: readonly Encoding[] = ['legacy', 'vex', 'evex', 'xop', '3dnow'];
const kindNames = operandKinds.split(' ');
let rows: Map<string, string> | undefined;
const parsed = new Map<string, readonly Form[]>();

const allRows = (): Map<string, string> => {
  rows ??= new Map(
    formRows
      .trim()
      .split('\n')
      .map((row) => {
        const space = row.indexOf(' ');
        return [row.slice(0, space), row.slice(space + 1)];
      }),
  );
  return rows;
};

/** Whether iced-x86 knows the mnemonic, in lower case. */
export const hasForms = (mnemonic: string): boolean => allRows().has(mnemonic);

export const allMnemonics = (): Iterable<string> => allRows().keys();

export function formsOf(mnemonic: string): readonly Form[] {
  let forms = parsed.get(mnemonic);
  if (forms === undefined) {
    forms = (allRows().get(mnemonic) ?? '')
      .split(' ')
      .filter((row) => row !== '')
      .map((row, order) => parseRow(mnemonic, row, order));
    parsed.set(mnemonic, forms);
  }
  return forms;
}

function parseRow(mnemonic: string, row: string, order: number): Form {
  const fields = row.split(',');
  const field = (index: number): string => fields[index] ?? '';
  const optional = (index: number): number | undefined => (field(index) === '' ? undefined : Number(field(index)));
  const flags = Number.parseInt(field(11), 36);
  const flag = (bit: number): boolean => (flags & (1 << bit)) !== 0;
  const kinds = (field(16).match(/../g) ?? []).map((kind) => kindNames[Number.parseInt(kind, 36)] ?? '');
  return {
    mnemonic,
    modes: Number(field(0)),
    encoding: encodings[Number(field(1))] ?? 'legacy',
    mandatoryPrefix: Number(field(2)),
    table: Number(field(3)),
    opcode: (field(4).match(/../g) ?? []).map((byte) => Number.parseInt(byte, 16)),
    group: optional(5),
    rmGroup: optional(6),
    operandSize: Number(field(7)),
    addressSize: Number(field(8)),
    l: Number(field(9)),
    w: Number(field(10)),
    defaultSize64: flag(0),
    forcedSize64: flag(1),
    ignoresL: flag(2),
    ignoresW: flag(3),
    wait: flag(5),
    lockable: flag(6),
    maskable: flag(7),
    needsMask: flag(8),
    zeroable: flag(9),
    broadcasts: flag(10),
    rounds: flag(11),
    suppressesExceptions: flag(12),
    rare: Number(field(12)),
    memorySize: Number(field(13)),
    broadcastSize: Number(field(14)),
    displacementScale: Number(field(15)),
    kinds,
    written: writtenKinds(kinds),
    order,
  };
}

function writtenKinds(kinds: readonly string[]): readonly OperandKind[] {
  const explicit = kinds.map(operandKind).filter(({ field }) => field !== 'implied');
  const isString = explicit.length < kinds.length && explicit.every(({ field }) => field === 'fixed');
  return isString ? [] : explicit;
}

export const modeBit = (bits: Bits): number => (bits === 16 ? 1 : bits === 32 ? 2 : 4);

/** Forms that are ordinary in the mode, 0, come before others. */
export const rarity = ({ rare }: Form, bits: Bits): number => (rare === 1 && bits !== 64 ? 0 : rare);
