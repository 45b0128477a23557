/** What the guest prints, collected byte by byte and written in lots: at once for a terminal, else in larger pieces. */

import { fstatSync, writeSync } from 'node:fs';

const LOT = 16 * 1024;
const STDOUT = 1;
const STDERR = 2;

/** Do stdout and stderr go to the same place: a terminal, or one file or pipe for both? */
export const isOneStream = (): boolean => {
  const [one, other] = [STDOUT, STDERR].map((descriptor) => fstatSync(descriptor, { bigint: true }));
  return one?.dev === other?.dev && one?.ino === other?.ino;
};

export class GuestOutput {
  /** The last byte. */
  last = 0x0a;
  /** Bytes so far. */
  count = 0;
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
    this.count++;
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
