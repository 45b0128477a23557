/** What a step can go into: the calls of the source line at which a vCPU stands, or its next instruction without one. */

import type { VirtualCpu } from '../machine/virtual-cpu';
import { hex, type LinearAddress, linear } from '../x86/address';
import { callTarget, isCall } from './call-targets';
import type { CodeView } from './code-view';
import { disassembleOne } from './disassemble';
import { withInstruction } from './instruction';
import type { ProgramInfo } from './program-info';
import type { Pause } from './run-control';
import type { Stepper } from './stepping';
import { currentAddress } from './vcpu-view';

export interface StepInTarget {
  /** The instruction that calls. */
  readonly at: LinearAddress;
  /** Where it goes, as far as that is known before it is reached. */
  readonly address: LinearAddress | undefined;
  /** The name of what is called, or the instruction. */
  readonly label: string;
}

/** A line of source with more instructions than this is no line that somebody steps through. */
const LONGEST_LINE = 256;

export const stepInTargets = (vcpu: VirtualCpu, view: CodeView): StepInTarget[] => {
  const { info } = view;
  const start = currentAddress(vcpu);
  const targets: StepInTarget[] = [];
  let at = start;
  for (let n = 0; n < LONGEST_LINE && isSameLine(info, start, at); n++) {
    const length = withInstruction(view, at, (instruction) => {
      if (instruction.isInvalid) return 0;
      if (isCall(instruction)) {
        const address = callTarget(vcpu, view, instruction);
        const name = address === undefined ? undefined : (info.nameOf(address) ?? hex(address));
        const { text } = disassembleOne(view, at);
        targets.push({ at, address, label: name === undefined ? text : `${name} (${text})` });
      }
      return instruction.length;
    });
    if (!length) break;
    at = linear(at + BigInt(length));
  }
  return targets;
};

const isSameLine = (info: ProgramInfo, start: LinearAddress, at: LinearAddress): boolean => {
  if (at === start) return true;
  const [one, other] = [info.lines.at(start), info.lines.at(at)];
  return one !== null && other !== null && one.line === other.line && one.file === other.file;
};

/** Over everything up to the call, then into it; where the line is left before, it stops there. */
export const stepIntoTarget = async (
  stepper: Stepper,
  vcpu: VirtualCpu,
  info: ProgramInfo,
  { at }: StepInTarget,
): Promise<Pause> => {
  const start = currentAddress(vcpu);
  while (currentAddress(vcpu) !== at) {
    const before = currentAddress(vcpu);
    const pause = await stepper.step(vcpu.index, 'over', 'instruction');
    const now = currentAddress(vcpu);
    if (pause.reason !== 'step' || now === before || !isSameLine(info, start, now)) return pause;
  }
  return stepper.step(vcpu.index, 'into', 'instruction');
};
