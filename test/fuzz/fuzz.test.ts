/**
 * Anything may be executed: no exception of JavaScript's, no end that does not come, and the same future from the same
 * state, whether it is run at once, in slices or step by step. RINGSIDE_FUZZ=5000 sets the number of cases.
 */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FuzzMachine, modes } from './random-start';

const numRuns = Number(process.env.RINGSIDE_FUZZ ?? 3);
const STEPS = process.env.RINGSIDE_FUZZ ? 8000 : 1000;
const first = process.env.RINGSIDE_FUZZ_SEED ? { seed: Number(process.env.RINGSIDE_FUZZ_SEED) } : {};
const a = new FuzzMachine();
const b = new FuzzMachine();
const seed = fc.integer({ min: 0, max: 2 ** 30 });

const registers = ({ machine }: FuzzMachine): string => {
  const state = machine.cpus[0]?.state;
  if (!state) return '';
  const gprs = Array.from({ length: 16 }, (_, n) => state.gpr(n).toString(16)).join(' ');
  return `step ${machine.counters.step} rip ${state.rip.toString(16)} flags ${state.rflags.toString(16)} ${gprs}`;
};

describe.each(modes)('random code in mode %s', (mode) => {
  test('runs without harm, and its future is the same in slices', { timeout: 0 }, () => {
    fc.assert(
      fc.property(fc.noShrink(seed), fc.noShrink(fc.integer({ min: 10, max: 700 })), (from, slice) => {
        const whole = a.start(mode, from);
        const begin = whole.counters.step;
        const stop = whole.run(STEPS);
        const { step } = whole.counters;
        expect(step - begin).toBeLessThanOrEqual(STEPS);
        const parts = b.start(mode, from);
        expect(parts.counters.step).toBe(begin);
        for (let rounds = 0; rounds < 10_000; rounds++) {
          const stopped = parts.run(Math.min(slice, begin + STEPS - parts.counters.step));
          if (stopped.reason !== 'limit' || parts.counters.step >= begin + STEPS) {
            expect(stopped).toEqual(stop);
            break;
          }
        }
        expect(registers(b)).toBe(registers(a));
        expect(parts.stateHash()).toBe(whole.stateHash());
      }),
      { numRuns, ...first },
    );
  });

  test('comes to the same state step by step', { timeout: 0 }, () => {
    fc.assert(
      fc.property(fc.noShrink(seed), fc.noShrink(fc.integer({ min: 1, max: 400 })), (from, steps) => {
        const whole = a.start(mode, from);
        const stop = whole.run(steps);
        const single = b.start(mode, from);
        let last = single.singleStep();
        for (let n = 1; n < steps && last.reason === 'limit'; n++) last = single.singleStep();
        expect(last).toEqual(stop);
        expect(registers(b)).toBe(registers(a));
        expect(single.stateHash()).toBe(whole.stateHash());
      }),
      { numRuns, ...first },
    );
  });
});
