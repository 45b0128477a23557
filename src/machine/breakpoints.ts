/**
 * Where and when the machine stops for a debugger: before instructions, and after accesses to watched bytes. Nothing
 * is written into the guest: a breakpoint is another handler in decoded code, a watch keeps its page out of the fast
 * table.
 */

import type { Stop } from './stop';
import type { VirtualCpu } from './virtual-cpu';

interface Watched {
  readonly id: number;
  readonly address: bigint;
  readonly size: number;
  readonly read: boolean;
  readonly write: boolean;
}

export class Breakpoints {
  /** Breakpoints met at this step were reported before. */
  resumeAt = -1;
  private readonly addresses = new Set<bigint>();
  private readonly watched = new Map<number, Watched>();
  private nextId = 1;
  /** Asked when a breakpoint is met; false goes on: conditions, hit counts. */
  decide: ((vcpu: number, linear: bigint) => boolean) | undefined;

  constructor(
    private readonly cpus: readonly VirtualCpu[],
    private readonly stop: (stop: Stop) => void,
    private readonly step: () => number,
  ) {
    for (const { engine, index } of cpus) engine.atBreakpoint = (linear) => this.met(index, linear);
  }

  /** Stops before the instruction at a linear address. */
  add(linear: bigint): void {
    this.addresses.add(linear);
    this.cpus[0]?.engine.code.setBreak(Number(linear & 0xfffn), true);
  }
  remove(linear: bigint): void {
    this.addresses.delete(linear);
    const offset = linear & 0xfffn;
    if (![...this.addresses].some((other) => (other & 0xfffn) === offset))
      this.cpus[0]?.engine.code.setBreak(Number(offset), false);
  }
  has(linear: bigint): boolean {
    return this.addresses.has(linear);
  }

  /** Stops after an instruction that touches these linear bytes. @returns an id for `unwatch` and the stop */
  watch(address: bigint, size: number, kinds: { readonly read: boolean; readonly write: boolean }): number {
    const id = this.nextId++;
    this.watched.set(id, { id, address, size, ...kinds });
    this.arm();
    return id;
  }
  unwatch(id: number): void {
    this.watched.delete(id);
    this.arm();
  }

  private arm(): void {
    for (const { engine, index } of this.cpus)
      engine.watch(
        'debugger',
        [...this.watched.values()].map((one) => ({
          ...one,
          hit: (access, address) => this.stop({ reason: 'watchpoint', vcpu: index, id: one.id, access, address }),
        })),
      );
  }

  /** Asked where an instruction is executed alone: does the next one of this vCPU stop the run? */
  meets({ engine, index }: VirtualCpu): boolean {
    return this.addresses.size > 0 && this.met(index, engine.linearRip);
  }

  private met(vcpu: number, linear: bigint): boolean {
    if (!this.addresses.has(linear) || this.resumeAt === this.step()) return false;
    if (this.decide && !this.decide(vcpu, linear)) return false;
    this.stop({ reason: 'breakpoint', vcpu, linear });
    return true;
  }
}
