/** NASM's integer literals. NASM manual, "Numeric Constants". */

const radixOf: Readonly<Record<string, number>> = {
  x: 16,
  h: 16,
  d: 10,
  t: 10,
  o: 8,
  q: 8,
  b: 2,
  y: 2,
};

const digitsOf: Readonly<Record<number, RegExp>> = {
  2: /^[01]+$/,
  8: /^[0-7]+$/,
  10: /^\d+$/,
  16: /^[\da-f]+$/,
};

const javaScriptPrefix: Readonly<Record<number, string>> = { 2: '0b', 8: '0o', 10: '', 16: '0x' };

/** The value modulo 2^64, or undefined when `literal` is no integer. Underscores may separate digits. */
export function parseInteger(literal: string): bigint | undefined {
  const text = literal.toLowerCase().replaceAll('_', '');
  if (text.startsWith('$')) return digits(text.slice(1), 16);
  const suffix = radixOf[text.at(-1) ?? ''];
  const prefix = /^0[a-z]./.test(text) ? radixOf[text[1] ?? ''] : undefined;
  // `0b1h` and `0dh` are hexadecimal by their suffix; `0x1b` and `0x1d` by their prefix.
  if (prefix === 16 && text[1] === 'x') return digits(text.slice(2), 16);
  if (text.endsWith('h')) return digits(text.slice(0, -1), 16);
  if (prefix !== undefined) return digits(text.slice(2), prefix);
  if (suffix !== undefined) return digits(text.slice(0, -1), suffix);
  return digits(text, 10);
}

function digits(text: string, radix: number): bigint | undefined {
  if (!digitsOf[radix]?.test(text)) return undefined;
  return BigInt.asUintN(64, BigInt(`${javaScriptPrefix[radix]}${text}`));
}
