/**
 * What inspecting remembers of a machine beside its state: the registers as they were when it last began to move, what
 * was shown, addresses whose walk the user wants to see, and the last faults. None of it is the machine's.
 */

import type { MachineEvent } from '../../machine/core/event';
import { state as layout } from '../../machine/core/layout';
import type { CoreMemory } from '../../machine/core/memory';
import { CpuState } from '../../machine/core/state';
import type { Machine } from '../../machine/pc';
import { type RegisterPlace, registerPlaces } from '../registers';
import { rememberVmcss } from '../vmcs/past';

type Arrival = MachineEvent & { readonly kind: 'irq' | 'nmi' };
type Trap = MachineEvent & { readonly kind: 'trap' | 'triple-fault' | 'reset' };

/** Faults that are kept. */
const FAULTS = 32;
/** Values shown that are kept; then they are forgotten, which loses marks and nothing else. */
const SHOWN = 5_000;

/** One vCPU's registers as they were. */
class Past {
  readonly places: ReadonlyMap<string, RegisterPlace>;
  private readonly words: Uint32Array;
  /** The registers themselves, as long as the memory does not grow: single steps are many. */
  private live: Uint32Array | undefined;
  private taskPriority = 0;
  readonly state: CpuState;
  private known = false;

  constructor(
    private readonly machine: Machine,
    private readonly index: number,
  ) {
    const buffer = new ArrayBuffer(layout.transient);
    const views = { u32: new Uint32Array(buffer), i32: new Int32Array(buffer), u64: new BigUint64Array(buffer) };
    this.words = views.u32;
    this.state = new CpuState(views as unknown as CoreMemory, index, 0);
    this.places = registerPlaces(this.state, () => this.taskPriority);
  }

  take(): void {
    const { u32 } = this.machine.memory;
    if (this.live?.buffer !== u32.buffer) {
      const base = (this.machine.cpus[this.index]?.state.base ?? 0) >>> 2;
      this.live = u32.subarray(base, base + this.words.length);
    }
    this.words.set(this.live);
    this.taskPriority = this.machine.devices.localApics[this.index]?.cr8 ?? 0;
    this.known = true;
  }

  read(expression: string): bigint | undefined {
    return this.known ? this.places.get(expression)?.read() : undefined;
  }
}

export class Recollection {
  /** Addresses whose walk is shown beside those of the registers. */
  readonly walks: bigint[] = [];
  /** The last faults, resets and shutdowns, oldest first. */
  readonly faults: Trap[] = [];
  private readonly arrivals = new Map<number, Arrival>();
  private readonly pasts: readonly Past[];
  private readonly shown = new Map<string, { motion: number; bits: bigint; before: bigint | undefined }>();
  private motion = 0;
  private departedAt = Number.NEGATIVE_INFINITY;

  constructor(private readonly machine: Machine) {
    this.pasts = machine.cpus.map(({ index }) => new Past(machine, index));
    machine.events.overhear(['irq', 'nmi'], (event) => this.arrivals.set(event.vcpu, event as Arrival));
    machine.events.overhear(['trap', 'triple-fault', 'reset'], (event) => this.keep(event as Trap));
    for (const { engine, index } of machine.cpus)
      engine.deliveredInCore = ({ vector, errorCode, address, why }, rip) =>
        this.keep({
          kind: 'trap',
          step: machine.counters.step,
          vcpu: index,
          rip,
          // The core delivers between flat segments only.
          at: rip,
          vector,
          ...(errorCode === undefined ? {} : { errorCode }),
          ...(address === undefined ? {} : { cr2: address }),
          why,
        });
  }

  private keep(event: Trap): void {
    this.faults.push(event);
    if (this.faults.length > FAULTS) this.faults.shift();
  }

  /** The last interrupt or NMI that a vCPU took. */
  lastArrival(vcpu: number): Arrival | undefined {
    return this.arrivals.get(vcpu);
  }

  /** The machine is about to move: what it shows now is what later values are compared with. */
  departing(): void {
    this.motion++;
    this.departedAt = this.machine.counters.step;
    for (const past of this.pasts) past.take();
    rememberVmcss(this.machine);
  }

  /** The registers before the last step, where that was all of the last motion. */
  stateBeforeStep(vcpu: number): CpuState | undefined {
    return this.machine.counters.step === this.departedAt + 1 ? this.pasts[vcpu]?.state : undefined;
  }

  /** What an expression gave at the last stop, as far as that is known. Tells that it gives `bits` now. */
  before(vcpu: number, expression: string, bits: bigint): bigint | undefined {
    const register = this.pasts[vcpu]?.read(expression);
    if (register !== undefined) return register;
    const key = `${vcpu}/${expression}`;
    const last = this.shown.get(key);
    if (last?.motion === this.motion) {
      last.bits = bits;
      return last.before;
    }
    if (this.shown.size >= SHOWN) this.shown.clear();
    // Shown longer ago than at the last stop it says nothing of that.
    const before = last?.motion === this.motion - 1 ? last.bits : undefined;
    this.shown.set(key, { motion: this.motion, bits, before });
    return before;
  }

  /** Shows the walk of an address from now on, or not any more. */
  watchWalk(address: bigint, show: boolean): void {
    const at = this.walks.indexOf(address);
    if (show && at < 0) this.walks.push(address);
    if (!show && at >= 0) this.walks.splice(at, 1);
  }
}

const recollections = new WeakMap<Machine, Recollection>();

/** Of a machine, from the first time that it is asked for. */
export const recollectionOf = (machine: Machine): Recollection => {
  let found = recollections.get(machine);
  if (found === undefined) {
    found = new Recollection(machine);
    recollections.set(machine, found);
  }
  return found;
};
