/**
 * Interrupts and exceptions in IA-32e mode: 64-bit gates, the interrupt stack table, a stack aligned to 16 bytes that
 * always holds SS and RSP. Intel SDM vol. 3, "Interrupt and Exception Handling in 64-bit Mode".
 */

import { systemType } from '../../x86/descriptors';
import { exception } from '../../x86/exceptions';
import { flagBits } from '../../x86/registers';
import { CS, SS } from '../core/state';
import { arrive, checkTarget, setCode } from './code-segment';
import type { Cpu } from './cpu';
import { codeOf, fetchGate, markAccessed } from './descriptors';
import { innerPointer, interruptStackPointer } from './inner-stack';
import { type Mode, modeOf } from './mode';
import { fetchHandler } from './protected-mode-delivery';
import { refuseEntry } from './refusal';
import { setNullStack } from './segment-load';
import { FlatStack } from './stack';

const CLEARED = flagBits.TF | flagBits.NT | flagBits.RF;

/** Parameters as `deliverInProtectedMode`. @throws Fault, before anything changes */
export const deliverInLongMode = (
  cpu: Cpu,
  vector: number,
  external: number,
  errorCode: number | undefined,
  returnRip: bigint,
  flags: number,
): void => {
  const { state } = cpu;
  const { cpl } = state;
  const mode: Mode = modeOf(state);
  const gate = fetchGate(cpu, vector, external);
  const gateCode = vector * 8 + 2 + external;
  const { type } = gate;
  if (!gate.isSystem || (type | 1) !== systemType.trapGate32) refuseEntry(exception.GP, 'idt.type', gateCode, gate);
  if (external === 0 && cpl > gate.dpl) refuseEntry(exception.GP, 'idt.dpl', gateCode, gate);
  if (!gate.isPresent) refuseEntry(exception.NP, 'idt.not-present', gateCode, gate);
  const code = fetchHandler(cpu, gate, external);
  if (!code.isLong || code.isBig)
    refuseEntry(exception.GP, 'gate.code-not-64-bit', codeOf(code.selector, external), code);

  const inner = !code.isConformingCode && code.dpl < cpl;
  const rsp = state.rsp;
  const entry = gate.interruptStack;
  const top =
    entry !== 0 ? interruptStackPointer(cpu, entry, external) : inner ? innerPointer(cpu, code.dpl, external) : rsp;
  const stack = new FlatStack(cpu, top & ~15n, external, inner ? 'inner' : 'current');
  stack.reserve(errorCode === undefined ? 5 : 6, 8);
  const target = gate.offset64;
  checkTarget(cpu, code, target, external);
  markAccessed(cpu, code);

  stack.push(state.selector(SS), 8);
  stack.pushAddress(rsp, 8);
  stack.push(flags, 8);
  stack.push(state.selector(CS), 8);
  stack.pushAddress(returnRip, 8);
  if (errorCode !== undefined) stack.push(errorCode, 8);

  stack.commit();
  if (inner) {
    setNullStack(state, code.dpl);
    setCode(state, code, code.dpl);
  } else setCode(state, code, cpl);
  state.clearFlags(type & 1 ? CLEARED : CLEARED | flagBits.IF);
  arrive(cpu, mode, cpl, target);
};
