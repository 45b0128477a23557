import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Oscillator } from '../../src/machine/devices/oscillator';

const rates = fc.record({
  hertz: fc.integer({ min: 1, max: 2 ** 32 }),
  frequency: fc.integer({ min: 1, max: 2 ** 32 }),
});

test('ticks are the integer part of the exact product', () => {
  fc.assert(
    fc.property(rates, fc.integer({ min: -(2 ** 40), max: 2 ** 52 }), ({ hertz, frequency }, now) => {
      fc.pre((Math.abs(now) / frequency) * hertz < 2 ** 52);
      const exact = BigInt(now) * BigInt(hertz);
      const floor = exact / BigInt(frequency) - (exact % BigInt(frequency) < 0n ? 1n : 0n);
      expect(BigInt(new Oscillator(hertz, frequency).ticksAt(now))).toBe(floor);
    }),
    { numRuns: 2000 },
  );
});

test('timeOf is the earliest time that has the ticks', () => {
  fc.assert(
    fc.property(rates, fc.integer({ min: 0, max: 2 ** 40 }), ({ hertz, frequency }, ticks) => {
      fc.pre((ticks / hertz) * frequency < 2 ** 52);
      const oscillator = new Oscillator(hertz, frequency);
      const time = oscillator.timeOf(ticks);
      expect(BigInt(time)).toBe((BigInt(ticks) * BigInt(frequency) + BigInt(hertz) - 1n) / BigInt(hertz));
      expect(oscillator.ticksAt(time)).toBeGreaterThanOrEqual(ticks);
      expect(oscillator.ticksAt(time - 1)).toBeLessThan(ticks);
    }),
    { numRuns: 2000 },
  );
});

test('never is never', () => expect(new Oscillator(1_193_182, 3_000_000_000).timeOf(Infinity)).toBe(Infinity));
