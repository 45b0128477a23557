import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { assemble } from '../../src/assembler/assemble';
import { nasm, nasmMissing } from './nasm';

if (nasmMissing !== undefined) console.warn(`skipped: ${nasmMissing}`);

const number = fc.oneof(
  fc.integer({ min: 0, max: 20 }).map(String),
  fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }).map((value) => `0x${value.toString(16)}`),
  fc.integer({ min: 0, max: 0xffff }).map((value) => `0${value.toString(16)}h`),
  fc.integer({ min: 0, max: 255 }).map((value) => `0b${value.toString(2)}`),
  fc.integer({ min: 0, max: 255 }).map((value) => `${value.toString(8)}q`),
  fc.constantFrom("'a'", "'abcd'", '"xy"', '1_000', '$0ff', '12d', '0o17', '101b', '0h7f', '0d9'),
  fc.constantFrom('three', 'minus', '(end - start)'),
);

// No division by what may be zero. `<=>` has its own test: nasm 2.16.01 gives 0 for less.
const binary = fc.constantFrom(
  ...['+', '-', '*', '&', '|', '^', '<<', '>>', '>>>', '<<<'],
  ...['&&', '||', '^^', '<', '>', '<=', '>=', '=', '==', '!=', '<>'],
);
const unary = fc.constantFrom('-', '+', '~', '!');
const divisor = fc.constantFrom('3', '7', '16', '-5', '0x123456789');
const division = fc.constantFrom('/', '//', '%', '%%');

const { expression } = fc.letrec<{ expression: string }>((tie) => ({
  expression: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    number,
    fc.tuple(tie('expression'), binary, tie('expression')).map((parts) => parts.join(' ')),
    fc.tuple(tie('expression'), division, divisor).map((parts) => parts.join(' ')),
    fc.tuple(unary, tie('expression')).map(([sign, inner]) => `${sign} ${inner}`),
    tie('expression').map((inner) => `(${inner})`),
    fc.tuple(tie('expression'), tie('expression'), tie('expression')).map(([a, b, c]) => `(${a}) ? ${b} : ${c}`),
  ),
}));

describe.skipIf(nasmMissing !== undefined)('expressions have the values of nasm', () => {
  test('with all operators, in random trees', () => {
    const expressions = fc.sample(expression, { numRuns: 4000, seed: 20 });
    const source = [
      'bits 64',
      'three equ 3',
      'minus equ -1',
      // In parentheses: nasm 2.16 does not understand `dq - 'a'`.
      ...expressions.map((text) => `dq (${text})`),
      'start: times 9 db 0',
      'end:',
    ].join('\n');
    const theirs = nasm(source);
    expect([...theirs.errors].map(([line, message]) => `${expressions[line - 4]}: ${message}`)).toEqual([]);
    const ours = assemble(source, { file: 'expressions.asm', defaultOrigin: () => 0n });
    expect(ours.errors).toEqual([]);
    const words = (bytes: Uint8Array): bigint[] => {
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      return expressions.map((_, index) => view.getBigUint64(8 * index, true));
    };
    const expected = words(theirs.bytes ?? new Uint8Array());
    const differences = words(ours.bytes).flatMap((value, index) =>
      value === expected[index] ? [] : [`${expressions[index]}: nasm ${expected[index]}, ours ${value}`],
    );
    expect(differences).toEqual([]);
  });
});

test.each([
  ['1 <=> 2', -1n],
  ['2 <=> 2', 0n],
  ['3 <=> 2', 1n],
  ['-1 <=> 1', -1n],
])('%s is %i', (text, value) => {
  const { bytes } = assemble(`dq ${text}`, { file: 'a.asm' });
  expect(new DataView(bytes.buffer).getBigInt64(0, true)).toBe(value);
});
