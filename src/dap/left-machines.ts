/**
 * Machines whose client has gone and which stay, running or suspended, until another client attaches to them. They live
 * as long as the process that serves them.
 */

import type { DebugProtocol } from '@vscode/debugprotocol';
import type { Pause } from '../debugger/run-control';
import type { Session } from '../debugger/session';
import { BadInput } from '../program/program';
import type { Outlet } from './outlet';

/** A machine with all that a client needs to take it over. */
export interface Debuggee {
  readonly session: Session;
  readonly outlet: Outlet;
  readonly launched: DebugProtocol.LaunchRequestArguments & Record<string, unknown>;
}

interface Left {
  readonly number: number;
  readonly debuggee: Debuggee;
  readonly running: boolean;
  /** Ends when the machine stands still; then says why. */
  readonly motion: Promise<Pause>;
}

/** How it was found: why it stood still, and whether it was only stopped to be handed over. */
export interface Taken {
  readonly debuggee: Debuggee;
  readonly pause: Pause;
  readonly wasRunning: boolean;
}

export class LeftMachines {
  private readonly left: Left[] = [];
  private count = 0;

  /** @param onLeft is called when a machine stays behind */
  constructor(private readonly onLeft: () => void = () => {}) {}

  /** The machine stands still at `pause`; without one it goes on by itself. @returns its number */
  leave(debuggee: Debuggee, pause: Pause, suspended: boolean): number {
    const { session, outlet } = debuggee;
    outlet.disconnect();
    const number = ++this.count;
    const motion = suspended
      ? Promise.resolve(pause)
      : session.continue().catch((): Pause => ({ reason: 'pause', vcpu: session.machine.current }));
    this.left.push({ number, debuggee, running: !suspended, motion });
    this.onLeft();
    return number;
  }

  /** Hands over the machine of this number, by default the one that was left last. @throws BadInput */
  async take(wanted: number | undefined): Promise<Taken> {
    const at = wanted === undefined ? this.left.length - 1 : this.left.findIndex(({ number }) => number === wanted);
    const [found] = at < 0 ? [] : this.left.splice(at, 1);
    if (found === undefined)
      throw new BadInput(wanted === undefined ? this.choices() : `machine ${wanted}: ${this.choices()}`);
    const { session } = found.debuggee;
    if (session.running) session.pause();
    const pause = await found.motion;
    return { debuggee: found.debuggee, pause, wasRunning: found.running && pause.reason === 'pause' };
  }

  private choices(): string {
    if (this.left.length === 0)
      return 'there is no machine to attach to: one stays behind when a client disconnects with "terminateDebuggee": false';
    return `there are ${this.left.map(({ number, debuggee }) => `${number} (${debuggee.launched.program ?? 'firmware'})`).join(', ')}`;
  }
}
