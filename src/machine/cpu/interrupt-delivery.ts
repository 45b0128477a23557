/**
 * Delivery of exceptions, external interrupts, NMIs and INT n: which table and which rules by mode, and what becomes of
 * a fault that happens meanwhile, up to the shutdown of a triple fault.
 * Intel SDM vol. 3, "Interrupt and Exception Handling"; vol. 2, "INT n/INTO/INT3/INT1".
 */

import { CR0, DR7, EFER } from '../../x86/control-registers';
import { combine, exception, exceptionOf } from '../../x86/exceptions';
import { flagBits } from '../../x86/registers';
import type { FaultRecord } from '../core/event';
import { Fault } from '../core/fault';
import { state as layout } from '../core/layout';
import type { Cpu } from './cpu';
import { DebugException, recordDebug } from './debug-registers';
import { deliverInLongMode } from './long-mode-delivery';
import { ioplOf, LONG, modeOf, VIRTUAL_8086 } from './mode';
import { deliverInProtectedMode } from './protected-mode-delivery';
import { deliverInRealMode } from './real-mode-delivery';
import { refuse } from './refusal';
import { type GuestEvent, VmExit } from './virtualization';

/** How a delivery ended: in a handler, or with the faults that led to the shutdown, first to last. */
export type Delivery =
  | { readonly shutdown: false }
  | { readonly shutdown: true; readonly chain: readonly FaultRecord[] };

const DELIVERED: Delivery = { shutdown: false };

/** `CpuState`'s interruptibility and activity, with the values of the VMCS fields. */
const BLOCKED_BY_STI_OR_MOV_SS = 3;
const BLOCKED_BY_NMI = 8;
const ACTIVE = 0;
const SHUTDOWN = 2;

/**
 * Delivers an exception. RIP is that of the faulting instruction, for traps that of the next.
 * @param resume RF in the pushed image: true for faults other than #DB, and for traps between the iterations of a
 *   repeated string instruction. Intel SDM vol. 3, "Instruction-Breakpoint Exception Condition"
 */
export const deliverFault = (
  cpu: Cpu,
  fault: Fault,
  resume = resumes(fault.vector),
  interrupted?: number,
): Delivery => {
  if (cpu.vmx?.nonRoot || fault instanceof VmExit) {
    cpu.vmx?.deliver(fault);
    return DELIVERED;
  }
  let current = fault;
  let chain: FaultRecord[] | undefined;
  let during = interrupted;
  for (let again = resume; ; again = resumes(current.vector)) {
    const second = raiseOnce(cpu, current, again, during);
    if (second === undefined) return DELIVERED;
    during = current.vector;
    chain ??= [recordOf(cpu, current)];
    chain.push(recordOf(cpu, second));
    const combined = combine(current.vector, second.vector);
    if (combined === 'triple') return shutDown(cpu, chain);
    if (combined === 'double') {
      current = new Fault(exception.DF, { rule: 'double-fault' }, 0);
      if (second.address !== undefined) cpu.state.cr2 = second.address;
      chain.push(recordOf(cpu, current));
    } else current = second;
  }
};

const withLine = (vector: number, line: number | undefined): { vector: number; line?: number } =>
  line === undefined ? { vector } : { vector, line };

/**
 * Delivers an external interrupt. `resume`: between two iterations of a repeated string instruction. `line` tells, where
 * somebody wants to know, the board's interrupt line that it came from.
 */
export const deliverInterrupt = (
  cpu: Cpu,
  vector: number,
  resume = false,
  line: () => number | undefined = () => undefined,
): Delivery => {
  cpu.surroundings.emit('irq', () => withLine(vector, line()));
  return deliverEvent(cpu, vector, resume);
};

/** Delivers an NMI and blocks further ones until the next IRET. */
export const deliverNmi = (cpu: Cpu, resume = false): Delivery => {
  const { state } = cpu;
  cpu.surroundings.emit('nmi', () => ({}));
  state.setU32(layout.interruptibility, state.getU32(layout.interruptibility) | BLOCKED_BY_NMI);
  return deliverEvent(cpu, exception.NMI, resume);
};

export type SoftwareInterrupt = 'int' | 'int3' | 'int1' | 'into';

/**
 * INT n, INT3, INTO and INT1. `nextRip` is that of the instruction after it. INT1 is no software interrupt to the
 * gate: its DPL is not asked.
 * @throws Fault, before anything changes except in a task switch; RIP is then still the instruction's
 */
export const softwareInterrupt = (cpu: Cpu, vector: number, nextRip: bigint, kind: SoftwareInterrupt): void => {
  const { state } = cpu;
  if (kind === 'int' && modeOf(state) === VIRTUAL_8086 && ioplOf(state) < 3)
    refuse(exception.GP, 'v86.iopl', 0, { register: 'eflags', value: BigInt(state.rflags) });
  cpu.surroundings.emit('int', () => ({ vector }));
  deliver(cpu, vector, kind === 'int1' ? 1 : 0, undefined, nextRip, state.rflags & ~flagBits.RF);
};

/** Is RF set in the image that an exception of this vector pushes? */
export const resumes = (vector: number): boolean =>
  vector === exception.DF || (vector !== exception.DB && exceptionOf(vector)?.type === 'fault');

/** One attempt, perhaps while another vector was being delivered; what it threw, if anything. */
export const raiseOnce = (cpu: Cpu, fault: Fault, resume: boolean, during: number | undefined): Fault | undefined => {
  const { state } = cpu;
  const { vector, errorCode, address, why } = fault;
  if (fault instanceof DebugException) recordDebug(state, fault.bits);
  if (address !== undefined && vector === exception.PF) state.cr2 = address;
  cpu.surroundings.emit('trap', () => ({
    vector,
    errorCode,
    cr2: address,
    why,
    ...(during === undefined ? {} : { during }),
  }));
  try {
    const flags = resume ? state.rflags | flagBits.RF : state.rflags;
    deliver(cpu, vector, 1, errorCode, state.rip, flags);
  } catch (second) {
    if (second instanceof Fault) return second;
    throw second;
  }
  // A debug handler must be able to use the debug registers.
  if (vector === exception.DB) state.setDr(7, state.dr(7) & ~BigInt(DR7.GD));
  return undefined;
};

const deliverEvent = (cpu: Cpu, vector: number, resume: boolean): Delivery => {
  const { state, vmx } = cpu;
  try {
    const flags = resume ? state.rflags | flagBits.RF : state.rflags;
    deliver(cpu, vector, 1, undefined, state.rip, flags);
  } catch (fault) {
    if (!(fault instanceof Fault)) throw fault;
    if (!vmx?.nonRoot) return deliverFault(cpu, fault, undefined, vector);
    vmx.deliver(fault, { vector, type: vector === exception.NMI ? 'nmi' : 'external-interrupt' });
  }
  return DELIVERED;
};

/** Delivers what a VM entry injects. @throws Fault, as the guest's */
export const deliverInjected = (cpu: Cpu, { vector, type, errorCode, length }: GuestEvent): void => {
  const { state } = cpu;
  const software = length !== undefined;
  const next = state.rip + BigInt(length ?? 0);
  const returnRip = modeOf(state) === LONG ? BigInt.asUintN(64, next) : BigInt.asUintN(32, next);
  if (type === 'nmi') state.setU32(layout.interruptibility, state.getU32(layout.interruptibility) | BLOCKED_BY_NMI);
  const external = software && type !== 'privileged-software-exception' ? 0 : 1;
  deliver(cpu, vector, external, errorCode, returnRip, state.rflags);
};

/** @throws Fault */
const deliver = (
  cpu: Cpu,
  vector: number,
  external: number,
  errorCode: number | undefined,
  returnRip: bigint,
  flags: number,
): void => {
  const { state } = cpu;
  // Also where the delivery ends in a VM exit: the event has woken the processor.
  state.setU32(layout.activity, ACTIVE);
  if ((state.getU32(layout.efer) & EFER.LMA) !== 0)
    deliverInLongMode(cpu, vector, external, errorCode, returnRip, flags);
  else if ((state.getU32(layout.cr0) & CR0.PE) === 0) deliverInRealMode(cpu, vector, external, returnRip, flags);
  else deliverInProtectedMode(cpu, vector, external, errorCode, returnRip, flags);
  state.setU32(layout.interruptibility, state.getU32(layout.interruptibility) & ~BLOCKED_BY_STI_OR_MOV_SS);
};

export const recordOf = (cpu: Cpu, { vector, errorCode, why }: Fault): FaultRecord => ({
  vector,
  ...(errorCode === undefined ? {} : { errorCode }),
  rip: cpu.state.rip,
  why,
});

const shutDown = (cpu: Cpu, chain: readonly FaultRecord[]): Delivery => {
  cpu.state.setU32(layout.activity, SHUTDOWN);
  cpu.surroundings.emit('triple-fault', () => ({ chain }));
  return { shutdown: true, chain };
};
