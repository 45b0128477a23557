/**
 * The user's breakpoints: several may lie at one address, each with its condition, hit count and log message. What the
 * core can judge by itself it judges where it runs; it asks here about the rest, once at each arrival.
 */

import type { Test } from '../machine/core/judge';
import type { Cpu } from '../machine/cpu/cpu';
import type { Machine } from '../machine/pc';
import { BadInput } from '../program/program';
import { type LinearAddress, linear } from '../x86/address';
import { type Place, placeText } from './address';
import type { Conditions } from './conditions';
import type { VcpuEnvironment } from './environment';
import { checkReachable, physicalPlace } from './guest-memory';
import { Trigger, type TriggerOptions } from './trigger';
import { currentAddress } from './vcpu-view';
import { type Watch, type WatchAccess, type Watched, Watches, type WatchTarget } from './watches';

export type { WatchAccess };

export interface Breakpoint extends TriggerOptions {
  readonly id: number;
  readonly places: readonly Place[];
  /** Those of its places that are linear. */
  readonly addresses: readonly LinearAddress[];
  hits: number;
}

interface Armed {
  readonly breakpoint: Breakpoint;
  readonly trigger: Trigger;
  /** The core's count of hits. */
  readonly cell: number | undefined;
}

export interface BreakpointHost {
  readonly conditions: Conditions;
  readonly environment: (vcpu: number) => VcpuEnvironment;
  /** A log message, or why a condition cannot be evaluated; then it stops. */
  readonly note: (text: string, by: Breakpoint | Watch) => void;
}

/** Stops for the engine itself, or not. */
type Ask = (vcpu: number) => boolean;

export class Breakpoints {
  /** Ids of the breakpoints that led to the last stop. */
  hit: number[] = [];
  private readonly armed = new Map<number, Armed>();
  /** Breakpoints by the place in its space, without its vCPU. */
  private readonly at = new Map<string, Set<Armed>>();
  /** The engine's own places (stepping): asked before the user's. */
  private readonly internal = new Map<bigint, Ask>();
  private readonly watches: Watches;
  private nextId = 1;
  private readonly machine: Machine;
  private readonly host: BreakpointHost;

  constructor(machine: Machine, host: BreakpointHost) {
    this.machine = machine;
    this.host = host;
    this.watches = new Watches(machine, host);
    machine.breakpoints.decide = (vcpu, at, physical) => this.stops(vcpu, at, physical);
  }

  /**
   * @param places where it stops; a plain address is linear, a place with a vCPU is that one's alone
   * @param id of a breakpoint that this one takes the place of
   * @throws BadInput for a condition that cannot be read
   */
  add(places: readonly (LinearAddress | Place)[], options: TriggerOptions = {}, id = this.nextId): Breakpoint {
    const all = places.map((place) => this.settled(place));
    const note = (text: string) => this.host.note(text, breakpoint);
    const trigger = new Trigger(options, { conditions: this.host.conditions, log: note, problem: note });
    const cell = trigger.counter === undefined ? undefined : this.machine.breakpoints.newCell();
    if (cell !== undefined) trigger.count = cellCount(this.machine, cell);
    const breakpoint: Breakpoint = {
      ...options,
      id,
      places: all,
      addresses: all.filter(isLinear).map(({ address }) => linear(address)),
      get hits() {
        return trigger.hits;
      },
      set hits(hits: number) {
        trigger.hits = hits;
      },
    };
    this.remove(id);
    this.takeId(id);
    const armed = { breakpoint, trigger, cell };
    this.armed.set(id, armed);
    for (const place of all) {
      const key = keyOf(place);
      this.at.set(key, (this.at.get(key) ?? new Set()).add(armed));
      this.arm(place);
    }
    return breakpoint;
  }

  /** A number of the series that all kinds of breakpoints share: this one, or the next. */
  takeId(wanted = this.nextId): number {
    this.nextId = Math.max(this.nextId, wanted + 1);
    return wanted;
  }

  /** @returns whether there was one */
  remove(id: number): boolean {
    const armed = this.armed.get(id);
    if (armed === undefined) return false;
    this.armed.delete(id);
    for (const place of armed.breakpoint.places) {
      const key = keyOf(place);
      const others = this.at.get(key);
      others?.delete(armed);
      if (others?.size === 0) this.at.delete(key);
      this.arm(place);
    }
    if (armed.cell !== undefined) {
      // Whoever still holds the breakpoint reads the last count.
      armed.trigger.count = { value: armed.trigger.hits };
      this.machine.breakpoints.freeCell(armed.cell);
    }
    return true;
  }

  list(): Breakpoint[] {
    return [...this.armed.values()].map(({ breakpoint }) => breakpoint);
  }

  /**
   * Stops after an access to memory where the condition holds then; it may name the values `old` and `new`.
   * @param id of a watch that this one takes the place of
   * @returns the number that the pause names
   * @throws BadInput
   */
  watch(
    place: bigint | Place,
    size: number,
    access: WatchAccess,
    options: TriggerOptions = {},
    id = this.nextId,
  ): number {
    const settled = this.settled(place);
    // Whoever touches the memory behind a guest's address.
    const where = settled.space === 'guest' ? physicalPlace(this.cpuOf(settled), settled) : settled;
    return this.watchTarget({ place: where, size }, access, options, id).id;
  }
  /** Stops after the instruction that changed a register, by its name in expressions. @throws BadInput */
  watchRegister(register: string, options: TriggerOptions = {}, vcpu?: number, id = this.nextId): Watch {
    return this.watchTarget({ register, vcpu }, 'change', options, id);
  }
  private watchTarget(target: WatchTarget, access: WatchAccess, options: TriggerOptions, id: number): Watch {
    const watch = this.watches.add(id, target, access, options);
    this.takeId(id);
    return watch;
  }
  /** @returns whether there was one */
  unwatch(id: number): boolean {
    return this.watches.remove(id);
  }
  listWatches(): Watch[] {
    return this.watches.list();
  }
  /** What was done to watched things at the last stop. */
  get watched(): readonly Watched[] {
    return this.watches.hit;
  }

  /** Stops at an address where `stops` says so, until the returned function is called. */
  watchFor(address: LinearAddress, stops: Ask): () => void {
    const place: Place = { space: 'linear', address };
    this.internal.set(address, stops);
    this.arm(place);
    return () => {
      this.internal.delete(address);
      this.arm(place);
    };
  }

  /** Counts start again. */
  restart(): void {
    for (const { trigger } of this.armed.values()) trigger.hits = 0;
    this.watches.restart();
  }

  /** A motion begins: the breakpoint where the vCPU whose turn it is stands has been reported. */
  depart(): void {
    const vcpu = this.machine.cpus[this.machine.current];
    if (vcpu !== undefined) this.machine.breakpoints.depart(vcpu);
    this.rememberWatched();
  }
  /** What is watched was changed from outside: that is no change. */
  rememberWatched(): void {
    this.watches.begin();
  }

  /** Asked where the machine does not ask: a step ended here. Each arrival is judged once. */
  arrivedAt(vcpu: number): boolean {
    const cpu = this.machine.cpus[vcpu];
    return cpu?.active === true && this.machine.breakpoints.judge(cpu, currentAddress(cpu));
  }

  /** Guest-physical addresses are what they are at present: EPT can be changed, and another one selected. */
  private settled(place: bigint | Place): Place {
    const all: Place = typeof place === 'bigint' ? { space: 'linear', address: place } : place;
    checkReachable(all);
    return all.space === 'gpa' ? physicalPlace(this.cpuOf(all), all) : all;
  }
  private cpuOf({ vcpu = this.machine.current }: Place): Cpu {
    const { cpu } = this.machine.cpus[vcpu] ?? {};
    if (cpu === undefined) throw new BadInput(`there is no vCPU ${vcpu}`);
    return cpu;
  }

  private arm({ space, address }: Place): void {
    const { breakpoints } = this.machine;
    const here = [...(this.at.get(keyOf({ space, address })) ?? [])].filter(isEnabled);
    // Whether a guest runs is asked here.
    const asked = here.every(alwaysStops) || here.some(({ breakpoint }) => breakpoint.places.some(isGuest));
    const tests = asked ? undefined : (vcpu: number) => testsOf(here, space, address, vcpu);
    if (!isLinear({ space })) {
      if (here.length === 0) breakpoints.removePhysical(Number(address));
      else breakpoints.addPhysical(Number(address), tests);
    } else if (this.internal.has(address)) breakpoints.add(address);
    else if (here.length === 0) {
      if (breakpoints.has(address)) breakpoints.remove(address);
    } else breakpoints.add(address, tests);
  }

  private stops(vcpu: number, at: bigint, physical: number | undefined): boolean {
    const hit: number[] = [];
    const here = [
      ...(this.at.get(keyOf({ space: 'linear', address: at })) ?? []),
      ...(physical === undefined ? [] : (this.at.get(keyOf({ space: 'phys', address: BigInt(physical) })) ?? [])),
    ];
    for (const { breakpoint, trigger } of here)
      if (isFor(breakpoint, at, physical, vcpu, this.machine.cpus[vcpu]?.cpu.vmx?.nonRoot) && trigger.isHit(vcpu))
        hit.push(breakpoint.id);
    const own = this.internal.get(at)?.(vcpu) ?? false;
    if (hit.length === 0 && !own) return false;
    this.hit = hit;
    for (const id of hit) if (this.armed.get(id)?.breakpoint.temporary) this.remove(id);
    return true;
  }
}

/** Linear ones of guests lie among the others; a guest has to run for them. */
const keyOf = ({ space, address }: Place): string =>
  placeText({ space: space === 'guest' ? 'linear' : space, address });
const isLinear = ({ space }: Pick<Place, 'space'>): boolean => space === 'linear' || space === 'guest';
const isGuest = ({ space }: Place): boolean => space === 'guest';

const isEnabled = ({ trigger }: Armed): boolean => trigger.options.enabled !== false;

/** Does the core have nothing to judge? */
const alwaysStops = ({ breakpoint, trigger }: Armed): boolean =>
  trigger.condition === undefined &&
  trigger.counter === undefined &&
  breakpoint.places.every(({ vcpu }) => vcpu === undefined);

/** Is one of its places this address, on this vCPU? */
const isFor = (
  { places }: Breakpoint,
  at: bigint,
  physical: number | undefined,
  on: number,
  inGuest = false,
): boolean =>
  places.some(
    ({ space, address, vcpu }) =>
      (vcpu === undefined || vcpu === on) &&
      (space !== 'guest' || inGuest) &&
      (isLinear({ space }) ? address === at : physical !== undefined && address === BigInt(physical)),
  );

const testsOf = (here: readonly Armed[], space: Place['space'], address: bigint, on: number): Test[] => {
  const [at, physical] = space === 'linear' ? [address, undefined] : [-1n, Number(address)];
  return here
    .filter(({ breakpoint }) => isFor(breakpoint, at, physical, on))
    .map(({ trigger, cell }): Test => {
      const { counter, condition } = trigger;
      return {
        condition: condition?.compiled(space === 'linear' ? linear(address) : undefined),
        counter: counter === undefined || cell === undefined ? undefined : { ...counter, cell },
      };
    });
};

const cellCount = (machine: Machine, cell: number): { value: number } => ({
  get value() {
    return machine.breakpoints.count(cell);
  },
  set value(hits: number) {
    machine.breakpoints.setCount(cell, hits);
  },
});
