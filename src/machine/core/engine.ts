/**
 * The run loop of one vCPU: goes from record to record in WebAssembly as long as that can go on alone, and does in
 * between what it cannot do: find or decode code, hand instructions to the privileged architecture, deliver faults.
 */

import { type Architecture, NO_EXCEPTION } from './architecture';
import { CodeCache, LONGEST_BLOCK } from './code-cache';
import { CodeFetch } from './code-fetch';
import { CoreDelivery, type Deliver } from './core-delivery';
import { DataAccess, type Watch } from './data-access';
import { Decoder, decodeMode } from './decoder';
import { decodeModeOf } from './decoding-mode';
import { FastTables } from './fast-tables';
import { Fault } from './fault';
import type { Handlers } from './handlers';
import { NOTHING_JUDGED } from './judge';
import { record, state, status } from './layout';
import type { PhysicalMemory } from './physical';
import { SlowRecords } from './slow-records';
import { softwareException, transferVector } from './software-exceptions';
import { type CpuState, SS } from './state';
import type { VmcsTransfers } from './vmcs-transfers';

interface Exports extends VmcsTransfers {
  readonly table: WebAssembly.Table;
  run(record: number): number;
  step(record: number): number;
  readonly deliver: Deliver;
}

/** Counters that the engine advances, shared by all vCPUs of a machine. */
export interface Counters {
  step: number;
  /** Steps that retired nothing, and among them the REP iterations. */
  unretired: number;
  repeats: number;
}

const RF = 1 << 16;

/** SS.B: the stack pointer is ESP. */
const BIG = 1 << 14;

/**
 * How much is done before the caller is asked again whether to go on: steps in the core at a stretch, what had to be done
 * for it meanwhile, and such stretches. Even where everything is slow, that is a few milliseconds.
 */
const STRETCH = 20_000;
const DETOURS = 16;
const STRETCHES = 4;

export class Engine {
  readonly tables: FastTables;
  readonly data: DataAccess;
  readonly code: CodeCache;
  /** Asked before the instruction at a linear address that has a breakpoint's page offset: true stops the run. */
  atBreakpoint: ((linear: bigint) => boolean) | undefined;
  /** Asked before a fault is delivered; true stops the run with nothing changed. */
  beforeDelivery: ((fault: Fault) => boolean) | undefined;
  /** Where the next instruction is found; native code is registered here. */
  readonly fetch: CodeFetch;
  /** The last step was an iteration of a repeated string instruction that has more to do. */
  withinRepeat = false;
  /** The breakpoints at the next instruction have been asked: it is executed without asking them again. */
  judged = false;
  /** Called after everything that TypeScript executes, where no handler of the core has been. */
  afterSlow: (() => void) | undefined;
  /** Told of what the core has delivered by itself: the fault, and the RIP that it came up at. */
  deliveredInCore: ((fault: Fault, rip: bigint) => void) | undefined;
  /** Faults delivered so far. */
  deliveries = 0;
  private readonly core: Exports;
  private readonly delivery: CoreDelivery;
  private readonly slow: SlowRecords;
  private readonly watches = new Map<string, readonly Watch[]>();
  /** Budget at the last entry, while the core runs: where we are is worked out from it. */
  private entered = 0;

  constructor(
    readonly cpu: CpuState,
    readonly physical: PhysicalMemory,
    private readonly architecture: Architecture,
    readonly counters: Counters,
    module: WebAssembly.Module,
    handlers: Handlers,
    code?: CodeCache,
  ) {
    this.tables = new FastTables(cpu.memory, cpu.index);
    this.data = new DataAccess(cpu, physical, this.tables, architecture, (low, high) =>
      architecture.misaligned(low, high),
    );
    const decoder = new Decoder(cpu.memory, handlers, (instruction) => architecture.supports(instruction));
    this.code = code ?? new CodeCache(cpu.memory, physical, decoder, handlers);
    this.fetch = new CodeFetch(cpu, physical, architecture, this.code, this.tables);
    this.slow = new SlowRecords(this.code, this.fetch);
    this.code.listeners.push({
      codeAdded: (page) => this.tables.codeAdded(page),
      allDropped: () => this.tables.dropJumps(),
    });
    const instance = new WebAssembly.Instance(module, { host: { memory: cpu.memory.wasm, access: this.data.call } });
    this.core = instance.exports as unknown as Exports;
    this.delivery = new CoreDelivery(cpu, this.core.deliver, architecture, this.data, this.fetch, handlers);
  }

  /** Decoding mode, tables and masks follow the state; to be called when CS, SS, CPL, or a mode may have changed. */
  modeChanged(): void {
    const { cpu } = this;
    const mode = decodeModeOf(cpu);
    const segmented = mode !== decodeMode.code64 && mode !== decodeMode.flat32;
    this.tables.decodeAs(mode, !segmented);
    // The core's transfers in 64-bit mode leave the limits alone, which matter outside it only.
    if (this.fetch.mode === decodeMode.code64 && mode !== decodeMode.code64) cpu.deriveAllLimits();
    this.fetch.mode = mode;
    cpu.setU64(state.stackMask, cpu.segmentAccess(SS) & BIG ? 0xffffffffn : 0xffffn);
    this.tables.select(cpu.cpl === 3);
    this.alignmentChanged();
  }

  /** Translations may have changed, all or one page's: what is derived from them goes. Jumps are not known by page. */
  translationsDropped(linear?: bigint, code = false): void {
    if (linear === undefined) this.tables.dropTranslations();
    else if (!code) this.tables.dropPage(Number(linear & 0xffffffffn), Number(linear >> 32n));
    if (linear === undefined || code) this.tables.dropJumps();
  }

  /** The state was changed from outside the run loop: an event was delivered, a register set, a snapshot restored. */
  settle(): void {
    this.withinRepeat = false;
    this.cpu.segmentsChanged = false;
    this.modeChanged();
  }

  /** What the core does of VM entries and exits. */
  get vmcs(): VmcsTransfers {
    return this.core;
  }

  /** What the core calls by handler number. */
  get table(): WebAssembly.Table {
    return this.core.table;
  }

  /** RIP, exact also while an instruction is being executed. */
  get rip(): bigint {
    const at = this.cpu.getU32(state.record);
    return this.entered !== 0 && at !== 0 ? this.ripOf(at) : this.cpu.rip;
  }

  /** Linear address of the next instruction. */
  get linearRip(): bigint {
    return this.fetch.linear(this.cpu.rip);
  }

  /** Bytes to watch, by who wants to know: the guest's debug registers, the debugger. */
  watch(who: string, watches: readonly Watch[]): void {
    this.watches.set(who, watches);
    this.data.watches = [...this.watches.values()].flat();
    this.tables.dropTranslations();
  }

  /** Alignment checks begin or end with CR0.AM, EFLAGS.AC and CPL. */
  private alignmentChanged(): void {
    const { cpu } = this;
    const checked =
      cpu.cpl === 3 && (cpu.getU32(state.flags) & (1 << 18)) !== 0 && (cpu.getU32(state.cr0) & (1 << 18)) !== 0;
    if (checked !== this.data.alignmentChecked) this.tables.dropTranslations();
    this.data.alignmentChecked = checked;
  }

  /** The steps done so far, also while an instruction is being executed. */
  get position(): number {
    const { cpu } = this;
    if (this.entered === 0) return this.counters.step;
    const at = cpu.getU32(state.record);
    return (
      this.counters.step +
      this.entered -
      cpu.getI32(state.budget) +
      (at ? (cpu.memory.u8[at + record.before] as number) : 0)
    );
  }

  /** Executes up to `steps` steps; fewer when `state.leave` is set, or time passes. The position is exact on return. */
  run(steps: number): void {
    const { cpu } = this;
    const end = this.counters.step + steps;
    cpu.setU32(state.leave, 0);
    for (let n = 0; n < STRETCHES && this.counters.step < end && cpu.getU32(state.leave) === 0; n++) {
      const left = end - this.counters.step;
      if (left > LONGEST_BLOCK) this.fast(Math.min(left - LONGEST_BLOCK, STRETCH));
      else this.singleUnlessBreakpoint();
    }
    if (cpu.getU32(state.leave)) this.alignmentChanged();
  }

  /** As the run loop would: a breakpoint on the next instruction is met before it. */
  private singleUnlessBreakpoint(): void {
    if (this.code.hasBreak(this.fetch.pageOffset)) this.passBreakpoint();
    else this.single();
  }

  /** Executes exactly one step. */
  step(): void {
    this.cpu.setU32(state.leave, 0);
    this.single();
    if (this.cpu.getU32(state.leave)) this.alignmentChanged();
  }

  /** Runs blocks while the budget lasts. */
  private fast(budget: number): void {
    const { cpu } = this;
    let head = this.locate(true);
    if (head === 0) return;
    this.enter(head, budget);
    for (let detours = 0; ; detours++) {
      const why = this.core.run(head);
      const at = cpu.getU32(state.record);
      if (why === status.link && detours < DETOURS) {
        // The target lies in the page that is being executed: no new translation.
        const next = this.linked(at);
        if (next !== 0) {
          head = next;
          continue;
        }
      }
      this.leave(why, at);
      if (why === status.fault && this.deliverInCore()) {
        const left = cpu.getI32(state.budget) - (cpu.memory.u8[at + record.before] as number) - 1;
        if (left <= 0 || detours >= DETOURS || cpu.getU32(state.leave) !== 0) {
          cpu.rip = cpu.getU64(state.target);
          return;
        }
        head = 0;
        this.enter(0, left);
        continue;
      }
      let left = cpu.getI32(state.budget);
      if (why === status.slow || why === status.fault) {
        left -= (cpu.memory.u8[at + record.before] as number) + 1;
        if (why === status.slow) this.executeSlow(at);
        else this.deliver(this.delivery.fault());
      } else if (why !== status.jump) {
        if (why === status.stale) this.replace(at);
        else if (why === status.breakpoint) this.passBreakpoint();
        return;
      }
      if (left <= 0 || detours >= DETOURS || cpu.getU32(state.leave) !== 0) return;
      if (why === status.jump || this.fetch.mode !== decodeMode.code64) {
        head = this.locate(true);
        if (head === 0) return;
      } else {
        // The jump cache may know where that has led.
        head = 0;
        cpu.setHalves(state.target, cpu.getU32(state.rip), cpu.getU32(state.rip + 4));
      }
      this.enter(head, left);
    }
  }

  private enter(head: number, budget: number): void {
    const { cpu } = this;
    const before = head ? (cpu.memory.u8[head + record.before] as number) : 0;
    cpu.setU32(state.budget, budget + before);
    cpu.setU32(state.record, head);
    // The iterations of a repeated string instruction after its first are no arrivals.
    cpu.setU32(state.judgedBudget, this.judged || this.withinRepeat ? budget : NOTHING_JUDGED);
    this.entered = budget;
    const position = this.counters.step + budget;
    cpu.setHalves(state.stepBase, position, position / 2 ** 32);
    const flags = cpu.getU32(state.flags);
    if (flags & RF) {
      cpu.setU32(state.flags, flags & ~RF);
      cpu.setU32(state.resumePending, 1);
      cpu.setU32(state.resumeBudget, budget);
    }
  }

  /** Takes stock after the core left: counters and RIP are exact again. */
  private leave(why: number, at: number): void {
    const { cpu } = this;
    const before = at ? (cpu.memory.u8[at + record.before] as number) : 0;
    const left = cpu.getI32(state.budget) - before;
    const progress = this.entered - left;
    this.counters.step += progress;
    this.entered = 0;
    if (cpu.getU32(state.resumePending)) {
      cpu.setU32(state.resumePending, 0);
      if (cpu.getI32(state.resumeBudget) === left) cpu.setU32(state.flags, cpu.getU32(state.flags) | RF);
    }
    if (progress > 0) {
      this.judged = false;
      this.withinRepeat = cpu.getU32(state.unretired) > 0 && cpu.getI32(state.repeatBudget) === left;
    }
    this.countRepeats();
    if (why === status.jump) cpu.rip = cpu.getU64(state.target);
    else this.setRip(at);
  }

  /** RIP of a record's instruction into the state, by halves: this is on the way of every fault. */
  private setRip(at: number): void {
    const { cpu } = this;
    const { view, u32 } = cpu.memory;
    const length = (view.getUint16(at + record.place, true) >>> 12) + 1;
    const sum = cpu.getU32(state.ipBase) + (u32[(at + record.extra) / 4] as number) - length;
    cpu.setU32(state.rip, sum);
    const carry = sum >= 2 ** 32 ? 1 : sum < 0 ? -1 : 0;
    cpu.setU32(state.rip + 4, this.fetch.mode === decodeMode.code64 ? cpu.getU32(state.ipBase + 4) + carry : 0);
  }

  private countRepeats(): void {
    const repeats = this.cpu.getU32(state.unretired);
    if (repeats === 0) return;
    this.counters.unretired += repeats;
    this.counters.repeats += repeats;
    this.cpu.setU32(state.unretired, 0);
  }

  /** RIP of the instruction that a record stands for. */
  private ripOf(at: number): bigint {
    const { view, u32 } = this.cpu.memory;
    const length = (view.getUint16(at + record.place, true) >>> 12) + 1;
    const rip = this.cpu.getU64(state.ipBase) + BigInt((u32[(at + record.extra) / 4] as number) - length);
    return this.fetch.mode === decodeMode.code64 ? BigInt.asUintN(64, rip) : BigInt.asUintN(32, rip);
  }

  /** The head of the block that a stub stands for, linked; 0 when that takes a new look from the start. */
  private linked(stub: number): number {
    const { cpu } = this;
    const offset = (cpu.memory.u32[(stub + record.extra) / 4] as number) - 1;
    if (offset < 0 || offset >= 4096) return 0;
    const rip = this.ripOf(stub);
    const physical = this.fetch.translate(rip);
    if (physical < 0) return 0;
    const generation = this.code.generation;
    const head = this.code.block(physical, this.fetch.mode);
    if (generation !== this.code.generation) return 0;
    if (head !== 0) this.code.link(stub, head);
    return head;
  }

  private replace(stale: number): void {
    const { cpu } = this;
    if (cpu.memory.u8[stale + record.before] !== 0) return;
    const generation = this.code.generation;
    const head = this.locate(true);
    if (head !== 0 && generation === this.code.generation) this.code.forward(stale, head);
  }

  /**
   * The record for RIP, see `CodeFetch`. 0 when there is none to run; then a step was made instead, or a breakpoint
   * was met.
   */
  private locate(block: boolean): number {
    const { fetch } = this;
    const found = fetch.find(block);
    if (found !== 0) return found;
    if (fetch.refused) this.deliver(fetch.refused);
    else if (block && this.code.hasBreak(this.fetch.pageOffset)) this.passBreakpoint();
    else if (fetch.action) this.executeNative(fetch.action);
    else if (fetch.alone) this.execute(fetch.alone);
    else this.single();
    return 0;
  }

  /** Native code is no instruction: nothing retires. */
  private executeNative(action: () => void): void {
    try {
      action();
      this.counters.step++;
      this.counters.unretired++;
    } catch (fault) {
      if (!(fault instanceof Fault)) throw fault;
      this.deliver(fault);
    }
    this.settle();
    this.judged = false;
    this.afterSlow?.();
    this.cpu.setU32(state.leave, 1);
  }

  private single(): void {
    const at = this.locate(false);
    if (at !== 0) this.execute(at);
  }

  /** Executes the one instruction of a record. */
  private execute(at: number): void {
    const { cpu } = this;
    const budget = 1 << 20;
    this.enter(at, budget);
    const why = this.core.step(at);
    this.leave(why, cpu.getU32(state.record));
    if (why === status.slow) this.executeSlow(at);
    else if (why === status.fault) this.deliver(this.delivery.fault());
    else if (why === status.stale) this.replace(at);
  }

  private executeSlow(at: number): void {
    const { cpu, architecture } = this;
    const instruction = this.slow.at(at, cpu.rip);
    const raised = this.beforeDelivery && softwareException(instruction, cpu);
    if (raised && this.beforeDelivery?.(raised)) return;
    cpu.setU32(state.flags, cpu.getU32(state.flags) & ~RF);
    try {
      if (!architecture.execute(instruction)) this.counters.unretired++;
      this.counters.step++;
      this.judged = false;
      const vector = transferVector(instruction);
      if (vector !== undefined) this.delivery.prime(vector);
      if (cpu.repeating) {
        cpu.repeating = false;
        this.counters.unretired++;
        this.counters.repeats++;
        this.withinRepeat = true;
      } else this.withinRepeat = false;
    } catch (fault) {
      if (!(fault instanceof Fault)) throw fault;
      this.deliver(fault);
    }
    if (cpu.segmentsChanged) {
      cpu.segmentsChanged = false;
      this.modeChanged();
    }
    this.afterSlow?.();
  }

  /** Delivers an exception at the present boundary, as a step. */
  deliver(fault: Fault): void {
    if (fault.vector < NO_EXCEPTION && this.beforeDelivery?.(fault)) return;
    this.deliveries++;
    this.architecture.deliver(fault);
    // Events of the delivery count as those of instructions: before their step is done.
    this.counters.step++;
    this.counters.unretired++;
    this.delivery.prime(fault.vector);
    this.judged = false;
    if (this.cpu.segmentsChanged) {
      this.cpu.segmentsChanged = false;
      this.modeChanged();
    }
    this.afterSlow?.();
  }

  /** The usual delivery in 64-bit mode, made by the core from numbers alone; nothing is asked and no reason made. */
  private deliverInCore(): boolean {
    const { cpu, delivery } = this;
    if (this.beforeDelivery || this.afterSlow || this.fetch.mode !== decodeMode.code64) return false;
    const rip = this.deliveredInCore === undefined ? 0n : cpu.rip;
    if (!delivery.make()) return false;
    this.deliveredInCore?.(delivery.fault(), rip);
    this.deliveries++;
    this.judged = false;
    this.counters.step++;
    this.counters.unretired++;
    return true;
  }

  private passBreakpoint(): void {
    const { cpu } = this;
    if (this.atBreakpoint?.(this.linearRip)) cpu.setU32(state.leave, 1);
    else this.single();
  }
}
