/**
 * Interrupts and exceptions outside IA-32e mode: 16- and 32-bit interrupt and trap gates to the same or an inner ring,
 * out of virtual-8086 mode, and task gates. Intel SDM vol. 2, "INT n/INTO/INT3/INT1".
 */

import { type Descriptor, systemType } from '../../x86/descriptors';
import { exception } from '../../x86/exceptions';
import { flagBits } from '../../x86/registers';
import { CS, DS, ES, FS, GS, SS } from '../core/state';
import { arrive, checkTarget, setCode } from './code-segment';
import type { Cpu } from './cpu';
import { codeOf, fetchDescriptor, fetchGate, isNull, markAccessed } from './descriptors';
import { innerStack, setInnerStack } from './inner-stack';
import { modeOf, VIRTUAL_8086 } from './mode';
import { refuse, refuseEntry } from './refusal';
import { setNull } from './segment-load';
import { currentStack } from './stack';
import { fetchTask, switchTask } from './task-switch';

const CLEARED = flagBits.TF | flagBits.NT | flagBits.RF | flagBits.VM;

/**
 * @param external EXT: 0 for INT n, INT3 and INTO, which the gate's DPL may refuse; 1 for everything else
 * @param errorCode undefined for vectors that push none
 * @param flags the image of EFLAGS to push
 * @throws Fault, before anything changes except in a task switch
 */
export const deliverInProtectedMode = (
  cpu: Cpu,
  vector: number,
  external: number,
  errorCode: number | undefined,
  returnRip: bigint,
  flags: number,
): void => {
  const { state } = cpu;
  const { cpl } = state;
  const gate = fetchGate(cpu, vector, external);
  const { type } = gate;
  const gateCode = vector * 8 + 2 + external;
  // Types 6, 7, 14 and 15 are the interrupt and trap gates.
  if (!gate.isSystem || ((type & 6) !== 6 && type !== systemType.taskGate))
    refuseEntry(exception.GP, 'idt.type', gateCode, gate);
  if (external === 0 && cpl > gate.dpl) refuseEntry(exception.GP, 'idt.dpl', gateCode, gate);
  if (!gate.isPresent) refuseEntry(exception.NP, 'idt.not-present', gateCode, gate);
  if (type === systemType.taskGate) {
    switchTask(cpu, fetchTask(cpu, gate.target, external), 'event', returnRip, { external, flags, errorCode });
    return;
  }

  const mode = modeOf(state);
  const virtual = mode === VIRTUAL_8086;
  const code = fetchHandler(cpu, gate, external);
  const inner = !code.isConformingCode && code.dpl < cpl;
  if (virtual && !(inner && code.dpl === 0))
    refuseEntry(exception.GP, 'v86.handler-dpl', codeOf(code.selector, external), code);
  const wide = (type & 8) !== 0;
  const size = wide ? 4 : 2;
  const target = BigInt(wide ? gate.offset32 : gate.offset16);
  const count = (errorCode === undefined ? 3 : 4) + (inner ? 2 : 0) + (virtual ? 4 : 0);

  const newStack = inner ? innerStack(cpu, code.dpl, external) : undefined;
  const stack = newStack?.stack ?? currentStack(cpu, mode, external);
  stack.reserve(count, size);
  checkTarget(cpu, code, target, external);
  markAccessed(cpu, code);
  if (virtual) {
    stack.push(state.selector(GS), size);
    stack.push(state.selector(FS), size);
    stack.push(state.selector(DS), size);
    stack.push(state.selector(ES), size);
    setNull(state, GS, 0);
    setNull(state, FS, 0);
    setNull(state, DS, 0);
    setNull(state, ES, 0);
  }
  if (inner) {
    stack.push(state.selector(SS), size);
    stack.pushAddress(state.rsp, size);
  }
  stack.push(flags, size);
  stack.push(state.selector(CS), size);
  stack.pushAddress(returnRip, size);
  if (errorCode !== undefined) stack.push(errorCode, size);

  // VM goes before segments come. Bit 0 of the type tells a trap gate, which leaves IF alone, from an interrupt gate.
  state.clearFlags(type & 1 ? CLEARED : CLEARED | flagBits.IF);
  if (newStack === undefined) stack.commit();
  else setInnerStack(state, newStack);
  setCode(state, code, inner ? code.dpl : cpl);
  arrive(cpu, mode, cpl, target);
};

/** The code segment that a gate of the IDT names. @throws Fault #GP, #NP */
export const fetchHandler = (cpu: Cpu, gate: Descriptor, external: number): Descriptor => {
  const selector = gate.target;
  if (isNull(selector)) refuse(exception.GP, 'code-segment.null', external, { selector });
  const code = fetchDescriptor(cpu, selector, exception.GP, external);
  const errorCode = codeOf(selector, external);
  if (!code.isCode) refuseEntry(exception.GP, 'gate.code-type', errorCode, code);
  if (code.dpl > cpu.state.cpl) refuseEntry(exception.GP, 'gate.code-dpl', errorCode, code);
  if (!code.isPresent) refuseEntry(exception.NP, 'code-segment.not-present', errorCode, code);
  return code;
};
