/**
 * References that the client holds: one number for one thing, at every stop the same, so that trees stay open. A thing
 * is named by its path; what it contains is asked for anew each time. What has no path is shown once, as the fields of
 * one event are, and gets a number of its own.
 */

import type { Item } from '../debugger/item';

export interface Container {
  readonly vcpu: number;
  readonly path?: string;
  /** So many items by index, which `items` gives in pages. */
  readonly count?: number;
  readonly items: (start?: number, count?: number) => readonly Item[];
}

const FIRST = 1000;
/** More than anybody opens between two stops. */
const MOST = 100_000;
/** Things without a path pile up in the console: the oldest can no longer be opened. */
const MOST_ONCE = 2000;

export class Handles {
  /** The longest unused first. */
  private readonly numbers = new Map<string, number>();
  private readonly containers = new Map<number, Container>();
  private readonly once: number[] = [];
  private next = FIRST;

  reference(container: Container): number {
    const { path } = container;
    const number = path === undefined ? this.takeOnce() : this.takeFor(path);
    this.containers.set(number, container);
    return number;
  }

  container(reference: number): Container | undefined {
    return this.containers.get(reference);
  }

  /** Another machine: the numbers stay, what they mean is found again. */
  forget(): void {
    this.containers.clear();
    this.once.length = 0;
  }

  private takeFor(path: string): number {
    const number = this.numbers.get(path) ?? this.next++;
    this.numbers.delete(path);
    this.numbers.set(path, number);
    for (const [oldest, gone] of this.numbers) {
      if (this.numbers.size <= MOST) break;
      this.numbers.delete(oldest);
      this.containers.delete(gone);
    }
    return number;
  }

  private takeOnce(): number {
    const number = this.next++;
    this.once.push(number);
    if (this.once.length > MOST_ONCE) this.containers.delete(this.once.shift() as number);
    return number;
  }
}
