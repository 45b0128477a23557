/**
 * References that the client holds: one number for one thing, at every stop the same, so that trees stay open. A thing
 * is named by its path; what it contains is asked for anew each time.
 */

import type { Item } from '../debugger/item';

export interface Container {
  readonly vcpu: number;
  readonly path: string;
  readonly items: () => Item[];
}

const FIRST = 1000;

export class Handles {
  private readonly numbers = new Map<string, number>();
  private readonly containers = new Map<number, Container>();

  reference(container: Container): number {
    let number = this.numbers.get(container.path);
    if (number === undefined) {
      number = FIRST + this.numbers.size;
      this.numbers.set(container.path, number);
    }
    this.containers.set(number, container);
    return number;
  }

  container(reference: number): Container | undefined {
    return this.containers.get(reference);
  }

  /** Another machine: the numbers stay, what they mean is found again. */
  forget(): void {
    this.containers.clear();
  }
}
