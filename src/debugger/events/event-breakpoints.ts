/**
 * What the user wants to stop at, or have logged, of all that happens in the machine. Faults are judged before they are
 * delivered, and so is what lints say of them; everything else after the step in which it happened. Conditions and
 * messages see the machine as it stands at the stop.
 */

import type { EventKind, MachineEvent } from '../../machine/core/event';
import type { Fault } from '../../machine/core/fault';
import type { Machine } from '../../machine/pc';
import type { Conditions } from '../conditions';
import { lintsAhead } from '../lints/watch';
import { Trigger, type TriggerOptions } from '../trigger';
import type { EventOf } from './fields';
import { constantsOf, numbersOf, traceLine } from './kinds';
import { type EventSpec, type ReadPlace, readEventSpec, splitRequest } from './spec';
import { subscribe } from './subscribe';

export interface EventBreakpoint extends TriggerOptions {
  readonly id: number;
  /** Kind and details. */
  readonly text: string;
  readonly kind: EventKind;
  /** It says something and goes on. */
  readonly logs: boolean;
  /** How often it was met. */
  readonly hits: number;
}

/** A stop: what happened, and the breakpoints that want it. */
export interface EventStop {
  readonly event: MachineEvent;
  readonly ids: readonly number[];
}

export interface EventHost {
  readonly conditions: Conditions;
  /** Numbers shared with all other breakpoints. */
  readonly takeId: (wanted?: number) => number;
  /** A line about an event, and what it is about. */
  readonly log: (text: string, event: MachineEvent, breakpoint: EventBreakpoint) => void;
  readonly problem: (text: string, breakpoint: EventBreakpoint) => void;
  /** What an address in a specification means. @throws BadInput */
  readonly place: ReadPlace;
}

/** Kinds that are judged before a fault is delivered. */
const aboutFaults: ReadonlySet<EventKind> = new Set(['trap', 'lint']);

class Armed implements EventBreakpoint {
  readonly text: string;
  readonly kind: EventKind;
  readonly trigger: Trigger;
  /** The event being judged, for the log. */
  present: MachineEvent | undefined;

  constructor(
    readonly id: number,
    readonly spec: EventSpec,
    options: TriggerOptions,
    readonly logs: boolean,
    host: EventHost,
    /** Who follows such events; then nothing stops and nothing is printed. */
    readonly follower?: (event: MachineEvent) => void,
  ) {
    this.text = spec.text;
    this.kind = spec.kind;
    this.trigger = new Trigger(
      options,
      {
        conditions: host.conditions,
        log: (text) => this.present && host.log(text, this.present, this),
        problem: (text) => host.problem(text, this),
      },
      numbersOf(spec.kind).map(({ name }) => name),
      constantsOf(spec.kind),
    );
  }

  /** Whether an event counts can be said as it happens: nobody looks at the machine for it. */
  get isPlain(): boolean {
    const { condition, counter, logs } = this.trigger;
    return this.follower !== undefined && this.kind !== 'trap' && !condition && !counter && !logs;
  }
  get hits(): number {
    return this.trigger.hits;
  }
  get condition(): string | undefined {
    return this.trigger.options.condition;
  }
  get hitCondition(): string | undefined {
    return this.trigger.options.hitCondition;
  }
  get logMessage(): string | undefined {
    return this.trigger.options.logMessage;
  }
  get temporary(): boolean | undefined {
    return this.trigger.options.temporary;
  }
  get enabled(): boolean | undefined {
    return this.trigger.options.enabled;
  }
}

export class EventBreakpoints {
  /** Called when a temporary one was hit and is gone. */
  onRemoved: ((breakpoint: EventBreakpoint) => void) | undefined;
  private readonly armed = new Map<number, Armed>();
  /** What happened in the present step and may be wanted. */
  private happened: { readonly event: MachineEvent; readonly by: Armed }[] = [];
  private stop: EventStop | undefined;
  /** Lints that were judged before the fault that they are about: its delivery tells them once more. */
  private judgedLints: readonly EventOf<'lint'>[] = [];
  private unsubscribe: () => void = () => {};

  constructor(
    private readonly machine: Machine,
    private readonly host: EventHost,
  ) {
    machine.confirmStop = () => this.agrees();
  }

  /**
   * Stops at events; `text` is `SPEC [if CONDITION] [hits COUNT] [log TEXT]`, and `options` win over it.
   * @param id of a breakpoint that this one takes the place of
   * @throws BadInput
   */
  break(text: string, options: TriggerOptions = {}, id?: number): EventBreakpoint {
    return this.add(text, options, false, id);
  }

  /** Prints a line for each event, and goes on. @throws BadInput */
  log(text: string, options: TriggerOptions = {}, id?: number): EventBreakpoint {
    return this.add(text, options, true, id);
  }

  /** Calls the listener for each event. @returns ends it. @throws BadInput */
  follow(text: string, listener: (event: MachineEvent) => void): () => void {
    const { id } = this.add(text, {}, true, undefined, listener);
    return () => void this.remove(id);
  }

  private add(
    text: string,
    given: TriggerOptions,
    logs: boolean,
    id?: number,
    follower?: (event: MachineEvent) => void,
  ): EventBreakpoint {
    const { spec, options, logs: logsToo } = splitRequest(text);
    const read = readEventSpec(spec, this.host.place);
    const all = { ...options, ...defined(given) };
    const one = new Armed(
      this.host.takeId(id),
      read,
      all,
      logs || logsToo || all.logMessage !== undefined,
      this.host,
      follower,
    );
    this.armed.set(one.id, one);
    this.listen();
    return one;
  }

  /** @returns whether there was one */
  remove(id: number): boolean {
    const was = this.armed.delete(id);
    if (was) this.listen();
    return was;
  }

  list(): EventBreakpoint[] {
    return [...this.armed.values()].filter(({ follower }) => follower === undefined);
  }

  /** A motion begins: what was left of the last one is forgotten. */
  begin(): void {
    if (this.happened.length > 0) this.happened = [];
    this.stop = undefined;
  }

  /** What is to be stopped at now; asked once after each step at which the machine stood still. */
  take(): EventStop | undefined {
    this.agrees();
    const { stop } = this;
    this.stop = undefined;
    return stop;
  }

  /** Asked before a fault is delivered: is it to stop there? */
  private readonly judgeFault = (vcpu: number, { vector, errorCode, address, why }: Fault): boolean => {
    const trap: EventOf<'trap'> = {
      kind: 'trap',
      ...this.machine.positionOf(vcpu),
      vector,
      ...(errorCode === undefined ? {} : { errorCode }),
      ...(address === undefined ? {} : { cr2: address }),
      why,
    };
    this.judgedLints = lintsAhead(this.machine, trap);
    const hits = [trap, ...this.judgedLints].flatMap((event) =>
      [...this.armed.values()]
        .filter((one) => !one.isPlain && one.spec.matches(event, this.machine) && this.isHit(one, event))
        .map(({ id }) => ({ event, id })),
    );
    const [first] = hits;
    if (first !== undefined) this.stop = { event: first.event, ids: hits.map(({ id }) => id) };
    return first !== undefined;
  };

  private listen(): void {
    this.unsubscribe();
    const all = [...this.armed.values()].filter(({ enabled }) => enabled !== false);
    this.machine.stopOnFault = all.some(({ kind, isPlain }) => aboutFaults.has(kind) && !isPlain)
      ? this.judgeFault
      : undefined;
    this.unsubscribe = subscribe(
      this.machine,
      all.map(({ spec }) => spec),
      (event) => this.hear(event),
    );
  }

  private hear(event: MachineEvent): void {
    // Judged before its delivery, except where it came up within another one.
    if (event.kind === 'trap' && event.during === undefined) return;
    const isJudged = this.isJudged(event);
    let waits = false;
    for (const by of this.armed.values()) {
      if (!by.spec.matches(event, this.machine)) continue;
      if (by.isPlain) by.follower?.(event);
      else if (!isJudged) {
        this.happened.push({ event, by });
        waits = true;
      }
    }
    if (waits) this.machine.requestStop(event.kind);
  }

  private isJudged(event: MachineEvent): boolean {
    if (event.kind !== 'lint') return false;
    const { step, vcpu, id } = event;
    return this.judgedLints.some((one) => one.step === step && one.vcpu === vcpu && one.id === id);
  }

  /** Judges what happened in the step just done. */
  private agrees(): boolean {
    if (this.happened.length === 0) return this.stop !== undefined;
    for (const { event, by } of this.happened.splice(0)) {
      if (!this.armed.has(by.id) || !this.isHit(by, event)) continue;
      this.stop = { event: this.stop?.event ?? event, ids: [...new Set([...(this.stop?.ids ?? []), by.id])] };
    }
    return this.stop !== undefined;
  }

  private isHit(one: Armed, event: MachineEvent): boolean {
    const values = numbersOf(event.kind).map((field) =>
      BigInt.asUintN(64, BigInt(field.read(event, this.machine) ?? field.absent ?? 0n)),
    );
    one.present = event;
    if (!one.trigger.isHit(event.vcpu, values)) return false;
    if (one.follower !== undefined) {
      one.follower(event);
      return false;
    }
    if (one.logs) {
      this.host.log(traceLine(event, this.machine.cpus.length), event, one);
      return false;
    }
    if (one.temporary) {
      this.remove(one.id);
      this.onRemoved?.(one);
    }
    return true;
  }
}

/** Options that were given. */
const defined = (options: TriggerOptions): TriggerOptions =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
