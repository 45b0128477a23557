/**
 * Native code: routines in read-only pages of the board whose bytes are partly instructions and partly actions, done in
 * TypeScript at the privilege and in the state that the processor has reached by its own rules. Each action is one step
 * at its own address. What it knows between actions lies in simulated memory.
 */

import type { VirtualCpu } from './virtual-cpu';

/** One step of native code. */
export interface Action {
  /** Virtual time that it takes: ticks of the time-stamp counter, at least 1. */
  readonly ticks: number;
  /**
   * Validates, then writes.
   * @returns the physical address at which to go on; undefined: at the byte behind the action
   * @throws Fault with nothing changed
   */
  run(vcpu: VirtualCpu): number | undefined;
}

/** At most 16 bytes at a multiple of 16. */
export interface Routine {
  /** As a call stack shows it: `int 10h video.teletype`. */
  readonly name: string;
  readonly address: number;
  /** By offset: the byte of an instruction, or an action. */
  readonly code: readonly (number | Action)[];
}

export const ROUTINE_SIZE = 16;
const PAGE = 4096;
/** What the bytes hold where there is no instruction: harmless to whoever gets there. */
const IRET = 0xcf;

export class Natives {
  private readonly actions = new Map<number, Action>();
  private readonly names = new Map<number, string>();
  private readonly contents = new Map<number, Uint8Array>();
  private readonly first: number;
  private readonly end: number;

  constructor(routines: readonly Routine[] = []) {
    for (const routine of routines) this.add(routine);
    this.first = Math.min(...this.names.keys());
    this.end = Math.max(...this.names.keys()) + ROUTINE_SIZE;
  }

  private add({ name, address, code }: Routine): void {
    if (address % ROUTINE_SIZE !== 0 || code.length > ROUTINE_SIZE || this.names.has(address))
      throw new RangeError(`native routine ${name} at 0x${address.toString(16)}: no slot of 16 bytes of its own`);
    this.names.set(address, name);
    const base = address - (address % PAGE);
    const bytes = this.contents.get(base) ?? new Uint8Array(PAGE).fill(IRET);
    this.contents.set(base, bytes);
    for (const [offset, item] of code.entries()) {
      if (typeof item === 'number') bytes[address - base + offset] = item;
      else this.actions.set(address + offset, item);
    }
  }

  /** The action at a physical address. */
  at(physical: number): Action | undefined {
    return physical >= this.first && physical < this.end ? this.actions.get(physical) : undefined;
  }

  /** The routine whose code a physical address belongs to. */
  nameOf(physical: number): string | undefined {
    return this.names.get(physical - (physical % ROUTINE_SIZE));
  }

  /** The pages as the guest reads them, each with its address. */
  get pages(): readonly { readonly address: number; readonly bytes: Uint8Array }[] {
    return [...this.contents].map(([address, bytes]) => ({ address, bytes }));
  }
}
