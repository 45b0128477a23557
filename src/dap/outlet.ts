/** Where a machine's output goes: to the client of the moment. While there is none, the last of it is kept for the next. */

import type { Breakpoint } from '../debugger/breakpoints';
import type { MachineEvent } from '../machine/core/event';

/** Who hears a machine. */
export interface Listener {
  readonly text: { readonly put: (byte: number) => void };
  note(line: string, breakpoint?: Breakpoint): void;
  noteEvent(line: string, event: MachineEvent): void;
}

/** Bytes that are kept while nobody listens. */
const KEPT = 16 * 1024;

export class Outlet {
  private listener: Listener | undefined;
  private kept: number[] = [];

  constructor(listener: Listener) {
    this.listener = listener;
  }

  /** A byte that the guest prints. */
  readonly put = (byte: number): void => {
    if (this.listener !== undefined) this.listener.text.put(byte);
    else {
      this.kept.push(byte);
      if (this.kept.length > 2 * KEPT) this.kept = this.kept.slice(-KEPT);
    }
  };

  /** A line about the machine. */
  readonly note = (line: string, breakpoint?: Breakpoint): void => this.listener?.note(line, breakpoint);

  /** A line about an event. */
  readonly noteEvent = (line: string, event: MachineEvent): void => this.listener?.noteEvent(line, event);

  connect(listener: Listener): void {
    this.listener = listener;
    for (const byte of this.kept.splice(0).slice(-KEPT)) listener.text.put(byte);
  }
  disconnect(): void {
    this.listener = undefined;
  }
}
