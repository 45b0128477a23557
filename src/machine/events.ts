/** Who hears of what happens: subscribers by kind, and counters that always run. */

import type { EventKind, MachineEvent } from './core/event';

export type Listener = (event: MachineEvent) => void;

/** The detail by which a kind of event is counted; kinds without a row are counted whole. */
const details: Partial<Record<EventKind, (event: Record<string, unknown>) => number>> = {
  trap: (event) => event.vector as number,
  int: (event) => event.vector as number,
  irq: (event) => event.vector as number,
};

/** All about one kind. */
class Kind {
  readonly counts = new Map<number, number>();
  listeners: readonly Listener[] = [];
  quiet: readonly Listener[] = [];
  readonly detail: ((event: Record<string, unknown>) => number) | undefined;

  constructor(kind: EventKind) {
    this.detail = details[kind];
  }
  count(detail: number, times: number): void {
    this.counts.set(detail, (this.counts.get(detail) ?? 0) + times);
  }
}

export class Events {
  private readonly kinds = new Map<EventKind, Kind>();

  constructor(
    /** Brings the counts that the core keeps by itself. */
    private readonly collect: (count: (kind: EventKind, detail: number, times: number) => void) => void = () => {},
    /** The set of kinds that somebody listens to has changed. */
    private readonly changed: () => void = () => {},
  ) {}

  private of(kind: EventKind): Kind {
    let known = this.kinds.get(kind);
    if (known === undefined) {
      known = new Kind(kind);
      this.kinds.set(kind, known);
    }
    return known;
  }

  /** How often things happened, by kind, then by vector or exit reason (or 0). */
  get counts(): ReadonlyMap<EventKind, ReadonlyMap<number, number>> {
    this.collect((kind, detail, times) => this.of(kind).count(detail, times));
    return new Map([...this.kinds].flatMap(([kind, { counts }]) => (counts.size > 0 ? [[kind, counts]] : [])));
  }

  /** Calls the listener at every event of these kinds. @returns a function that ends the subscription. */
  on(kinds: readonly EventKind[], listener: Listener): () => void {
    const own = kinds.map((kind) => this.of(kind));
    for (const kind of own) kind.listeners = [...kind.listeners, listener];
    this.changed();
    return () => {
      for (const kind of own) kind.listeners = kind.listeners.filter((other) => other !== listener);
      this.changed();
    };
  }

  /**
   * The same for as long as the machine lives, for somebody who asks for nothing: what the core does by itself it goes on
   * doing, and tells nobody.
   */
  overhear(kinds: readonly EventKind[], listener: Listener): void {
    for (const kind of kinds.map((name) => this.of(name))) kind.quiet = [...kind.quiet, listener];
  }

  wanted(kind: EventKind): boolean {
    return this.of(kind).listeners.length > 0;
  }

  /** Counts the event; makes and sends it only while somebody listens or its detail is counted. */
  emit(
    kind: EventKind,
    position: () => { step: number; vcpu: number; rip: bigint; at: bigint },
    make: () => Record<string, unknown>,
    /** By what it is counted, where that is known without making the event. */
    known?: number,
  ): void {
    const own = this.of(kind);
    const { listeners, quiet } = own;
    const detail = known === undefined ? own.detail : undefined;
    const heard = listeners.length > 0 || quiet.length > 0;
    const event = detail !== undefined || heard ? make() : undefined;
    own.count(detail !== undefined && event !== undefined ? detail(event) : (known ?? 0), 1);
    if (event === undefined || !heard) return;
    const whole = { kind, ...position(), ...event } as unknown as MachineEvent;
    for (const listener of quiet) listener(whole);
    for (const listener of listeners) listener(whole);
  }

  /** How often a kind happened. */
  total(kind: EventKind): number {
    let sum = 0;
    for (const count of this.counts.get(kind)?.values() ?? []) sum += count;
    return sum;
  }
}
