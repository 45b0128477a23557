/** What the user wants to stop on besides breakpoints, kept so that a restart can set all of it again. */

import type { BreakpointOptions, WatchAccess } from '../../debugger/breakpoints';
import { type EventFilter, parseEventFilters } from '../../debugger/event-filter';
import type { Session } from '../../debugger/session';
import type { MachineEvent } from '../../machine/core/event';
import { hex, type LinearAddress } from '../../x86/address';

interface Watch {
  readonly address: bigint;
  readonly size: number;
  readonly access: WatchAccess;
  readonly condition: string | undefined;
  /** The machine's number of it. */
  machine: number;
}

const FIRST_WATCH = 1000;

export class Stops {
  private readonly placed = new Map<number, { readonly location: string; readonly options: BreakpointOptions }>();
  private readonly watches = new Map<number, Watch>();
  private filters: EventFilter[] = [];
  private nextWatch = FIRST_WATCH;

  remember(id: number, location: string, options: BreakpointOptions): void {
    this.placed.set(id, { location, options });
  }
  forget(id: number): void {
    this.placed.delete(id);
  }

  /** @throws BadInput for a condition that cannot be read */
  watch(session: Session, watch: Omit<Watch, 'machine'>): number {
    const machine = arm(session, watch);
    const id = this.nextWatch++;
    this.watches.set(id, { ...watch, machine });
    return id;
  }
  unwatch(session: Session, id: number): boolean {
    const found = this.watches.get(id);
    if (found === undefined) return false;
    session.breakpoints.unwatch(found.machine);
    return this.watches.delete(id);
  }
  unwatchAll(session: Session): void {
    for (const id of [...this.watches.keys()]) this.unwatch(session, id);
  }
  lines(): string[] {
    return [...this.watches].map(
      ([id, { address, size, access, condition }]) =>
        `${id} ${access === 'both' ? 'access to' : access} ${size} at ${hex(address)}${condition ? ` if ${condition}` : ''}`,
    );
  }

  get caught(): string[] {
    return this.filters.map(({ text }) => text);
  }
  /** @throws BadInput */
  catch(session: Session, text: string): void {
    const added = parseEventFilters(text).filter((filter) => !this.caught.includes(filter.text));
    this.filters = [...this.filters, ...added];
    this.armEvents(session);
  }
  catchNothing(session: Session): void {
    this.filters = [];
    this.armEvents(session);
  }

  /** Everything again on another machine. @param resolve gives the addresses of a location there */
  restore(
    session: Session,
    resolve: (location: string) => readonly LinearAddress[],
    problem: (text: string) => void,
  ): void {
    for (const [id, { location, options }] of this.placed) {
      try {
        session.breakpoints.add(resolve(location), options, id);
      } catch (error) {
        problem(`breakpoint ${id} at ${location} is gone: ${error instanceof Error ? error.message : String(error)}`);
        this.placed.delete(id);
      }
    }
    for (const watch of this.watches.values()) watch.machine = arm(session, watch);
    this.armEvents(session);
  }

  /** Faults are stopped at before their delivery, everything else after it happened. */
  private armEvents(session: Session): void {
    const faults = this.filters.filter(({ kind }) => kind === 'trap');
    session.stopOnFaults(
      faults.length === 0
        ? undefined
        : (vcpu, { vector, why }) => {
            const event: MachineEvent = { kind: 'trap', step: 0, vcpu, rip: 0n, vector, why };
            return faults.some((filter) => filter.matches(event));
          },
    );
    session.stopOnEvents(this.filters.filter(({ kind }) => kind !== 'trap'));
  }
}

const arm = (session: Session, { address, size, access, condition }: Omit<Watch, 'machine'>): number =>
  session.breakpoints.watch(address, size, access, { condition });
