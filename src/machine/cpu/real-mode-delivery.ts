/** Interrupts and exceptions in real mode, through the interrupt vector table. Intel SDM vol. 3, "Interrupt and Exception Handling" (8086 emulation). */

import { exception } from '../../x86/exceptions';
import { flagBits } from '../../x86/registers';
import { state as layout } from '../core/layout';
import { CS } from '../core/state';
import { arrive, setRealCode } from './code-segment';
import type { Cpu } from './cpu';
import { REAL } from './mode';
import { refuse } from './refusal';
import { currentStack } from './stack';

const CLEARED = flagBits.IF | flagBits.TF | flagBits.AC | flagBits.RF;

/** Error codes are not pushed here. @throws Fault #GP, #SS, before anything changes */
export const deliverInRealMode = (
  cpu: Cpu,
  vector: number,
  external: number,
  returnRip: bigint,
  flags: number,
): void => {
  const { state } = cpu;
  const limit = state.getU32(layout.idtrLimit);
  if (vector * 4 + 3 > limit)
    refuse(exception.GP, 'idt.beyond-limit', vector * 8 + 2 + external, { value: BigInt(limit) });
  const entry = cpu.linear.read(state.getU64(layout.idtrBase) + BigInt(vector * 4), 4, 'supervisor');
  const stack = currentStack(cpu, REAL, external);
  stack.reserve(3, 2);
  stack.push(flags, 2);
  stack.push(state.selector(CS), 2);
  stack.pushAddress(returnRip, 2);
  stack.commit();
  setRealCode(cpu, REAL, Number(entry >> 16n));
  state.clearFlags(CLEARED);
  arrive(cpu, REAL, state.cpl, entry & 0xffffn);
};
