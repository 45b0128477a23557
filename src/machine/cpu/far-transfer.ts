/**
 * Far JMP, CALL and RET in all modes: real-mode style, directly to a code segment, through call gates, to tasks, and
 * back to the same or an outer ring. Intel SDM vol. 2, "CALL", "JMP", "RET".
 */

import { type Descriptor, systemType } from '../../x86/descriptors';
import { exception } from '../../x86/exceptions';
import { CS } from '../core/state';
import { callThroughCallGate, checkGate, checkPresentGate, jumpThroughCallGate } from './call-gate';
import { arrive, checkDirect, checkRealTarget, checkTarget, fetchReturn, setCode, setRealCode } from './code-segment';
import type { Cpu } from './cpu';
import { codeOf, fetchDescriptor, isNull, markAccessed } from './descriptors';
import { isIa32e, modeOf, PROTECTED } from './mode';
import { refuse, refuseEntry } from './refusal';
import { fetchReturnStack, setReturnStack } from './return-stack';
import { giveUpDataSegments } from './segment-load';
import { currentStack, type OperandSize } from './stack';
import { fetchTask, switchTask } from './task-switch';

/**
 * JMP ptr16:16, ptr16:32, m16:16, m16:32, m16:64.
 * @param size of the offset in bytes
 * @param nextRip of the instruction after the JMP: where the old task would go on
 * @throws Fault, before anything changes except in a task switch
 */
export const farJump = (cpu: Cpu, selector: number, offset: bigint, size: OperandSize, nextRip: bigint): void => {
  const { state } = cpu;
  const mode = modeOf(state);
  const target = BigInt.asUintN(size * 8, offset);
  if (mode < PROTECTED) {
    checkRealTarget(cpu, target);
    setRealCode(cpu, mode, selector);
    arrive(cpu, mode, state.cpl, target);
    return;
  }
  const descriptor = fetchTarget(cpu, selector);
  if (!descriptor.isCode) {
    transferThrough(cpu, descriptor, false, nextRip);
    return;
  }
  checkDirect(cpu, descriptor);
  checkTarget(cpu, descriptor, target, 0);
  markAccessed(cpu, descriptor);
  const { cpl } = state;
  setCode(state, descriptor, cpl);
  arrive(cpu, mode, cpl, target);
};

/**
 * CALL ptr16:16, ptr16:32, m16:16, m16:32, m16:64.
 * @param size of the offset and of the pushed CS and RIP, in bytes; a call gate has its own
 * @throws Fault, before anything changes except in a task switch
 */
export const farCall = (cpu: Cpu, selector: number, offset: bigint, size: OperandSize, nextRip: bigint): void => {
  const { state } = cpu;
  const mode = modeOf(state);
  const target = BigInt.asUintN(size * 8, offset);
  const returnSelector = state.selector(CS);
  if (mode < PROTECTED) {
    const stack = currentStack(cpu, mode, 0);
    stack.reserve(2, size);
    checkRealTarget(cpu, target);
    stack.push(returnSelector, size);
    stack.pushAddress(nextRip, size);
    stack.commit();
    setRealCode(cpu, mode, selector);
    arrive(cpu, mode, state.cpl, target);
    return;
  }
  const descriptor = fetchTarget(cpu, selector);
  if (!descriptor.isCode) {
    transferThrough(cpu, descriptor, true, nextRip);
    return;
  }
  checkDirect(cpu, descriptor);
  const stack = currentStack(cpu, mode, 0);
  stack.reserve(2, size);
  checkTarget(cpu, descriptor, target, 0);
  markAccessed(cpu, descriptor);
  stack.push(returnSelector, size);
  stack.pushAddress(nextRip, size);
  stack.commit();
  const { cpl } = state;
  setCode(state, descriptor, cpl);
  arrive(cpu, mode, cpl, target);
};

/**
 * RET far with an operand size of 2, 4 or 8 bytes.
 * @param popBytes parameters to drop, from both stacks on a return to an outer ring
 * @throws Fault, before anything changes
 */
export const farReturn = (cpu: Cpu, size: OperandSize, popBytes: number): void => {
  const { state } = cpu;
  const mode = modeOf(state);
  const stack = currentStack(cpu, mode, 0);
  const target = stack.popAddress(size);
  const selector = stack.pop(size) & 0xffff;
  if (mode < PROTECTED) {
    checkRealTarget(cpu, target);
    stack.release(popBytes);
    stack.commit();
    setRealCode(cpu, mode, selector);
    arrive(cpu, mode, state.cpl, target);
    return;
  }
  const code = fetchReturn(cpu, selector);
  const { cpl } = state;
  const to = selector & 3;
  stack.release(popBytes);
  if (to === cpl) {
    checkTarget(cpu, code, target, 0);
    markAccessed(cpu, code);
    stack.commit();
    setCode(state, code, cpl);
    arrive(cpu, mode, cpl, target);
    return;
  }
  const pointer = stack.popAddress(size);
  const stackSelector = stack.pop(size) & 0xffff;
  const segment = fetchReturnStack(cpu, stackSelector, code);
  checkTarget(cpu, code, target, 0);
  markAccessed(cpu, code);
  if (segment !== undefined) markAccessed(cpu, segment);
  setReturnStack(cpu, segment, stackSelector, code, BigInt.asUintN(64, pointer + BigInt(popBytes)));
  setCode(state, code, to);
  giveUpDataSegments(state, to);
  arrive(cpu, mode, cpl, target);
};

const fetchTarget = (cpu: Cpu, selector: number): Descriptor => {
  if (isNull(selector)) refuse(exception.GP, 'code-segment.null', 0, { selector });
  return fetchDescriptor(cpu, selector, exception.GP, 0);
};

/** What a selector leads to when it is no code segment. @throws Fault */
const transferThrough = (cpu: Cpu, descriptor: Descriptor, call: boolean, nextRip: bigint): void => {
  const { type, selector } = descriptor;
  const legacy = !isIa32e(cpu.state);
  if (descriptor.isSystem) {
    if (type === systemType.callGate32 || (type === systemType.callGate16 && legacy)) {
      if (call) callThroughCallGate(cpu, descriptor, nextRip);
      else jumpThroughCallGate(cpu, descriptor);
      return;
    }
    if (legacy && type === systemType.taskGate) {
      checkPresentGate(cpu, descriptor);
      switchTask(cpu, fetchTask(cpu, descriptor.target, 0), call ? 'call' : 'jump', nextRip);
      return;
    }
    // Bit 0 set and bit 2 clear: any TSS, available or busy.
    if (legacy && (type & 5) === 1) {
      checkGate(cpu, descriptor);
      switchTask(cpu, fetchTask(cpu, selector, 0), call ? 'call' : 'jump', nextRip);
      return;
    }
  }
  refuseEntry(exception.GP, 'transfer.type', codeOf(selector, 0), descriptor);
};
