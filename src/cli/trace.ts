/** `--trace`: events as lines, as they happen, to stderr or a file. */

import { closeSync, openSync, writeSync } from 'node:fs';
import { traceLine } from '../debugger/events/kinds';
import type { EventSpec } from '../debugger/events/spec';
import { subscribe } from '../debugger/events/subscribe';
import { exitTable, measureExits } from '../debugger/vmcs/exit-table';
import type { Machine } from '../machine/pc';
import { BadInput } from '../program/program';

const STDERR = 2;
const LOT = 64 * 1024;

export class Trace {
  private readonly descriptor: number;
  private readonly own: boolean;
  /** VM exits are traced: a table of them ends the trace. */
  private readonly counts: boolean;
  private lines = '';
  private readonly unsubscribe: () => void;

  /** @throws BadInput when the file cannot be written */
  constructor(
    private readonly machine: Machine,
    specs: readonly EventSpec[],
    file: string | undefined,
  ) {
    this.own = file !== undefined;
    this.descriptor = file === undefined ? STDERR : open(file);
    this.counts = specs.some(({ kind }) => kind === 'vmexit' || kind === 'vmentry');
    if (this.counts) measureExits(machine);
    this.unsubscribe = subscribe(machine, specs, (event) => {
      this.lines += `${traceLine(event, machine.cpus.length)}\n`;
      if (this.lines.length >= LOT) this.flush();
    });
  }

  close(): void {
    this.unsubscribe();
    if (this.counts) for (const line of exitTable(this.machine)) this.lines += `${line}\n`;
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
