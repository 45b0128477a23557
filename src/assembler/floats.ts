/**
 * Floating-point constants, rounded to nearest even from the exact decimal value. IEEE 754; the 80-bit format as in
 * Intel SDM vol. 1, "Double Extended-Precision Format".
 */

interface Format {
  readonly exponentBits: number;
  /** Bits of the significand without the leading one. */
  readonly fractionBits: number;
  /** The leading one is stored. */
  readonly explicitOne: boolean;
}

const formats: Readonly<Record<number, Format>> = {
  1: { exponentBits: 4, fractionBits: 3, explicitOne: false },
  2: { exponentBits: 5, fractionBits: 10, explicitOne: false },
  4: { exponentBits: 8, fractionBits: 23, explicitOne: false },
  8: { exponentBits: 11, fractionBits: 52, explicitOne: false },
  10: { exponentBits: 15, fractionBits: 63, explicitOne: true },
  16: { exponentBits: 15, fractionBits: 112, explicitOne: false },
};

/** The bit pattern of `literal` in `size` bytes, or undefined when there is no format of that size. */
export function floatBits(literal: string, negative: boolean, size: number): bigint | undefined {
  const format = formats[size];
  if (format === undefined) return undefined;
  const { exponentBits, fractionBits, explicitOne } = format;
  const [numerator, denominator] = rational(literal);
  const bias = (1 << (exponentBits - 1)) - 1;
  const sign = negative ? 1n << BigInt(size * 8 - 1) : 0n;
  if (numerator === 0n) return sign;
  // The value is significand * 2^(exponent - fractionBits), with 2^fractionBits <= significand < 2^(fractionBits + 1).
  let exponent = bitLength(numerator) - bitLength(denominator);
  while (compare(numerator, denominator, exponent) < 0) exponent--;
  while (compare(numerator, denominator, exponent + 1) >= 0) exponent++;
  if (exponent < 1 - bias) exponent = 1 - bias;
  let significand = roundedQuotient(numerator, denominator, fractionBits - exponent);
  const one = 1n << BigInt(fractionBits);
  if (significand >= one << 1n) {
    significand >>= 1n;
    exponent++;
  }
  if (exponent > bias) {
    const infinity = ((1n << BigInt(exponentBits)) - 1n) << BigInt(fractionBits + (explicitOne ? 1 : 0));
    return sign | infinity | (explicitOne ? one : 0n);
  }
  const stored = significand < one ? 0n : BigInt(exponent + bias);
  const shift = BigInt(fractionBits + (explicitOne ? 1 : 0));
  return sign | (stored << shift) | (explicitOne ? significand : significand & (one - 1n));
}

function rational(literal: string): [bigint, bigint] {
  const hexadecimal = /^0x([\da-f]*)\.?([\da-f]*)p([-+]?\d+)$/i.exec(literal);
  if (hexadecimal !== null) {
    const [, whole = '', fraction = '', exponent = '0'] = hexadecimal;
    const power = Number(exponent) - 4 * fraction.length;
    const digits = BigInt(`0x${whole}${fraction}`);
    return power >= 0 ? [digits << BigInt(power), 1n] : [digits, 1n << BigInt(-power)];
  }
  const [, whole = '', fraction = '', exponent = '0'] = /^(\d*)\.?(\d*)(?:e([-+]?\d+))?$/i.exec(literal) ?? [];
  const power = Number(exponent) - fraction.length;
  const digits = BigInt(`${whole}${fraction}` || '0');
  return power >= 0 ? [digits * 10n ** BigInt(power), 1n] : [digits, 10n ** BigInt(-power)];
}

const bitLength = (number: bigint): number => number.toString(2).length;

/** The sign of numerator / denominator - 2^exponent. */
function compare(numerator: bigint, denominator: bigint, exponent: number): number {
  const left = exponent < 0 ? numerator << BigInt(-exponent) : numerator;
  const right = exponent > 0 ? denominator << BigInt(exponent) : denominator;
  return left < right ? -1 : left > right ? 1 : 0;
}

/** numerator / denominator * 2^power, rounded to nearest even. */
function roundedQuotient(numerator: bigint, denominator: bigint, power: number): bigint {
  const top = power > 0 ? numerator << BigInt(power) : numerator;
  const bottom = power < 0 ? denominator << BigInt(-power) : denominator;
  const quotient = top / bottom;
  const twice = (top % bottom) * 2n;
  const up = twice > bottom || (twice === bottom && (quotient & 1n) === 1n);
  return up ? quotient + 1n : quotient;
}
