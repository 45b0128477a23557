/**
 * RDMSR and WRMSR by the table of x86/msrs.ts: which registers exist in this model, what a write may contain, and what
 * writing does. The privilege check is in system-instructions.ts; the debugger and VM entries come here directly.
 */

import { EFER, eferBits, implemented } from '../../x86/control-registers';
import { exception } from '../../x86/exceptions';
import { isX2apicMsr, type MsrName, type MsrRow, miscEnable, msrAt, msrSlots, msrs } from '../../x86/msrs';
import type { RuleId } from '../../x86/rules';
import { type CapabilityMsr, capabilityMsrAt, capabilityMsrs } from '../../x86/vmx/capabilities';
import { state as layout } from '../core/layout';
import { FS, GS } from '../core/state';
import type { Cpu } from './cpu';
import { isCanonical } from './mode';
import { refuse } from './refusal';

/** Offset of a register's slot in the vCPU's state. */
export const msrOffset = (name: MsrName | (string & {})): number => layout.msr + (msrSlots[name] as number) * 8;

const APIC_BSP = 1n << 8n;
const APIC_X2 = 1n << 10n;
const APIC_ENABLE = 1n << 11n;
const MASK64 = (1n << 64n) - 1n;

/** Ten variable ranges, fixed ranges, write-combining. */
const MTRR_CAPABILITIES = 0x50an;
const VALID_TYPES = 0b0111_0011;
/** UC- exists in the PAT alone. */
const VALID_PAT_TYPES = 0b1111_0011;

/** Is the register there in this model? */
export const hasMsr = (cpu: Cpu, address: number): boolean => {
  if (isX2apicMsr(address)) return inX2apicMode(cpu);
  const found = msrAt(address);
  return found !== undefined && exists(cpu, address, found.row);
};

const exists = (cpu: Cpu, address: number, { feature }: MsrRow): boolean =>
  (feature === undefined || cpu.model.has(feature)) &&
  (capabilityMsrAt(address) === undefined ||
    cpu.model.vmx?.[capabilityMsrAt(address) as CapabilityMsr] !== undefined) &&
  (address !== msrs.MSR_PLATFORM_INFO?.address || cpu.model.ratio !== undefined);

const inX2apicMode = (cpu: Cpu): boolean =>
  cpu.model.has('x2apic') &&
  (cpu.state.getU64(msrOffset('IA32_APIC_BASE')) & (APIC_ENABLE | APIC_X2)) === (APIC_ENABLE | APIC_X2);

/** Value of the time stamp counter. */
export const timeStamp = (cpu: Cpu): bigint =>
  BigInt.asUintN(
    64,
    BigInt(cpu.surroundings.now()) +
      cpu.state.getU64(msrOffset('IA32_TIME_STAMP_COUNTER')) +
      (cpu.vmx?.tscOffset ?? 0n),
  );

const no = (rule: RuleId, address: number, value?: bigint, bit?: number): never =>
  refuse(exception.GP, rule, 0, {
    register: msrAt(address)?.name ?? `MSR ${address.toString(16)}`,
    ...(value === undefined ? {} : { value }),
    ...(bit === undefined || bit < 0 ? {} : { bit }),
  });

const lowestBit = (value: bigint): number => {
  let bit = 0;
  for (let rest = value; rest !== 0n; rest >>= 1n, bit++) if (rest & 1n) return bit;
  return -1;
};

/** The value that RDMSR gives. @throws Fault #GP(0) */
export const readMsr = (cpu: Cpu, address: number): bigint => {
  if (isX2apicMsr(address)) {
    const value = inX2apicMode(cpu) ? cpu.surroundings.apic.readMsr(address) : undefined;
    return value ?? no('msr.known', address);
  }
  const found = msrAt(address);
  if (!found || !exists(cpu, address, found.row)) return no('msr.known', address);
  return currentValue(cpu, found.name, found.row);
};

const currentValue = (cpu: Cpu, name: string, row: MsrRow): bigint => {
  const { state, surroundings } = cpu;
  switch (row.place) {
    case 'constant':
      return constants[name]?.(cpu) ?? 0n;
    case 'tsc':
      return timeStamp(cpu);
    case 'efer':
      return state.efer;
    case 'fs-base':
      return state.segmentBase(FS);
    case 'gs-base':
      return state.segmentBase(GS);
    case 'tsc-deadline': {
      const at = surroundings.apic.deadline();
      return at === 0n ? 0n : BigInt.asUintN(64, at + state.getU64(msrOffset('IA32_TIME_STAMP_COUNTER')));
    }
    case 'bios-sign-id':
      return BigInt(cpu.model.microcode ?? 0) << 32n;
    default:
      return state.getU64(msrOffset(name));
  }
};

const constants: Readonly<Record<string, (cpu: Cpu) => bigint>> = {
  ...Object.fromEntries(
    (Object.keys(capabilityMsrs) as CapabilityMsr[]).map((name) => [name, (cpu: Cpu) => cpu.model.vmx?.[name] ?? 0n]),
  ),
  MSR_PLATFORM_INFO: (cpu) => BigInt(cpu.model.ratio ?? 0) << 8n,
  IA32_MTRRCAP: () => MTRR_CAPABILITIES,
};

/** What WRMSR does. @throws Fault #GP(0), before anything changed */
export const writeMsr = (cpu: Cpu, address: number, value: bigint): void => {
  if (isX2apicMsr(address)) {
    if (!inX2apicMode(cpu) || cpu.surroundings.apic.readMsr === undefined) no('msr.known', address, value);
    if (!cpu.surroundings.apic.writeMsr(address, value)) no('msr.known', address, value);
    return;
  }
  const found = msrAt(address);
  if (!found || !exists(cpu, address, found.row)) return no('msr.known', address, value);
  const { name, row } = found;
  if (row.access === 'r') no('msr.read-only', address, value);
  checkFormat(cpu, address, row, value);
  const { state } = cpu;
  switch (row.place) {
    case 'tsc':
      // The counter itself: a guest's offset is no part of it.
      writeTimeStamp(cpu, BigInt.asUintN(64, value + (cpu.vmx?.tscOffset ?? 0n) - timeStamp(cpu)));
      break;
    case 'tsc-adjust':
      writeTimeStamp(cpu, BigInt.asUintN(64, value - state.getU64(msrOffset('IA32_TSC_ADJUST'))));
      break;
    case 'tsc-deadline':
      cpu.surroundings.apic.setDeadline(deadlineInTime(cpu, value));
      break;
    case 'apic-base':
      writeApicBase(cpu, address, value);
      break;
    case 'efer':
      writeEfer(cpu, address, value);
      break;
    case 'fs-base':
      state.setU64(layout.segmentBase + FS * 8, value);
      break;
    case 'gs-base':
      state.setU64(layout.segmentBase + GS * 8, value);
      break;
    case 'bios-sign-id':
      // Software writes 0 before it asks for the revision with CPUID; the revision is always there.
      break;
    default:
      writeSlot(cpu, name, address, value);
      // Intel SDM vol. 3, "Invalidation of TLBs": writing an MTRR flushes everything.
      if (name.startsWith('IA32_MTRR')) cpu.paging.dropEverything();
  }
};

const writeSlot = (cpu: Cpu, name: string, address: number, value: bigint): void => {
  const { state, model } = cpu;
  const offset = msrOffset(name);
  if (name === 'IA32_FEATURE_CONTROL') {
    if (state.getU64(offset) & 1n) no('msr.feature-control-locked', address, value, 0);
    if (value & ~0x7n) no('msr.reserved', address, value, lowestBit(value & ~0x7n));
  } else if (name === 'IA32_MISC_ENABLE') {
    const writable =
      miscEnable.fastStrings |
      miscEnable.limitCpuid |
      (model.has('monitor') ? miscEnable.monitor : 0n) |
      (model.has('nx') ? miscEnable.executeDisableOff : 0n);
    const changed = (value ^ state.getU64(offset)) & ~writable;
    // The "unavailable" bits are read-only; everything else is reserved.
    const fixed = miscEnable.branchTraceUnavailable | miscEnable.eventSamplingUnavailable;
    if (changed & ~fixed) no('msr.reserved', address, value, lowestBit(changed & ~fixed));
    state.setU64(offset, (value & ~fixed) | fixed);
    return;
  }
  state.setU64(offset, value);
};

const checkFormat = (cpu: Cpu, address: number, { format, writable }: MsrRow, value: bigint): void => {
  const reserved = (bits: bigint): void => {
    if (value & bits) no('msr.reserved', address, value, lowestBit(value & bits));
  };
  const beyond = MASK64 ^ ((1n << BigInt(cpu.model.physicalBits)) - 1n);
  const type = (index: number, valid: number): void => {
    const one = Number((value >> BigInt(index * 8)) & 0xffn);
    if (one > 7 || !((valid >>> one) & 1)) no('msr.memory-type', address, value, index * 8);
  };
  switch (format) {
    case 'bits':
      reserved(MASK64 ^ (writable ?? 0n));
      break;
    case 'canonical':
      if (!isCanonical(value)) no('msr.canonical', address, value);
      break;
    case 'pat':
      for (let i = 0; i < 8; i++) type(i, VALID_PAT_TYPES);
      break;
    case 'memory-types':
      for (let i = 0; i < 8; i++) type(i, VALID_TYPES);
      break;
    case 'mtrr-base':
      reserved(beyond | 0xf00n);
      type(0, VALID_TYPES);
      break;
    case 'mtrr-mask':
      reserved(beyond | 0x7ffn);
      break;
    case 'mtrr-default':
      reserved(MASK64 ^ 0xcffn);
      type(0, VALID_TYPES);
      break;
    default:
  }
};

/** Moves the counter, and with it IA32_TSC_ADJUST; an armed deadline keeps its value in ticks of the counter. */
const writeTimeStamp = (cpu: Cpu, by: bigint): void => {
  const { state, surroundings } = cpu;
  const deadline = msrs.IA32_TSC_DEADLINE && currentValue(cpu, 'IA32_TSC_DEADLINE', msrs.IA32_TSC_DEADLINE);
  for (const name of ['IA32_TIME_STAMP_COUNTER', 'IA32_TSC_ADJUST']) {
    const offset = msrOffset(name);
    state.setU64(offset, BigInt.asUintN(64, state.getU64(offset) + by));
  }
  if (deadline) surroundings.apic.setDeadline(deadlineInTime(cpu, deadline));
};

/** A deadline in ticks of virtual time, which is what the APIC counts: 0 disarms, one in the past is due at once. */
const deadlineInTime = (cpu: Cpu, value: bigint): bigint => {
  if (value === 0n) return 0n;
  const left = BigInt.asIntN(64, value - timeStamp(cpu));
  const now = BigInt(cpu.surroundings.now());
  return left <= 0n ? (now > 0n ? now : 1n) : now + left;
};

const writeApicBase = (cpu: Cpu, address: number, value: bigint): void => {
  const { state, model } = cpu;
  const offset = msrOffset('IA32_APIC_BASE');
  const before = state.getU64(offset);
  const bits =
    APIC_BSP | APIC_ENABLE | (model.has('x2apic') ? APIC_X2 : 0n) | ((1n << BigInt(model.physicalBits)) - 0x1000n);
  if (value & ~bits) no('msr.reserved', address, value, lowestBit(value & ~bits));
  const from = before & (APIC_ENABLE | APIC_X2);
  const to = value & (APIC_ENABLE | APIC_X2);
  const invalid = to === APIC_X2 || (from === 0n && to & APIC_X2) || (from & APIC_X2 && to === APIC_ENABLE);
  if (invalid) no('msr.apic-transition', address, value, to & APIC_X2 ? 10 : 11);
  state.setU64(offset, value);
  cpu.surroundings.apic.baseChanged(value);
};

const writeEfer = (cpu: Cpu, address: number, value: bigint): void => {
  const { state, model } = cpu;
  const nxHidden = state.getU64(msrOffset('IA32_MISC_ENABLE')) & miscEnable.executeDisableOff;
  const allowed = implemented(eferBits, (feature) => model.has(feature) && !(feature === 'nx' && nxHidden));
  const reserved = value & ~BigInt(allowed);
  if (reserved) no('efer.reserved', address, value, lowestBit(reserved));
  const before = state.efer;
  const changed = before ^ value;
  const paging = (state.cr0 >> 31n) & 1n;
  if (changed & BigInt(EFER.LME) && paging) no('efer.lme-while-paging', address, value, 8);
  // LMA is the processor's: what is written to it is ignored.
  const lma = BigInt(EFER.LMA);
  state.efer = (value & ~lma) | (before & lma);
  cpu.modeChanged();
  // TLB entries keep the XD bit as it was walked; whether it counts is looked up, but not by what is derived from them.
  if (changed & BigInt(EFER.NXE)) cpu.translationsDropped();
};

export interface MsrReset {
  /** The bootstrap processor. */
  readonly bootstrap: boolean;
  /** IA32_FEATURE_CONTROL after the firmware; 5 is locked with VMX on. */
  readonly featureControl?: number;
}

/** Values after RESET. INIT keeps them all except IA32_EFER and the bases, which the board resets with the segments. */
export const resetMsrs = (cpu: Cpu, { bootstrap, featureControl = 0 }: MsrReset): void => {
  const { state, model } = cpu;
  for (const name of Object.keys(msrSlots)) state.setU64(msrOffset(name), msrs[name]?.reset ?? 0n);
  state.setU64(msrOffset('IA32_APIC_BASE'), 0xfee00000n | APIC_ENABLE | (bootstrap ? APIC_BSP : 0n));
  state.setU64(
    msrOffset('IA32_MISC_ENABLE'),
    miscEnable.fastStrings |
      miscEnable.branchTraceUnavailable |
      miscEnable.eventSamplingUnavailable |
      (model.has('monitor') ? miscEnable.monitor : 0n),
  );
  state.setU64(msrOffset('IA32_FEATURE_CONTROL'), BigInt(featureControl));
  // The counter starts at 0, whatever virtual time it is.
  state.setU64(msrOffset('IA32_TIME_STAMP_COUNTER'), BigInt.asUintN(64, -BigInt(cpu.surroundings.now())));
};

/** Registers of this model with their present values, for the debugger. */
export const listMsrs = (
  cpu: Cpu,
): { name: string; address: number; value: bigint; meaning: string; readOnly: boolean }[] =>
  Object.entries(msrs)
    .filter(([, row]) => exists(cpu, row.address, row))
    .map(([name, row]) => ({
      name,
      address: row.address,
      value: currentValue(cpu, name, row),
      meaning: row.meaning,
      readOnly: row.access === 'r',
    }));
