/** An intercept as a row: which instructions, which exit, and what decides. */

import type { Instruction } from 'iced-x86';
import { type ExitReasonName, exitReasons } from '../../../x86/vmx/exit-reasons';
import type { Exit, ExitCause } from '../../cpu/virtualization';
import type { Vmx } from '../vmx';

/** Whether an instruction exits, and with what; undefined: it executes. @throws Fault that has priority */
export type Intercept = (vmx: Vmx, instruction: Instruction) => Exit | undefined;

/** An exit of an instruction; its length comes from the instruction. */
export const exitOf = (
  reason: ExitReasonName,
  cause: ExitCause,
  instruction: Instruction,
  more?: Omit<Exit, 'reason' | 'cause'>,
): Exit => {
  const exit = { reason: exitReasons[reason].number, cause, instructionLength: instruction.length };
  return more === undefined ? exit : { ...exit, ...more };
};
