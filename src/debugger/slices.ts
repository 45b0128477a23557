/**
 * Runs the machine in slices of a few milliseconds, so that a pause, a changed breakpoint or Ctrl-C gets in between. The
 * host's clock chooses only how long a slice is, never what the machine computes.
 */

import type { Machine, Stop } from '../machine/pc';

/** Milliseconds that one slice should take. */
const SLICE = 7;
const FIRST = 20_000;
const SHORTEST = 200;
const LONGEST = 50_000_000;

export class Slices {
  private steps = FIRST;

  /** One slice: at most so many instructions that retire, and about as long as a slice should be. */
  run(machine: Machine, retiredLimit = Number.POSITIVE_INFINITY): Stop {
    const steps = Math.min(this.steps, retiredLimit - machine.counters.retired);
    const before = performance.now();
    const stop = machine.run(steps);
    if (stop.reason === 'limit' && steps === this.steps) this.adapt(performance.now() - before);
    return stop;
  }

  private adapt(took: number): void {
    const factor = took < 0.1 ? 8 : Math.min(8, SLICE / took);
    this.steps = Math.round(Math.max(SHORTEST, Math.min(LONGEST, this.steps * factor)));
  }
}

/** Lets everything else have its turn: messages, keys, timers. */
export const yieldToHost: () => Promise<void> =
  typeof setImmediate === 'function'
    ? () => new Promise((resolve) => setImmediate(resolve))
    : (() => {
        const waiting: (() => void)[] = [];
        const { port1, port2 } = new MessageChannel();
        port1.onmessage = () => waiting.shift()?.();
        return () =>
          new Promise((resolve) => {
            waiting.push(resolve);
            port2.postMessage(null);
          });
      })();
