/**
 * The board: vCPUs, memory, devices, and the loop that gives the vCPUs their turns, lets virtual time pass and brings
 * interrupts to the processors. All that comes from outside comes through the input log.
 */

import { biosRoutines } from './bios/bios';
import { firmwareRoms } from './bios/firmware-rom';
import { type Prepared, placeMemory, resetCpu, setBootState } from './boot';
import { Boundaries } from './boundaries';
import { Breakpoints } from './breakpoints';
import type { Counters } from './core/engine';
import type { EventKind } from './core/event';
import { Handlers } from './core/handlers';
import { state as layout } from './core/layout';
import { CoreMemory } from './core/memory';
import { PhysicalMemory } from './core/physical';
import { coreFor } from './core/relocation';
import { type CpuModel, makeModel } from './cpu/model';
import { createDevices, type Devices } from './devices/board-devices';
import type { FwCfgFile } from './devices/fw-cfg';
import { EntryWatch } from './entry-watch';
import { Events } from './events';
import { type AskFault, FaultStops } from './fault-stops';
import { type Input, InputLog } from './history/input-log';
import { type Snapshot, Snapshots } from './history/snapshot';
import { applyInput } from './input';
import { Natives } from './native';
import { Progress } from './progress';
import { nextSeed, randomOf } from './random';
import { endings, type Stop, type WatchStop } from './stop';
import { deviceSpaceOf, type Surrounding, surroundingsOf } from './surroundings';
import { collectCounts, transferEvents } from './transfer-counts';
import { type SavedTurns, Turns } from './turns';
import { activity, VirtualCpu } from './virtual-cpu';
import { countsInstructions, instructionDone } from './vmx/pending-events';
import { RegionWatch } from './vmx/region-watch';
import { Watches } from './watches';

export interface MachineOptions {
  /** The bytes of core.wasm, compiled once however many machines are made of them; for one vCPU also a module. */
  readonly core: Uint8Array | WebAssembly.Module;
  /** RAM in bytes, a multiple of 4 KiB: 1 MiB - 2 GiB. */
  readonly memoryBytes?: number;
  /** Name of a preset, or a model. */
  readonly cpu?: string | CpuModel;
  readonly cpus?: number;
  /** `none` walks the page tables at every access. */
  readonly tlb?: 'keep' | 'none';
  /** Value of IA32_FEATURE_CONTROL at power-on. */
  readonly featureControl?: number;
  /** Seconds since 1970 that the clock shows at the start. */
  readonly startTime?: number;
  /** Bytes of the core's memory to leave unused before the guest's: tests run above 2 GiB. */
  readonly unusedMemory?: number;
  /** Where RDRAND and RDSEED start. */
  readonly seed?: bigint;
  /** Bytes that the guest sends on COM1, and on port 0xE9. */
  readonly serial?: (byte: number) => void;
  readonly console?: (byte: number) => void;
  /** Files that the guest finds through fw_cfg, by name. */
  readonly firmwareFiles?: readonly FwCfgFile[];
}

/** What the board itself keeps in a snapshot. */
type Saved = Readonly<{
  steps: Counters;
  extraTime: number;
  turns: SavedTurns;
  random: bigint;
  cursor: number;
}>;

export class Machine implements Surrounding {
  readonly memory: CoreMemory;
  readonly physical: PhysicalMemory;
  readonly events: Events = new Events(
    (count) => {
      for (const { state } of this.cpus) collectCounts(state, count);
    },
    () => this.observe(),
  );
  readonly log = new InputLog();
  readonly model: CpuModel;
  readonly devices: Devices;
  readonly cpus: readonly VirtualCpu[] = [];
  readonly breakpoints: Breakpoints;
  readonly watches: Watches;
  /** Writes to the entries that translate an address. */
  readonly entries: EntryWatch;
  /** Software's accesses to the regions of active VMCSs. */
  readonly regions: RegionWatch;
  /** Asked after an instruction that touched what is watched: false goes on. */
  confirmWatch: ((stop: WatchStop) => boolean) | undefined;
  readonly memoryBytes: number;
  /** Native code of the board: the BIOS, where a program's start has one. */
  natives = new Natives();
  private readonly faults: FaultStops;
  /** Who takes turns, and whose it is. */
  readonly turns: Turns;

  /** What comes between instructions. */
  readonly boundaries: Boundaries;

  /** Steps, and those that retired nothing (of which REP iterations and charges are known). */
  private readonly steps = { step: 0, unretired: 0, repeats: 0 };
  /** Virtual time beyond one tick a step. */
  private extraTime = 0;
  private nextEvent = 0;
  private random: bigint;
  private readonly progress = new Progress();
  private stopRequest: Stop | undefined;
  private prepared: Prepared | undefined;
  private readonly snapshots: Snapshots<Saved>;
  /** Asked after a step in which only `requestStop` was called: false goes on. */
  confirmStop: (() => boolean) | undefined;

  constructor(private readonly options: MachineOptions) {
    this.memory = new CoreMemory(options.unusedMemory);
    this.physical = new PhysicalMemory(this.memory);
    const handlers = new Handlers(coreFor(options.core, 0));
    this.memoryBytes = options.memoryBytes ?? 64 * 1024 * 1024;
    const count = options.cpus ?? 1;
    this.turns = new Turns(count);
    this.boundaries = this.makeBoundaries();
    this.model =
      typeof options.cpu === 'object' ? options.cpu : makeModel(options.cpu ?? 'haswell', { cpus: count, index: 0 });
    this.random = options.seed ?? 1n;
    this.devices = this.makeDevices(count);
    this.physical.devices = deviceSpaceOf(this);
    const cpus: VirtualCpu[] = [];
    for (let index = 0; index < count; index++) {
      const module = coreFor(options.core, index);
      const core = { module, handlers, counters: this.steps, code: cpus[0]?.engine.code };
      const vcpu = new VirtualCpu(
        index,
        this.physical,
        this.model,
        surroundingsOf(this, index),
        core,
        options.tlb ?? 'keep',
      );
      vcpu.engine.fetch.native = (physical) => this.nativeAction(vcpu, physical);
      cpus.push(vcpu);
    }
    this.cpus = cpus;
    this.breakpoints = new Breakpoints(cpus, this.memory, handlers.leaver('breakpoint'), (stop) => this.stop(stop));
    this.faults = new FaultStops(
      cpus,
      () => this.steps.step,
      (stop) => this.stop(stop),
    );
    this.watches = new Watches(
      cpus,
      this.physical,
      () => this.leave(),
      () => this.current,
    );
    this.entries = new EntryWatch(
      cpus,
      this.physical,
      this.watches,
      () => this.positionOf(this.current),
      () => this.leave(),
      (position, write) =>
        this.events.emit(
          'pte',
          () => position,
          () => ({ ...write }),
        ),
    );
    this.regions = new RegionWatch(
      cpus,
      this.watches,
      () => this.leave(),
      (access) =>
        this.events.emit(
          'vmcs-memory',
          () => this.positionOf(this.current),
          () => access,
        ),
    );
    this.snapshots = new Snapshots(
      this.physical,
      () => {
        for (const vcpu of this.cpus) vcpu.engine.translationsDropped();
      },
      (page) => {
        for (const vcpu of this.cpus) vcpu.engine.tables.frameGiven(page);
      },
    );
    const first = cpus[0] as VirtualCpu;
    this.physical.codeWritten = (address, size) => first.engine.code.written(address, size);
  }

  // Position and time

  /** Index of the vCPU whose turn it is. */
  get current(): number {
    return this.turns.current;
  }
  get counters(): { readonly step: number; readonly retired: number; readonly vtime: number } {
    const step = this.step;
    return { step, retired: step - this.steps.unretired, vtime: step + this.extraTime };
  }
  /** Exact also while an instruction is being executed. */
  private get step(): number {
    return this.cpus[this.current]?.engine.position ?? this.steps.step;
  }
  /** Virtual time: ticks of the time-stamp counter. */
  now(): number {
    return this.step + this.extraTime;
  }

  // Start

  /** Places a program and brings the machine to the first instruction of its boot contract. */
  load(prepared: Prepared): void {
    this.prepared = prepared;
    this.natives = new Natives(prepared.bios ? biosRoutines(prepared.bios) : []);
    this.reset();
  }

  /** As after power-on, with the program placed again; counters go on. */
  reset(): void {
    const { prepared } = this;
    this.devices.reset();
    placeMemory(this.physical, this.memoryBytes, prepared, this.firmware());
    for (const vcpu of this.cpus) {
      resetCpu(vcpu, this.options.featureControl ?? 0);
      vcpu.engine.judged = false;
      if (vcpu.index > 0) vcpu.state.setU32(layout.activity, activity.waitForSipi);
    }
    this.cpus[0]?.engine.code.dropAll();
    this.watches.arm();
    if (prepared) setBootState(this.cpus[0] as VirtualCpu, this.devices, prepared);
    this.turns.reset();
    this.nextEvent = this.now();
  }

  /** A firmware of the user's brings its own tables. */
  private firmware(): ReturnType<typeof firmwareRoms> {
    if (this.prepared?.devices === null) return [];
    const { eax: signature, edx: features } = this.model.cpuid(1, 0);
    return firmwareRoms(this.natives, { cpus: this.cpus.length, signature, features });
  }

  // Running

  /** Runs at most `limit` steps, or until `enough` says so, which is asked every few milliseconds. */
  run(limit: number, enough?: () => boolean): Stop {
    return this.go(this.steps.step + limit, enough);
  }
  /** Runs to an exact step; earlier stops are reported. */
  runTo(step: number): Stop {
    return this.go(step);
  }
  /** Exactly one step, if the machine is not at its end. */
  singleStep(): Stop {
    return this.go(this.steps.step + 1);
  }

  /** To be called by an event's listener: the run stops after the present step. */
  requestStop(what: string): void {
    this.stop({ reason: 'requested', what });
  }
  private stop(stop: Stop): void {
    // What ends the machine is not to be lost behind what only interrupts it, nor anything behind what may be withdrawn.
    if (!this.stopRequest || this.stopRequest.reason === 'requested' || endings.has(stop.reason))
      this.stopRequest = stop;
    this.leave();
  }
  private leave(): void {
    for (const vcpu of this.cpus) vcpu.state.setU32(layout.leave, 1);
  }

  private wantedStop(): Stop | undefined {
    if (this.stopRequest?.reason === 'requested' && this.confirmStop?.() === false) this.stopRequest = undefined;
    return this.stopRequest;
  }

  private go(end: number, enough?: () => boolean): Stop {
    this.stopRequest = undefined;
    this.breakpoints.prepare();
    this.watches.begin();
    this.entries.begin();
    this.regions.begin();
    while (this.steps.step < end) {
      if (this.steps.step >= this.log.nextStep)
        for (const input of this.log.due(this.steps.step)) applyInput(this, input);
      const now = this.steps.step + this.extraTime;
      if (now >= this.nextEvent) {
        this.devices.advance(now);
        this.nextEvent = this.devices.nextEvent();
      }
      const vcpu = this.cpus[this.current] as VirtualCpu;
      if (!this.boundaries.attend(vcpu)) {
        if (!vcpu.active) {
          const halted = this.boundaries.passTurn();
          if (halted) return halted;
        } else this.execute(vcpu, Math.min(end, this.log.nextStep) - this.steps.step, now);
      }
      const { shutdown } = vcpu.processor;
      if (shutdown) {
        vcpu.processor.shutdown = undefined;
        return { reason: 'triple-fault', vcpu: vcpu.index, ...shutdown };
      }
      if (this.watches.mustStep) this.watches.compare(vcpu.index);
      this.entries.settle();
      this.regions.settle();
      const watched = this.watches.take();
      // Counted also where something else stops the run.
      const confirmed = watched && (this.confirmWatch?.(watched) ?? true);
      const stop = this.wantedStop();
      if (stop !== undefined) return stop;
      if (confirmed) return watched;
      if (this.progress.isMissing(this.steps)) return { reason: 'no-progress', vcpu: vcpu.index };
      if (enough?.()) break;
    }
    return { reason: 'limit' };
  }

  private execute(vcpu: VirtualCpu, atMost: number, now: number): void {
    const { engine, vmx } = vcpu;
    const before = this.steps.step;
    const counted = vmx !== undefined && countsInstructions(vmx);
    if (vcpu.debug.mustStep() || this.watches.mustStep || counted) {
      if (!this.breakpoints.meets(vcpu)) {
        vcpu.debug.stepOnce();
        if (counted) instructionDone(vmx);
      }
    } else {
      const due = Math.max(1, Math.min(this.nextEvent, vmx?.timerDeadline ?? this.nextEvent) - now);
      engine.run(Math.min(atMost, this.cpus.length > 1 ? this.turns.left : atMost, due));
    }
    if (this.cpus.length > 1) this.turns.spend(this.steps.step - before);
  }

  /** One step of native code, to be done: its work, RIP, and the time beyond a step's tick that it takes. */
  private nativeAction(vcpu: VirtualCpu, physical: number): (() => void) | undefined {
    const action = this.natives.at(physical);
    if (!action) return undefined;
    return () => {
      const next = action.run(vcpu) ?? physical + 1;
      vcpu.state.rip += BigInt(next - physical);
      this.extraTime += action.ticks - 1;
    };
  }

  /** Asked before a fault is delivered; true stops before the delivery. */
  set stopOnFault(ask: AskFault | undefined) {
    this.faults.ask(ask);
  }

  /** What the display shows in text mode, row by row. */
  screen(): string[] {
    return this.devices.vga.screen();
  }

  // Outside input

  /** Applies something from outside at the present step, and logs it. @throws Fault what an MSR does not take */
  input(input: Input): void {
    applyInput(this, input);
    this.log.add(this.steps.step, input);
  }

  // The past

  snapshot(): Snapshot<Saved> {
    return this.snapshots.take(this.cpus, this.devices.all, this.saved());
  }
  restore(snapshot: Snapshot<Saved>): void {
    const saved = this.snapshots.restore(snapshot, this.cpus, this.devices.all);
    this.faults.forget();
    Object.assign(this.steps, saved.steps);
    this.extraTime = saved.extraTime;
    this.turns.restore(saved.turns);
    this.random = saved.random;
    this.log.cursor = saved.cursor;
    this.progress.restart(this.steps);
    this.nextEvent = 0;
    for (const vcpu of this.cpus) {
      vcpu.engine.judged = false;
      vcpu.engine.settle();
    }
  }
  private saved(): Saved {
    const { extraTime, random } = this;
    return { steps: { ...this.steps }, extraTime, turns: this.turns.save(), random, cursor: this.log.cursor };
  }
  /** The whole machine in 128 bits: equal states have equal hashes, however they were reached. */
  stateHash(): string {
    return this.snapshots.hash(this.cpus, this.devices.all, { ...this.saved(), cursor: 0 });
  }

  // Surroundings

  private makeBoundaries(): Boundaries {
    const machine = this;
    return new Boundaries({
      get cpus() {
        return machine.cpus;
      },
      get devices() {
        return machine.devices;
      },
      turns: this.turns,
      featureControl: this.options.featureControl ?? 0,
      now: () => this.steps.step + this.extraTime,
      delivered: () => {
        this.steps.step++;
        this.steps.unretired++;
      },
      wait: (ticks) => {
        this.extraTime += ticks;
      },
    });
  }

  private makeDevices(count: number): Devices {
    const { options } = this;
    return createDevices(
      { now: () => this.now(), frequency: this.model.frequency },
      {
        cpus: count,
        memoryBytes: this.memoryBytes,
        startTime: options.startTime ?? 0,
        files: options.firmwareFiles ?? [],
        serial: options.serial ?? (() => {}),
        console: options.console ?? options.serial ?? (() => {}),
        exit: (value) => this.stop({ reason: 'guest-exit', value }),
        powerOff: () => this.stop({ reason: 'power-off' }),
        reset: (by) => {
          this.emit(this.current, 'reset', () => ({ by }));
          this.stop({ reason: 'reset', by });
        },
        // In VMX operation the line is not looked at.
        a20: (open) => {
          if (!this.cpus?.some(({ vmx }) => vmx?.on)) this.physical.setA20(open);
        },
        processors: {
          interrupt: (index) => this.cpus?.[index]?.state.setU32(layout.leave, 1),
          nmi: (index) => this.signal(index, layout.pendingNmi),
          init: (index) => this.signal(index, layout.pendingInit),
          startup: (index, vector) => this.boundaries.startUp(index, vector),
        },
      },
    );
  }

  private signal(index: number, field: number): void {
    this.cpus[index]?.state.setU32(field, 1);
    this.cpus[this.current]?.state.setU32(layout.leave, 1);
  }

  emit(vcpu: number, kind: EventKind, make: () => Record<string, unknown>, detail?: number): void {
    this.events.emit(kind, () => this.positionOf(vcpu), make, detail);
  }

  /** Where a vCPU is, also while an instruction is being executed. */
  positionOf(vcpu: number): { readonly step: number; readonly vcpu: number; readonly rip: bigint; at: bigint } {
    const engine = this.cpus[vcpu]?.engine;
    const rip = engine?.rip ?? 0n;
    return { step: this.step, vcpu, rip, at: engine?.fetch.linear(rip) ?? rip };
  }

  /** The core's own transfers tell nobody of the events that they are. */
  private observe(): void {
    const observed = transferEvents.some((kind) => this.events.wanted(kind)) ? 1 : 0;
    const stale = this.events.wanted('stale');
    for (const { state, processor, engine } of this.cpus) {
      state.setU32(layout.observed, observed);
      processor.paging.tellFills = this.events.wanted('tlb-fill');
      if (stale === processor.paging.checkStale) continue;
      // Every use of a translation is compared with a fresh walk: none may go past the TLB.
      processor.paging.checkStale = stale;
      engine.translationsDropped();
    }
  }

  /** Something was written to a device: what it will do next may have changed. */
  touched(): void {
    this.cpus[this.current]?.state.setU32(layout.leave, 1);
    this.nextEvent = 0;
  }

  nextRandom(): bigint {
    this.random = nextSeed(this.random);
    return randomOf(this.random);
  }
}
