/**
 * A refusal is a value: what exception the processor raises and which rule decided it. TypeScript's slow paths throw
 * it (it is no Error and captures no stack); the core returns it by status. It never passes through WebAssembly.
 */

import type { RuleId } from '../../x86/rules';

/** Why something was refused or happened; the rule is a key of x86/rules, the rest is what it was decided on. */
export interface Reason {
  readonly rule: RuleId;
  readonly selector?: number;
  /** A table entry and where it lies (physical for page walks, linear for descriptors). */
  readonly entry?: bigint;
  readonly entryAddress?: bigint;
  /** Level of a page walk. */
  readonly level?: 'PML4E' | 'PDPTE' | 'PDE' | 'PTE';
  readonly linear?: bigint;
  readonly register?: string;
  /** Bit number in `register` or in the entry. */
  readonly bit?: number;
  readonly value?: bigint;
  readonly instruction?: string;
}

/** One link of a chain of faults: what was raised, where, and why. */
export interface FaultRecord {
  readonly vector: number;
  readonly errorCode?: number;
  readonly rip: bigint;
  readonly why: Reason;
}

export class Fault {
  constructor(
    readonly vector: number,
    readonly why: Reason,
    /** Undefined for vectors that push none. */
    readonly errorCode?: number,
    /** Linear address for CR2, page faults only. */
    readonly address?: bigint,
  ) {}
}
