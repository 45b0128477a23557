/** What `why` answers, and the refusals that both sides of VT-x know. */

import { type Instruction, Mnemonic } from 'iced-x86';
import { Fault } from '../../machine/core/fault';
import { planOf } from '../../machine/core/plan';
import type { Cpu } from '../../machine/cpu/cpu';
import { isSlow, supportsInstruction } from '../../machine/cpu/slow-instructions';
import type { Vmx } from '../../machine/vmx/vmx';
import { exception } from '../../x86/exceptions';
import { explain, explainFault, type FaultInWords, vectorName } from '../explain';
import { reasonItems } from '../inspect/faults';
import type { Item } from '../item';
import { bitness } from '../vcpu-view';
import { receiver } from './exceptions';
import { gateText } from './gates';

/** One line, and the evidence. */
export interface Answer {
  readonly text: string;
  readonly items: Item[];
  /** Nothing is known. */
  readonly unknown?: true;
  /** Basic reason of the exit that it tells of, vector of the exception. */
  readonly exit?: number;
  readonly vector?: number;
}

export const answer = (text: string, items: Item[] = []): Answer => ({ text, items });

/** The same behind other words. */
export const behind = (words: string, said: Answer): Answer => ({ ...said, text: `${words}${said.text}` });

export const mnemonic = (instruction: Instruction): string => (Mnemonic[instruction.mnemonic] as string).toUpperCase();

/** In a guest: the control that would have to be 1, and who gets the exception. */
const inGuest = (
  vmx: Vmx | undefined,
  { vector, errorCode, why }: Pick<Fault, 'vector' | 'errorCode' | 'why'>,
): string => {
  if (vmx?.nonRoot !== true) return '';
  const gate = why.instruction === undefined ? undefined : gateText(vmx, why.instruction);
  return `${gate === undefined ? '' : `; ${gate}`}; ${receiver(vmx, vector, errorCode)}`;
};

/** A refusal, and in a guest who gets the exception. */
export const refused = (vmx: Vmx | undefined, fault: Fault): Answer => ({
  text: `${vectorName(fault.vector)}: ${explain(fault.why)}${inGuest(vmx, fault)}`,
  items: reasonItems(fault.why),
  vector: fault.vector,
});

/** The same of an exception that was delivered. */
export const trapped = (vmx: Vmx | undefined, trap: FaultInWords): Answer =>
  answer(`${explainFault(trap)}${inGuest(vmx, { ...trap, errorCode: trap.errorCode })}`, reasonItems(trap.why));

/** An instruction that the processor or this machine does not have, or that is none. */
export const undefinedOpcode = (cpu: Cpu, instruction: Instruction): Fault | undefined => {
  if (undefinedByName.has(instruction.mnemonic)) return new Fault(exception.UD, { rule: 'opcode.undefined' });
  const name = mnemonic(instruction).toLowerCase();
  if (!supportsInstruction(cpu, instruction))
    return new Fault(exception.UD, { rule: 'opcode.feature', instruction: name });
  if (isSlow(instruction) || planOf(instruction, bitness(cpu.state)) !== null) return undefined;
  return new Fault(exception.UD, { rule: 'opcode.not-implemented', instruction: name });
};

const undefinedByName: ReadonlySet<Mnemonic> = new Set([Mnemonic.INVALID, Mnemonic.Ud0, Mnemonic.Ud1, Mnemonic.Ud2]);
