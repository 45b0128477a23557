/** The stack that RET and IRET go back to. Intel SDM vol. 2, "RET", "IRET/IRETD/IRETQ". */

import type { Descriptor } from '../../x86/descriptors';
import { exception } from '../../x86/exceptions';
import { SS } from '../core/state';
import type { Cpu } from './cpu';
import { fetchDescriptor, isNull } from './descriptors';
import { isIa32e } from './mode';
import { refuse } from './refusal';
import { checkStackSegment, setDescriptor, setNullStack } from './segment-load';

/** SS for a return to `code`; undefined for the null selector of 64-bit mode. @throws Fault #GP, #SS */
export const fetchReturnStack = (cpu: Cpu, selector: number, code: Descriptor): Descriptor | undefined => {
  const cpl = code.selector & 3;
  if (isNull(selector)) {
    if (!isIa32e(cpu.state) || !code.isLong || cpl === 3 || (selector & 3) !== cpl)
      refuse(exception.GP, 'stack-segment.null', 0, { selector });
    return undefined;
  }
  const segment = fetchDescriptor(cpu, selector, exception.GP, 0);
  checkStackSegment(segment, cpl, exception.GP, 0);
  return segment;
};

/** SS and the stack pointer: all of RSP for 64-bit code, else as many bits as the B flag of the stack says. */
export const setReturnStack = (
  cpu: Cpu,
  segment: Descriptor | undefined,
  selector: number,
  code: Descriptor,
  pointer: bigint,
): void => {
  const { state } = cpu;
  if (segment === undefined) setNullStack(state, selector);
  else setDescriptor(state, SS, selector, segment);
  if (code.isLong && isIa32e(state)) state.rsp = pointer;
  else if (segment?.isBig) state.rsp = BigInt.asUintN(32, pointer);
  else state.rsp = (state.rsp & ~0xffffn) | BigInt.asUintN(16, pointer);
};
