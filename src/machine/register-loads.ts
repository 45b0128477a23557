/**
 * Registers loaded from outside as the processor's own instructions load them: with their checks, which refuse by a
 * Fault before anything has changed, and with what follows from the new value. The privilege level is not asked.
 */

import { dr6Fixed, dr7Fixed } from '../x86/control-registers';
import type { Descriptor } from '../x86/descriptors';
import { exception } from '../x86/exceptions';
import { flagBits, segmentNames } from '../x86/registers';
import { Fault } from './core/fault';
import { access } from './core/layout';
import { DS, ES, FS, GS, LDTR, SS, TR } from './core/state';
import { checkDirect, setCode, setRealCode } from './cpu/code-segment';
import { setCr0, setCr3, setCr4 } from './cpu/control-registers';
import type { Cpu, LinearMemory } from './cpu/cpu';
import { codeOf, fetchDescriptor, isNull, markAccessed } from './cpu/descriptors';
import { judgeAccess, peekTranslation } from './cpu/look';
import { isCanonical, isIa32e, LONG, modeOf, PROTECTED } from './cpu/mode';
import { writeMsr } from './cpu/msrs';
import { type AccessKind, accessor } from './cpu/paging';
import { refuse, refuseEntry } from './cpu/refusal';
import { loadSegment } from './cpu/segment-load';
import { loadLocalTable, loadTask } from './cpu/system-segments';
import type { VirtualCpu } from './virtual-cpu';

type Load = (vcpu: VirtualCpu, value: bigint) => void;

const EFER_ADDRESS = 0xc000_0080;
/** All flags that exist. VM changes by IRET and task switches only, with the segments that it gives another meaning. */
const FLAGS = Object.values(flagBits).reduce((all, bit) => all | bit, 0) & ~flagBits.VM;

const selectorOf = (value: bigint): number => Number(value & 0xffffn);

const debugControl =
  (register: 6 | 7, { ones, writable }: { readonly ones: number; readonly writable: number }): Load =>
  ({ state, debug }, value) => {
    if (value >> 32n) refuse(exception.GP, 'dr.reserved', 0, { register: `DR${register}`, value });
    state.setDr(register, (value & BigInt(writable >>> 0)) | BigInt(ones >>> 0));
    debug.changed();
  };

/** CS as a far JMP in the same ring loads it, without the jump. Intel SDM vol. 2, "JMP". */
const loadCode: Load = ({ cpu, state }, value) => {
  const selector = selectorOf(value);
  const mode = modeOf(state);
  if (mode < PROTECTED) {
    setRealCode(cpu, mode, selector);
    return;
  }
  const outside = fromOutside(cpu);
  const descriptor = fetchCode(outside, selector);
  checkDirect(outside, descriptor);
  markAccessed(outside, descriptor);
  setCode(state, descriptor, state.cpl);
};

const fetchCode = (cpu: Cpu, selector: number): Descriptor => {
  if (isNull(selector)) refuse(exception.GP, 'code-segment.null', 0, { selector });
  const descriptor = fetchDescriptor(cpu, selector, exception.GP, 0);
  if (!descriptor.isCode) refuseEntry(exception.GP, 'code-segment.type', codeOf(selector, 0), descriptor);
  return descriptor;
};

/**
 * A processor whose descriptor tables are looked at from outside: a load from there, refused or not, fills no TLB and
 * sets no bit but the descriptor's own.
 */
const fromOutside = (cpu: Cpu): Cpu => {
  const locate = (address: bigint, kind: AccessKind): number => {
    const physical = peekTranslation(cpu, address);
    if (physical !== undefined) return cpu.physical.gate(physical);
    const why = judgeAccess(cpu, address, kind, accessor.implicit) ?? {
      rule: 'walk.present' as const,
      linear: address,
    };
    throw new Fault(exception.PF, why, kind === access.write ? 2 : 0, address);
  };
  const bytes = (address: bigint, size: number, kind: AccessKind): number[] =>
    Array.from({ length: size }, (_, n) => locate(BigInt.asUintN(64, address + BigInt(n)), kind));
  const linear: LinearMemory = {
    read: (address, size) =>
      bytes(address, size, access.read).reduceRight((sum, at) => (sum << 8n) | cpu.physical.peek(at, 1), 0n),
    write: (address, size, value) =>
      bytes(address, size, access.write).forEach((at, n) => {
        cpu.physical.pokeBytes(at, Uint8Array.of(Number((value >> BigInt(n * 8)) & 0xffn)));
      }),
    probe: (address, size) => {
      bytes(address, size, access.write);
    },
    window: () => -1,
  };
  return Object.assign(Object.create(cpu) as Cpu, { linear });
};

const dataSegments = [ES, SS, DS, FS, GS] as const;
const tables = ['gdtr', 'idtr'] as const;

/** By the register's name in lower case. @throws Fault */
export const registerLoads: ReadonlyMap<string, Load> = new Map<string, Load>([
  ['cr0', ({ cpu }, value) => setCr0(cpu, value)],
  ['cr3', ({ cpu }, value) => setCr3(cpu, value)],
  ['cr4', ({ cpu }, value) => setCr4(cpu, value)],
  ['efer', ({ cpu }, value) => writeMsr(cpu, EFER_ADDRESS, value)],
  ['dr6', debugControl(6, dr6Fixed)],
  ['dr7', debugControl(7, dr7Fixed)],
  [
    'rip',
    ({ state }, value) => {
      if (modeOf(state) === LONG && !isCanonical(value))
        refuse(exception.GP, 'code-segment.noncanonical', 0, { linear: value });
      state.rip = value;
    },
  ],
  [
    'rflags',
    ({ state }, value) => {
      state.rflags = (state.rflags & flagBits.VM) | (Number(BigInt.asUintN(32, value)) & FLAGS) | 2;
    },
  ],
  ['cs', loadCode],
  ...dataSegments.map((index): [string, Load] => [
    segmentNames[index] as string,
    ({ cpu }, value) => loadSegment(fromOutside(cpu), index, selectorOf(value)),
  ]),
  [segmentNames[LDTR] as string, ({ cpu }, value) => loadLocalTable(fromOutside(cpu), selectorOf(value))],
  [segmentNames[TR] as string, ({ cpu }, value) => loadTask(fromOutside(cpu), selectorOf(value))],
  ...tables.map((name): [string, Load] => [
    `${name}.base`,
    ({ state }, value) => {
      if (isIa32e(state) && !isCanonical(value)) refuse(exception.GP, 'table.canonical', 0, { linear: value });
      state[name] = { ...state[name], base: value };
    },
  ]),
]);
