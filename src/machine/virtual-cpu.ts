/** One vCPU of the machine: its state, privileged architecture, run loop, and what waits for it. */

import type { CodeCache } from './core/code-cache';
import { type Counters, Engine } from './core/engine';
import { Fault } from './core/fault';
import type { Handlers } from './core/handlers';
import { state as layout } from './core/layout';
import type { PhysicalMemory } from './core/physical';
import { CpuState } from './core/state';
import { Cpu, type Surroundings } from './cpu/cpu';
import { deliverInjected } from './cpu/interrupt-delivery';
import type { CpuModel } from './cpu/model';
import { Processor } from './cpu/processor';
import { DebugTraps } from './debug-traps';
import { Vmx } from './vmx/vmx';

/** Activity states, with the values of the VMCS field. */
export const activity = { active: 0, halted: 1, shutdown: 2, waitForSipi: 3 } as const;

export interface Core {
  readonly module: WebAssembly.Module;
  readonly handlers: Handlers;
  readonly counters: Counters;
  readonly code: CodeCache | undefined;
}

export class VirtualCpu {
  readonly state: CpuState;
  readonly cpu: Cpu;
  readonly processor: Processor;
  readonly engine: Engine;
  readonly debug: DebugTraps;
  readonly vmx: Vmx | undefined;
  /** Other paging structures may be in force. */
  onSpaceChange: (() => void) | undefined;

  constructor(
    readonly index: number,
    physical: PhysicalMemory,
    model: CpuModel,
    surroundings: Surroundings,
    core: Core,
    tlb: 'keep' | 'none',
  ) {
    this.state = new CpuState(physical.memory, index);
    this.cpu = new Cpu(
      this.state,
      physical,
      model,
      surroundings,
      () => this.engine.modeChanged(),
      (linear, code) => {
        this.engine.translationsDropped(linear, code);
        if (linear === undefined) this.onSpaceChange?.();
      },
    );
    this.cpu.spaceSwitched = (guest, source) => {
      this.engine.tables.enter(guest ? 1 : 0, source);
      this.onSpaceChange?.();
    };
    this.processor = new Processor(this.cpu, { tlb });
    this.engine = new Engine(
      this.state,
      physical,
      this.processor,
      core.counters,
      core.module,
      core.handlers,
      core.code,
    );
    this.debug = new DebugTraps(this.state, this.processor, this.engine);
    this.vmx = model.vmx === undefined ? undefined : this.makeVmx(core.counters);
    this.cpu.vmx = this.vmx;
    this.cpu.watcher = this.engine.data;
    this.processor.debugChanged = () => this.debug.changed();
    physical.onA20(() => this.engine.translationsDropped());
  }

  private makeVmx(counters: Counters): Vmx {
    const { cpu, state, engine } = this;
    return new Vmx(cpu, {
      transfers: engine.vmcs,
      step: () => counters.step,
      now: () => cpu.surroundings.now(),
      switched: () => {
        engine.settle();
        this.debug.loaded();
      },
      inject: (event) => {
        try {
          deliverInjected(cpu, event);
        } catch (fault) {
          if (!(fault instanceof Fault)) throw fault;
          cpu.vmx?.deliver(fault, event);
        }
      },
      shutDown: (abort) => {
        state.setU32(layout.activity, activity.shutdown);
        this.processor.shutdown = { chain: [], abort };
      },
    });
  }

  /** The state was replaced, by a snapshot's: everything derived from it is made anew. */
  resume(): void {
    this.vmx?.resume();
    this.engine.translationsDropped();
    this.debug.changed();
    this.engine.settle();
  }

  get active(): boolean {
    return this.state.getU32(layout.activity) === activity.active;
  }
}
