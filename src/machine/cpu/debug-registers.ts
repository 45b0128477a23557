/**
 * Debug registers: MOV DR, which addresses are armed, what a hit leaves in DR6. Intel SDM vol. 3, "Debug Registers" and
 * "Debug Exceptions". The core matches accesses against `armedBreakpoints`; `breakpointHits` gives the verdict.
 */

import { CR4, cr4Bits, DR6, DR7, dr6Fixed, dr7Bits, dr7Fixed } from '../../x86/control-registers';
import { exception } from '../../x86/exceptions';
import { Fault, type Reason } from '../core/fault';
import { state as layout } from '../core/layout';
import type { CpuState } from '../core/state';
import type { Cpu } from './cpu';
import { requireCpl0 } from './privilege';
import { refuse } from './refusal';

/** RESET values. */
export const DR6_RESET = BigInt(dr6Fixed.ones);
export const DR7_RESET = BigInt(dr7Fixed.ones);

export type BreakCondition = 'execute' | 'write' | 'port' | 'access';

export interface ArmedBreakpoint {
  readonly index: 0 | 1 | 2 | 3;
  /** First byte, aligned to the length; a port number for `port`. */
  readonly address: bigint;
  readonly length: 1 | 2 | 4 | 8;
  readonly condition: BreakCondition;
}

const conditions = ['execute', 'write', 'port', 'access'] as const;
const lengths = [1, 2, 8, 4] as const;

/** MOV r, DRn. @throws Fault #UD, #GP(0), #DB */
export const readDebugRegister = (cpu: Cpu, register: number): bigint => {
  const real = check(cpu, register);
  return real === 6 || real === 7 ? cpu.state.dr(real) & 0xffffffffn : cpu.state.dr(real);
};

/** MOV DRn, r. The core looks at `armedBreakpoints` again afterwards. @throws Fault #UD, #GP(0), #DB */
export const writeDebugRegister = (cpu: Cpu, register: number, value: bigint): void => {
  const real = check(cpu, register);
  if (real < 6) {
    cpu.state.setDr(real, value);
    cpu.translationsDropped();
    return;
  }
  if (value >> 32n) refuse(exception.GP, 'dr.reserved', 0, { register: `DR${real}`, value });
  const { ones, writable } = real === 6 ? dr6Fixed : dr7Fixed;
  cpu.state.setDr(real, (value & BigInt(writable)) | BigInt(ones));
  // Pages with armed addresses must not be reached through derived tables.
  if (real === 7) cpu.translationsDropped();
};

/** The register meant: DR4 and DR5 are other names of DR6 and DR7 unless CR4.DE. */
const check = (cpu: Cpu, register: number): number => {
  const { state } = cpu;
  const alias = register === 4 || register === 5;
  if (register > 7 || (alias && state.getU32(layout.cr4) & CR4.DE))
    refuse(exception.UD, 'dr.undefined', undefined, { register: `DR${register}`, bit: cr4Bits.DE.bit });
  requireCpl0(cpu, `mov dr${register}`);
  if (state.dr(7) & BigInt(DR7.GD))
    throw new DebugException(DR6.BD, { rule: 'dr.general-detect', register: 'DR7', bit: dr7Bits.GD.bit });
  return alias ? register + 2 : register;
};

const describe = (state: CpuState, index: number): ArmedBreakpoint => {
  const dr7 = Number(state.dr(7) & 0xffffffffn);
  const field = dr7 >>> (16 + index * 4);
  const condition = conditions[field & 3] as BreakCondition;
  // Length is 1 for instructions, whatever LEN says (the manual leaves other values open).
  const length = condition === 'execute' ? 1 : (lengths[(field >> 2) & 3] as 1 | 2 | 4 | 8);
  const address = state.dr(index) & ~BigInt(length - 1);
  return { index: index as 0, address, length, condition };
};

const enabled = (state: CpuState, index: number): boolean => ((Number(state.dr(7) & 0xffn) >> (index * 2)) & 3) !== 0;

/** Is the condition one at all? Port breakpoints exist with CR4.DE. */
const meaningful = (state: CpuState, { condition }: ArmedBreakpoint): boolean =>
  condition !== 'port' || (state.getU32(layout.cr4) & CR4.DE) !== 0;

/** Breakpoints that DR7 enables, globally or for the task. */
export const armedBreakpoints = (state: CpuState): ArmedBreakpoint[] =>
  [0, 1, 2, 3]
    .filter((index) => enabled(state, index))
    .map((index) => describe(state, index))
    .filter((one) => meaningful(state, one));

/** What happened, in the words of the conditions: a read meets `access`, a write `write` and `access`. */
export type BreakEvent = 'execute' | 'read' | 'write' | 'port';

/**
 * Bits B0 to B3 for an event at linear addresses (or ports) from `address` on; 0 unless an enabled breakpoint is met. Breakpoints
 * that are met but not enabled show their bits too, as processors do.
 */
export const breakpointHits = (state: CpuState, event: BreakEvent, address: bigint, size: number): number => {
  let bits = 0;
  let armed = false;
  for (let index = 0; index < 4; index++) {
    const one = describe(state, index);
    if (!meets(one.condition, event) || !meaningful(state, one)) continue;
    if (address + BigInt(size) <= one.address || address >= one.address + BigInt(one.length)) continue;
    bits |= 1 << index;
    armed ||= enabled(state, index);
  }
  return armed ? bits : 0;
};

const meets = (condition: BreakCondition, event: BreakEvent): boolean =>
  condition === event || (condition === 'access' && (event === 'read' || event === 'write'));

const rules = { execute: 'debug.execute', write: 'debug.write', port: 'debug.port', access: 'debug.access' } as const;

/** The reason for breakpoint bits from `breakpointHits`: the first enabled one. */
export const breakpointReason = (state: CpuState, bits: number): Reason => {
  const index = [0, 1, 2, 3].find((one) => (bits >> one) & 1 && enabled(state, one)) ?? 0;
  const { condition, address } = describe(state, index);
  return { rule: rules[condition], register: `DR${index}`, linear: address };
};

/** Bits of DR6 for a debug exception: B0 to B3 are those of the last one, the others stay until software clears them. */
export const recordDebug = (state: CpuState, bits: number): void => {
  state.setDr(6, (state.dr(6) & ~0xfn) | BigInt(bits) | BigInt(dr6Fixed.ones));
};

/** A #DB with its bits of DR6. Its delivery writes them and clears DR7.GD; one that a hypervisor takes writes nothing. */
export class DebugException extends Fault {
  constructor(
    readonly bits: number,
    why: Reason,
  ) {
    super(exception.DB, why);
  }
}

/** The trap after an instruction with EFLAGS.TF. */
export const SINGLE_STEP: Reason = { rule: 'debug.single-step', bit: 8 };
export const singleStep = (): Fault => new DebugException(DR6.BS, SINGLE_STEP);

/** A task switch disables the breakpoints of the old task. */
export const disableLocalBreakpoints = (state: CpuState): void => {
  state.setDr(7, state.dr(7) & ~0x155n);
};
