/** What docs/undefined-behaviour.md promises, one row each: a host without such a processor keeps it too. */

import { beforeAll, expect, test } from 'vitest';
import { CODE } from '../differential/cases';
import { Simulated } from '../differential/simulated';

const [CF, PF, AF, ZF, SF, OF] = [1, 4, 0x10, 0x40, 0x80, 0x800] as const;
const ALL = CF | PF | AF | ZF | SF | OF;

interface Row {
  readonly code: readonly number[];
  readonly rax?: bigint;
  readonly rbx?: bigint;
  readonly rcx?: bigint;
  readonly rdx?: bigint;
  /** Arithmetic flags before; none unless given. */
  readonly from?: number;
  readonly flags: number;
  readonly result?: bigint;
  readonly bits?: 32;
}

const rows: Readonly<Record<string, Row>> = {
  'AND clears AF': { code: [0x21, 0xd8], rax: 1n, rbx: 1n, from: ALL, flags: 0 },
  'SHL by 2: OF of the first step': { code: [0xc1, 0xe0, 2], rax: 0x4000_0000n, from: AF, flags: OF | CF | ZF | PF },
  'SHR by 2: OF is the sign of the operand': {
    code: [0xc1, 0xe8, 2],
    rax: 0x8000_0001n,
    flags: OF | PF,
    result: 0x2000_0000n,
  },
  'SHL of 8 bits by 9: CF is 0': { code: [0xc0, 0xe0, 9], rax: 0xffn, flags: ZF | PF, result: 0n },
  'SHRD by 3: OF of the first step': {
    code: [0x0f, 0xac, 0xd8, 3],
    rax: 1n << 31n,
    rbx: 2n,
    flags: OF | PF,
    result: 0x5000_0000n,
  },
  'ROL of a register by 2 keeps OF': { code: [0xc1, 0xc0, 2], rax: 1n, from: OF, flags: OF, result: 4n },
  'ROL by CL of 2: OF of the first step': { code: [0xd3, 0xc0], rax: 1n, rcx: 2n, from: OF, flags: 0, result: 4n },
  'RCL of 8 bits by 9 changes nothing': {
    code: [0xc0, 0xd0, 9],
    rax: 0x55n,
    from: OF | CF,
    flags: OF | CF,
    result: 0x55n,
  },
  'MUL: SF and PF of the low half, never ZF': {
    code: [0xf7, 0xe3],
    rax: 1n << 31n,
    rbx: 2n,
    from: AF | ZF,
    flags: CF | OF | PF,
  },
  'DIV keeps all flags': { code: [0xf7, 0xf3], rax: 7n, rbx: 2n, from: ALL, flags: ALL, result: 3n },
  'BT changes CF only': { code: [0x0f, 0xa3, 0xd8], rax: 0n, from: ALL, flags: ALL & ~CF },
  'BSF of 0 keeps the destination': {
    code: [0x0f, 0xbc, 0xc3],
    rax: -1n,
    from: ALL,
    flags: ZF | PF,
    result: 2n ** 64n - 1n,
  },
  'BSF: PF of the result': { code: [0x0f, 0xbc, 0xc3], rbx: 8n, from: ALL, flags: PF, result: 3n },
  'TZCNT: only CF and ZF': { code: [0xf3, 0x0f, 0xbc, 0xc3], rbx: 1n, from: ALL, flags: ZF, result: 0n },
  'BEXTR clears SF': {
    code: [0xc4, 0xe2, 0x70, 0xf7, 0xc3],
    rbx: 0xffff_ffffn,
    rcx: 0x2000n,
    from: ALL,
    flags: 0,
    result: 0xffff_ffffn,
  },
  'BSWAP of 16 bits gives 0': { code: [0x66, 0x0f, 0xc8], rax: 0x1234_5678n, flags: 0, result: 0x1234_0000n },
  'SHLD of 16 bits by 20': {
    code: [0x66, 0x0f, 0xa4, 0xd8, 20],
    rax: 0x1234n,
    rbx: 0xabcdn,
    flags: SF | PF,
    result: 0xbcd1n,
  },
  'CMPXCHG keeps the upper half of a register it does not change': {
    code: [0x0f, 0xb1, 0xd3],
    rax: 2n ** 32n + 5n,
    rbx: 2n ** 32n + 5n,
    rdx: 7n,
    flags: ZF | PF,
    result: 2n ** 32n + 5n,
  },
  'AAA: flags of the adjusted AL': { code: [0x37], rax: 0x0an, flags: CF | AF | ZF | PF, result: 0x100n, bits: 32 },
  'AAD: flags of the addition': {
    code: [0xd5, 10],
    rax: 0x1affn,
    from: ALL,
    flags: CF | AF | PF,
    result: 0x03n,
    bits: 32,
  },
  'AAM clears CF OF AF': { code: [0xd4, 10], rax: 0x0bn, from: ALL, flags: 0, result: 0x101n, bits: 32 },
};

let cores: { readonly 64: Simulated; readonly 32: Simulated };
beforeAll(() => {
  cores = { 64: new Simulated({ bits: 64 }), 32: new Simulated({ bits: 32 }) };
});

test.each(Object.entries(rows))('%s', (_, row) => {
  const gpr = new BigUint64Array(16);
  [row.rax, row.rcx, row.rdx, row.rbx].forEach((value, n) => {
    gpr[n] = BigInt.asUintN(64, value ?? 0n);
  });
  const one = { code: Uint8Array.from(row.code), gpr, flags: 0x202 | (row.from ?? 0), undefinedFlags: 0, starts: [0] };
  const [outcome] = cores[row.bits ?? 64].run([one], 0x20000000n, new Uint8Array(8192));
  expect(outcome?.vector).toBe(3);
  expect(outcome?.rip).toBe(CODE + BigInt(row.code.length + 1));
  expect((outcome?.flags ?? 0) & ALL).toBe(row.flags);
  if (row.result !== undefined) expect(outcome?.gpr[0]).toBe(row.result);
});
