/**
 * Address translation of one vCPU: TLB lookup, page walk, faults, and the invalidations of Intel SDM vol. 3, "Invalidation
 * of TLBs and Paging-Structure Caches". `translate` neither throws nor uses BigInt; it is called at every miss of the
 * core's fast table.
 *
 * A cached translation that forbids an access is not the last word: the walk is done again and decides (a processor may
 * do so, and a page fault must not come from a stale entry for ever). A cached translation that allows it is used, stale or not.
 */

import { CR0, CR4, EFER } from '../../x86/control-registers';
import type { PagingRule } from '../../x86/rules/paging';
import { exitReasons } from '../../x86/vmx/exit-reasons';
import { Fault, type Reason } from '../core/fault';
import { access, state } from '../core/layout';
import type { Cpu } from './cpu';
import { EptWalk, eptAccess } from './ept';
import { isCanonical } from './mode';
import { levels, PageWalk, pageBytes, pagingMode, right } from './page-walk';
import { currentPcid } from './pcid';
import { Tlb } from './tlb';
import { type Exit, VM_EXIT, VmExit } from './virtualization';

/** Who accesses: the program, or the processor itself on its behalf (tables, TSS, inner stacks), which is never user. */
export const accessor = { supervisor: 0, user: 1, implicit: 2 } as const;
export type Accessor = 0 | 1 | 2;
/** One of `access` in core/layout.ts; a probe is judged as a write. */
export type AccessKind = 0 | 1 | 2 | 3;

/** EFLAGS.AC: explicit supervisor accesses may touch user pages under SMAP. */
const AC = 1 << 18;
const PF = 14;
const GP = 13;
const SS = 12;

export interface PagingOptions {
  /** `none` walks at every access and caches nothing. */
  readonly tlb?: 'keep' | 'none';
}

export class Paging {
  readonly tlb: Tlb;
  /** Compare every TLB hit with a fresh walk and report differences as `stale` events; for as long as somebody listens. */
  checkStale = false;
  /** Of the last `translate` that gave -1: vector, error code, and the address by halves. */
  faultVector = 0;
  faultCode = 0;
  faultLow = 0;
  faultHigh = 0;
  private refusedBy: PagingRule | undefined;
  private made: Fault | undefined;
  /** Of the last successful `translate`: number of the 4 KiB physical page, and its rights (`right`); all with paging off. */
  page = 0;
  rights = 0;

  private readonly keep: boolean;
  private readonly walk: PageWalk;
  private readonly look: PageWalk;
  private readonly state;
  private who: Accessor = 0;

  constructor(
    private readonly cpu: Cpu,
    options: PagingOptions = {},
  ) {
    this.state = cpu.state;
    this.tlb = new Tlb(cpu.state);
    this.keep = options.tlb !== 'none';
    this.walk = new PageWalk(cpu.state, cpu.physical, cpu.model);
    this.look = new PageWalk(cpu.state, cpu.physical, cpu.model, true);
  }

  /**
   * Physical address of a linear one (halves, unsigned or signed), or -1 with the exception in `fault`: #PF, or #GP(0) for
   * a non-canonical address (#SS(0) when `stack`). Checks one byte: callers split what crosses a page.
   */
  translate(low: number, high: number, kind: AccessKind, who: Accessor, stack = false): number {
    this.who = who;
    if (!(this.state.getU32(state.cr0) & CR0.PG)) {
      if (this.ept !== undefined) return this.translateGuest(low >>> 0, low, kind);
      this.page = low >>> 12;
      this.rights = right.write | right.user | right.dirty;
      return low >>> 0;
    }
    const sign = (high | 0) >> 15;
    if (sign !== 0 && sign !== -1 && this.state.getU32(state.efer) & EFER.LMA) {
      this.refuse(stack ? SS : GP, 0, low, high, undefined);
      return -1;
    }
    const write = kind === access.write || kind === access.probe;
    if (this.keep && this.tlb.lookup(kind === access.execute, low, high)) {
      const { rights, page } = this.tlb;
      if (this.refusal(rights, kind, who) === undefined) {
        if ((!write || rights & right.dirty) && !this.eptRefuses(rights, kind)) {
          if (this.checkStale) this.compare(low, high, page, rights);
          this.page = page;
          this.rights = rights;
          return page * 4096 + (low & 0xfff);
        }
        const physical = this.translateByWalk(low, high, kind, who, write);
        // The walk for the dirty bit may have found another page than the one that derived tables know.
        if (physical >= 0 && (this.page !== page || (this.rights ^ rights) & ~right.dirty))
          this.cpu.translationsDropped();
        return physical;
      }
      // What was derived from it goes as well, and with a large page all its parts.
      this.tlb.dropPage(low, high);
      this.cpu.translationsDropped();
    }
    return this.translateByWalk(low, high, kind, who, write);
  }

  private translateByWalk(low: number, high: number, kind: AccessKind, who: Accessor, write: boolean): number {
    const { walk } = this;
    const rule = walk.descend(low, high) ?? this.refusal(walk.rights, kind, who);
    if (rule !== undefined) {
      // A page fault drops what is cached for its address, so that it does not recur once memory allows the access.
      const { tlb } = this;
      const cached = this.keep && (tlb.lookup(false, low, high) || tlb.lookup(true, low, high));
      if (cached && tlb.dropPage(low, high)) this.cpu.translationsDropped();
      if (rule === 'walk.ept') return this.refuseByEpt(walk.refusedEntry, low, high, kind, false);
      this.refuse(PF, this.errorCode(rule, kind, who), low, high, rule);
      return -1;
    }
    if (!walk.mark(write)) return this.refuseByEpt(walk.refusedEntry, low, high, access.write, false);
    const { base, rights } = walk;
    const inPage = low & (pageBytes(rights) - 1) & 0xfffff000;
    const physical = base + inPage;
    if (this.ept !== undefined) {
      const host = this.ept.translate(physical + (low & 0xfff), eptKinds[kind]);
      if (host < 0) return this.refuseByEpt(physical + (low & 0xfff), low, high, kind, true);
      return this.combine(low, high, kind, host, rights & ~right.pageSize);
    }
    this.page = physical / 4096;
    this.rights = rights;
    if (this.keep) this.fill(low, high, kind === access.execute, base, rights);
    return physical + (low & 0xfff);
  }

  // Guests with EPT: combined mappings are cached by 4 KiB, with what EPT forbids beside the guest's own rights.

  /** EPT of the guest that runs; its walk for people has one of its own. */
  private ept: EptWalk | undefined;

  private combine(low: number, high: number, kind: AccessKind, host: number, guestRights: number): number {
    const { ept } = this;
    const page = host - (low & 0xfff);
    const rights = guestRights | (ept === undefined ? 0 : eptRights(ept));
    this.page = page / 4096;
    this.rights = rights;
    if (this.keep) this.fill(low, high, kind === access.execute, page, rights);
    return host;
  }

  /** Without paging the linear address is the guest-physical one. */
  private translateGuest(guest: number, low: number, kind: AccessKind): number {
    const { ept, tlb } = this;
    if (ept === undefined) return guest;
    if (this.keep && tlb.lookup(kind === access.execute, low, 0) && !this.eptRefuses(tlb.rights, kind)) {
      this.page = tlb.page;
      this.rights = tlb.rights;
      return tlb.page * 4096 + (low & 0xfff);
    }
    const host = ept.translate(guest, eptKinds[kind]);
    if (host < 0) return this.refuseByEpt(guest, low, 0, kind, true);
    return this.combine(low, 0, kind, host, right.write | right.user | right.dirty);
  }

  private eptRefuses(rights: number, kind: AccessKind): boolean {
    if (this.ept === undefined) return false;
    if (kind === access.execute) return (rights & right.eptNoExecute) !== 0;
    if (kind === access.read) return (rights & right.eptNoRead) !== 0;
    return (rights & (right.eptNoWrite | right.eptClean)) !== 0;
  }

  /** The exit that stands for the last refusal by EPT. */
  private eptExit: Exit | undefined;

  private refuseByEpt(guest: number, low: number, high: number, kind: AccessKind, final: boolean): number {
    const { ept, tlb } = this;
    if (ept === undefined) return -1;
    if (this.keep && tlb.dropPage(low, high)) this.cpu.translationsDropped();
    const walks = !final && ept.accessedDirty ? eptAccess.read | eptAccess.write : undefined;
    this.eptExit = eptExit(ept, guest, join(low, high), walks ?? eptKinds[kind], final);
    this.refuse(VM_EXIT, 0, low, high, undefined);
    return -1;
  }

  /** A guest's translations from now on: by VPID, and by EPT where there is a pointer. Intel SDM vol. 3, "VPIDs". */
  enterSpace(vpid: number, eptPointer: bigint | undefined): void {
    this.vpid = vpid;
    this.takePointer(eptPointer);
    // Without a VPID the guest shares number 0 with the host, and nothing of it survives.
    if (vpid === 0) this.tlb.dropVpid(0, true);
    this.tlb.select(currentPcid(this.cpu), vpid, this.ep4ta);
    this.cpu.translationsDropped();
  }
  /** After a snapshot was restored: as `enterSpace`, but what is cached stays. */
  resumeSpace(vpid: number, eptPointer: bigint | undefined): void {
    this.vpid = vpid;
    this.takePointer(eptPointer);
    this.cpu.translationsDropped();
  }
  private takePointer(eptPointer: bigint | undefined): void {
    this.ep4ta = eptPointer === undefined ? 0 : Number((eptPointer >> 12n) & 0xff_ffff_ffffn);
    if (eptPointer !== undefined) {
      this.eptWalk ??= new EptWalk(this.cpu.physical, this.cpu.model);
      this.eptLook ??= new EptWalk(this.cpu.physical, this.cpu.model, true);
      this.eptWalk.select(eptPointer);
      this.eptLook.select(eptPointer);
    }
    this.useEpt(eptPointer !== undefined);
  }
  /** Back to root operation; `forget` what VPID 0 holds. */
  leaveSpace(forget: boolean): void {
    this.vpid = 0;
    this.ep4ta = 0;
    this.useEpt(false);
    if (forget) this.tlb.dropVpid(0, true);
    this.tlb.select(currentPcid(this.cpu));
    this.cpu.translationsDropped();
  }
  private vpid = 0;
  private ep4ta = 0;
  private eptWalk: EptWalk | undefined;
  private eptLook: EptWalk | undefined;
  private useEpt(on: boolean): void {
    this.ept = on ? this.eptWalk : undefined;
    this.walk.ept = this.ept;
    this.look.ept = on ? this.eptLook : undefined;
  }
  /** The EPT walk for people, where a guest runs with EPT. */
  get guestPhysical(): EptWalk | undefined {
    return this.look.ept;
  }

  private fill(low: number, high: number, instruction: boolean, base: number, rights: number): void {
    const { tlb } = this;
    const physical = base + (low & (pageBytes(rights) - 1) & 0xfffff000);
    tlb.fill(instruction, low, high, base, rights);
    if (tlb.evicted) {
      if (tlb.evictedSize === 0) this.cpu.translationsDropped(join(tlb.evictedLow, tlb.evictedHigh), instruction);
      else this.cpu.translationsDropped();
    }
    this.cpu.surroundings.emit('tlb-fill', () => ({
      linear: join(low & 0xfffff000, high),
      physical: BigInt(physical),
    }));
  }

  /**
   * May a derived table answer accesses of this kind, by the same accessor, to the page just translated, until
   * `translationsDropped` or `modeChanged`? Supervisor access to user pages under SMAP depends on EFLAGS.AC: never.
   */
  mayDerive(kind: AccessKind): boolean {
    if (!(this.state.getU32(state.cr0) & CR0.PG))
      return this.ept === undefined || (this.keep && !this.eptRefuses(this.rights, kind));
    if (!this.keep || this.who === accessor.implicit) return false;
    const { rights, who } = this;
    if (this.eptRefuses(rights, kind)) return false;
    const data = kind !== access.execute;
    if (data && who === accessor.supervisor && rights & right.user && this.state.getU32(state.cr4) & CR4.SMAP)
      return false;
    if ((kind === access.write || kind === access.probe) && !(rights & right.dirty)) return false;
    return this.refusal(rights, kind, who) === undefined;
  }

  /**
   * Physical address that the TLB gives for an explicit supervisor access, when `mayDerive` would allow to remember it;
   * -1 otherwise. Walks nothing and fills nothing.
   */
  cached(low: number, high: number, kind: 0 | 1): number {
    if (!(this.state.getU32(state.cr0) & CR0.PG) || !this.keep || !this.tlb.lookup(false, low, high)) return -1;
    const { page, rights } = this.tlb;
    this.page = page;
    this.rights = rights;
    this.who = accessor.supervisor;
    return this.mayDerive(kind) ? page * 4096 + (low & 0xfff) : -1;
  }

  /** The rule by which rights forbid an access now; order: user, writable, execution (SMEP before XD). */
  refusal(rights: number, kind: AccessKind, who: Accessor): PagingRule | undefined {
    const user = (rights & right.user) !== 0;
    if (kind === access.execute) {
      if (who === accessor.user) {
        if (!user) return 'walk.user';
      } else if (user && this.state.getU32(state.cr4) & CR4.SMEP) return 'walk.smep';
      return rights & right.noExecute && this.state.getU32(state.efer) & EFER.NXE ? 'walk.nx' : undefined;
    }
    const write = kind !== access.read;
    if (who === accessor.user) {
      if (!user) return 'walk.user';
      return write && !(rights & right.write) ? 'walk.writable' : undefined;
    }
    if (user && this.state.getU32(state.cr4) & CR4.SMAP)
      if (who === accessor.implicit || !(this.state.getU32(state.flags) & AC)) return 'walk.smap';
    return write && !(rights & right.write) && this.state.getU32(state.cr0) & CR0.WP ? 'walk.writable' : undefined;
  }

  private refuse(vector: number, code: number, low: number, high: number, rule: PagingRule | undefined): void {
    this.faultVector = vector;
    this.faultCode = code;
    this.faultLow = low;
    this.faultHigh = high;
    this.refusedBy = rule;
    this.made = undefined;
  }

  /** Why the last `translate` gave -1; to be asked before the next one. Made when it is asked for: most faults are only delivered. */
  get fault(): Fault {
    this.made ??= this.makeFault();
    return this.made;
  }
  private makeFault(): Fault {
    const { faultVector, faultCode, faultLow, faultHigh, refusedBy } = this;
    const address = join(faultLow, faultHigh);
    if (faultVector === VM_EXIT) return new VmExit(this.eptExit as Exit);
    if (refusedBy === undefined) return new Fault(faultVector, { rule: 'linear.canonical', linear: address }, 0);
    return new Fault(faultVector, verdict(this.walk, refusedBy, address), faultCode, address);
  }

  private errorCode(rule: PagingRule, kind: AccessKind, who: Accessor): number {
    const efer = this.state.getU32(state.efer);
    const cr4 = this.state.getU32(state.cr4);
    const fetchTold = (efer & EFER.NXE && cr4 & CR4.PAE) || cr4 & CR4.SMEP;
    return (
      (rule === 'walk.present' ? 0 : 1) |
      (kind === access.write || kind === access.probe ? 2 : 0) |
      (who === accessor.user ? 4 : 0) |
      (rule === 'walk.reserved' ? 8 : 0) |
      (kind === access.execute && fetchTold ? 16 : 0)
    );
  }

  private compare(low: number, high: number, page: number, rights: number): void {
    const { look } = this;
    const missing = look.descend(low, high) !== undefined;
    const now = look.base + (low & (pageBytes(look.rights) - 1) & 0xfffff000);
    // A dirty bit that software cleared is only noticed at the next walk: that is stale too. Page size is not.
    const mask = right.write | right.user | right.noExecute | right.global | (rights & right.dirty);
    if (!missing && now === page * 4096 && ((look.rights ^ rights) & mask) === 0) return;
    this.cpu.surroundings.emit('stale', () => ({
      linear: join(low, high),
      cached: BigInt(page) * 4096n,
      fresh: missing ? null : BigInt(now),
    }));
  }

  // Invalidations. Each also drops what was derived.

  /** MOV to CR3, task switch: `pcid` is that of the new value; its translations go unless `keep`, global ones stay. */
  changeSpace(pcid: number, keep: boolean): void {
    if (!keep) this.tlb.dropPcid(pcid, this.vpid, this.ep4ta);
    this.tlb.select(pcid, this.vpid, this.ep4ta);
    this.cpu.translationsDropped();
  }

  /** MOV to CR0 that clears PG, to CR4 that changes PGE or PSE or clears PCIDE, writes to MTRRs, reset: everything. */
  dropEverything(): void {
    this.tlb.dropVpid(this.vpid, true);
    this.cpu.translationsDropped();
  }

  // INVEPT and INVVPID. Intel SDM vol. 3, "Operations that Invalidate Cached Mappings"

  dropEpt(ep4ta: number | undefined): void {
    this.tlb.dropEpt(ep4ta);
    this.cpu.translationsDropped();
  }
  dropVpid(vpid: number, globals: boolean): void {
    this.tlb.dropVpid(vpid, globals);
    this.cpu.translationsDropped();
  }
  dropVpids(): void {
    this.tlb.dropGuests();
    this.cpu.translationsDropped();
  }
  dropPageOfVpid(vpid: number, linear: bigint): void {
    this.tlb.dropPageOfVpid(Number(linear & 0xffffffffn), Number((linear >> 32n) & 0xffffffffn), vpid);
    this.cpu.translationsDropped();
  }

  /** MOV to CR4 that changes PAE or sets SMEP: the current PCID, global translations included. */
  dropSpace(pcid: number): void {
    this.tlb.dropPcid(pcid, this.vpid, this.ep4ta);
    this.tlb.dropGlobals();
    this.cpu.translationsDropped();
  }

  /** INVLPG: the page of a linear address, whatever its size, under the current PCID; global translations too. */
  dropPage(linear: bigint): void {
    this.tlb.dropPage(Number(linear & 0xffffffffn), Number((linear >> 32n) & 0xffffffffn));
    this.cpu.translationsDropped();
  }

  /** INVPCID by type (0 address, 1 one PCID, 2 everything, 3 all PCIDs without global translations). */
  dropByPcid(type: 0 | 1 | 2 | 3, pcid: number, linear: bigint): void {
    if (type === 0)
      this.tlb.dropPageOf(
        Number(linear & 0xffffffffn),
        Number((linear >> 32n) & 0xffffffffn),
        pcid,
        this.vpid,
        this.ep4ta,
      );
    else if (type === 1) this.tlb.dropPcid(pcid, this.vpid, this.ep4ta);
    else this.tlb.dropVpid(this.vpid, type === 2);
    this.cpu.translationsDropped();
  }

  /** RESET or INIT of the TLBs. */
  reset(): void {
    this.tlb.reset();
    this.cpu.translationsDropped();
  }
}

/** Kinds of access by `AccessKind`: a probe is a write. */
const eptKinds = [eptAccess.read, eptAccess.write, eptAccess.write, eptAccess.execute] as const;

const eptRights = ({ rights, dirty }: EptWalk): number =>
  (rights & eptAccess.read ? 0 : right.eptNoRead) |
  (rights & eptAccess.write ? 0 : right.eptNoWrite) |
  (rights & eptAccess.execute ? 0 : right.eptNoExecute) |
  (dirty ? 0 : right.eptClean);

const LINEAR_VALID = 1 << 7;
const FINAL = 1 << 8;

/** The exit of an access that EPT refuses. Intel SDM vol. 3, "Exit Qualification for EPT Violations". */
const eptExit = (ept: EptWalk, guest: number, linear: bigint, kind: number, final: boolean): Exit => {
  const level = ept.depth - 1;
  const cause = {
    rule: ept.misconfigured === undefined ? 'ept.violation' : `ept.${ept.misconfigured}`,
    field: 'EPT_POINTER',
    ...(level < 0 ? {} : { value: ept.entry(level), bitmapByte: BigInt(ept.address[level] as number) }),
    ...(ept.misconfigured === undefined ? {} : { bit: ept.badBit }),
  };
  const where = { guestPhysical: BigInt(guest), guestLinear: linear, instructionLength: 0, cause };
  if (ept.misconfigured !== undefined) return { reason: exitReasons.EPT_MISCONFIGURATION.number, ...where };
  const qualification = kind | (ept.rights << 3) | LINEAR_VALID | (final ? FINAL : 0);
  return { reason: exitReasons.EPT_VIOLATION.number, qualification: BigInt(qualification), ...where };
};

const join = (low: number, high: number): bigint => (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);

/** Which bit the rule looks at, in the entry or the control register. */
const decidingBit: Partial<Record<PagingRule, { readonly bit: number; readonly register?: string }>> = {
  'walk.present': { bit: 0 },
  'walk.writable': { bit: 1 },
  'walk.user': { bit: 2 },
  'walk.nx': { bit: 63 },
  'walk.smep': { bit: 20, register: 'CR4' },
  'walk.smap': { bit: 21, register: 'CR4' },
};

/** The verdict of a walk as a reason: the entry that decided. */
const verdict = (walk: PageWalk, rule: PagingRule, linear: bigint): Reason => {
  const at = rule === 'walk.present' || rule === 'walk.reserved' ? walk.depth - 1 : walk.refusing(rule);
  return {
    rule,
    level: levels[walk.level[at] as number] as 'PTE',
    entry: walk.entry(at),
    entryAddress: BigInt(walk.address[at] as number),
    linear,
    ...decidingBit[rule],
  };
};

/** One level of a walk for the debugger. */
export interface WalkStep {
  readonly level: (typeof levels)[number];
  readonly entry: bigint;
  /** Physical address of the entry; for a PDPTE register in PAE paging, where it was loaded from. */
  readonly entryAddress: bigint;
  readonly register: boolean;
  readonly present: boolean;
  readonly writable: boolean;
  readonly user: boolean;
  readonly accessed: boolean;
  readonly noExecute: boolean;
  /** The entry that maps the page: size in bytes, and the rest of what it says. */
  readonly leaf?: {
    readonly size: number;
    readonly physical: bigint;
    readonly dirty: boolean;
    readonly global: boolean;
  };
  /** Set on the last entry read when the walk ends there. */
  readonly refused?: 'walk.present' | 'walk.reserved' | 'walk.ept';
}

/** A walk that leaves no trace, through the guest's EPT where one is in force. */
const lookingWalk = (cpu: Cpu): PageWalk => {
  const walk = new PageWalk(cpu.state, cpu.physical, cpu.model, true);
  walk.ept = cpu.paging.guestPhysical;
  return walk;
};

/** Physical address of a guest-physical one, for a debugger; the same where no guest runs with EPT. */
export const peekGuestPhysical = (cpu: Cpu, guest: number): number | undefined => {
  const { guestPhysical } = cpu.paging;
  if (guestPhysical === undefined) return guest;
  const host = guestPhysical.translate(guest, 0);
  return host < 0 ? undefined : host;
};

/** Walks for a person: no accessed or dirty bits, no TLB, no device side effects. Empty while paging is off. */
export const explainWalk = (cpu: Cpu, linear: bigint): WalkStep[] => {
  if (pagingMode(cpu.state) === 'none') return [];
  const walk = lookingWalk(cpu);
  const low = Number(linear & 0xffffffffn);
  const refused = walk.descend(low, Number((linear >> 32n) & 0xffffffffn));
  return Array.from({ length: walk.depth }, (_, i): WalkStep => {
    const word = walk.low[i] as number;
    const register = walk.isRegister(i);
    const last = i === walk.depth - 1;
    const size = pageBytes(walk.rights);
    return {
      level: levels[walk.level[i] as number] as 'PTE',
      entry: walk.entry(i),
      entryAddress: BigInt(walk.address[i] as number),
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
      ...(last && refused !== undefined ? { refused } : {}),
    };
  });
};

/**
 * Why an access of this kind to one byte would be refused by the tables as they are now, or undefined when it would
 * be allowed; nothing is marked or cached.
 */
export const judgeAccess = (cpu: Cpu, linear: bigint, kind: AccessKind, who: Accessor): Reason | undefined => {
  if (pagingMode(cpu.state) === 'none') return undefined;
  if (pagingMode(cpu.state) === '4-level' && !isCanonical(linear)) return { rule: 'linear.canonical', linear };
  const walk = lookingWalk(cpu);
  const low = Number(linear & 0xffffffffn);
  const rule = walk.descend(low, Number((linear >> 32n) & 0xffffffffn));
  if (rule === 'walk.ept') return undefined;
  const refused = rule ?? cpu.paging.refusal(walk.rights, kind, who);
  return refused === undefined ? undefined : verdict(walk, refused, linear);
};

/** Physical address of a linear one for a debugger, or undefined where nothing is mapped; rights are not judged. */
export const peekTranslation = (cpu: Cpu, linear: bigint): number | undefined => {
  if (pagingMode(cpu.state) === 'none') return peekGuestPhysical(cpu, Number(linear & 0xffffffffn));
  const walk = lookingWalk(cpu);
  const low = Number(linear & 0xffffffffn);
  const high = Number((linear >> 32n) & 0xffffffffn);
  if (walk.descend(low, high) !== undefined) return undefined;
  return peekGuestPhysical(cpu, walk.base + (low & (pageBytes(walk.rights) - 1)));
};
