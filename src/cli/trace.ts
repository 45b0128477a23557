/** `--trace`: events as lines, as they happen, to stderr or a file. */

import { closeSync, openSync, writeSync } from 'node:fs';
import { traceLine } from '../debugger/events/kinds';
import type { EventSpec } from '../debugger/events/spec';
import { subscribe } from '../debugger/events/subscribe';
import type { Machine } from '../machine/pc';
import { BadInput } from '../program/program';

const STDERR = 2;
const LOT = 64 * 1024;

export class Trace {
  private readonly descriptor: number;
  private readonly own: boolean;
  private lines = '';
  private readonly unsubscribe: () => void;

  /** @throws BadInput when the file cannot be written */
  constructor(machine: Machine, specs: readonly EventSpec[], file: string | undefined) {
    this.own = file !== undefined;
    this.descriptor = file === undefined ? STDERR : open(file);
    this.unsubscribe = subscribe(machine, specs, (event) => {
      this.lines += `${traceLine(event, machine.cpus.length)}\n`;
      if (this.lines.length >= LOT) this.flush();
    });
  }

  close(): void {
    this.unsubscribe();
    this.flush();
    if (this.own) closeSync(this.descriptor);
  }

  flush(): void {
    if (this.lines === '') return;
    writeSync(this.descriptor, this.lines);
    this.lines = '';
  }
}

const open = (file: string): number => {
  try {
    return openSync(file, 'w');
  } catch (error) {
    throw new BadInput(`${file}: cannot be written (${(error as NodeJS.ErrnoException).code ?? 'unknown error'})`);
  }
};
