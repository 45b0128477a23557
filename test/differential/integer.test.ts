/**
 * Integer instructions against the processor at hand: random sequences natively and on the core; registers, defined
 * flags, memory, exceptions with their addresses compared. RINGSIDE_DIFFERENTIAL_CASES asks for more cases (millions
 * take minutes), RINGSIDE_DIFFERENTIAL_SEED for others, RINGSIDE_STRICT_FLAGS compares undefined flags too.
 */

import { expect, test } from 'vitest';
import { type Campaign, compare } from './campaign';
import { DATA, Generator, realModeCases } from './cases';
import { type Reached, report } from './coverage';
import { Native } from './native';
import { Random } from './random';
import { Simulated } from './simulated';

const CASES = Number(process.env.RINGSIDE_DIFFERENTIAL_CASES ?? 200_000);
const SEED = Number(process.env.RINGSIDE_DIFFERENTIAL_SEED ?? 1);
const strict = process.env.RINGSIDE_STRICT_FLAGS !== undefined;
/** A thousand cases take a quarter of a second or less. */
const timeout = 60_000 + CASES;

const opened = Native.open();
const native = typeof opened === 'string' ? undefined : opened;
if (typeof opened === 'string') console.log(`no differential tests: ${opened}`);
const has32 = native?.has32 ?? false;
if (native && !has32) console.log('no differential tests of 32-bit code: the host has no 32-bit code segment');

const reached: Reached = { native64: new Set(), native32: new Set(), bochs: new Set(), all: [] };

const run = (bits: 32 | 64, data: bigint, cases: number, seed: number, cores: Campaign['cores']): void => {
  if (!native) return;
  const random = new Random(SEED * 1000 + seed);
  const generator = new Generator(bits, random, (mnemonic) => native.supports(mnemonic), data + 0x1000n);
  const differences = compare(native, { bits, data, cases, length: 3, generator, random, strict, cores });
  for (const [core] of cores) {
    reached.all = core.names;
    for (const name of core.reached) reached[`native${bits}`].add(name);
  }
  expect(differences.length, differences.slice(0, 8).join('\n')).toBe(0);
};

test.skipIf(!native)(
  '64-bit code does what the processor does',
  () => {
    const cores: Campaign['cores'] = [
      [new Simulated({ bits: 64 }), 1],
      [new Simulated({ bits: 64, stepping: true }), 8],
    ];
    run(64, DATA, CASES * 0.35, 1, cores);
    // Where addresses need more than 32 bits.
    run(64, 0x7e1220000000n, CASES * 0.15, 2, cores);
  },
  timeout,
);

test.skipIf(!has32)(
  '32-bit code does what the processor does, with flat segments and through segments',
  () => {
    run(32, DATA, CASES * 0.5, 3, [
      [new Simulated({ bits: 32 }), 1],
      [new Simulated({ bits: 32, segmented: true }), 3],
      [new Simulated({ bits: 32, stepping: true }), 8],
    ]);
  },
  timeout,
);

test.skipIf(!has32)('every instruction that the processor can be asked about was', () => {
  // What bochs.test.ts compares.
  const real = new Simulated({ bits: 16 });
  real.decode(realModeCases(SEED * 1000, 1500));
  for (const name of real.reached) reached.bochs.add(name);
  const { unreached, write } = report(reached);
  if (process.env.RINGSIDE_WRITE_COVERAGE !== undefined) write();
  expect(unreached).toEqual([]);
});
