/**
 * JMP and CALL through call gates: the gate's own checks, the code segment it names, and a call's switch to the stack
 * of a more privileged ring with its parameters. Intel SDM vol. 3, "Call Gates"; vol. 2, "CALL", "JMP".
 */

import { type Descriptor, systemType } from '../../x86/descriptors';
import { exception } from '../../x86/exceptions';
import { CS, SS } from '../core/state';
import { arrive, checkTarget, setCode } from './code-segment';
import type { Cpu } from './cpu';
import { codeOf, fetchDescriptor, fetchUpperHalf, isNull, markAccessed } from './descriptors';
import { innerStack, innerStack64, setInnerStack } from './inner-stack';
import { isIa32e, LONG, modeOf } from './mode';
import { refuse, refuseEntry } from './refusal';
import { currentStack, type OperandSize } from './stack';

/** What call gates and task gates ask before they let anybody through; a TSS asks the same. @throws Fault #GP, #NP */
export const checkGate = (cpu: Cpu, gate: Descriptor): void => {
  const code = codeOf(gate.selector, 0);
  if (cpu.state.cpl > gate.dpl) refuseEntry(exception.GP, 'gate.dpl', code, gate);
  if ((gate.selector & 3) > gate.dpl) refuseEntry(exception.GP, 'gate.rpl', code, gate);
};

const checkPresent = (gate: Descriptor): void => {
  if (!gate.isPresent) refuseEntry(exception.NP, 'gate.not-present', codeOf(gate.selector, 0), gate);
};

/** The same for gates, which must be present too. @throws Fault #GP, #NP */
export const checkPresentGate = (cpu: Cpu, gate: Descriptor): void => {
  checkGate(cpu, gate);
  checkPresent(gate);
};

const fetchCode = (cpu: Cpu, gate: Descriptor): Descriptor => {
  const selector = gate.target;
  if (isNull(selector)) refuse(exception.GP, 'code-segment.null', 0, { selector });
  const descriptor = fetchDescriptor(cpu, selector, exception.GP, 0);
  const code = codeOf(selector, 0);
  if (!descriptor.isCode) refuseEntry(exception.GP, 'gate.code-type', code, descriptor);
  if (descriptor.dpl > cpu.state.cpl) refuseEntry(exception.GP, 'gate.code-dpl', code, descriptor);
  if (isIa32e(cpu.state) && (!descriptor.isLong || descriptor.isBig))
    refuseEntry(exception.GP, 'gate.code-not-64-bit', code, descriptor);
  return descriptor;
};

const offsetOf = (cpu: Cpu, gate: Descriptor): bigint => {
  if (isIa32e(cpu.state)) return gate.offset64;
  return BigInt(gate.type === systemType.callGate16 ? gate.offset16 : gate.offset32);
};

/** @throws Fault, before anything changes */
export const jumpThroughCallGate = (cpu: Cpu, narrow: Descriptor): void => {
  checkPresentGate(cpu, narrow);
  const gate = fetchUpperHalf(cpu, narrow, exception.GP, 0);
  const { state } = cpu;
  const { cpl } = state;
  const code = fetchCode(cpu, gate);
  const selector = codeOf(code.selector, 0);
  if (!code.isConformingCode && code.dpl !== cpl) refuseEntry(exception.GP, 'gate.jump-dpl', selector, code);
  if (!code.isPresent) refuseEntry(exception.NP, 'code-segment.not-present', selector, code);
  const target = offsetOf(cpu, gate);
  checkTarget(cpu, code, target, 0);
  markAccessed(cpu, code);
  const mode = modeOf(state);
  setCode(state, code, cpl);
  arrive(cpu, mode, cpl, target);
};

/** @throws Fault, before anything changes */
export const callThroughCallGate = (cpu: Cpu, narrow: Descriptor, nextRip: bigint): void => {
  checkPresentGate(cpu, narrow);
  const gate = fetchUpperHalf(cpu, narrow, exception.GP, 0);
  const { state } = cpu;
  const { cpl } = state;
  const code = fetchCode(cpu, gate);
  if (!code.isPresent) refuseEntry(exception.NP, 'code-segment.not-present', codeOf(code.selector, 0), code);
  const long = isIa32e(state);
  const size: OperandSize = long ? 8 : gate.type === systemType.callGate16 ? 2 : 4;
  const target = offsetOf(cpu, gate);
  const mode = modeOf(state);
  const returnSelector = state.selector(CS);

  if (code.isConformingCode || code.dpl === cpl) {
    const stack = currentStack(cpu, long ? LONG : mode, 0);
    stack.reserve(2, size);
    checkTarget(cpu, code, target, 0);
    markAccessed(cpu, code);
    stack.push(returnSelector, size);
    stack.pushAddress(nextRip, size);
    stack.commit();
    setCode(state, code, cpl);
    arrive(cpu, mode, cpl, target);
    return;
  }

  const inner = long ? innerStack64(cpu, code.dpl, 0) : innerStack(cpu, code.dpl, 0);
  const { stack } = inner;
  const parameters: bigint[] = [];
  stack.reserve(4 + (long ? 0 : gate.parameters), size);
  checkTarget(cpu, code, target, 0);
  if (!long) {
    const outer = currentStack(cpu, mode, 0);
    while (parameters.length < gate.parameters) parameters.push(outer.popAddress(size));
  }
  markAccessed(cpu, code);
  stack.push(state.selector(SS), size);
  stack.pushAddress(state.rsp, size);
  while (parameters.length > 0) stack.pushAddress(parameters.pop() as bigint, size);
  stack.push(returnSelector, size);
  stack.pushAddress(nextRip, size);
  setInnerStack(state, inner);
  setCode(state, code, code.dpl);
  arrive(cpu, mode, cpl, target);
};
