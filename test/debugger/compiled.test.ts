/** Compiled conditions say what the evaluator says, for random expressions over random states; and change nothing. */

import fc from 'fast-check';
import { beforeAll, expect, test } from 'vitest';
import type { VcpuEnvironment } from '../../src/debugger/environment';
import { answer, compileQuestion } from '../../src/debugger/expression/compile';
import { msrReads, registerReads } from '../../src/debugger/expression/compile-names';
import { evaluate } from '../../src/debugger/expression/evaluator';
import { parseExpression } from '../../src/debugger/expression/parser';
import { ExpressionError } from '../../src/debugger/expression/syntax';
import type { Session } from '../../src/debugger/session';
import { state as layout } from '../../src/machine/core/layout';
import type { CpuState } from '../../src/machine/core/state';
import { msrs } from '../../src/x86/msrs';
import { debug } from './guest-session';

let session: Session;
let environment: VcpuEnvironment;
let state: CpuState;

beforeAll(async () => {
  ({ session } = await debug('bits 64\nstart: nop\n.local: hlt\nother: hlt\n.local: hlt\n', { memory: '16M' }));
  environment = session.environment(0);
  state = session.vcpu(0).state;
});

/** What the core answers to `(text) == value`. */
const ask = (text: string): number =>
  compileQuestion(
    parseExpression(text),
    [],
    {
      symbol: (name) => session.info.resolve(name, 0x10_0000n as never),
      hasMsr: (name) => environment.name(name, false) !== undefined,
    },
    0,
    session.machine.memory.wasm,
  )();

/** The evaluator's value, undefined where it has none. */
const evaluated = (text: string): bigint | undefined => {
  try {
    return evaluate(parseExpression(text), environment).bits;
  } catch (error) {
    if (error instanceof ExpressionError) return undefined;
    throw error;
  }
};

const registers = () => [...environment.registers.keys()];

const numbers = fc.oneof(
  fc.constantFrom(0n, 1n, 2n, 63n, 64n, 65n, (1n << 31n) - 1n, 1n << 31n, 1n << 63n, (1n << 64n) - 1n),
  fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
);
/** Mapped, in two pages, unmapped, a device's, beyond what there is. */
const places = fc.oneof(
  fc.constantFrom(0x20_0000n, 0x20_0ffcn, 0x10_0000n, 0xfee0_0020n, 0x7f_ffff_f000n, 1n << 52n, (1n << 64n) - 4n),
  fc.bigInt({ min: 0n, max: 0xff_ffffn }),
);

const operators = ['||', '&&', '==', '!=', '<', '<=', '>', '>=', '|', '^', '&', '<<', '>>', '+', '-', '*', '/', '%'];
const types = ['u8', 'u16', 'u32', 'u64', 'i8', 'i16', 'i32', 'i64'];

const expressions = fc.letrec<{ any: string }>((tie) => ({
  any: fc.oneof(
    { maxDepth: 5 },
    numbers.map((value) => `0x${value.toString(16)}`),
    fc.nat().map((n) => registers()[n % registers().length] as string),
    fc.constantFrom('vcpu', 'start', 'other', 'start.local', '$start'),
    fc.tuple(fc.constantFrom('-', '+', '~', '!'), tie('any')).map(([sign, inner]) => `${sign}(${inner})`),
    fc
      .tuple(tie('any'), fc.constantFrom(...operators), tie('any'))
      .map(([left, operator, right]) => `(${left}) ${operator} (${right})`),
    fc.tuple(tie('any'), fc.constantFrom(...types)).map(([inner, type]) => `(${inner}):${type}`),
    fc
      .tuple(fc.constantFrom('', 'phys', 'gpa', 'fs', 'ds'), places, fc.constantFrom('', ...types))
      .map(([space, at, type]) => `${space}[0x${at.toString(16)}]${type === '' ? '' : `:${type}`}`),
    fc.tuple(tie('any'), fc.constantFrom(...types)).map(([inner, type]) => `[((${inner}) & 0x3ffff8) + r15]:${type}`),
  ),
})).any;

const CR0_PG = 0x8000_0001n;
/** Control registers by what paging they make; the tables are those of 64-bit mode, whatever they then mean. */
interface Paging {
  readonly cr0?: bigint;
  readonly cr4?: bigint;
  readonly efer?: bigint;
  readonly cs?: number;
}
const pagings: readonly Paging[] = [
  {},
  { cr0: 1n },
  { cr0: CR0_PG, cr4: 0n, efer: 0n, cs: 0x409b },
  { cr0: CR0_PG, cr4: 0x20n, efer: 0n, cs: 0x9b },
  { cs: 0x409b },
];

const states = fc.record({
  gprs: fc.array(numbers, { minLength: 15, maxLength: 15 }),
  lazy: fc.tuple(numbers, numbers),
  flags: fc.integer({ min: 0, max: 0x3f_ffff }),
  paging: fc.constantFrom(...pagings),
});

const enter = ({ gprs, lazy, flags, paging }: typeof states extends fc.Arbitrary<infer T> ? T : never): void => {
  gprs.forEach((value, n) => {
    state.setGpr(n, value);
  });
  state.setU64(layout.result, lazy[0]);
  state.setU64(layout.aux, lazy[1]);
  state.setU32(layout.flags, flags & ~0x8d5);
  const { cr0, cr4, efer, cs } = paging;
  if (cr0 !== undefined) state.cr0 = cr0;
  if (cr4 !== undefined) state.cr4 = cr4;
  if (efer !== undefined) state.efer = efer;
  if (cs !== undefined) state.setU32(layout.segmentAccess + 4, cs);
};

test('the core gives the values that the evaluator gives', () => {
  const start = session.machine.snapshot();
  let decided = 0;
  let asked = 0;
  fc.assert(
    fc.property(states, fc.array(expressions, { minLength: 4, maxLength: 4 }), (to, texts) => {
      session.machine.restore(start);
      enter(to);
      const before = session.machine.stateHash();
      for (const text of texts) {
        const value = evaluated(text);
        const given = ask(value === undefined ? text : `(${text}) == ${value}`);
        expect([text, value, given]).toEqual([
          text,
          value,
          value === undefined || given === answer.undecided ? answer.undecided : answer.yes,
        ]);
        asked++;
        if (given !== answer.undecided) decided++;
      }
      expect(session.machine.stateHash()).toBe(before);
    }),
    { numRuns: 400 },
  );
  session.machine.restore(start);
  expect(decided / asked).toBeGreaterThan(0.7);
});

test('all registers are known to the core but those that devices keep', () => {
  expect(registers().filter((name) => !registerReads.has(name))).toEqual(['cr8']);
  expect([...registerReads.keys()].filter((name) => !environment.registers.has(name))).toEqual([]);
});

test('model-specific registers that are plain values are known to the core', () => {
  const values = Object.keys(msrs).map((name) => {
    const bits = environment.name(name, false)?.bits;
    if (bits === undefined) return [name, 'none'];
    return [name, msrReads.has(name.toLowerCase()) ? ask(`${name} == ${bits}`) : 'not asked'];
  });
  expect(values.filter(([, found]) => found === answer.no || found === answer.undecided)).toEqual([]);
  expect(values.filter(([, found]) => found === answer.yes).length).toBeGreaterThan(20);
});

test('what is read through 4-level and 2 MiB pages needs no TypeScript', () => {
  const { physical } = session.machine;
  physical.pokeBytes(0x20_0000, Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 0x88));
  expect(ask('[0x200000] == 0x8807060504030201')).toBe(answer.yes);
  expect(ask('[0x200004]:i32 == 0x88070605:i32')).toBe(answer.yes);
  expect(ask('word [0x200001] == 0x0302 && byte phys[0x200007] == 0x88')).toBe(answer.yes);
  expect(ask('[0x7ffffffff000] == 0')).toBe(answer.undecided);
});

test('what is read through 32-bit paging is what lies there; 4 MiB pages are left to TypeScript', () => {
  const { machine } = session;
  const start = machine.snapshot();
  const put = (at: number, entry: number) =>
    machine.physical.pokeBytes(at, new Uint8Array(Uint32Array.of(entry).buffer));
  put(0x30_0000, 0x30_1003);
  put(0x30_0004, 0x40_0083);
  put(0x30_1000 + 0x200 * 4, 0x50_0003);
  put(0x50_0010, 0x1234_5678);
  put(0x40_0000, 0x50_0003);
  put(0x40_0010, 0x55);
  state.cr3 = 0x30_0000n;
  state.cr4 = 0x10n;
  state.efer = 0n;
  state.setU32(layout.segmentAccess + 4, 0x409b);
  expect([evaluated('[0x200010]'), ask('[0x200010] == 0x12345678')]).toEqual([0x1234_5678n, answer.yes]);
  expect([evaluated('[0x400010]'), ask('[0x400010] == 0x55')]).toEqual([0x55n, answer.undecided]);
  expect([evaluated('[0x201010]'), ask('[0x201010] == 0')]).toEqual([undefined, answer.undecided]);
  machine.restore(start);
});
