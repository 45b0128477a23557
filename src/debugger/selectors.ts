/** What a selector on the stack means, as the GDT and LDT have it now. Intel SDM vol. 3, "Segment Descriptors". */

import { LDTR } from '../machine/core/state';
import { COMPATIBILITY, modeNames, modeOf, PROTECTED } from '../machine/cpu/mode';
import type { VirtualCpu } from '../machine/virtual-cpu';
import { linear } from '../x86/address';
import { Descriptor } from '../x86/descriptors';
import { peekValue } from './guest-memory';

export const descriptorOf = ({ state, cpu }: VirtualCpu, selector: bigint): Descriptor | undefined => {
  if (selector > 0xffffn || selector < 4n) return undefined;
  const index = selector & ~7n;
  const local = (selector & 4n) !== 0n;
  const base = local ? state.segmentBase(LDTR) : state.gdtr.base;
  if (!local && (index === 0n || index + 7n > BigInt(state.gdtr.limit))) return undefined;
  const at = base + index;
  const [low, high] = [peekValue(cpu, linear(at), 4), peekValue(cpu, linear(at + 4n), 4)];
  if (low === undefined || high === undefined) return undefined;
  return new Descriptor(Number(selector), Number(at & 0xffff_ffffn), Number(at >> 32n), Number(low), Number(high));
};

export interface CodeSegment {
  readonly ring: number;
  /** Bytes of a word on the stack of code with this size. */
  readonly word: 2 | 4 | 8;
  readonly mode: string;
  readonly base: bigint;
}

export const codeSegmentOf = (vcpu: VirtualCpu, selector: bigint): CodeSegment | undefined => {
  const found = descriptorOf(vcpu, selector);
  if (found === undefined || !found.isPresent || !found.isCode) return undefined;
  const wide = modeOf(vcpu.state) >= COMPATIBILITY;
  const long = wide && found.isLong;
  return {
    ring: Number(selector & 3n),
    word: long ? 8 : found.isBig ? 4 : 2,
    mode: modeNames[long ? 4 : wide ? COMPATIBILITY : PROTECTED],
    base: long ? 0n : BigInt(found.base),
  };
};

/** Base of a stack segment; undefined when the selector names none of this ring. */
export const stackBaseOf = (vcpu: VirtualCpu, selector: bigint, ring: number, long: boolean): bigint | undefined => {
  if (Number(selector & 3n) !== ring) return undefined;
  const found = descriptorOf(vcpu, selector);
  if (found === undefined) return undefined;
  if (!found.isPresent || !found.isWritableData || found.dpl !== ring) return undefined;
  return long ? 0n : BigInt(found.base);
};
