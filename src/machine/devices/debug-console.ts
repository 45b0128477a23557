/** The debug console of Bochs and QEMU: each byte written to port 0xE9 is shown to the user; reading tells it is there. */

import type { Device, Register } from './device';

const port = 0xe9;

export class DebugConsole implements Device {
  readonly name = 'debug console';
  state = {};
  readonly ports: readonly Register[];

  constructor(sink: (byte: number) => void) {
    this.ports = [{ name: 'DATA', at: port, size: 1, peek: () => port, write: sink }];
  }

  reset(): void {}

  nextEvent(): number {
    return Infinity;
  }

  advance(): void {}
}
