/**
 * System instructions as functions: what they check, read and change. Operands come resolved: memory operands as linear
 * addresses, after segmentation. Intel SDM vol. 2, under each instruction's name.
 */

import { CR4, cr4Bits } from '../../x86/control-registers';
import { exception } from '../../x86/exceptions';
import { flagBits } from '../../x86/registers';
import { state as layout } from '../core/layout';
import { FS, GS } from '../core/state';
import { checkUmip } from './control-registers';
import type { Cpu } from './cpu';
import { isCanonical, LONG, modeOf } from './mode';
import { msrOffset, readMsr, timeStamp, writeMsr } from './msrs';
import { require64BitMode, requireCpl0, requireFeature } from './privilege';
import { refuse } from './refusal';
import type { OperandSize } from './stack';

const RAX = 0;
const RCX = 1;
const RDX = 2;
const MASK32 = 0xffffffffn;
const HALTED = 1;
/** No line is armed. */
const UNARMED = 0xffff_ffff_ffff_ffffn;
const MONITOR_LINE = 64n;

const setPair = ({ state }: Cpu, value: bigint): void => {
  state.setGpr(RAX, value & MASK32);
  state.setGpr(RDX, (value >> 32n) & MASK32);
};

// Descriptor-table registers

type Table = 'gdtr' | 'idtr';

/** LGDT and LIDT: a limit of 16 bits and a base of 24, 32 or (64-bit mode) 64. @throws Fault #GP(0), #PF */
const loadTable = (cpu: Cpu, table: Table, address: bigint, size: OperandSize): void => {
  requireCpl0(cpu, table === 'gdtr' ? 'lgdt' : 'lidt');
  const { linear, state } = cpu;
  const limit = Number(linear.read(address, 2));
  const long = modeOf(state) === LONG;
  const wide = linear.read(address + 2n, long ? 8 : 4);
  const base = !long && size === 2 ? wide & 0xffffffn : wide;
  if (long && !isCanonical(base))
    refuse(exception.GP, 'table.canonical', 0, { register: table.toUpperCase(), value: base });
  state[table] = { base, limit };
};

/** SGDT and SIDT; the base is stored in full with any operand size, as processors since the 386 do. @throws Fault #GP(0), #PF */
const storeTable = (cpu: Cpu, table: Table, address: bigint): void => {
  checkUmip(cpu, table === 'gdtr' ? 'sgdt' : 'sidt');
  const { linear, state } = cpu;
  const { base, limit } = state[table];
  const bytes = modeOf(state) === LONG ? 8 : 4;
  linear.probe(address, 2 + bytes);
  linear.write(address, 2, BigInt(limit));
  linear.write(address + 2n, bytes, base);
};

export const lgdt = (cpu: Cpu, address: bigint, size: OperandSize): void => loadTable(cpu, 'gdtr', address, size);
export const lidt = (cpu: Cpu, address: bigint, size: OperandSize): void => loadTable(cpu, 'idtr', address, size);
export const sgdt = (cpu: Cpu, address: bigint): void => storeTable(cpu, 'gdtr', address);
export const sidt = (cpu: Cpu, address: bigint): void => storeTable(cpu, 'idtr', address);

// Caches of translations and of memory

/** A non-canonical address is no error and names no page. @throws Fault #GP(0) */
export const invlpg = (cpu: Cpu, address: bigint): void => {
  requireCpl0(cpu, 'invlpg');
  if (isCanonical(address)) cpu.paging.dropPage(address);
};

/** `type` is the register operand, `address` that of the descriptor. @throws Fault #UD, #GP(0), #PF */
export const invpcid = (cpu: Cpu, type: bigint, address: bigint): void => {
  requireFeature(cpu, 'invpcid', 'invpcid');
  requireCpl0(cpu, 'invpcid');
  if (type > 3n) refuse(exception.GP, 'invpcid.type', 0, { instruction: 'invpcid', value: type });
  const { linear, state } = cpu;
  const low = linear.read(address, 8);
  const target = linear.read(address + 8n, 8);
  if (low >> 12n) refuse(exception.GP, 'invpcid.reserved', 0, { instruction: 'invpcid', value: low });
  const pcid = Number(low & 0xfffn);
  if (type <= 1n && pcid !== 0 && !(state.getU32(layout.cr4) & CR4.PCIDE))
    refuse(exception.GP, 'invpcid.pcid', 0, { register: 'CR4', bit: cr4Bits.PCIDE.bit, value: low });
  if (type === 0n && !isCanonical(target))
    refuse(exception.GP, 'invpcid.canonical', 0, { instruction: 'invpcid', linear: target });
  cpu.paging.dropByPcid(Number(type) as 0 | 1 | 2 | 3, pcid, target);
};

/** Memory is always coherent here: nothing is left to do. @throws Fault #GP(0) */
export const wbinvd = (cpu: Cpu): void => requireCpl0(cpu, 'wbinvd');
export const invd = (cpu: Cpu): void => requireCpl0(cpu, 'invd');

// Waiting

/** The vCPU is halted from the next instruction on. @throws Fault #GP(0) */
export const hlt = (cpu: Cpu): void => {
  requireCpl0(cpu, 'hlt');
  cpu.state.setU32(layout.activity, HALTED);
};

/** MONITOR and MWAIT. @throws Fault #UD */
export const checkMonitor = (cpu: Cpu, instruction: string): void => {
  requireFeature(cpu, 'monitor', instruction);
  const cpl = cpu.state.getU32(layout.cpl);
  if (cpl !== 0) refuse(exception.UD, 'monitor.cpl-0', undefined, { instruction, register: 'CPL', value: BigInt(cpl) });
};

/** Arms a line: `address` is linear, the access is a read. @throws Fault #UD, #GP(0), #PF */
export const monitor = (cpu: Cpu, address: bigint): void => {
  checkMonitor(cpu, 'monitor');
  const extensions = cpu.state.gpr32(RCX);
  if (extensions !== 0) refuse(exception.GP, 'monitor.extensions', 0, { register: 'ECX', value: BigInt(extensions) });
  cpu.linear.read(address, 1);
  cpu.state.setU64(layout.monitor, address & -MONITOR_LINE);
};

/**
 * Ends the wait at once, as the manual lets a processor do for reasons of its own: software must look again anyway. The
 * line is disarmed. @throws Fault #UD, #GP(0)
 */
export const mwait = (cpu: Cpu): void => {
  checkMonitor(cpu, 'mwait');
  const extensions = cpu.state.gpr32(RCX);
  if (extensions & ~1) refuse(exception.GP, 'mwait.extensions', 0, { register: 'ECX', value: BigInt(extensions) });
  cpu.state.setU64(layout.monitor, UNARMED);
};

// Time and counters

/** RDTSC and RDTSCP with CR4.TSD. @throws Fault #GP(0) */
export const checkTimeStamp = (cpu: Cpu, instruction: string): void => {
  if (cpu.state.getU32(layout.cr4) & CR4.TSD && cpu.state.getU32(layout.cpl) !== 0)
    refuse(exception.GP, 'tsc.disabled', 0, { instruction, register: 'CR4', bit: cr4Bits.TSD.bit });
};

/** @throws Fault #GP(0) */
export const rdtsc = (cpu: Cpu): void => {
  checkTimeStamp(cpu, 'rdtsc');
  setPair(cpu, timeStamp(cpu));
};

/** @throws Fault #UD, #GP(0) */
export const rdtscp = (cpu: Cpu): void => {
  requireFeature(cpu, 'rdtscp', 'rdtscp');
  checkTimeStamp(cpu, 'rdtscp');
  setPair(cpu, timeStamp(cpu));
  cpu.state.setGpr(RCX, cpu.state.getU64(msrOffset('IA32_TSC_AUX')) & MASK32);
};

/** RDPMC without CR4.PCE. @throws Fault #GP(0) */
export const checkPerformanceCounter = ({ state }: Cpu): void => {
  if (!(state.getU32(layout.cr4) & CR4.PCE) && state.getU32(layout.cpl) !== 0)
    refuse(exception.GP, 'rdpmc.disabled', 0, { instruction: 'rdpmc', register: 'CR4', bit: cr4Bits.PCE.bit });
};

/** There are no performance counters. @throws Fault #GP(0), always */
export const rdpmc = (cpu: Cpu): never => {
  const { state } = cpu;
  checkPerformanceCounter(cpu);
  return refuse(exception.GP, 'rdpmc.counter', 0, { register: 'ECX', value: BigInt(state.gpr32(RCX)) });
};

// Model-specific registers

/** @throws Fault #GP(0) */
export const rdmsr = (cpu: Cpu): void => {
  requireCpl0(cpu, 'rdmsr');
  const register = cpu.state.gpr32(RCX);
  let value = 0n;
  try {
    value = readMsr(cpu, register);
  } finally {
    // An access to a register that is not there is an event too: it names the register.
    cpu.surroundings.emit('msr', () => ({ register, access: 'r', value }));
  }
  setPair(cpu, value);
};

/** @throws Fault #GP(0) */
export const wrmsr = (cpu: Cpu): void => {
  requireCpl0(cpu, 'wrmsr');
  const { state } = cpu;
  const register = state.gpr32(RCX);
  const value = (BigInt(state.gpr32(RDX)) << 32n) | BigInt(state.gpr32(RAX));
  try {
    writeMsr(cpu, register, value);
  } finally {
    cpu.surroundings.emit('msr', () => ({ register, access: 'w', value }));
  }
};

// Segment bases

/** @throws Fault #UD, #GP(0) */
export const swapgs = (cpu: Cpu): void => {
  require64BitMode(cpu, 'swapgs');
  requireCpl0(cpu, 'swapgs');
  const { state } = cpu;
  const base = state.segmentBase(GS);
  state.setU64(layout.segmentBase + GS * 8, state.getU64(msrOffset('IA32_KERNEL_GS_BASE')));
  state.setU64(msrOffset('IA32_KERNEL_GS_BASE'), base);
};

type BaseSegment = typeof FS | typeof GS;
const baseNames = { [FS]: 'fsbase', [GS]: 'gsbase' } as const;

const checkFsGsBase = (cpu: Cpu, instruction: string): void => {
  requireFeature(cpu, 'fsgsbase', instruction);
  require64BitMode(cpu, instruction);
  if (!(cpu.state.getU32(layout.cr4) & CR4.FSGSBASE))
    refuse(exception.UD, 'fsgsbase.cr4', undefined, { instruction, register: 'CR4', bit: cr4Bits.FSGSBASE.bit });
};

/** RDFSBASE and RDGSBASE. @throws Fault #UD */
export const readSegmentBase = (cpu: Cpu, segment: BaseSegment, size: 4 | 8): bigint => {
  checkFsGsBase(cpu, `rd${baseNames[segment]}`);
  return BigInt.asUintN(size * 8, cpu.state.segmentBase(segment));
};

/** WRFSBASE and WRGSBASE. @throws Fault #UD, #GP(0) */
export const writeSegmentBase = (cpu: Cpu, segment: BaseSegment, value: bigint, size: 4 | 8): void => {
  const instruction = `wr${baseNames[segment]}`;
  checkFsGsBase(cpu, instruction);
  const base = BigInt.asUintN(size * 8, value);
  if (!isCanonical(base)) refuse(exception.GP, 'fsgsbase.canonical', 0, { instruction, linear: base });
  cpu.state.setU64(layout.segmentBase + segment * 8, base);
};

// EFLAGS.AC

const setAc = (cpu: Cpu, instruction: string, on: boolean): void => {
  const { state } = cpu;
  requireFeature(cpu, 'smap', instruction);
  const cpl = state.getU32(layout.cpl);
  if (cpl !== 0) refuse(exception.UD, 'smap.cpl-0', undefined, { instruction, register: 'CPL', value: BigInt(cpl) });
  const flags = state.getU32(layout.flags);
  state.setU32(layout.flags, on ? flags | flagBits.AC : flags & ~flagBits.AC);
};

/** @throws Fault #UD */
export const clac = (cpu: Cpu): void => setAc(cpu, 'clac', false);
export const stac = (cpu: Cpu): void => setAc(cpu, 'stac', true);

/** XGETBV and XSETBV: CR4.OSXSAVE cannot be set in this version. @throws Fault #UD, always */
export const xgetbv = (): never =>
  refuse(exception.UD, 'xcr.osxsave', undefined, { instruction: 'xgetbv', register: 'CR4', bit: cr4Bits.OSXSAVE.bit });
export const xsetbv = (): never =>
  refuse(exception.UD, 'xcr.osxsave', undefined, { instruction: 'xsetbv', register: 'CR4', bit: cr4Bits.OSXSAVE.bit });
