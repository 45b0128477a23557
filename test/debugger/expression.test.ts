/** Expressions: exact 64-bit arithmetic held equal to BigInt, precedence, places, and errors with their column. */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { assign, type Environment, evaluate, numberOf, type Places } from '../../src/debugger/expression/evaluator';
import { parseExpression, parseQuery } from '../../src/debugger/expression/parser';
import { describeError, ExpressionError } from '../../src/debugger/expression/syntax';

/** A world of a few names and memory whose byte at an address is the address's low byte. */
const world = () => {
  const names = new Map<string, bigint>([
    ['rax', 0x1122_3344_5566_7788n],
    ['cs', 8n],
    ['fs.base', 0x7000n],
    ['print', 0x10_0020n],
    ['start.loop', 0x10_0005n],
  ]);
  const written: { space: string; address: bigint; size: number; value: bigint }[] = [];
  const environment: Environment & Places = {
    natural: 8,
    name: (name, symbolOnly) => {
      const bits = symbolOnly && name === 'rax' ? 0x99n : names.get(name);
      return bits === undefined ? undefined : { bits, signed: false, size: 8 };
    },
    read: (_space, address, size) => {
      if (address >= 0xdead_0000n) return undefined;
      let value = 0n;
      for (let i = size - 1; i >= 0; i--) value = (value << 8n) | ((address + BigInt(i)) & 0xffn);
      return value;
    },
    setName: (name, value) => names.set(name, value),
    write: (space, address, size, value) => written.push({ space, address, size, value }),
  };
  return { environment, names, written };
};

const value = (text: string): bigint => numberOf(evaluate(parseExpression(text), world().environment));
const failure = (text: string): string => {
  try {
    evaluate(parseExpression(text), world().environment);
  } catch (error) {
    if (error instanceof ExpressionError) return describeError(error);
    throw error;
  }
  return 'no error';
};

describe('numbers', () => {
  test.each([
    ['255', 255n],
    ['0xff', 255n],
    ['0FFh', 255n],
    ['0b1111_0000', 0xf0n],
    ['0o17', 15n],
    ['0xffff_ffff_ffff_ffff', 0xffff_ffff_ffff_ffffn],
    ["'A'", 0x41n],
    ["'AB'", 0x4241n],
  ])('%s', (text, expected) => expect(value(text)).toBe(expected));

  test('a number of 65 bits is refused with its column', () =>
    expect(failure('1 + 0x10000000000000000')).toBe('0x10000000000000000 does not fit into 64 bits (column 5)'));
});

describe('arithmetic is exact on 64 bits', () => {
  const u64 = fc.bigInt({ min: 0n, max: (1n << 64n) - 1n });
  const operators: Record<string, (a: bigint, b: bigint) => bigint> = {
    '+': (a, b) => a + b,
    '-': (a, b) => a - b,
    '*': (a, b) => a * b,
    '&': (a, b) => a & b,
    '|': (a, b) => a | b,
    '^': (a, b) => a ^ b,
    '/': (a, b) => a / b,
    '%': (a, b) => a % b,
    '==': (a, b) => (a === b ? 1n : 0n),
    '!=': (a, b) => (a !== b ? 1n : 0n),
    '<': (a, b) => (a < b ? 1n : 0n),
    '<=': (a, b) => (a <= b ? 1n : 0n),
    '>': (a, b) => (a > b ? 1n : 0n),
    '>=': (a, b) => (a >= b ? 1n : 0n),
  };
  test.each(Object.keys(operators))('unsigned %s', (operator) => {
    fc.assert(
      fc.property(u64, u64, (a, b) => {
        fc.pre(b !== 0n || (operator !== '/' && operator !== '%'));
        expect(value(`${a} ${operator} 0x${b.toString(16)}`)).toBe(
          BigInt.asUintN(64, operators[operator]?.(a, b) ?? 0n),
        );
      }),
    );
  });
  test.each(['<', '<=', '>', '>=', '/', '%'])('signed %s', (operator) => {
    fc.assert(
      fc.property(u64, u64, (a, b) => {
        const left = BigInt.asIntN(64, a);
        const right = BigInt.asIntN(64, b);
        fc.pre(right !== 0n);
        const expected = operators[operator]?.(left, right) ?? 0n;
        expect(value(`(${a}:i64) ${operator} ${b}`)).toBe(BigInt.asIntN(64, expected));
      }),
    );
  });
  test('shifts', () => {
    fc.assert(
      fc.property(u64, fc.integer({ min: 0, max: 80 }), (a, n) => {
        expect(value(`${a} << ${n}`)).toBe(BigInt.asUintN(64, a << BigInt(n)));
        expect(value(`${a} >> ${n}`)).toBe(a >> BigInt(n));
      }),
    );
    expect(value('-16 >> 2')).toBe(-4n);
  });
});

describe('precedence', () => {
  test.each([
    ['2 + 3 * 4', 14n],
    ['(2 + 3) * 4', 20n],
    ['1 << 2 + 1', 8n],
    ['rax & 0xff == 0x88', 1n],
    ['1 | 6 & 4', 5n],
    ['0 && 1 || 1', 1n],
    ['!0 == 1', 1n],
    ['-1 == 0xffffffffffffffff', 1n],
    ['-1 < 0', 1n],
    ['0xffffffffffffffff < 0', 0n],
    ['10 - 3 - 2', 5n],
  ])('%s', (text, expected) => expect(value(text)).toBe(expected));

  test('the right side of && is not looked at when the left is 0', () =>
    expect(value('0 && [0xdead0000]:u8')).toBe(0n));
});

describe('names and memory', () => {
  test.each([
    ['%rax', 0x1122_3344_5566_7788n],
    ['rax:u8', 0x88n],
    ['rax:i8', -0x78n],
    ['rax:i16', 0x7788n],
    ['$rax', 0x99n],
    ['start.loop', 0x10_0005n],
    ['[0x10]', 0x1716_1514_1312_1110n],
    ['[0x10]:u16', 0x1110n],
    ['[0xfe]:i8', -2n],
    ['dword [print + 1]', 0x2423_2221n],
    ['[fs:0x10]:u8', 0x10n],
    ['fs:[1 + 1]:u8', 2n],
    ['phys[0x20]:u8', 0x20n],
    ['word phys[0x20]', 0x2120n],
    ['msr[0x10]', 0x1716_1514_1312_1110n],
    ['[[0x10]:u8]:u8', 0x10n],
  ])('%s', (text, expected) => expect(value(text)).toBe(expected));

  test('assignment reaches registers and memory of every size', () => {
    const { environment, names, written } = world();
    for (const text of ['rax = 5', '[0x10]:u16 = -1', 'byte [fs:3] = 0x1ff', 'phys[8] = 1']) {
      const { place, value: given } = parseQuery(text);
      if (place === undefined) throw new Error('no assignment');
      assign(place, evaluate(given, environment).bits, environment);
    }
    expect(names.get('rax')).toBe(5n);
    expect(written).toEqual([
      { space: 'linear', address: 0x10n, size: 2, value: 0xffff_ffff_ffff_ffffn },
      { space: 'linear', address: 0x7003n, size: 1, value: 0x1ffn },
      { space: 'phys', address: 8n, size: 8, value: 1n },
    ]);
  });
});

describe('errors name the place', () => {
  test.each([
    ['rax +', 'a value is missing before the end (column 6)'],
    ['rax = 1', 'an operator is missing before `=`; == compares (column 5)'],
    ['rax rbx', 'an operator is missing before `rbx` (column 5)'],
    ['foo + 1', 'there is no register, flag or symbol `foo` (column 1)'],
    ['1 + $foo', 'there is no symbol `foo` (column 5)'],
    ['(1 + 2', '`)` is missing before the end (column 7)'],
    ['[rax', '`]` is missing before the end (column 5)'],
    ['12ab', '12ab is no number; write 255, 0xff, 0ffh or 0b11111111 (column 1)'],
    ['rax:u7', '`u7` is no type; one of u8 i8 u16 i16 u32 i32 u64 i64 (column 5)'],
    ['1 / (2 - 2)', 'division by 0 (column 5)'],
    ['[0xdead0000]', 'nothing is mapped at 0xdead0000 (column 1)'],
    ['1 ; 2', '`;` begins no number, name or operator (column 3)'],
    ["'A", "the closing ' is missing (column 1)"],
    ['', 'a value is missing before the end (column 1)'],
  ])('%s', (text, expected) => expect(failure(text)).toBe(expected));

  test('any text gives a value or an ExpressionError', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(failure(text)).toBeTypeOf('string');
      }),
      { numRuns: 2000 },
    );
  });
  test('deep nesting is refused, not a crash', () =>
    expect(failure('('.repeat(5000))).toBe('nested too deeply (column 202)'));
});
