/**
 * Whose turn it is: the vCPUs take turns of a fixed number of steps, in a circle. A debugger can let only one of them
 * have turns, or stop one for good; both come through the input log, because they decide what is computed.
 */

/** Steps of one vCPU before the next has its turn. */
const TURN = 1000;

/** What a snapshot keeps. */
export type SavedTurns = Readonly<{ current: number; left: number; only: number | null; stopped: readonly number[] }>;

export class Turns {
  /** Index of the vCPU whose turn it is. */
  current = 0;
  /** Steps of the present turn that are left. */
  left = TURN;
  /** The only vCPU that takes turns; null when all do. */
  only: number | null = null;
  private stopped: readonly number[] = [];

  constructor(private readonly count: number) {}

  /** As after power-on: everyone takes part. */
  reset(): void {
    this.give(0);
    this.only = null;
    this.stopped = [];
  }

  /** Does this vCPU take turns? */
  takesPart(index: number): boolean {
    return !this.stopped.includes(index) && (this.only === null || this.only === index);
  }
  isStopped(index: number): boolean {
    return this.stopped.includes(index);
  }

  /** Only this vCPU takes turns from now on; null lets all others go on. */
  restrict(only: number | null): void {
    this.only = only;
    if (!this.takesPart(this.current)) this.next(() => true);
  }

  /** This vCPU takes no more turns until the machine is reset. */
  stop(index: number): void {
    if (!this.isStopped(index)) this.stopped = [...this.stopped, index].sort((a, b) => a - b);
    if (this.only === index) this.only = null;
    if (!this.takesPart(this.current)) this.next(() => true);
  }

  spend(steps: number): void {
    this.left -= steps;
    if (this.left <= 0) this.next(() => true);
  }

  /** Gives the turn to the next vCPU that takes part and can use it. @returns whether there is one */
  next(canUse: (index: number) => boolean): boolean {
    for (let n = 1; n <= this.count; n++) {
      const index = (this.current + n) % this.count;
      if (!this.takesPart(index) || !canUse(index)) continue;
      this.give(index);
      return true;
    }
    return false;
  }

  private give(index: number): void {
    this.current = index;
    this.left = TURN;
  }

  save(): SavedTurns {
    const { current, left, only, stopped } = this;
    return { current, left, only, stopped };
  }
  restore(saved: SavedTurns): void {
    Object.assign(this, saved);
  }
}
