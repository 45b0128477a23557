/**
 * Back to the first instruction of a function that is on the stack: RIP, RSP and, where the chain of frame pointers
 * tells it, RBP are again what they were there. All else stays as it is: other registers, memory and devices.
 */

import { modeOf } from '../machine/cpu/mode';
import type { Machine } from '../machine/pc';
import { BadInput } from '../program/program';
import { hex, linear } from '../x86/address';
import { setRegister } from './name-sources';
import type { ProgramInfo } from './program-info';
import { type Frame, framesOf } from './stack';
import { bitness, codeAddress, stackPointer } from './vcpu-view';

/** Why this frame cannot be started again; undefined where it can. */
export const whyNoRestart = (frames: readonly Frame[], index: number, info: ProgramInfo): string | undefined => {
  const frame = frames[index];
  const caller = frames[index + 1];
  if (frame === undefined) return 'this frame is no longer on the stack';
  if (caller === undefined) return 'nobody called this code: nothing tells where its stack began';
  if (frames.slice(1, index + 2).some(({ entered }) => entered === 'VM exit'))
    return 'a VM exit lies between: VMRESUME leads back';
  const crossed = frames.slice(1, index + 2).some(({ entered }) => entered !== 'call');
  if (crossed || caller.ring !== frame.ring)
    return 'an interrupt lies between: what the processor saved for it would be lost';
  const start = startOf(frame, info);
  return start === undefined ? 'no symbol tells where this function begins' : undefined;
};

const startOf = ({ address }: Frame, info: ProgramInfo) => {
  const name = info.functionAt(address);
  return name === undefined ? undefined : info.symbols.named(name)?.address;
};

/** @returns what was done, in a sentence. @throws BadInput */
export const restartFrame = (machine: Machine, index: number, frame: number, info: ProgramInfo): string => {
  const vcpu = machine.cpus[index];
  if (vcpu === undefined) throw new BadInput(`there is no vCPU ${index}`);
  const { state } = vcpu;
  const frames = framesOf(vcpu, info);
  const why = whyNoRestart(frames, frame, info);
  const [own, caller] = [frames[frame], frames[frame + 1]];
  const start = own === undefined ? undefined : startOf(own, info);
  if (why !== undefined || caller?.rsp === undefined || start === undefined)
    throw new BadInput(why ?? 'this frame cannot be started again');
  // The call left its return address on top of the stack. Only the low part of RSP is the stack's where it is narrow.
  const word = BigInt(bitness(state) / 8);
  const top = BigInt.asUintN(64, state.rsp + (caller.rsp - word - stackPointer(state)));
  const offset = start - codeAddress(state, 0n);
  setRegister(machine, vcpu, 'rsp', top);
  if (caller.rbp !== undefined) setRegister(machine, vcpu, 'rbp', caller.rbp);
  setRegister(machine, vcpu, 'rip', BigInt.asUintN(modeOf(state) >= 3 ? 64 : 32, offset));
  const kept = caller.rbp === undefined ? 'rip and rsp' : 'rip, rsp and rbp';
  return `${info.nameOf(linear(start)) ?? hex(start)} starts again: ${kept} are set back; other registers, memory and devices stay as they are`;
};
