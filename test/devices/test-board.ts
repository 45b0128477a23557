/** A board without a processor: a clock that the test sets, and a record of the interrupt lines. */

import type { Board } from '../../src/machine/devices/device';

export class TestBoard implements Board {
  time = 0;
  readonly frequency: number;
  readonly lines = new Map<number, boolean>();
  /** Rising edges per line. */
  readonly edges = new Map<number, number>();

  constructor(frequency = 1_000_000_000) {
    this.frequency = frequency;
  }

  now(): number {
    return this.time;
  }

  interruptLine(line: number, level: boolean): void {
    if (level && !this.lines.get(line)) this.edges.set(line, (this.edges.get(line) ?? 0) + 1);
    this.lines.set(line, level);
  }
}
