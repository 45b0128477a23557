/** What the guest prints, collected byte by byte and written in lots: at once for a terminal, else in larger pieces. */

import { writeSync } from 'node:fs';

const LOT = 16 * 1024;
const STDOUT = 1;

export class GuestOutput {
  /** Gave its bytes away since the last look; the last of them. */
  last = 0x0a;
  private readonly bytes = new Uint8Array(LOT);
  private length = 0;
  private readonly descriptor: number;

  constructor(descriptor = STDOUT) {
    this.descriptor = descriptor;
  }

  readonly put = (byte: number): void => {
    if (this.length === LOT) this.flush();
    this.bytes[this.length++] = byte;
    this.last = byte;
  };

  /** Writes what was collected; waits for a reader that is slow. */
  flush(): void {
    for (let done = 0; done < this.length; ) {
      try {
        done += writeSync(this.descriptor, this.bytes, done, this.length - done);
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        if (code === 'EPIPE') process.exit(0);
        if (code !== 'EAGAIN') throw error;
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
      }
    }
    this.length = 0;
  }
}
