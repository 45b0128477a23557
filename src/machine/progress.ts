/** Whether a run still gets anywhere. */

import type { Counters } from './core/engine';

/** Steps without a retired instruction or a REP iteration after which a run is given up. */
const PATIENCE = 1_000_000;

export class Progress {
  /** What was done when anything was done last, and the step of that. */
  private done = 0;
  private step = 0;

  isMissing({ step, unretired, repeats }: Counters): boolean {
    const done = step - unretired + repeats;
    if (done !== this.done) {
      this.done = done;
      this.step = step;
    }
    return step - this.step >= PATIENCE;
  }

  /** Of another past. */
  restart({ step }: Counters): void {
    this.step = step;
  }
}
