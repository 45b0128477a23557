/**
 * One processor: its state, and what the rest of the privileged architecture needs in one hand. The slow paths of
 * this floor are written against it; they throw a `Fault` before they change anything.
 */

import type { MachineEvent } from '../core/event';
import type { AccessSize, PhysicalMemory } from '../core/physical';
import type { CpuState } from '../core/state';
import type { CpuModel } from './model';
import type { Paging } from './paging';
import type { Virtualization } from './virtualization';

/**
 * What an access may do: explicit ones have the program's rights, those to the stack of a more privileged ring the rights
 * of that ring ('inner', not 3), implicit ones (tables, TSS) the supervisor's, which SMAP never lets into user pages.
 */
export type Privilege = 'current' | 'inner' | 'supervisor' | 'user';

/** Linear memory with paging, access rights and faults; an access may cross pages. Made by linear-memory.ts. */
export interface LinearMemory {
  /** @throws Fault (#PF, #GP for a non-canonical address) */
  read(address: bigint, size: AccessSize, privilege?: Privilege): bigint;
  write(address: bigint, size: AccessSize, value: bigint, privilege?: Privilege): void;
  /** Makes sure that a write would succeed, so that several writes can be committed together. */
  probe(address: bigint, size: number, privilege?: Privilege): void;
  /**
   * The short way for delivery of events: offset in the core's memory of bytes that lie in one page of plain memory and
   * may be read or written, address in halves. -1 where it is not so simple: `read` and `write` then do it or say why.
   */
  window(low: number, high: number, size: number, write: boolean, privilege: Privilege): number;
}

/** The world around the processor. */
export interface Surroundings {
  /** Virtual time: ticks of the time-stamp counter. */
  now(): number;
  /** Counts the event, by `detail` where that is given, and makes and sends it while somebody subscribes. */
  emit(kind: MachineEvent['kind'], make: () => Record<string, unknown>, detail?: number): void;
  portRead(port: number, size: 1 | 2 | 4): number;
  portWrite(port: number, size: 1 | 2 | 4, value: number): void;
  /** Local APIC: task priority as CR8 (0-15), base MSR, x2APIC registers (undefined: no such register, #GP). */
  readonly apic: {
    taskPriority(): number;
    setTaskPriority(value: number): void;
    readMsr(register: number): bigint | undefined;
    writeMsr(register: number, value: bigint): boolean;
    baseChanged(value: bigint): void;
    deadline(): bigint;
    setDeadline(value: bigint): void;
  };
  /** The next value that RDRAND and RDSEED deliver, from the input log. */
  random(): bigint;
}

/** Who wants to know of the bytes that instructions touch: watchpoints, debug registers. */
export interface Watcher {
  readonly isWatching: boolean;
  touched(address: bigint, size: number, kind: 'read' | 'write'): void;
}

export class Cpu {
  linear!: LinearMemory;
  watcher: Watcher | undefined;
  paging!: Paging;
  /** VT-x, where the model has it. */
  vmx: Virtualization | undefined;
  /** To be called after an entry or an exit: into a guest's address space, or out of it; and what its translations come from. */
  spaceSwitched: (guest: boolean, source: readonly number[]) => void = () => {};

  constructor(
    readonly state: CpuState,
    readonly physical: PhysicalMemory,
    readonly model: CpuModel,
    readonly surroundings: Surroundings,
    /** To be called after CS, SS, CPL, CR0, CR4.PAE or EFER changed: decoding mode, fast tables and masks follow. */
    readonly modeChanged: () => void,
    /** To be called after a translation may have changed: all of them, or of one page, for data or for code. */
    readonly translationsDropped: (linear?: bigint, code?: boolean) => void,
  ) {}
}
