/**
 * Runs one machine until something says stop, slice by slice, and can be paused in between. Knows breakpoints, faults
 * and events to stop on, the instruction budget, and resets; stepping is built on it.
 */

import type { EventKind, MachineEvent } from '../machine/core/event';
import type { Fault } from '../machine/core/fault';
import type { Machine } from '../machine/pc';
import type { Stop } from '../machine/stop';
import type { LinearAddress } from '../x86/address';
import type { Breakpoints } from './breakpoints';
import { type Ending, ending, endingOf } from './endings';
import type { EventBreakpoints } from './events/event-breakpoints';
import { Slices, yieldToHost } from './slices';
import type { Watched } from './watches';

/** Why the machine stands still. `vcpu` is the one that it is about. */
export type Pause =
  | { readonly reason: 'entry' | 'step' | 'pause'; readonly vcpu: number }
  | { readonly reason: 'breakpoint'; readonly vcpu: number; readonly ids: readonly number[] }
  /** After the instruction that touched something watched; with the breakpoints that it led to. */
  | {
      readonly reason: 'watchpoint';
      readonly vcpu: number;
      readonly hits: readonly Watched[];
      readonly ids: readonly number[];
    }
  /** Before its delivery. */
  | { readonly reason: 'fault'; readonly vcpu: number; readonly fault: Fault; readonly ids: readonly number[] }
  /** After the step in which it happened; before the reset that it is. */
  | { readonly reason: 'event'; readonly vcpu: number; readonly event: MachineEvent; readonly ids: readonly number[] }
  /** Only this vCPU may take turns, and nothing can wake it. */
  | { readonly reason: 'alone'; readonly vcpu: number }
  /** The machine's end, or near it: it can be looked at; going on ends it. */
  | {
      readonly reason: 'ending';
      readonly vcpu: number;
      readonly ending: Ending;
      readonly stop: Stop | undefined;
      /** Breakpoints on events that want it too. */
      readonly ids?: readonly number[];
      /** What they stop at. */
      readonly event?: MachineEvent;
    };

export interface RunLimits {
  readonly maxInstructions: number | undefined;
  readonly noReboot: boolean;
}

export class RunControl {
  readonly machine: Machine;
  readonly breakpoints: Breakpoints;
  /** The reset line was pulled and the machine started again. */
  onReset: ((by: string) => void) | undefined;
  /** Called when a part of a motion is done: vCPUs may have come to life. */
  onProgress: (() => void) | undefined;
  private readonly limits: RunLimits;
  private readonly slices = new Slices();
  private pauseRequested = false;
  /** Breakpoints on events; set by the session, which knows what they need. */
  events: EventBreakpoints | undefined;
  /** Who pulled the reset line, while the machine stands before that reset. */
  private resetBy: string | undefined;
  /** An ending that was shown before: going on from there is the end. */
  private shown: Ending | undefined;
  /** Inputs there were at that ending. */
  private inputs = 0;

  constructor(machine: Machine, breakpoints: Breakpoints, limits: RunLimits) {
    this.machine = machine;
    this.breakpoints = breakpoints;
    this.limits = limits;
  }

  /** The ending that has been shown: the machine does not go on any more, unless input has come that may wake it. */
  get ended(): Ending | undefined {
    if (this.shown?.outcome === 'halted' && this.machine.log.entries.length !== this.inputs) this.shown = undefined;
    return this.shown;
  }

  pause(): void {
    this.pauseRequested = true;
  }
  get wantsPause(): boolean {
    return this.pauseRequested;
  }

  /** To be called once before each motion that the user asks for. */
  begin(): void {
    this.pauseRequested = false;
    this.events?.begin();
    this.breakpoints.hit = [];
    // Of a breakpoint where a motion begins the user knows.
    this.breakpoints.depart();
    if (this.resetBy !== undefined) this.restartMachine(this.resetBy);
  }

  /** Goes on until something stops it. */
  async continue(): Promise<Pause> {
    for (;;) {
      const pause = this.slice();
      if (pause !== undefined) return pause;
      await yieldToHost();
    }
  }

  /**
   * Goes on until the vCPU arrives at one of the addresses and `there` agrees, or something else stops it; undefined
   * when it arrived.
   */
  async runTo(vcpu: number, addresses: readonly LinearAddress[], there: () => boolean): Promise<Pause | undefined> {
    let arrived = false;
    const release = addresses.map((address) =>
      this.breakpoints.watchFor(address, (at) => {
        if (at !== vcpu || !there()) return false;
        arrived = true;
        return true;
      }),
    );
    try {
      for (;;) {
        const pause = this.slice();
        if (pause !== undefined)
          return arrived && pause.reason === 'breakpoint' && pause.ids.length === 0 ? undefined : pause;
        await yieldToHost();
      }
    } finally {
      for (const end of release) end();
    }
  }

  /** Goes on until something happens that `there` agrees with, or something else stops it; undefined when it happened. */
  async runToEvent(kind: EventKind, there: (event: MachineEvent) => boolean): Promise<Pause | undefined> {
    const { machine } = this;
    let happened = false;
    const confirm = machine.confirmStop;
    const release = machine.events.on([kind], (event) => {
      if (!there(event)) return;
      happened = true;
      machine.requestStop(kind);
    });
    machine.confirmStop = () => {
      const wanted = confirm?.() ?? true;
      return wanted || happened;
    };
    try {
      for (;;) {
        const pause = this.slice();
        if (pause !== undefined)
          return happened && pause.reason === 'pause' && !this.pauseRequested ? undefined : pause;
        await yieldToHost();
      }
    } finally {
      release();
      machine.confirmStop = confirm;
    }
  }

  /** One slice; undefined when nothing stopped it. */
  private slice(): Pause | undefined {
    const { current } = this.machine;
    if (this.pauseRequested) return { reason: 'pause', vcpu: current };
    const stop = this.slices.run(this.machine, this.limits.maxInstructions);
    this.onProgress?.();
    return this.judge(stop);
  }

  /** The pause of a breakpoint at which a vCPU has arrived without the machine's asking. */
  arrivedAt(vcpu: number): Pause | undefined {
    return this.breakpoints.arrivedAt(vcpu) ? { reason: 'breakpoint', vcpu, ids: this.breakpoints.hit } : undefined;
  }

  /** The next motion passes what lies where it begins: breakpoints there count, and log, where another stop got there first. */
  private metAt(vcpu: number): readonly number[] {
    return this.breakpoints.arrivedAt(vcpu) ? this.breakpoints.hit : [];
  }

  /** One step of the machine, of whichever vCPU has its turn; says which it was. */
  singleStep(): { readonly stepped: number; readonly pause: Pause | undefined } {
    const { machine } = this;
    const before = machine.current;
    const active = machine.cpus[before]?.active ?? false;
    const stop = machine.singleStep();
    const stepped = active ? before : machine.current;
    return { stepped, pause: this.judge(stop) };
  }

  private judge(stop: Stop): Pause | undefined {
    const { machine, limits } = this;
    const vcpu = 'vcpu' in stop ? stop.vcpu : machine.current;
    if (stop.reason === 'halted' && machine.turns.only !== null) return { reason: 'alone', vcpu };
    const ends = endingOf(stop, limits.noReboot);
    if (ends !== undefined) {
      // Faults in circles can go on for another round; all other ends are final.
      if (stop.reason !== 'no-progress') this.shown = ends;
      this.inputs = machine.log.entries.length;
      return { reason: 'ending', vcpu, ending: ends, stop, ids: [], ...this.events?.take() };
    }
    const wanted = this.events?.take();
    if (stop.reason === 'reset') {
      this.resetBy = stop.by;
      if (wanted === undefined) {
        this.restartMachine(stop.by);
        return undefined;
      }
    }
    // What only a lint wanted to stop at is told in its words.
    if (stop.reason === 'fault' && wanted?.event.kind !== 'lint')
      return { reason: 'fault', vcpu, fault: stop.fault, ids: wanted?.ids ?? [] };
    if (wanted !== undefined) {
      const { event } = wanted;
      // A watch that the same instruction hit, and breakpoints where it led to; before a reset nothing is arrived at.
      const watches = this.breakpoints.watched.map(({ id }) => id);
      const met = stop.reason === 'reset' ? [] : this.metAt(event.vcpu);
      return { reason: 'event', vcpu: event.vcpu, event, ids: [...wanted.ids, ...watches, ...met] };
    }
    switch (stop.reason) {
      case 'breakpoint':
        return { reason: 'breakpoint', vcpu, ids: this.breakpoints.hit };
      case 'watchpoint':
        return { reason: 'watchpoint', vcpu, hits: this.breakpoints.watched, ids: this.metAt(vcpu) };
      case 'requested':
        return { reason: 'pause', vcpu };
      default:
        return this.overBudget(vcpu);
    }
  }

  private restartMachine(by: string): void {
    this.resetBy = undefined;
    this.machine.reset();
    this.breakpoints.rememberWatched();
    this.onReset?.(by);
  }

  private overBudget(vcpu: number): Pause | undefined {
    if (this.machine.counters.retired < (this.limits.maxInstructions ?? Number.POSITIVE_INFINITY)) return undefined;
    this.shown = ending('budget');
    return { reason: 'ending', vcpu, ending: this.shown, stop: undefined };
  }
}
