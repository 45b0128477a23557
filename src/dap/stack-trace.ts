/** The call stack as the protocol's frames: names, sources, how they are to be shown. */

import type { DebugProtocol } from '@vscode/debugprotocol';
import { placeText } from '../debugger/address';
import type { CodeView } from '../debugger/code-view';
import { whyNoRestart } from '../debugger/restart-frame';
import { sideText } from '../debugger/sides';
import { type Frame, framesOf } from '../debugger/stack';
import { hex } from '../x86/address';
import type { Context } from './context';
import { frameId, frameOf, labelId, vcpuOfThread } from './frames';
import { moduleIdOf, moduleName } from './modules';
import { positionOf } from './positions';

export const stackTrace = (
  context: Context,
  { threadId, startFrame = 0, levels, format }: DebugProtocol.StackTraceArguments,
): DebugProtocol.StackTraceResponse['body'] => {
  const vcpu = vcpuOfThread(context, threadId);
  const { info } = context.session;
  // One frame more than was asked for: the outermost one is found when nothing calls it. The protocol takes 0 for "all".
  const most = levels ? startFrame + levels + 1 : undefined;
  const found = framesOf(context.session.vcpu(vcpu), info, most);
  const rows = rowsOf(found, format?.includeAll === true);
  const wanted = rows.slice(startFrame, levels ? startFrame + levels : undefined);
  const elsewhere = vcpu === frameOf(context, undefined).vcpu ? {} : { vcpu };
  let made: CodeView | undefined;
  const view = (): CodeView => {
    made ??= context.session.codeView(vcpu);
    return made;
  };
  /** Of a guest whose hypervisor runs the addresses are not those that are in force. */
  const spaceOf = ({ side }: Frame) => (found[0]?.side?.name === 'root' && side?.name === 'guest' ? 'guest' : 'linear');
  const stackFrame = (one: Frame, index: number): DebugProtocol.StackFrame => {
    const hasSource = info.lines.at(one.site) !== null;
    const position = positionOf(context, hasSource ? one.site : one.address, view);
    const moduleId = moduleIdOf(context, one.site);
    return {
      id: frameId(vcpu, index),
      name: nameOf(context, one, format),
      line: position?.line ?? 0,
      column: position?.column ?? 0,
      instructionPointerReference: placeText({ space: spaceOf(one), address: one.address, ...elsewhere }),
      ...(position === undefined ? {} : { source: position.source }),
      canRestart: whyNoRestart(found, index, info) === undefined,
      ...(moduleId === undefined ? {} : { moduleId }),
      presentationHint: hasSource ? 'normal' : 'subtle',
    };
  };
  return {
    // Where more frames may come, the client asks on until none do.
    ...(found.length === most ? {} : { totalFrames: rows.length }),
    stackFrames: wanted.map(({ frame, index, isLabel }) =>
      isLabel ? label(frame, labelId(vcpu, index)) : stackFrame(frame, index),
    ),
  };
};

interface Row {
  readonly frame: Frame;
  readonly index: number;
  readonly isLabel: boolean;
}

/** The frames, with a label where the ring changes; with `all`, wherever something else than a call led inwards. */
const rowsOf = (frames: readonly Frame[], all: boolean): Row[] =>
  frames.flatMap((frame, index) => {
    const inner = frames[index - 1];
    const isEntry = inner !== undefined && frame.entered !== 'call' && frame.entered !== 'current';
    const row: Row = { frame, index, isLabel: false };
    return isEntry && (all || inner.ring !== frame.ring || inner.side?.name !== frame.side?.name)
      ? [{ ...row, isLabel: true }, row]
      : [row];
  });

const label = ({ entered, ring, side }: Frame, id: number): DebugProtocol.StackFrame => ({
  id,
  name: `[${entered} from ${side?.name === 'guest' && entered === 'VM exit' ? 'the guest, ' : ''}ring ${ring}]`,
  line: 0,
  column: 0,
  canRestart: false,
  presentationHint: 'label',
});

/** `kernel.elf!print (64-bit, ring 0) line 12`, with the parts that were asked for. */
const nameOf = (
  context: Context,
  { address, site, name, mode, ring, side }: Frame,
  format: DebugProtocol.StackFrameFormat | undefined,
): string => {
  const module = format?.module === true ? moduleName(context, site) : undefined;
  const at = format?.line === true ? context.session.info.lines.at(site) : null;
  return [
    module === undefined ? '' : `${module}!`,
    `${name ?? hex(address)} (${side === undefined ? '' : `${sideText(side)}, `}${mode}, ring ${ring})`,
    at === null ? '' : ` line ${context.lineToClient(at.line)}`,
  ].join('');
};
