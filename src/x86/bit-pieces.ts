/** Numbers that lie in pieces in a longer word, as base and limit do in a descriptor. */

/** The pieces from the lowest: bit in the word, and width. */
export type Pieces = readonly (readonly [bit: number, width: number])[];

export const piecesWidth = (pieces: Pieces): number => pieces.reduce((sum, [, width]) => sum + width, 0);

const ones = (width: number): bigint => (1n << BigInt(width)) - 1n;

export const gather = (word: bigint, pieces: Pieces): bigint => {
  let value = 0n;
  let at = 0;
  for (const [bit, width] of pieces) {
    value |= ((word >> BigInt(bit)) & ones(width)) << BigInt(at);
    at += width;
  }
  return value;
};

/** The word with the pieces of a value in it. */
export const scatter = (word: bigint, pieces: Pieces, value: bigint): bigint => {
  let next = word;
  let at = 0;
  for (const [bit, width] of pieces) {
    const part = (value >> BigInt(at)) & ones(width);
    next = (next & ~(ones(width) << BigInt(bit))) | (part << BigInt(bit));
    at += width;
  }
  return next;
};
