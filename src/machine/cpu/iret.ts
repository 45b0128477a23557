/**
 * IRET in all modes: real and virtual-8086 mode, to the same or an outer ring, to virtual-8086 mode, from a nested task,
 * and in IA-32e mode. Intel SDM vol. 2, "IRET/IRETD/IRETQ".
 */

import { exception } from '../../x86/exceptions';
import { flagBits } from '../../x86/registers';
import { state as layout } from '../core/layout';
import { CS, DS, ES, FS, GS, SS } from '../core/state';
import { arrive, checkRealTarget, checkTarget, fetchReturn, setCode, setRealCode } from './code-segment';
import type { Cpu } from './cpu';
import { markAccessed } from './descriptors';
import { COMPATIBILITY, ioplOf, LONG, type Mode, modeOf, PROTECTED, VIRTUAL_8086 } from './mode';
import { refuse } from './refusal';
import { fetchReturnStack, setReturnStack } from './return-stack';
import { giveUpDataSegments, loadVirtual8086 } from './segment-load';
import { currentStack, type OperandSize, type Stack } from './stack';
import { fetchPreviousTask, switchTask } from './task-switch';

/** CF PF AF ZF SF TF DF OF NT: every IRET loads them. */
const ALWAYS = 0x4dd5;
/** RF AC ID: with an operand size of 32 or 64 bits. */
const WIDE = flagBits.RF | flagBits.AC | flagBits.ID;
const VIRTUAL = flagBits.VIF | flagBits.VIP;
const BLOCKED_BY_NMI = 8;

/**
 * @param size of the operands in bytes
 * @param nextRip of the instruction after it: where a nested task that returns would go on
 * @throws Fault, before anything changes except that NMIs are no longer blocked, and in a task switch
 */
export const iret = (cpu: Cpu, size: OperandSize, nextRip: bigint): void => {
  const { state } = cpu;
  // NMIs are unblocked even by an IRET that faults: vol. 3, "Handling Multiple NMIs".
  const blocked = state.getU32(layout.interruptibility);
  if (blocked & BLOCKED_BY_NMI && (cpu.vmx?.iretUnblocks ?? true)) {
    state.setU32(layout.interruptibility, blocked & ~BLOCKED_BY_NMI);
    if (cpu.vmx?.nonRoot) cpu.vmx.unblocked = true;
    // Somebody may have waited for it.
    state.setU32(layout.leave, 1);
  }
  const mode = modeOf(state);
  if (mode < PROTECTED) {
    returnInRealMode(cpu, mode, size);
    return;
  }
  if ((state.getU32(layout.flags) & flagBits.NT) !== 0) {
    if (mode >= COMPATIBILITY)
      refuse(exception.GP, 'iret.nested-task', 0, { register: 'eflags', value: BigInt(state.rflags) });
    switchTask(cpu, fetchPreviousTask(cpu), 'iret', nextRip);
    return;
  }

  const stack = currentStack(cpu, mode, 0);
  stack.expect(5, size);
  const target = stack.popAddress(size);
  const selector = stack.pop(size) & 0xffff;
  const flags = stack.pop(size);
  const { cpl } = state;
  if ((flags & flagBits.VM) !== 0 && cpl === 0 && mode === PROTECTED) {
    returnToVirtual8086(cpu, stack, target, selector, flags);
    return;
  }

  const code = fetchReturn(cpu, selector);
  const to = selector & 3;
  if (to === cpl && mode !== LONG) {
    checkTarget(cpu, code, target, 0);
    markAccessed(cpu, code);
    stack.commit();
  } else {
    const pointer = stack.popAddress(size);
    const stackSelector = stack.pop(size) & 0xffff;
    const segment = fetchReturnStack(cpu, stackSelector, code);
    checkTarget(cpu, code, target, 0);
    markAccessed(cpu, code);
    if (segment !== undefined) markAccessed(cpu, segment);
    setReturnStack(cpu, segment, stackSelector, code, pointer);
  }
  setFlags(cpu, size, flags, cpl);
  setCode(state, code, to);
  if (to !== cpl) giveUpDataSegments(state, to);
  arrive(cpu, mode, cpl, target);
};

/** The privilege level that IRET ran at decides about IF and IOPL. An IRET of 16 bits ends with RF clear. */
const setFlags = (cpu: Cpu, size: OperandSize, flags: number, cpl: number): void => {
  const { state } = cpu;
  let loaded: number = ALWAYS;
  if (size !== 2) loaded |= WIDE;
  if (cpl <= ioplOf(state)) loaded |= flagBits.IF;
  if (cpl === 0) loaded |= size === 2 ? flagBits.IOPL : flagBits.IOPL | VIRTUAL;
  state.rflags = (state.rflags & ~(loaded | flagBits.RF)) | (flags & loaded);
};

/** Real mode, and virtual-8086 mode with IOPL 3. */
const returnInRealMode = (cpu: Cpu, mode: Mode, size: OperandSize): void => {
  const { state } = cpu;
  if (mode === VIRTUAL_8086 && ioplOf(state) < 3)
    refuse(exception.GP, 'v86.iopl', 0, { register: 'eflags', value: BigInt(state.rflags) });
  const stack = currentStack(cpu, mode, 0);
  const target = stack.popAddress(size);
  const selector = stack.pop(size) & 0xffff;
  const flags = stack.pop(size);
  checkRealTarget(cpu, target);
  stack.commit();
  let loaded = ALWAYS | flagBits.IF;
  if (size !== 2) loaded |= WIDE;
  if (mode !== VIRTUAL_8086) loaded |= flagBits.IOPL;
  state.rflags = (state.rflags & ~(loaded | flagBits.RF)) | (flags & loaded);
  setRealCode(cpu, mode, selector);
  arrive(cpu, mode, state.cpl, target);
};

/** IRETD at CPL 0 with VM set in the image: six more values on the stack. */
const returnToVirtual8086 = (cpu: Cpu, stack: Stack, target: bigint, selector: number, flags: number): void => {
  const { state } = cpu;
  const pointer = stack.popAddress(4);
  const [ss, es, ds, fs, gs] = [
    popSelector(stack),
    popSelector(stack),
    popSelector(stack),
    popSelector(stack),
    popSelector(stack),
  ];
  if (target > 0xffffn) refuse(exception.GP, 'code-segment.beyond-limit', 0, { value: target });
  const loaded = ALWAYS | WIDE | VIRTUAL | flagBits.IF | flagBits.IOPL | flagBits.VM;
  state.rflags = (state.rflags & ~loaded) | (flags & loaded);
  loadVirtual8086(state, CS, selector);
  loadVirtual8086(state, SS, ss);
  loadVirtual8086(state, ES, es);
  loadVirtual8086(state, DS, ds);
  loadVirtual8086(state, FS, fs);
  loadVirtual8086(state, GS, gs);
  state.rsp = pointer;
  state.cpl = 3;
  arrive(cpu, PROTECTED, 0, target);
};

const popSelector = (stack: Stack): number => stack.pop(4) & 0xffff;
