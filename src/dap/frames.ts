/** Numbers of threads and frames: vCPU n is thread n + 1, its frame m the number 1000 * (n + 1) + m. */

import { type Frame, framesOf } from '../debugger/stack';
import { BadInput } from '../program/program';
import type { Context } from './context';

const FRAMES = 1000;

export const threadId = (vcpu: number): number => vcpu + 1;
export const frameId = (vcpu: number, index: number): number => FRAMES * (vcpu + 1) + index;

/** Labels between frames have numbers of their own, which are no frames'. */
const LABELS = 1_000_000;
export const labelId = (vcpu: number, index: number): number => LABELS + frameId(vcpu, index);
export const isLabelId = (id: number): boolean => id >= LABELS;

/** @throws BadInput */
export const vcpuOfThread = (context: Context, thread: number | undefined): number => {
  if (thread === undefined) return currentVcpu(context);
  return vcpuAt(context, thread - 1, `there is no thread ${thread}`);
};

export interface FramePlace {
  readonly vcpu: number;
  readonly index: number;
}

/** Where a frame's number points; without one, the stopped vCPU's innermost frame. */
export const frameOf = (context: Context, id: number | undefined): FramePlace => {
  if (id === undefined) return { vcpu: currentVcpu(context), index: 0 };
  const vcpu = vcpuAt(context, Math.floor(id / FRAMES) - 1, `there is no frame ${id}`);
  return { vcpu, index: id % FRAMES };
};

const vcpuAt = ({ session }: Context, index: number, problem: string): number => {
  if (session.machine.cpus[index] === undefined) throw new BadInput(problem);
  return index;
};

const currentVcpu = (context: Context): number => context.pause?.vcpu ?? context.session.machine.current;

const frames = (context: Context, vcpu: number): Frame[] => framesOf(context.session.vcpu(vcpu), context.session.info);

/** @throws BadInput when the frame is gone */
export const frame = (context: Context, { vcpu, index }: FramePlace): Frame => {
  const found = frames(context, vcpu)[index];
  if (found === undefined) throw new BadInput('this frame is no longer on the stack');
  return found;
};
