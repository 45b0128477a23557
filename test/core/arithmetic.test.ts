/** Multiplication, division and bit instructions against their definitions in arbitrary precision, on random operands. */

import { beforeAll, describe, expect, test } from 'vitest';
import type { Case } from '../differential/cases';
import { interesting } from '../differential/encodings';
import type { Outcome } from '../differential/native';
import { Random } from '../differential/random';
import { Simulated } from '../differential/simulated';

const TIMES = 2000;
const MASK = (1n << 64n) - 1n;
const [RAX, RCX, RDX, RBX] = [0, 1, 2, 3] as const;
const signed = (value: bigint): bigint => BigInt.asIntN(64, value);

let core: Simulated;
beforeAll(() => {
  core = new Simulated({ bits: 64 });
});

/** Executes the code with random registers and hands over what went in and what came out. */
const each = (seed: number, code: readonly number[], judge: (before: BigUint64Array, after: Outcome) => void): void => {
  const random = new Random(seed);
  const cases = Array.from({ length: TIMES }, (): Case => {
    const gpr = BigUint64Array.from({ length: 16 }, () => interesting(random));
    return { code: Uint8Array.from(code), gpr, flags: 0x202, undefinedFlags: 0, starts: [] };
  });
  const outcomes = core.run(cases, 0x20000000n, new Uint8Array(8192));
  cases.forEach((one, n) => {
    judge(one.gpr, outcomes[n] as Outcome);
  });
};
const at = (registers: BigUint64Array, n: number): bigint => registers[n] as bigint;

describe('64-bit division is exact, and refused when the quotient does not fit', () => {
  test('DIV', () => {
    // Dividends below and above the divisor, so that half of them fit.
    each(1, [0x48, 0xf7, 0xf3], (before, after) => {
      const dividend = (at(before, RDX) << 64n) | at(before, RAX);
      const divisor = at(before, RBX);
      if (divisor === 0n || dividend / divisor > MASK) {
        expect(after.vector).toBe(0);
        expect(after.gpr).toEqual(before);
        return;
      }
      expect(after.gpr[RAX]).toBe(dividend / divisor);
      expect(after.gpr[RDX]).toBe(dividend % divisor);
    });
  });
  test('IDIV', () => {
    each(2, [0x48, 0xf7, 0xfb], (before, after) => {
      const dividend = (signed(at(before, RDX)) << 64n) | at(before, RAX);
      const divisor = signed(at(before, RBX));
      const quotient = divisor === 0n ? 1n << 64n : dividend / divisor;
      if (quotient !== signed(BigInt.asUintN(64, quotient))) {
        expect(after.vector).toBe(0);
        return;
      }
      expect(after.gpr[RAX]).toBe(BigInt.asUintN(64, quotient));
      expect(after.gpr[RDX]).toBe(BigInt.asUintN(64, dividend % divisor));
    });
  });
  test('the largest negative quotient fits', () => {
    const gpr = new BigUint64Array(16);
    gpr[RAX] = 1n << 63n;
    gpr[RDX] = MASK;
    gpr[RBX] = 1n;
    const code = Uint8Array.of(0x48, 0xf7, 0xfb);
    const [outcome] = core.run([{ code, gpr, flags: 0x202, undefinedFlags: 0, starts: [] }], 0n, new Uint8Array(8192));
    expect(outcome?.vector).toBe(3);
    expect(outcome?.gpr[RAX]).toBe(1n << 63n);
  });
});

describe('64-bit multiplication keeps all 128 bits', () => {
  test('MUL', () => {
    each(3, [0x48, 0xf7, 0xe3], (before, after) => {
      const product = at(before, RAX) * at(before, RBX);
      expect(after.gpr[RAX]).toBe(product & MASK);
      expect(after.gpr[RDX]).toBe(product >> 64n);
      expect(after.flags & 0x801).toBe(product >> 64n ? 0x801 : 0);
    });
  });
  test('IMUL', () => {
    each(4, [0x48, 0xf7, 0xeb], (before, after) => {
      const product = signed(at(before, RAX)) * signed(at(before, RBX));
      expect(after.gpr[RAX]).toBe(BigInt.asUintN(64, product));
      expect(after.gpr[RDX]).toBe(BigInt.asUintN(64, product >> 64n));
      expect(after.flags & 0x801).toBe(product === signed(BigInt.asUintN(64, product)) ? 0 : 0x801);
    });
  });
  test('MULX leaves the high half when both destinations are one register', () => {
    // mulx rcx, rcx, rbx
    each(5, [0xc4, 0xe2, 0xf3, 0xf6, 0xcb], (before, after) => {
      expect(after.gpr[RCX]).toBe((at(before, RDX) * at(before, RBX)) >> 64n);
      expect(after.flags).toBe(0x202);
    });
  });
});

describe('bits are counted, scattered and gathered', () => {
  const bits = (value: bigint): number[] => Array.from({ length: 64 }, (_, n) => Number((value >> BigInt(n)) & 1n));
  const number = (list: readonly number[]): bigint =>
    list.reduce((all, bit, n) => all | (BigInt(bit) << BigInt(n)), 0n);

  test('PDEP', () => {
    // pdep rax, rbx, rcx
    each(6, [0xc4, 0xe2, 0xe3, 0xf5, 0xc1], (before, after) => {
      const source = bits(at(before, RBX));
      let next = 0;
      const scattered = bits(at(before, RCX)).map((bit) => (bit ? (source[next++] as number) : 0));
      expect(after.gpr[RAX]).toBe(number(scattered));
    });
  });
  test('PEXT', () => {
    // pext rax, rbx, rcx
    each(7, [0xc4, 0xe2, 0xe2, 0xf5, 0xc1], (before, after) => {
      const mask = bits(at(before, RCX));
      expect(after.gpr[RAX]).toBe(number(bits(at(before, RBX)).filter((_, n) => mask[n])));
    });
  });
  test('POPCNT, TZCNT and LZCNT', () => {
    // popcnt rax, rbx; tzcnt rcx, rbx; lzcnt rdx, rbx
    const code = [0xf3, 0x48, 0x0f, 0xb8, 0xc3, 0xf3, 0x48, 0x0f, 0xbc, 0xcb, 0xf3, 0x48, 0x0f, 0xbd, 0xd3];
    each(8, code, (before, after) => {
      const list = bits(at(before, RBX));
      expect(after.gpr[RAX]).toBe(BigInt(list.filter((bit) => bit).length));
      expect(after.gpr[RCX]).toBe(BigInt(list.includes(1) ? list.indexOf(1) : 64));
      expect(after.gpr[RDX]).toBe(BigInt(63 - list.lastIndexOf(1)));
    });
  });
});

test('CRC32 of the check string is the CRC-32C standard’s check value', () => {
  const bytes = new TextEncoder().encode('123456789');
  const crc = [...bytes].reduce((seed, byte) => {
    const gpr = new BigUint64Array(16);
    gpr[RAX] = seed;
    gpr[RBX] = BigInt(byte);
    // crc32 eax, bl
    const code = Uint8Array.of(0xf2, 0x0f, 0x38, 0xf0, 0xc3);
    const [outcome] = core.run([{ code, gpr, flags: 0x202, undefinedFlags: 0, starts: [] }], 0n, new Uint8Array(8192));
    return (outcome as Outcome).gpr[RAX] as bigint;
  }, 0xffffffffn);
  expect(crc ^ 0xffffffffn).toBe(0xe3069283n);
});
