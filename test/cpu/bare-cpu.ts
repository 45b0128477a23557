/** A processor without a board: RAM, a model with chosen features, and a record of what it tells its surroundings. */

import type { MachineEvent } from '../../src/machine/core/event';
import { Fault } from '../../src/machine/core/fault';
import { FRAMES, frame } from '../../src/machine/core/layout';
import { CoreMemory } from '../../src/machine/core/memory';
import { PhysicalMemory } from '../../src/machine/core/physical';
import { CpuState } from '../../src/machine/core/state';
import { Cpu, type Surroundings } from '../../src/machine/cpu/cpu';
import { PagedMemory } from '../../src/machine/cpu/linear-memory';
import type { CpuModel } from '../../src/machine/cpu/model';
import { Paging, type PagingOptions } from '../../src/machine/cpu/paging';
import { CR0, CR4, EFER } from '../../src/x86/control-registers';

export const RAM = 16 * 1024 * 1024;

export const stubModel = (features: Iterable<string>, physicalBits = 39): CpuModel => {
  const set = new Set(features);
  return {
    name: 'stub',
    physicalBits,
    frequency: 1e9,
    has: (feature) => set.has(feature),
    cpuid: () => ({ eax: 0, ebx: 0, ecx: 0, edx: 0 }),
  };
};

/** Everything that paging and the system instructions ask for. */
export const ALL_FEATURES = (
  'vme de pse tsc msr pae mce cx8 apic sep mtrr pge mca cmov pat pse36 clfsh monitor tm2 pcid x2apic movbe popcnt tsc_deadline_timer ' +
  'rdrand fsgsbase tsc_adjust bmi1 smep bmi2 erms invpcid rdseed adx smap umip lahf_lm abm syscall nx pdpe1gb rdtscp lm constant_tsc'
).split(' ');

export interface Emitted {
  readonly kind: MachineEvent['kind'];
  readonly [field: string]: unknown;
}

export class BareCpu {
  readonly memory = new CoreMemory();
  readonly physical = new PhysicalMemory(this.memory);
  readonly events: Emitted[] = [];
  readonly apicMsrs = new Map<number, bigint>();
  /** Arguments of `translationsDropped`, undefined for all. */
  readonly dropped: (bigint | undefined)[] = [];
  modeChanges = 0;
  time = 1000;
  taskPriority = 0;
  deadline = 0n;
  apicBase = 0n;
  readonly cpu: Cpu;

  constructor(model: CpuModel = stubModel(ALL_FEATURES), options: PagingOptions = {}) {
    this.physical.map(0, RAM, 'ram');
    this.memory.u32.fill(frame.device, FRAMES / 4 + RAM / 4096, FRAMES / 4 + 2 ** 20);
    const surroundings: Surroundings = {
      now: () => this.time,
      emit: (kind, make) => void this.events.push({ kind, ...make() }),
      portRead: () => 0,
      portWrite: () => {},
      apic: {
        taskPriority: () => this.taskPriority,
        setTaskPriority: (value) => {
          this.taskPriority = value;
        },
        readMsr: (register) => this.apicMsrs.get(register),
        writeMsr: (register, value) => this.apicMsrs.has(register) && !!this.apicMsrs.set(register, value),
        baseChanged: (value) => {
          this.apicBase = value;
        },
        deadline: () => this.deadline,
        setDeadline: (value) => {
          this.deadline = value;
        },
      },
      random: () => 0x1234_5678_9abc_def0n,
    };
    this.cpu = new Cpu(
      new CpuState(this.memory, 0),
      this.physical,
      model,
      surroundings,
      () => void this.modeChanges++,
      (linear) => void this.dropped.push(linear),
    );
    this.cpu.paging = new Paging(this.cpu, options);
    this.cpu.linear = new PagedMemory(this.cpu, this.cpu.paging);
    this.cpu.state.cr0 = BigInt(CR0.PE | CR0.ET);
  }

  get state(): CpuState {
    return this.cpu.state;
  }
  get paging(): Paging {
    return this.cpu.paging;
  }

  of(kind: MachineEvent['kind']): Emitted[] {
    return this.events.filter((event) => event.kind === kind);
  }

  /** Paging on without any check, tables at `cr3`. */
  pagingOn(mode: '32-bit' | 'pae' | '4-level', cr3: number, cr4 = 0, cr0: number = CR0.WP): void {
    const { state } = this;
    state.cr3 = BigInt(cr3);
    state.cr0 = BigInt((CR0.PG | CR0.PE | CR0.ET | cr0) >>> 0);
    state.cr4 = BigInt(cr4 | (mode === '32-bit' ? 0 : CR4.PAE));
    state.efer = BigInt(EFER.NXE | (mode === '4-level' ? EFER.LME | EFER.LMA : 0));
  }

  entry64(address: number, value: bigint): void {
    this.physical.write(address, 8, value);
  }
  entry32(address: number, value: number): void {
    this.physical.write(address, 4, BigInt(value >>> 0));
  }
}

/** The fault that an action throws; an error when it throws none. */
export const faultOf = (action: () => unknown): Fault => {
  try {
    action();
  } catch (thrown) {
    if (thrown instanceof Fault) return thrown;
    throw thrown;
  }
  throw new Error('no fault was raised');
};
