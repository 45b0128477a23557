/** What `why` answers, and the refusals that both sides of VT-x know. */

import { type Instruction, Mnemonic } from 'iced-x86';
import type { Fault } from '../../machine/core/fault';
import type { Vmx } from '../../machine/vmx/vmx';
import { exception } from '../../x86/exceptions';
import { explain, vectorName } from '../explain';
import { reasonItems } from '../inspect/faults';
import type { Item } from '../item';
import { receiver } from './exceptions';

/** One line, and the evidence. */
export interface Answer {
  readonly text: string;
  readonly items: Item[];
  /** Nothing is known. */
  readonly unknown?: true;
}

export const answer = (text: string, items: Item[] = []): Answer => ({ text, items });

export const mnemonic = (instruction: Instruction): string => (Mnemonic[instruction.mnemonic] as string).toUpperCase();

export const missing = (vmx: Vmx | undefined, instruction: Instruction): Answer => {
  const who = vmx?.nonRoot === true ? `; ${receiver(vmx, exception.UD, undefined)}` : '';
  return answer(`#UD: this processor does not have ${mnemonic(instruction)}${who}`);
};

/** A refusal, and in a guest who gets the exception. */
export const refused = (vmx: Vmx | undefined, fault: Fault): Answer => {
  const who = vmx?.nonRoot === true ? `; ${receiver(vmx, fault.vector, fault.errorCode)}` : '';
  const text = `${vectorName(fault.vector)}: ${explain(fault.why)}${who}`;
  return answer(text, reasonItems(fault.why));
};
