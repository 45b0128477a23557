/** I/O and MSR bitmaps as ranges of what exits. Intel SDM vol. 3, "I/O-Bitmap Addresses" and "MSR-Bitmap Address". */

export interface Range {
  readonly first: number;
  readonly last: number;
}

const PAGE = 4096;
const QUARTER = 1024;

/** Runs of ones; bit 0 of the first byte stands for `from`. */
export const bitRanges = (bytes: Uint8Array, from = 0): Range[] => {
  const ranges: Range[] = [];
  let first = -1;
  for (let bit = 0; bit <= bytes.length * 8; bit++) {
    const set = bit < bytes.length * 8 && (((bytes[bit >>> 3] as number) >>> (bit & 7)) & 1) !== 0;
    if (set && first < 0) first = bit;
    if (!set && first >= 0) {
      ranges.push({ first: from + first, last: from + bit - 1 });
      first = -1;
    }
  }
  return ranges;
};

type Peek = (address: number, length: number) => Uint8Array;

/** Ports whose accesses exit, of bitmap A (from 0) or B (from 0x8000). */
export const portRanges = (peek: Peek, address: bigint, bitmap: 'A' | 'B'): Range[] =>
  bitRanges(peek(Number(address), PAGE), bitmap === 'A' ? 0 : 0x8000);

const HIGH_MSRS = 0xc000_0000;

/** MSRs whose reads or writes exit: low ones, then high ones. All others exit anyway. */
export const msrRanges = (peek: Peek, address: bigint, access: 'r' | 'w'): Range[] => {
  const bytes = peek(Number(address), PAGE);
  const start = access === 'r' ? 0 : 2 * QUARTER;
  return [
    ...bitRanges(bytes.subarray(start, start + QUARTER)),
    ...bitRanges(bytes.subarray(start + QUARTER, start + 2 * QUARTER), HIGH_MSRS),
  ];
};
