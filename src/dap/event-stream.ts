/**
 * `ringside/events`: a client that wants to follow what happens says which events, and gets them in batches as
 * `ringside/event`. Of many events a batch holds only the first, but it always counts all of them.
 * `ringside/counts`: how often everything has happened since the start.
 */

import { isNumber } from '../debugger/events/fields';
import { eventText, numbersOf, rowOf } from '../debugger/events/kinds';
import type { Session } from '../debugger/session';
import type { MachineEvent } from '../machine/core/event';
import type { Machine } from '../machine/pc';
import { hex } from '../x86/address';
import type { Context, SendEvent } from './context';
import type { Handlers } from './handlers';

/** Milliseconds between two batches. */
const INTERVAL = 100;
/** Events in a second, unless the client says otherwise. */
const RATE = 1000;

export interface EventsArguments {
  /** Events of the grammar, each perhaps with ` if CONDITION`; none ends the stream. */
  readonly filters?: readonly string[];
  /** So many events in a second at most; the others are only counted. */
  readonly rate?: number;
}

/** What a batch says of one event. */
export interface EventReport {
  readonly kind: string;
  readonly step: number;
  readonly vcpu: number;
  /** Reference of the instruction. */
  readonly at: string;
  readonly text: string;
  /** Numbers as `0x…`. */
  readonly fields: Readonly<Record<string, string>>;
}

export interface EventBatch {
  readonly events: readonly EventReport[];
  /** By filter, in the order of the request: events since the last batch, those that were left out included. */
  readonly counts: readonly number[];
  readonly leftOut: number;
}

const reportOf = (event: MachineEvent, machine: Machine): EventReport => {
  const fields: Record<string, string> = {};
  const common = new Set(['step', 'vcpu', 'at']);
  for (const field of numbersOf(event.kind)) {
    const value = field.read(event, machine);
    if (value !== undefined && !common.has(field.name)) fields[field.name] = hex(BigInt.asUintN(64, BigInt(value)));
  }
  for (const field of rowOf(event.kind).fields) if (!isNumber(field)) fields[field.name] = field.word(event);
  const { kind, step, vcpu, at } = event;
  return { kind, step, vcpu, at: hex(at), text: eventText(event), fields };
};

export class EventStream {
  private filters: readonly string[] = [];
  private rate = RATE;
  private ends: (() => void)[] = [];
  private events: EventReport[] = [];
  private counts: number[] = [];
  private leftOut = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly send: SendEvent) {}

  /** Replaces what was followed before. @throws BadInput; then what was followed stays */
  follow(session: Session | undefined, filters: readonly string[], rate = RATE): void {
    const before = this.filters;
    this.filters = filters;
    try {
      this.subscribe(session);
      this.rate = rate;
    } catch (error) {
      this.filters = before;
      this.subscribe(session);
      throw error;
    }
  }

  /** The same on another machine. */
  subscribe(session: Session | undefined): void {
    this.flush();
    for (const end of this.ends.splice(0)) end();
    this.counts = this.filters.map(() => 0);
    if (session === undefined) return;
    for (const [index, text] of this.filters.entries())
      this.ends.push(session.events.follow(text, (event) => this.take(index, event, session.machine)));
  }

  flush(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    const { events, counts, leftOut } = this;
    if (counts.every((count) => count === 0)) return;
    this.events = [];
    this.counts = counts.map(() => 0);
    this.leftOut = 0;
    this.send('ringside/event', { events, counts, leftOut } satisfies EventBatch);
  }

  private take(index: number, event: MachineEvent, machine: Machine): void {
    this.counts[index] = (this.counts[index] ?? 0) + 1;
    if (this.events.length < (this.rate * INTERVAL) / 1000) this.events.push(reportOf(event, machine));
    else this.leftOut++;
    this.timer ??= setTimeout(() => this.flush(), INTERVAL);
  }
}

export const eventHandlers = (context: Context): Handlers => ({
  'ringside/events': ({ filters = [], rate }: EventsArguments) => {
    context.stream.follow(context.hasSession ? context.session : undefined, filters, rate);
    return { filters };
  },

  /** By kind: how often in all, and by vector where kinds have one. */
  'ringside/counts': () => {
    const { counts } = context.session.machine.events;
    const rows = [...counts].map(([kind, details]) => {
      const total = [...details.values()].reduce((sum, count) => sum + count, 0);
      const vectors = numbersOf(kind).some(({ name }) => name === 'vector');
      return [kind, { total, ...(vectors ? { byVector: Object.fromEntries(details) } : {}) }];
    });
    return { counts: Object.fromEntries(rows) };
  },
});
