/** What comes on stdin, on its way to COM1: a file at once, so that its run is always the same, all else as it comes. */

import { fstatSync, readFileSync } from 'node:fs';
import type { Machine } from '../machine/pc';

const STDIN = 0;
/** EFLAGS.IF. */
const INTERRUPTS = 1 << 9;

export class GuestInput {
  /** More may come. */
  private open = true;
  private wake: () => void = () => {};
  private readonly machine: Machine;

  constructor(machine: Machine) {
    this.machine = machine;
    if (fstatSync(STDIN).isFile()) {
      this.arrive(readFileSync(STDIN));
      this.open = false;
      return;
    }
    process.stdin.on('data', this.arrive);
    process.stdin.on('end', this.ended);
    process.stdin.on('error', this.ended);
  }

  /** Can something from stdin still wake a machine that is halted? */
  get mayWake(): boolean {
    return this.open && this.machine.cpus.some(({ state }) => (state.rflags & INTERRUPTS) !== 0);
  }

  /** Until something comes, the end included, or `interrupt` is called. */
  wait(): Promise<void> {
    return new Promise((resolve) => {
      this.wake = resolve;
    });
  }

  /** Ends a wait. */
  readonly interrupt = (): void => this.wake();

  close(): void {
    process.stdin.off('data', this.arrive);
    process.stdin.off('end', this.ended);
    process.stdin.off('error', this.ended);
    process.stdin.unref?.();
    process.stdin.pause();
  }

  private readonly arrive = (bytes: Uint8Array): void => {
    if (bytes.length > 0) this.machine.input({ kind: 'serial', bytes: [...bytes] });
    this.wake();
  };

  private readonly ended = (): void => {
    this.open = false;
    this.wake();
  };
}
