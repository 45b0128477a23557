/** PUSHF, POPF, CLI and STI: which flags a program may see and change. Intel SDM vol. 2, under these names. */

import { exception } from '../../x86/exceptions';
import { flagBits } from '../../x86/registers';
import { state as layout } from '../core/layout';
import type { Cpu } from './cpu';
import { ioplOf, modeOf, REAL, VIRTUAL_8086 } from './mode';
import { refuse } from './refusal';
import type { OperandSize } from './stack';

/** Arithmetic flags, TF, DF, NT: anyone's. */
const ANYONE = 0x4dd5;
const BLOCKED_BY_STI = 1;

const checkVirtual8086 = (cpu: Cpu, instruction: string): void => {
  if (modeOf(cpu.state) === VIRTUAL_8086 && ioplOf(cpu.state) !== 3)
    refuse(exception.GP, 'flags.v86-iopl', 0, {
      instruction,
      register: 'EFLAGS',
      bit: 12,
      value: BigInt(ioplOf(cpu.state)),
    });
};

/** The image that PUSHF stores; VM and RF read as 0. @throws Fault #GP(0) */
export const pushedFlags = (cpu: Cpu, size: OperandSize): number => {
  checkVirtual8086(cpu, 'pushf');
  const flags = cpu.state.rflags & ~(flagBits.VM | flagBits.RF);
  return size === 2 ? flags & 0xffff : flags;
};

/** Bits of EFLAGS that POPF of this size may change now (RF is cleared by the longer forms). @throws Fault #GP(0) */
export const poppableFlags = (cpu: Cpu, size: OperandSize): number => {
  checkVirtual8086(cpu, 'popf');
  const { state } = cpu;
  const cpl = state.getU32(layout.cpl);
  let mask = ANYONE;
  if (size !== 2) mask |= flagBits.AC | flagBits.ID;
  if (modeOf(state) === REAL || cpl === 0) mask |= flagBits.IOPL;
  if (cpl <= ioplOf(state) || modeOf(state) === REAL) mask |= flagBits.IF;
  return mask;
};

/** What POPF does with the popped value. @throws Fault #GP(0) */
export const popFlags = (cpu: Cpu, value: number, size: OperandSize): void => {
  const mask = poppableFlags(cpu, size);
  const { state } = cpu;
  const kept = state.rflags & ~mask & (size === 2 ? -1 : ~flagBits.RF);
  state.rflags = kept | (value & mask);
};

const checkInterruptFlag = (cpu: Cpu, instruction: string): void => {
  const { state } = cpu;
  checkVirtual8086(cpu, instruction);
  if (modeOf(state) === REAL) return;
  const cpl = state.getU32(layout.cpl);
  if (modeOf(state) !== VIRTUAL_8086 && cpl > ioplOf(state))
    refuse(exception.GP, 'interrupt-flag.iopl', 0, {
      instruction,
      register: 'EFLAGS',
      bit: 12,
      value: BigInt(ioplOf(state)),
    });
};

/** @throws Fault #GP(0) */
export const cli = (cpu: Cpu): void => {
  checkInterruptFlag(cpu, 'cli');
  const { state } = cpu;
  state.setU32(layout.flags, state.getU32(layout.flags) & ~flagBits.IF);
};

/** Blocks interrupts for one more instruction if IF was 0. @throws Fault #GP(0) */
export const sti = (cpu: Cpu): void => {
  checkInterruptFlag(cpu, 'sti');
  const { state } = cpu;
  const flags = state.getU32(layout.flags);
  if (flags & flagBits.IF) return;
  state.setU32(layout.flags, flags | flagBits.IF);
  state.setU32(layout.interruptibility, state.getU32(layout.interruptibility) | BLOCKED_BY_STI);
};
