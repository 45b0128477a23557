/** The call stack as the protocol's frames: names, sources, how they are to be shown. */

import type { DebugProtocol } from '@vscode/debugprotocol';
import { placeText } from '../debugger/address';
import type { Frame } from '../debugger/stack';
import { hex } from '../x86/address';
import type { Context } from './context';
import { frameId, frameOf, frames, vcpuOfThread } from './frames';
import { positionOf } from './positions';

export const stackTrace = (
  context: Context,
  { threadId, startFrame = 0, levels, format }: DebugProtocol.StackTraceArguments,
): DebugProtocol.StackTraceResponse['body'] => {
  const vcpu = vcpuOfThread(context, threadId);
  const all = frames(context, vcpu);
  const wanted = all.slice(startFrame, levels ? startFrame + levels : undefined);
  const elsewhere = vcpu === frameOf(context, undefined).vcpu ? {} : { vcpu };
  return {
    totalFrames: all.length,
    stackFrames: wanted.map((one, n): DebugProtocol.StackFrame => {
      const position = positionOf(context, one.address);
      return {
        id: frameId(vcpu, startFrame + n),
        name: nameOf(context, one, format),
        line: position?.line ?? 0,
        column: position?.column ?? 0,
        instructionPointerReference: placeText({ space: 'linear', address: one.address, ...elsewhere }),
        ...(position === undefined ? {} : { source: position.source }),
        presentationHint: position === undefined ? 'subtle' : 'normal',
      };
    }),
  };
};

/** `kernel.elf!print (64-bit, ring 0) line 12`, with the parts that were asked for. */
const nameOf = (context: Context, one: Frame, format: DebugProtocol.StackFrameFormat | undefined): string => {
  const { info } = context.session;
  const at = format?.line === true ? info.lines.at(one.address) : null;
  const name = `${one.name ?? hex(one.address)} (${one.mode}, ring ${one.ring})`;
  return at === null ? name : `${name} line ${context.lineToClient(at.line)}`;
};
