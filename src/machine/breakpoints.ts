/**
 * Where the machine stops for a debugger: before instructions at linear or physical addresses. Nothing is written into
 * the guest: a breakpoint is another handler in decoded code, which judges what it can (`core/judge.ts`) and leaves to
 * ask the rest here. Each arrival of a vCPU is judged once, however the run is cut into slices.
 */

import { hitCount, makeJudges, type Test, writeStops } from './core/judge';
import { MOST_HIT_COUNTS } from './core/layout';
import type { CoreMemory } from './core/memory';
import { peekTranslation } from './cpu/look';
import type { Stop } from './stop';
import type { VirtualCpu } from './virtual-cpu';

/** What a vCPU's core is to ask at an address; undefined: it stops there whatever holds. */
type TestsOf = ((vcpu: number) => readonly Test[] | undefined) | undefined;

/** Decides where the core alone could not: true stops. */
type Decide = (vcpu: number, linear: bigint, physical: number | undefined) => boolean;

export class Breakpoints {
  decide: Decide | undefined;
  private readonly linear = new Map<bigint, TestsOf>();
  private readonly physical = new Map<number, { readonly handler: number; readonly tests: TestsOf }>();
  /** Handler numbers of physical breakpoints that are no more. */
  private readonly freeHandlers: number[] = [];
  private readonly freeCells: number[] = [];
  private cells = 0;
  private outdated = true;
  /** Do all addresses that stop fit into the list? */
  private listed = true;
  /** The core's own handlers, which leave at every breakpoint. */
  private readonly leavers: readonly unknown[];

  constructor(
    private readonly cpus: readonly VirtualCpu[],
    private readonly memory: CoreMemory,
    /** The handler of records that have a breakpoint. */
    private readonly handler: number,
    private readonly stop: (stop: Stop) => void,
  ) {
    this.leavers = cpus.map(({ engine }) => engine.table.get(handler));
    for (const vcpu of cpus) vcpu.engine.atBreakpoint = (linear) => this.met(vcpu, linear);
  }

  /** Stops before the instruction at a linear address; with tests only where one of them wants it. */
  add(linear: bigint, tests?: TestsOf): void {
    if (tests !== undefined || this.linear.get(linear) !== undefined) this.outdated = true;
    this.linear.set(linear, tests);
    this.list();
    this.code?.setBreak(Number(linear & 0xfffn), true);
  }
  remove(linear: bigint): void {
    if (this.linear.get(linear) !== undefined) this.outdated = true;
    this.linear.delete(linear);
    this.list();
    const offset = linear & 0xfffn;
    if (![...this.linear.keys()].some((other) => (other & 0xfffn) === offset))
      this.code?.setBreak(Number(offset), false);
  }
  has(linear: bigint): boolean {
    return this.linear.has(linear);
  }

  /** The same for the instruction at a physical address, whatever linear address it is executed at. */
  addPhysical(address: number, tests?: TestsOf): void {
    const handler = this.physical.get(address)?.handler ?? this.newHandler();
    this.physical.set(address, { handler, tests });
    this.outdated = true;
    this.code?.setPhysicalBreak(address, handler);
  }
  removePhysical(address: number): void {
    const found = this.physical.get(address);
    if (found === undefined) return;
    this.physical.delete(address);
    this.code?.setPhysicalBreak(address, undefined);
    this.freeHandlers.push(found.handler);
  }

  /** A count that the core keeps; undefined when there are too many. */
  newCell(): number | undefined {
    const cell = this.freeCells.pop() ?? (this.cells < MOST_HIT_COUNTS ? this.cells++ : undefined);
    if (cell !== undefined) this.setCount(cell, 0);
    return cell;
  }
  freeCell(cell: number): void {
    this.freeCells.push(cell);
  }
  count(cell: number): number {
    return Number(this.memory.u64[hitCount(cell) / 8]);
  }
  setCount(cell: number, count: number): void {
    this.memory.u64[hitCount(cell) / 8] = BigInt(count);
  }

  /** To be called before a run: the cores' judges follow. */
  prepare(): void {
    if (!this.outdated || (this.linear.size === 0 && this.physical.size === 0)) return;
    this.outdated = false;
    const offsets = new Set([...this.linear.keys()].map((address) => Number(address & 0xfffn)));
    for (const [position, { index, engine }] of this.cpus.entries()) {
      const linear = [...this.linear].flatMap(([address, tests]): [bigint, readonly Test[]][] =>
        tests === undefined ? [] : [[address, tests(index) ?? [{}]]],
      );
      const physical = [...this.physical].map(([address, { tests }]): [number, readonly Test[] | undefined] => {
        // Counting takes all breakpoints of an instruction at once: TypeScript's, where some are linear.
        return [address, offsets.has(address % 4096) ? undefined : tests?.(index)];
      });
      const { table } = engine;
      const judges = makeJudges(index, this.memory.wasm, table, new Map(linear), new Map(physical));
      table.set(this.handler, this.listed ? judges.linear : this.leavers[position]);
      for (const [address, judge] of judges.physical) table.set(this.physical.get(address)?.handler ?? 0, judge);
    }
  }

  /** The vCPU goes on from where it stands: whoever started it knows of the breakpoint there. */
  depart({ engine }: VirtualCpu): void {
    engine.judged = true;
  }

  /** Asked where an instruction is executed alone: does the next one of this vCPU stop the run? */
  meets(vcpu: VirtualCpu): boolean {
    return (this.linear.size > 0 || this.physical.size > 0) && this.met(vcpu, vcpu.engine.linearRip);
  }

  private met(vcpu: VirtualCpu, linear: bigint): boolean {
    if (!this.judge(vcpu, linear)) return false;
    this.stop({ reason: 'breakpoint', vcpu: vcpu.index, linear });
    return true;
  }

  /** Does a breakpoint want to stop before the instruction at which the vCPU stands? Asked once for each arrival. */
  judge({ engine, index, cpu }: VirtualCpu, linear: bigint): boolean {
    if (engine.judged || engine.withinRepeat) return false;
    const physical = this.physical.size > 0 ? peekTranslation(cpu, linear) : undefined;
    const found = physical !== undefined && this.physical.has(physical) ? physical : undefined;
    if (found === undefined && !this.linear.has(linear)) return false;
    engine.judged = true;
    return this.decide?.(index, linear, found) ?? true;
  }

  /** Addresses that stop whatever holds are looked up in a list: those of steps come and go without new code. */
  private list(): void {
    const always = [...this.linear].filter(([, tests]) => tests === undefined).map(([address]) => address);
    const listed = writeStops(this.memory, always);
    if (listed !== this.listed || this.physical.size > 0) this.outdated = true;
    this.listed = listed;
  }

  private newHandler(): number {
    const free = this.freeHandlers.pop();
    if (free !== undefined) return free;
    const handlers = this.cpus.map(({ engine }) => engine.table.grow(1));
    return handlers[0] ?? 0;
  }

  private get code() {
    return this.cpus[0]?.engine.code;
  }
}
