/**
 * A clock of its own frequency, seen from the one clock of the machine (TSC ticks). Everything is derived from `now` by
 * exact integer arithmetic, so that a timer never drifts, however long the machine runs.
 */

const half = 0x1_0000;

/** The integer part of a·b/c and whether anything is left over; exact for a, b, c below 2^33. */
function multiplyDivide(a: number, b: number, c: number): { quotient: number; exact: boolean } {
  const low = b % half;
  const upper = a * ((b - low) / half);
  const upperRest = upper % c;
  const lower = upperRest * half + a * low;
  const lowerRest = lower % c;
  return { quotient: ((upper - upperRest) / c) * half + (lower - lowerRest) / c, exact: lowerRest === 0 };
}

export class Oscillator {
  readonly hertz: number;
  readonly #frequency: number;

  /** @param hertz of this clock; @param frequency of the time-stamp counter; both whole and below 2^33. */
  constructor(hertz: number, frequency: number) {
    this.hertz = hertz;
    this.#frequency = frequency;
  }

  /** Whole periods of this clock since virtual time 0; `now` may be negative. */
  ticksAt(now: number): number {
    const seconds = Math.floor(now / this.#frequency);
    const rest = now - seconds * this.#frequency;
    return seconds * this.hertz + multiplyDivide(rest, this.hertz, this.#frequency).quotient;
  }

  /** The earliest virtual time at which `ticksAt` is at least `ticks`. */
  timeOf(ticks: number): number {
    if (!Number.isFinite(ticks)) return ticks;
    const seconds = Math.floor(ticks / this.hertz);
    const rest = ticks - seconds * this.hertz;
    const { quotient, exact } = multiplyDivide(rest, this.#frequency, this.hertz);
    return seconds * this.#frequency + quotient + (exact ? 0 : 1);
  }
}
