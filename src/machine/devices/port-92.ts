/** System control port A (0x92): the fast A20 gate and the fast reset. It also keeps the state of the one A20 line. */

import type { Device, Register } from './device';

const bits = { reset: 1, a20: 2 } as const;

export interface Port92Options {
  /** The level of A20 has changed. */
  readonly a20: (enabled: boolean) => void;
  readonly reset: () => void;
}

export class Port92 implements Device<{ a20: boolean; other: number }> {
  readonly name = 'port 92';
  state = { a20: true, other: 0 };
  readonly ports: readonly Register[] = [
    {
      name: 'system control A',
      at: 0x92,
      size: 1,
      peek: () => this.state.other | (this.state.a20 ? bits.a20 : 0),
      write: (value) => this.#write(value),
    },
  ];
  readonly #options: Port92Options;

  constructor(options: Port92Options) {
    this.#options = options;
  }

  get a20(): boolean {
    return this.state.a20;
  }

  /** Sets the A20 line; whoever drives it last (this port or the keyboard controller) has it. */
  setA20(enabled: boolean): void {
    if (this.state.a20 === enabled) return;
    this.state.a20 = enabled;
    this.#options.a20(enabled);
  }

  reset(): void {
    this.state.other = 0;
    this.setA20(true);
  }

  nextEvent(): number {
    return Infinity;
  }

  advance(): void {}

  #write(value: number): void {
    this.state.other = value & ~(bits.reset | bits.a20);
    this.setA20((value & bits.a20) !== 0);
    if (value & bits.reset) this.#options.reset();
  }
}
