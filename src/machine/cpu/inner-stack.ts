/**
 * The stack of a more privileged ring, as the TSS names it: for call gates and for interrupt and trap gates.
 * Intel SDM vol. 3, "Stack Switching" and "Stack Switching in IA-32e Mode".
 */

import type { Descriptor } from '../../x86/descriptors';
import { exception } from '../../x86/exceptions';
import { state as layout } from '../core/layout';
import { type CpuState, SS, TR } from '../core/state';
import type { Cpu } from './cpu';
import { codeOf, fetchDescriptor, isNull, markAccessed, readTss } from './descriptors';
import { refuse } from './refusal';
import { checkStackSegment, setDescriptor, setNullStack } from './segment-load';
import { FlatStack, SegmentStack, type Stack } from './stack';

const TR_RIGHTS = layout.segmentAccess + TR * 4;
const TR_LIMIT = layout.segmentLimit + TR * 4;

/** A stack that is being switched to, and what SS becomes. */
export interface InnerStack {
  readonly stack: Stack;
  readonly selector: number;
  /** Undefined in IA-32e mode, where SS becomes null. */
  readonly segment: Descriptor | undefined;
}

/** The stack for privilege level `cpl` outside IA-32e mode. @throws Fault #TS, #SS, #PF */
export const innerStack = (cpu: Cpu, cpl: number, external: number): InnerStack => {
  const wide = (cpu.state.getU32(TR_RIGHTS) & 8) !== 0;
  const offset = wide ? cpl * 8 + 4 : cpl * 4 + 2;
  checkTss(cpu, offset + (wide ? 7 : 3), external);
  const pointer = Number(readTss(cpu, offset, wide ? 4 : 2));
  const selector = Number(readTss(cpu, offset + (wide ? 4 : 2), 2));
  if (isNull(selector)) refuse(exception.TS, 'stack-segment.null', codeOf(selector, external), { selector });
  const segment = fetchDescriptor(cpu, selector, exception.TS, external);
  checkStackSegment(segment, cpl, exception.TS, external);
  markAccessed(cpu, segment);
  const { base, limit, rights } = segment;
  const code = codeOf(selector, external);
  const stack = new SegmentStack(cpu, base, limit, rights, pointer, code, 'inner');
  return { stack, selector, segment };
};

/** RSP0 to RSP2 of a 64-bit TSS. @throws Fault #TS, #PF */
export const innerPointer = (cpu: Cpu, cpl: number, external: number): bigint => pointerAt(cpu, cpl * 8 + 4, external);

/** IST1 to IST7 of a 64-bit TSS. @throws Fault #TS, #PF */
export const interruptStackPointer = (cpu: Cpu, entry: number, external: number): bigint =>
  pointerAt(cpu, entry * 8 + 28, external);

const pointerAt = (cpu: Cpu, offset: number, external: number): bigint => {
  checkTss(cpu, offset + 7, external);
  return readTss(cpu, offset, 8);
};

/** A call gate's stack in IA-32e mode: RSP0 to RSP2 with a null SS. @throws Fault #TS, #PF */
export const innerStack64 = (cpu: Cpu, cpl: number, external: number): InnerStack => ({
  stack: new FlatStack(cpu, innerPointer(cpu, cpl, external), external, 'inner'),
  selector: cpl,
  segment: undefined,
});

/** SS and its hidden part; the stack commits its pointer itself, and after this, as its width comes from SS. */
export const setInnerStack = (state: CpuState, { selector, segment, stack }: InnerStack): void => {
  if (segment === undefined) setNullStack(state, selector);
  else setDescriptor(state, SS, selector, segment);
  stack.commit();
};

const checkTss = (cpu: Cpu, last: number, external: number): void => {
  const limit = cpu.state.getU32(TR_LIMIT);
  const selector = cpu.state.selector(TR);
  if (last > limit)
    refuse(exception.TS, 'tss.stack-beyond-limit', codeOf(selector, external), { selector, value: BigInt(limit) });
};
