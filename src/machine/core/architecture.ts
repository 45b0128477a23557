/** What the core asks of the privileged architecture, which machine/cpu is. */

import type { Instruction } from 'iced-x86';
import type { Translation } from './data-access';
import type { Fault } from './fault';

export interface Architecture extends Translation {
  /**
   * Executes an instruction that has no handler. `state.rip` is its own; afterwards the next. False where a VM exit came
   * instead. @throws Fault
   */
  execute(instruction: Instruction): boolean;
  /** May the core deliver the exception by itself, because nobody intercepts it? An error code of -1: none. */
  mayDeliver(vector: number, errorCode: number): boolean;
  /** Delivers an exception; `state.rip` is the faulting instruction's. */
  deliver(fault: Fault): void;
  /** Makes the refusal of an instruction's own check, or of a segment limit, from what the core noted. */
  refusal(vector: number, errorCode: number | undefined, reason: string): Fault;
  misaligned(low: number, high: number): Fault;
  /** Does this processor have the instruction? */
  supports(instruction: Instruction): boolean;
}

/** Vectors from here on are no exceptions but VM exits. */
export const NO_EXCEPTION = 256;
