/**
 * What every device on the board is: a table of registers, a plain state, and a clock that only counts virtual time.
 *
 * All that can change lives in `state`, a plain object of numbers, booleans, arrays and `Uint8Array`s, so that a
 * snapshot is a structured clone and a hash is a walk over it. Virtual time is counted in ticks of the time-stamp
 * counter; a device derives its counters from `now` and never keeps its own.
 */

export interface Register {
  /** The data sheet's name: `LSR`, `ICW1`. */
  readonly name: string;
  /** Port number or offset in the device's memory window. */
  readonly at: number;
  /** Bytes that one access may have; others are split or ignored by the bus. */
  readonly size: 1 | 2 | 4;
  /** The value as the debugger shows it: no side effect, ever. */
  peek(): number;
  /** The value as the guest reads it; without it, `peek`. */
  read?(): number;
  /** Without it, writes are ignored. */
  write?(value: number): void;
}

export interface Device<State extends object = object> {
  /** As the data sheet calls it, with the instance: `16550 COM1`. */
  readonly name: string;
  state: State;
  /** I/O ports by register. */
  readonly ports?: readonly Register[];
  /**
   * What the guest reaches by an index, a command or in several steps, each as a register of its own, for the debugger:
   * `at` is its index. Names differ from those of the ports.
   */
  readonly inner?: readonly Register[];
  /** A memory window: physical base, size in bytes, registers by offset. */
  readonly window?: MemoryWindow;
  /** Back to the state after power-on or reset. */
  reset(): void;
  /** Virtual time of the next change that happens by itself; `Infinity` when there is none. */
  nextEvent(): number;
  /** Let everything happen that was due at or before `now`. */
  advance(now: number): void;
}

export interface MemoryWindow {
  /** Physical address of the first byte; negative while the window is switched off. */
  readonly base: number;
  readonly size: number;
  readonly registers: readonly Register[];
  /** The window is plain memory: its bytes, to be asked for at every access because a restore replaces them. */
  bytes?(): Uint8Array;
  /** The guest touched an offset at which there is no register. */
  readonly stray?: () => void;
}

/** What the board gives a device. */
export interface Board {
  /** Virtual time in ticks of the time-stamp counter. */
  now(): number;
  /** Ticks in a second: the preset's TSC frequency in hertz. */
  readonly frequency: number;
  /** Level of an ISA interrupt line 0–15 (also the I/O APIC's pin of that number; line 0 is wired to pin 2 there). */
  interruptLine(line: number, level: boolean): void;
}
