/**
 * Walks for people: no accessed or dirty bits, no TLB, no device side effects. In the address space that is in force, or in
 * another one: that of the guest whose hypervisor runs (machine/vmx/guest-side.ts).
 */

import type { Reason } from '../core/fault';
import type { CpuState } from '../core/state';
import type { Cpu } from './cpu';
import { type EptEntry, EptWalk, eptAccess, type Misconfiguration } from './ept';
import { eptExit } from './ept-exit';
import { isCanonical } from './mode';
import { levels, PageWalk, pageBytes, pagingMode, right } from './page-walk';
import type { AccessKind, Accessor } from './paging';
import type { Exit } from './virtualization';
import { verdict } from './walk-verdict';

/** Whose tables: the registers that select them, and the EPT behind them. */
export interface AddressView {
  readonly state: CpuState;
  readonly eptPointer: bigint | undefined;
  /** By which what is cached of it is tagged. */
  readonly vpid?: number;
}

/** The address space that is in force. */
export const presentView = ({ state, paging }: Cpu): AddressView => ({ state, eptPointer: paging.eptPointer });

/** One level of a walk for the debugger. */
export interface WalkStep {
  readonly level: (typeof levels)[number];
  readonly entry: bigint;
  /** Address of the entry, guest-physical under EPT; for a PDPTE register in PAE paging, where it was loaded from. */
  readonly entryAddress: bigint;
  /** Where that is in physical memory. */
  readonly entryPhysical: bigint;
  readonly register: boolean;
  readonly present: boolean;
  readonly writable: boolean;
  readonly user: boolean;
  readonly accessed: boolean;
  readonly noExecute: boolean;
  /** The entry that maps the page: size in bytes, and the rest of what it says. */
  readonly leaf?: {
    readonly size: number;
    /** Guest-physical under EPT. */
    readonly physical: bigint;
    readonly dirty: boolean;
    readonly global: boolean;
  };
  /** Set on the last entry read when the walk ends there. */
  readonly refused?: 'walk.present' | 'walk.reserved';
}

const eptOf = (cpu: Cpu, { eptPointer }: AddressView): EptWalk | undefined => {
  if (eptPointer === undefined) return undefined;
  const walk = new EptWalk(cpu.physical, cpu.model, true);
  walk.select(eptPointer);
  return walk;
};

const pageWalkOf = (cpu: Cpu, view: AddressView): PageWalk => {
  const walk = new PageWalk(view.state, cpu.physical, cpu.model, true);
  walk.ept = eptOf(cpu, view);
  return walk;
};

const halves = (linear: bigint): [number, number] => [
  Number(linear & 0xffffffffn),
  Number((linear >> 32n) & 0xffffffffn),
];

/** The levels from the top; empty while paging is off. Under EPT it ends before an entry that EPT does not let it read. */
export const explainWalk = (cpu: Cpu, linear: bigint, view = presentView(cpu)): WalkStep[] => {
  if (pagingMode(view.state) === 'none') return [];
  const walk = pageWalkOf(cpu, view);
  const [low, high] = halves(linear);
  const refused = walk.descend(low, high);
  return Array.from({ length: walk.depth }, (_, i): WalkStep => {
    const word = walk.low[i] as number;
    const register = walk.isRegister(i);
    const last = i === walk.depth - 1;
    const size = pageBytes(walk.rights);
    return {
      level: levels[walk.level[i] as number] as 'PTE',
      entry: walk.entry(i),
      entryAddress: BigInt(walk.address[i] as number),
      entryPhysical: BigInt(register ? (peekGuestPhysical(cpu, walk.address[i] as number, view) ?? 0) : walk.hostOf(i)),
      register,
      present: (word & 1) !== 0,
      writable: register || (word & 2) !== 0,
      user: register || (word & 4) !== 0,
      accessed: !register && (word & 0x20) !== 0,
      noExecute: (walk.high[i] as number) < 0,
      ...(last && refused === undefined
        ? {
            leaf: {
              size,
              physical: BigInt(walk.base + (low & (size - 1) & 0xfffff000)),
              dirty: (word & 0x40) !== 0,
              global: (walk.rights & right.global) !== 0,
            },
          }
        : {}),
      ...(last && refused !== undefined && refused !== 'walk.ept' ? { refused } : {}),
    };
  });
};

/** How EPT translates a guest-physical address. */
export interface EptLook {
  readonly guest: bigint;
  readonly entries: readonly EptEntry[];
  /** What all levels allow: 1 read, 2 write, 4 execute. */
  readonly rights: number;
  /** The page: where the address leads, bytes, memory type. */
  readonly leaf?: { readonly physical: bigint; readonly size: number; readonly memoryType: number };
  readonly misconfigured?: { readonly why: Misconfiguration; readonly bit: number };
}

/** Undefined where no EPT is in force. */
export const explainEpt = (cpu: Cpu, guest: bigint, view = presentView(cpu)): EptLook | undefined => {
  const walk = eptOf(cpu, view);
  if (walk === undefined) return undefined;
  const physical = walk.translate(Number(guest), 0);
  return {
    guest,
    entries: walk.entries(),
    rights: walk.rights,
    ...(physical < 0 ? {} : { leaf: { physical: BigInt(physical), size: walk.size, memoryType: walk.memoryType } }),
    ...(walk.misconfigured === undefined ? {} : { misconfigured: { why: walk.misconfigured, bit: walk.badBit } }),
  };
};

/**
 * Why an access of this kind to one byte would be refused by the tables as they are now, or undefined when it would
 * be allowed. What EPT refuses is no fault: `explainEpt` tells.
 */
export const judgeAccess = (
  cpu: Cpu,
  linear: bigint,
  kind: AccessKind,
  who: Accessor,
  view = presentView(cpu),
): Reason | undefined => {
  const mode = pagingMode(view.state);
  if (mode === 'none') return undefined;
  if (mode === '4-level' && !isCanonical(linear)) return { rule: 'linear.canonical', linear };
  const walk = pageWalkOf(cpu, view);
  const rule = walk.descend(...halves(linear));
  if (rule === 'walk.ept') return undefined;
  const refused = rule ?? cpu.paging.refusal(walk.rights, kind, who, view.state);
  return refused === undefined ? undefined : verdict(walk, refused, linear);
};

/**
 * The exit that EPT makes of an access by the tables as they are now: at an entry of the guest's own tables, which has to be
 * read and perhaps marked, or at the page. Undefined where there is none; the guest's own tables may refuse the access still.
 */
export const judgeByEpt = (
  cpu: Cpu,
  linear: bigint,
  kind: keyof typeof eptAccess,
  view = presentView(cpu),
): Exit | undefined => {
  const ept = eptOf(cpu, view);
  if (ept === undefined) return undefined;
  const wanted = eptAccess[kind];
  const at = (guest: number, access: number, final: boolean): Exit | undefined =>
    ept.translate(guest, access) < 0 ? eptExit(ept, { guest, linear, kind: access, final }) : undefined;
  if (pagingMode(view.state) === 'none') return at(Number(linear & 0xffff_ffffn), wanted, true);
  const walk = pageWalkOf(cpu, view);
  const refused = walk.descend(...halves(linear));
  if (refused === 'walk.ept') return at(walk.refusedEntry, walk.refusedAccess, false);
  if (refused !== undefined) return undefined;
  if (!walk.markable(kind === 'write')) return at(walk.refusedEntry, walk.refusedAccess, false);
  return at(walk.base + (Number(linear & 0xffff_ffffn) & (pageBytes(walk.rights) - 1)), wanted, true);
};

/** Physical address of a guest-physical one; the same without EPT, undefined where EPT maps nothing. */
export const peekGuestPhysical = (cpu: Cpu, guest: number, view = presentView(cpu)): number | undefined => {
  const walk = eptOf(cpu, view);
  if (walk === undefined) return guest;
  const host = walk.translate(guest, 0);
  return host < 0 ? undefined : host;
};

/** Guest-physical address of a linear one: what the guest's own tables give. Without EPT that is the physical address. */
export const peekGuestTranslation = (cpu: Cpu, linear: bigint, view = presentView(cpu)): number | undefined => {
  const [low, high] = halves(linear);
  const mode = pagingMode(view.state);
  if (mode === 'none') return low;
  // The walk looks at 48 bits only: without this the address would be another one's.
  if (mode === '4-level' && !isCanonical(linear)) return undefined;
  const walk = pageWalkOf(cpu, view);
  if (walk.descend(low, high) !== undefined) return undefined;
  return walk.base + (low & (pageBytes(walk.rights) - 1));
};

/** Physical address of a linear one, or undefined where nothing is mapped; rights are not judged. */
export const peekTranslation = (cpu: Cpu, linear: bigint, view = presentView(cpu)): number | undefined => {
  const guest = peekGuestTranslation(cpu, linear, view);
  if (guest === undefined || view.eptPointer === undefined) return guest;
  return peekGuestPhysical(cpu, guest, view);
};
