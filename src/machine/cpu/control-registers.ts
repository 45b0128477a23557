/**
 * MOV to and from CR0, CR2, CR3, CR4 and CR8, LMSW, SMSW and CLTS: checks, mode changes, PDPTE loads and invalidations. Intel
 * SDM vol. 2, "MOV—Move to/from Control Registers"; vol. 3, "Control Registers", "Invalidation of TLBs and Paging-Structure
 * Caches". The `set` functions do what a write does without the privilege check: task switches and VM transitions use them.
 */

import { CR0, CR4, cr0Bits, cr4Bits, EFER, implemented } from '../../x86/control-registers';
import { access } from '../../x86/descriptors';
import { exception } from '../../x86/exceptions';
import type { RuleId } from '../../x86/rules';
import { Fault } from '../core/fault';
import { state as layout } from '../core/layout';
import { CS, TR } from '../core/state';
import type { Cpu } from './cpu';
import { LONG, modeNames, modeOf } from './mode';
import type { CpuModel } from './model';
import { pagingMode, pdpteReserved } from './page-walk';
import { currentPcid } from './pcid';
import { require64BitMode, requireCpl0 } from './privilege';
import { refuse } from './refusal';

/** 0, 2, 3, 4 or 8 are registers; the others are refused. */
export type ControlRegister = number;
type Existing = 0 | 2 | 3 | 4 | 8;

const CR0_WRITABLE = BigInt(implemented(cr0Bits, () => true));
const MASK32 = 0xffffffffn;
const NO_FLUSH = 1n << 63n;
const DESCRIPTOR_S = 0x10;
const UNUSABLE = 0x10000;

const bad = (rule: RuleId, register: string, value: bigint, bit?: number): never =>
  refuse(exception.GP, rule, 0, { register, value, ...(bit === undefined ? {} : { bit }) });

const lowestBit = (bits: bigint): number => {
  let bit = 0;
  for (let rest = bits; rest !== 0n && (rest & 1n) === 0n; rest >>= 1n) bit++;
  return bit;
};

/** MOV r, CRn. @throws Fault #UD, #GP(0) */
export const readControlRegister = (cpu: Cpu, register: ControlRegister): bigint => {
  const existing = check(cpu, register);
  const own = registerValue(cpu, existing);
  const value = existing === 0 || existing === 4 ? (cpu.vmx?.shadowed(existing, own) ?? own) : own;
  cpu.surroundings.emit('cr', () => ({ register: existing, access: 'r', value }));
  return value;
};

/** MOV CRn, r; outside 64-bit mode `value` has 32 bits. @throws Fault #UD, #GP(0), before anything changed */
export const writeControlRegister = (cpu: Cpu, register: ControlRegister, value: bigint): void => {
  const existing = check(cpu, register);
  setters[existing](cpu, value);
  cpu.surroundings.emit('cr', () => ({ register: existing, access: 'w', value }));
};

const check = (cpu: Cpu, register: ControlRegister): Existing => {
  if (register !== 0 && register !== 2 && register !== 3 && register !== 4 && register !== 8)
    refuse(exception.UD, 'cr.undefined', undefined, { register: `CR${register}` });
  if (register === 8) require64BitMode(cpu, 'mov cr8');
  requireCpl0(cpu, `mov cr${register}`);
  return register as Existing;
};

const registerValue = ({ state, surroundings, vmx }: Cpu, register: Existing): bigint => {
  if (register === 0) return state.cr0;
  if (register === 2) return state.cr2;
  if (register === 3) return state.cr3;
  if (register === 4) return state.cr4;
  return BigInt(vmx?.readTaskPriority() ?? surroundings.apic.taskPriority());
};

/** @throws Fault #GP(0) */
export const setCr0 = (cpu: Cpu, given: bigint): void => {
  const { state } = cpu;
  if (given >> 32n) bad('cr0.reserved', 'CR0', given, lowestBit(given & ~MASK32));
  const value = cpu.vmx?.admitted(0, state.cr0, given) ?? given;
  // Reserved bits of the lower half are ignored; ET is always 1.
  const next = Number((value & CR0_WRITABLE) | BigInt(CR0.ET));
  const before = state.getU32(layout.cr0);
  const cr4 = state.getU32(layout.cr4);
  const efer = state.getU32(layout.efer);
  const changed = before ^ next;
  if (next & CR0.PG && !(next & CR0.PE)) bad('cr0.pg-needs-pe', 'CR0', value, cr0Bits.PE.bit);
  if (next & CR0.NW && !(next & CR0.CD)) bad('cr0.nw-needs-cd', 'CR0', value, cr0Bits.CD.bit);
  if (changed & CR0.PG) {
    if (next & CR0.PG && efer & EFER.LME) checkActivation(cpu, value, cr4);
    if (!(next & CR0.PG)) {
      if (modeOf(state) === LONG) bad('cr0.pg-in-64-bit-mode', 'CR0', value, cr0Bits.PG.bit);
      if (cr4 & CR4.PCIDE) bad('cr0.pg-needed-by-pcide', 'CR4', value, cr4Bits.PCIDE.bit);
    }
  }
  const pae = next & CR0.PG && cr4 & CR4.PAE && !(efer & EFER.LME);
  const pdptes = pae && changed & (CR0.PG | CR0.CD | CR0.NW) ? fetchPdptes(cpu, state.cr3) : undefined;

  const mode = modeOf(state);
  state.cr0 = BigInt(next >>> 0);
  if (changed & CR0.PG && efer & EFER.LME) state.efer = BigInt(next & CR0.PG ? efer | EFER.LMA : efer & ~EFER.LMA);
  if (pdptes) storePdptes(cpu, pdptes);
  if (changed & CR0.PG) cpu.paging.dropEverything();
  else if (changed & CR0.WP) cpu.translationsDropped();
  modeMayHaveChanged(cpu, mode);
};

/** The consistency checks of activating IA-32e mode. */
const checkActivation = (cpu: Cpu, value: bigint, cr4: number): void => {
  const { state } = cpu;
  if (!(cr4 & CR4.PAE)) bad('cr0.long-mode-needs-pae', 'CR4', value, cr4Bits.PAE.bit);
  if (state.segmentAccess(CS) & access.long) bad('cr0.long-mode-needs-cs-l-0', 'CS', value);
  const tr = state.segmentAccess(TR);
  if (!(tr & (UNUSABLE | DESCRIPTOR_S)) && ((tr & 15) === 1 || (tr & 15) === 3))
    bad('cr0.long-mode-needs-32-bit-tss', 'TR', value);
};

const modeMayHaveChanged = (cpu: Cpu, before: ReturnType<typeof modeOf>): void => {
  const now = modeOf(cpu.state);
  if (now !== before) cpu.surroundings.emit('mode', () => ({ from: modeNames[before], to: modeNames[now] }));
  cpu.modeChanged();
};

const setCr2 = ({ state }: Cpu, value: bigint): void => {
  state.cr2 = value;
};

/** @throws Fault #GP(0) */
export const setCr3 = (cpu: Cpu, value: bigint): void => {
  const { state, model } = cpu;
  const pcide = state.getU32(layout.cr4) & CR4.PCIDE;
  const keep = pcide !== 0 && (value & NO_FLUSH) !== 0n;
  const next = pcide ? value & ~NO_FLUSH : value;
  const reserved = next >> BigInt(model.physicalBits);
  if (reserved) bad('cr3.reserved', 'CR3', value, model.physicalBits + lowestBit(reserved));
  const pdptes = pagingMode(state) === 'pae' ? fetchPdptes(cpu, next) : undefined;
  state.cr3 = next;
  if (pdptes) storePdptes(cpu, pdptes);
  cpu.paging.changeSpace(pcide ? Number(next & 0xfffn) : 0, keep);
};

/** @throws Fault #GP(0) */
export const setCr4 = (cpu: Cpu, given: bigint): void => {
  const { state, model } = cpu;
  const reserved = given & ~BigInt(cr4Implemented(model));
  if (reserved) bad('cr4.reserved', 'CR4', given, lowestBit(reserved));
  const value = cpu.vmx?.admitted(4, state.cr4, given) ?? given;
  const before = state.getU32(layout.cr4);
  const next = Number(value);
  const changed = before ^ next;
  const longMode = state.getU32(layout.efer) & EFER.LMA;
  if (longMode && !(next & CR4.PAE)) bad('cr4.pae-in-long-mode', 'CR4', value, cr4Bits.PAE.bit);
  if (changed & next & CR4.PCIDE) {
    if (!longMode) bad('cr4.pcide-needs-long-mode', 'CR4', value, cr4Bits.PCIDE.bit);
    if (state.cr3 & 0xfffn) bad('cr4.pcide-needs-pcid-0', 'CR3', state.cr3, lowestBit(state.cr3 & 0xfffn));
  }
  const pae = state.getU32(layout.cr0) & CR0.PG && next & CR4.PAE && !longMode;
  const reload = changed & (CR4.PAE | CR4.PGE | CR4.PSE | CR4.SMEP);
  const pdptes = pae && reload ? fetchPdptes(cpu, state.cr3) : undefined;

  const pcid = currentPcid(cpu);
  state.cr4 = value;
  if (pdptes) storePdptes(cpu, pdptes);
  if (changed & (CR4.PGE | CR4.PSE) || changed & before & CR4.PCIDE) cpu.paging.dropEverything();
  else if (changed & CR4.PAE || changed & next & CR4.SMEP) cpu.paging.dropSpace(pcid);
  if (changed & CR4.PCIDE) cpu.paging.selectPcid(currentPcid(cpu));
  // Rights that derived tables took for granted.
  if (changed & (CR4.SMEP | CR4.SMAP)) cpu.translationsDropped();
  cpu.modeChanged();
};

/** Bits of CR4 that the model has. */
export const cr4Implemented = (model: CpuModel): number => implemented(cr4Bits, (feature) => model.has(feature));

const setCr8 = (cpu: Cpu, value: bigint): void => {
  if (value >> 4n) bad('cr8.reserved', 'CR8', value, 4 + lowestBit(value >> 4n));
  if (cpu.vmx?.writeTaskPriority(Number(value))) return;
  cpu.surroundings.apic.setTaskPriority(Number(value));
};

const setters: Readonly<Record<Existing, (cpu: Cpu, value: bigint) => void>> = {
  0: setCr0,
  2: setCr2,
  3: setCr3,
  4: setCr4,
  8: setCr8,
};

/** The four entries that PAE paging keeps in the processor. @throws Fault #GP(0) */
const fetchPdptes = (cpu: Cpu, cr3: bigint): bigint[] => {
  const table = Number(cr3 & 0xffffffe0n);
  const reserved = pdpteReserved(cpu.model);
  const { physical } = cpu;
  // They never cross a page.
  const host = physical.gate(cpu.paging.readableGuest(table));
  return [0, 8, 16, 24].map((offset) => {
    const entry = physical.read(host + offset, 8);
    if (entry & 1n && entry & reserved)
      refuse(exception.GP, 'pdpte.reserved', 0, {
        level: 'PDPTE',
        entry,
        entryAddress: BigInt(table + offset),
        bit: lowestBit(entry & reserved),
      });
    return entry;
  });
};

/** Fills the PDPTE registers from the table at CR3, as a VM exit does; false where an entry is bad. */
export const loadPdptes = (cpu: Cpu, cr3: bigint): boolean => {
  try {
    storePdptes(cpu, fetchPdptes(cpu, cr3));
    return true;
  } catch (error) {
    if (error instanceof Fault) return false;
    throw error;
  }
};

const storePdptes = ({ state }: Cpu, entries: readonly bigint[]): void => {
  entries.forEach((entry, i) => {
    state.setU64(layout.pdpte + i * 8, entry);
  });
};

/** LMSW: the lower four bits of CR0; PE can be set but not cleared. @throws Fault #GP(0) */
export const lmsw = (cpu: Cpu, source: number): void => {
  requireCpl0(cpu, 'lmsw');
  const { state } = cpu;
  const value = (state.cr0 & ~0xen) | BigInt(source & 0xf);
  setCr0(cpu, value);
  cpu.surroundings.emit('cr', () => ({ register: 0, access: 'w', value }));
};

/** SMSW: CR0, of which the instruction stores as much as its operand holds. @throws Fault #GP(0) with UMIP */
export const smsw = (cpu: Cpu): bigint => {
  checkUmip(cpu, 'smsw');
  const value = cpu.vmx?.shadowed(0, cpu.state.cr0) ?? cpu.state.cr0;
  cpu.surroundings.emit('cr', () => ({ register: 0, access: 'r', value }));
  return value;
};

/** @throws Fault #GP(0) */
export const clts = (cpu: Cpu): void => {
  requireCpl0(cpu, 'clts');
  const cleared = cpu.state.cr0 & ~BigInt(CR0.TS);
  const value = cpu.vmx?.admitted(0, cpu.state.cr0, cleared) ?? cleared;
  cpu.state.cr0 = value;
  cpu.modeChanged();
  cpu.surroundings.emit('cr', () => ({ register: 0, access: 'w', value }));
};

/** SGDT, SIDT and SMSW with CR4.UMIP. @throws Fault #GP(0) */
export const checkUmip = (cpu: Cpu, instruction: string): void => {
  if (cpu.state.getU32(layout.cr4) & CR4.UMIP && cpu.state.getU32(layout.cpl) !== 0)
    refuse(exception.GP, 'umip.user', 0, { instruction, register: 'CR4', bit: cr4Bits.UMIP.bit });
};
