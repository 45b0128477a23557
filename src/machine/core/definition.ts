/** An instruction, written once: its operands, its sizes, and its semantics as a function that emits them. */

import type { Emitter, Size } from './emitter';

/**
 * Operands in the order of the manual: `r` general register, `m` memory, `x` either, `i` immediate. Implicit
 * operands are not listed.
 */
export type Form = string;

export interface Definition {
  /** The mnemonic as iced-x86 names it, in lower case; `.` and a variant may follow: `movzx.8`. */
  readonly name: string;
  readonly forms: readonly Form[];
  readonly sizes: readonly Size[];
  /** What the first operand is used for; the others are read. */
  readonly first: 'read' | 'write' | 'update' | 'none';
  /** Sizes of operands that differ from the operand size. */
  readonly operandSizes?: readonly (Size | undefined)[];
  /** `branch` ends a block by itself; `rep` is alone in its block; `last` ends its block, the next follows. */
  readonly flow?: 'branch' | 'rep' | 'last';
  /** Uses the stack: one handler for 64-bit mode and one for the others. */
  readonly stack?: boolean;
  /** Depends on the address size even without a memory operand. */
  readonly addressed?: boolean;
  /** Differs between 64-bit mode and the others. */
  readonly moded?: boolean;
  /** Only in 64-bit mode; elsewhere it is TypeScript's. */
  readonly longOnly?: boolean;
  readonly multiCommit?: boolean;
  /** What it does to CF PF AF ZF SF OF: sets all without reading any, or leaves and ignores them; else unknown. */
  readonly flags?: 'sets' | 'ignores';
  /** What the processor must have, as iced-x86's CpuidFeature calls it; absent: it is in every x86-64 processor. */
  readonly feature?: string;
  /** Operand sizes whose handlers go into the hot function, by form; others are cold. */
  readonly hot?: readonly Size[];
  readonly emit: (e: Emitter) => void;
}
