/** `--trace`: events as lines, as they happen, to stderr or a file. */

import { closeSync, openSync, writeSync } from 'node:fs';
import { traceLine } from '../debugger/events/kinds';
import type { EventSpec } from '../debugger/events/spec';
import { subscribe } from '../debugger/events/subscribe';
import { exitTable, measureExits } from '../debugger/vmcs/exit-table';
import type { Machine } from '../machine/pc';
import { BadInput } from '../program/program';
import { type GuestOutput, isOneStream } from './guest-output';

const STDERR = 2;
const LOT = 64 * 1024;
const NEWLINE = 0x0a;

export class Trace {
  private readonly descriptor: number;
  private readonly own: boolean;
  /** VM exits are traced: a table of them ends the trace. */
  private readonly counts: boolean;
  /** The guest prints to the same place. */
  private readonly mixes: boolean;
  /** Bytes of the guest's that stand before the last line. */
  private printed = 0;
  private lines = '';
  private readonly unsubscribe: () => void;

  /** @throws BadInput when the file cannot be written */
  constructor(
    private readonly machine: Machine,
    specs: readonly EventSpec[],
    file: string | undefined,
    private readonly output: GuestOutput,
  ) {
    this.own = file !== undefined;
    this.descriptor = file === undefined ? STDERR : open(file);
    this.mixes = !this.own && isOneStream();
    this.counts = specs.some(({ kind }) => kind === 'vmexit' || kind === 'vmentry');
    if (this.counts) measureExits(machine);
    this.unsubscribe = subscribe(machine, specs, (event) => {
      this.inOrder();
      this.lines += `${traceLine(event, machine.cpus.length)}\n`;
      if (this.lines.length >= LOT) this.flush();
    });
  }

  close(): void {
    this.unsubscribe();
    const table = this.counts ? exitTable(this.machine) : [];
    if (table.length > 0) this.inOrder();
    for (const line of table) this.lines += `${line}\n`;
    this.flush();
    if (this.own) closeSync(this.descriptor);
  }

  /** What the guest has printed before it stands before it, in lines of its own. */
  private inOrder(): void {
    const { output } = this;
    if (!this.mixes || output.count === this.printed) return;
    this.printed = output.count;
    this.flush();
    output.flush();
    if (output.last !== NEWLINE) this.lines = '\n';
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
