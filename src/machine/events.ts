/** Who hears of what happens: subscribers by kind, and counters that always run. */

import type { EventKind, MachineEvent } from './core/event';

export type Listener = (event: MachineEvent) => void;

/** The detail by which a kind of event is counted; kinds without a row are counted whole. */
const details: Partial<Record<EventKind, (event: Record<string, unknown>) => number>> = {
  trap: (event) => event.vector as number,
  int: (event) => event.vector as number,
  irq: (event) => event.vector as number,
};

export class Events {
  private readonly counted = new Map<EventKind, Map<number, number>>();
  private readonly listeners = new Map<EventKind, Listener[]>();
  private readonly quiet = new Map<EventKind, Listener[]>();

  constructor(
    /** Brings the counts that the core keeps by itself. */
    private readonly collect: (count: (kind: EventKind, detail: number, times: number) => void) => void = () => {},
    /** The set of kinds that somebody listens to has changed. */
    private readonly changed: () => void = () => {},
  ) {}

  /** How often things happened, by kind, then by vector or exit reason (or 0). */
  get counts(): ReadonlyMap<EventKind, ReadonlyMap<number, number>> {
    this.collect((kind, detail, times) => this.count(kind, detail, times));
    return this.counted;
  }

  /** Calls the listener at every event of these kinds. @returns a function that ends the subscription. */
  on(kinds: readonly EventKind[], listener: Listener): () => void {
    for (const kind of kinds) this.listeners.set(kind, [...(this.listeners.get(kind) ?? []), listener]);
    this.changed();
    return () => {
      for (const kind of kinds) {
        const left = (this.listeners.get(kind) ?? []).filter((other) => other !== listener);
        if (left.length > 0) this.listeners.set(kind, left);
        else this.listeners.delete(kind);
      }
      this.changed();
    };
  }

  /**
   * The same for as long as the machine lives, for somebody who asks for nothing: what the core does by itself it goes on
   * doing, and tells nobody.
   */
  overhear(kinds: readonly EventKind[], listener: Listener): void {
    for (const kind of kinds) this.quiet.set(kind, [...(this.quiet.get(kind) ?? []), listener]);
  }

  wanted(kind: EventKind): boolean {
    return this.listeners.has(kind);
  }

  /** Counts the event; makes and sends it only while somebody listens or its detail is counted. */
  emit(
    kind: EventKind,
    position: () => { step: number; vcpu: number; rip: bigint; at: bigint },
    make: () => Record<string, unknown>,
    /** By what it is counted, where that is known without making the event. */
    known?: number,
  ): void {
    const detail = known === undefined ? details[kind] : undefined;
    const listeners = this.listeners.get(kind);
    const quiet = this.quiet.get(kind);
    const event = detail || listeners || quiet ? make() : undefined;
    this.count(kind, detail && event ? detail(event) : (known ?? 0));
    if (!event || (!listeners && !quiet)) return;
    const whole = { kind, ...position(), ...event } as unknown as MachineEvent;
    for (const listener of quiet ?? []) listener(whole);
    for (const listener of listeners ?? []) listener(whole);
  }

  private count(kind: EventKind, detail: number, times = 1): void {
    let counts = this.counted.get(kind);
    if (!counts) {
      counts = new Map();
      this.counted.set(kind, counts);
    }
    counts.set(detail, (counts.get(detail) ?? 0) + times);
  }

  /** How often a kind happened. */
  total(kind: EventKind): number {
    let sum = 0;
    for (const count of this.counts.get(kind)?.values() ?? []) sum += count;
    return sum;
  }
}
