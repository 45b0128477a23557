/**
 * Runs the machine in slices of a few milliseconds, so that a pause, a changed breakpoint or Ctrl-C gets in between. The
 * host's clock chooses only how long a slice is, never what the machine computes.
 */

import type { Machine } from '../machine/pc';
import type { Stop } from '../machine/stop';

/** Milliseconds that one slice takes. */
const SLICE = 7;

export class Slices {
  private end = 0;
  private readonly isOver = (): boolean => performance.now() >= this.end;

  /** One slice, of at most so many instructions that retire. */
  run(machine: Machine, retiredLimit = Number.MAX_SAFE_INTEGER): Stop {
    this.end = performance.now() + SLICE;
    return machine.run(retiredLimit - machine.counters.retired, this.isOver);
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
