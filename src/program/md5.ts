/** The MD5 of a file (RFC 1321): by it DWARF 5 and the debug adapter protocol tell one text of a source from another. */

const SHIFTS = [7, 12, 17, 22, 5, 9, 14, 20, 4, 11, 16, 23, 6, 10, 15, 21];
/** "Step 4. Process Message in 16-Word Blocks": 2^32 times abs(sin(i)). */
const SINES = Array.from({ length: 64 }, (_, i) => Math.floor(Math.abs(Math.sin(i + 1)) * 2 ** 32) | 0);

const rotated = (value: number, count: number): number => (value << count) | (value >>> (32 - count));

/** By round: the function of the words, and which word of the block comes with step `i`. */
const rounds: readonly {
  readonly mix: (b: number, c: number, d: number) => number;
  readonly word: (i: number) => number;
}[] = [
  { mix: (b, c, d) => (b & c) | (~b & d), word: (i) => i },
  { mix: (b, c, d) => (b & d) | (c & ~d), word: (i) => (5 * i + 1) % 16 },
  { mix: (b, c, d) => b ^ c ^ d, word: (i) => (3 * i + 5) % 16 },
  { mix: (b, c, d) => c ^ (b | ~d), word: (i) => (7 * i) % 16 },
];

/** 32 hexadecimal digits, in lower case. */
export const md5 = (bytes: Uint8Array): string => {
  const view = padded(bytes);
  const sums = new Int32Array([0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476]);
  for (let block = 0; block < view.byteLength; block += 64) {
    let [a = 0, b = 0, c = 0, d = 0] = sums;
    for (let i = 0; i < 64; i++) {
      const round = i >>> 4;
      const { mix, word } = rounds[round] as (typeof rounds)[0];
      const sum = (a + mix(b, c, d) + (SINES[i] as number) + view.getInt32(block + word(i) * 4, true)) | 0;
      [a, d, c, b] = [d, c, b, (b + rotated(sum, SHIFTS[round * 4 + (i % 4)] as number)) | 0];
    }
    for (const [index, value] of [a, b, c, d].entries()) sums[index] = (sums[index] as number) + value;
  }
  return [...new Uint8Array(sums.buffer)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
};

/** The bytes, a 1 bit, zeros, and the length in bits, up to a multiple of 64 bytes. */
const padded = (bytes: Uint8Array): DataView => {
  const whole = new Uint8Array(Math.ceil((bytes.length + 9) / 64) * 64);
  whole.set(bytes);
  whole[bytes.length] = 0x80;
  const view = new DataView(whole.buffer);
  view.setBigUint64(whole.length - 8, BigInt(bytes.length) * 8n, true);
  return view;
};
