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
import type { EventFilter } from './event-filter';
import { Slices, yieldToHost } from './slices';

/** Why the machine stands still. `vcpu` is the one that it is about. */
export type Pause =
  | { readonly reason: 'entry' | 'step' | 'pause'; readonly vcpu: number }
  | { readonly reason: 'breakpoint'; readonly vcpu: number; readonly ids: readonly number[] }
  | {
      readonly reason: 'watchpoint';
      readonly vcpu: number;
      readonly id: number;
      readonly access: 'read' | 'write';
      readonly address: bigint;
    }
  | { readonly reason: 'fault'; readonly vcpu: number; readonly fault: Fault }
  | { readonly reason: 'event'; readonly vcpu: number; readonly event: MachineEvent }
  /** Only this vCPU may take turns, and nothing can wake it. */
  | { readonly reason: 'alone'; readonly vcpu: number }
  /** The machine's end, or near it: it can be looked at; going on ends it. */
  | { readonly reason: 'ending'; readonly vcpu: number; readonly ending: Ending; readonly stop: Stop | undefined };

/** Whether faults of a vector stop, and where. */
export type FaultStop = (vcpu: number, fault: Fault) => boolean;

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
  private faultStop: FaultStop | undefined;
  private eventStop: MachineEvent | undefined;
  private unsubscribe: () => void = () => {};
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

  stopOnFaults(stop: FaultStop | undefined): void {
    this.faultStop = stop;
    this.machine.stopOnFault = stop;
  }

  stopOnEvents(filters: readonly EventFilter[]): void {
    this.unsubscribe();
    const kinds = [...new Set(filters.map(({ kind }) => kind))] as EventKind[];
    if (kinds.length === 0) {
      this.unsubscribe = () => {};
      return;
    }
    this.unsubscribe = this.machine.events.on(kinds, (event) => {
      if (this.eventStop !== undefined || !filters.some((filter) => filter.matches(event))) return;
      this.eventStop = event;
      this.machine.requestStop(event.kind);
    });
  }

  /** To be called once before each motion that the user asks for. */
  begin(): void {
    this.pauseRequested = false;
    this.eventStop = undefined;
    this.breakpoints.hit = [];
    this.machine.stopOnFault = this.faultStop;
  }

  /** Goes on until something stops it. */
  async continue(): Promise<Pause> {
    for (let first = true; ; first = false) {
      const pause = this.slice(first);
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
      for (let first = true; ; first = false) {
        const pause = this.slice(first);
        if (pause !== undefined)
          return arrived && pause.reason === 'breakpoint' && pause.ids.length === 0 ? undefined : pause;
        await yieldToHost();
      }
    } finally {
      for (const end of release) end();
    }
  }

  /** One slice; undefined when nothing stopped it. */
  private slice(first: boolean): Pause | undefined {
    const { current } = this.machine;
    if (this.pauseRequested) return { reason: 'pause', vcpu: current };
    // The machine takes no notice of a breakpoint where a run begins; only at the first slice the user knows of it.
    const arrived = first ? undefined : this.arrivedAt(current);
    if (arrived !== undefined) return arrived;
    this.breakpoints.depart();
    const stop = this.slices.run(this.machine, this.limits.maxInstructions);
    this.onProgress?.();
    return this.judge(stop);
  }

  /** The pause of a breakpoint at which a vCPU has arrived without the machine's asking. */
  arrivedAt(vcpu: number): Pause | undefined {
    return this.breakpoints.arrivedAt(vcpu) ? { reason: 'breakpoint', vcpu, ids: this.breakpoints.hit } : undefined;
  }

  /** One step of the machine, of whichever vCPU has its turn; says which it was. */
  singleStep(): { readonly stepped: number; readonly pause: Pause | undefined } {
    const { machine } = this;
    const before = machine.current;
    const active = machine.cpus[before]?.active ?? false;
    this.breakpoints.depart();
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
      return { reason: 'ending', vcpu, ending: ends, stop };
    }
    switch (stop.reason) {
      case 'breakpoint':
        return { reason: 'breakpoint', vcpu, ids: this.breakpoints.hit };
      case 'watchpoint': {
        const { access, address } = stop;
        const [id] = this.breakpoints.watched(stop);
        return id === undefined ? undefined : { reason: 'watchpoint', vcpu, id, access, address };
      }
      case 'fault':
        return { reason: 'fault', vcpu, fault: stop.fault };
      case 'requested':
        return this.requested(vcpu);
      case 'reset':
        machine.reset();
        this.onReset?.(stop.by);
        return undefined;
      default:
        return this.overBudget(vcpu);
    }
  }

  private requested(vcpu: number): Pause {
    const event = this.eventStop;
    this.eventStop = undefined;
    return event === undefined ? { reason: 'pause', vcpu } : { reason: 'event', vcpu: event.vcpu, event };
  }

  private overBudget(vcpu: number): Pause | undefined {
    if (this.machine.counters.retired < (this.limits.maxInstructions ?? Number.POSITIVE_INFINITY)) return undefined;
    this.shown = ending('budget');
    return { reason: 'ending', vcpu, ending: this.shown, stop: undefined };
  }
}
