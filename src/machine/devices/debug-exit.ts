/** QEMU's isa-debug-exit: a write to port 0xF4 ends the run; the exit status is made from the value, `(value << 1) | 1`. */

import type { Device, Register } from './device';

export class DebugExit implements Device {
  readonly name = 'debug exit';
  state = {};
  readonly ports: readonly Register[];

  /** @param exit receives the value as written (1, 2 or 4 bytes). */
  constructor(exit: (value: number) => void) {
    this.ports = [{ name: 'EXIT', at: 0xf4, size: 4, peek: () => 0, write: exit }];
  }

  reset(): void {}

  nextEvent(): number {
    return Infinity;
  }

  advance(): void {}
}
