/**
 * Address translation of one vCPU: TLB lookup, page walk, faults, and the invalidations of Intel SDM vol. 3, "Invalidation
 * of TLBs and Paging-Structure Caches". `translate` neither throws nor uses BigInt; it is called at every miss of the
 * core's fast table.
 *
 * A cached translation that forbids an access is not the last word: the walk is done again and decides (a processor may
 * do so, and a page fault must not come from a stale entry for ever). A cached translation that allows it is used, stale or not.
 */

import { fromHalves } from '../../x86/address';
import { CR0, CR4, EFER } from '../../x86/control-registers';
import type { PagingRule } from '../../x86/rules/paging';
import { Fault } from '../core/fault';
import { access, state } from '../core/layout';
import type { CpuState } from '../core/state';
import type { Cpu } from './cpu';
import { EptWalk, ep4taOf, eptAccess } from './ept';
import { eptExit } from './ept-exit';
import { PageWalk, pageBytes, right } from './page-walk';
import { currentPcid } from './pcid';
import { eptRights, StaleTranslations } from './stale-translations';
import { NO_EPT, Tlb } from './tlb';
import { type Exit, VM_EXIT, VmExit } from './virtualization';
import { verdict } from './walk-verdict';

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
  /** Somebody listens to fills; else they are counted. */
  tellFills = false;
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
  private readonly stale: StaleTranslations;
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
    this.stale = new StaleTranslations(cpu);
  }

  /**
   * Physical address of a linear one (halves, unsigned or signed), or -1 with the exception in `fault`: #PF, or #GP(0) for
   * a non-canonical address (#SS(0) when `stack`). Checks one byte: callers split what crosses a page.
   */
  translate(low: number, high: number, kind: AccessKind, who: Accessor, stack = false): number {
    this.who = who;
    if (!(this.state.getU32(state.cr0) & CR0.PG)) {
      if (this.ept !== undefined) return this.translateGuest(low >>> 0, kind);
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
          if (this.checkStale) this.stale.compare(low, high, page, rights);
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
      if (rule === 'walk.ept') return this.refuseTable(low, high);
      this.refuse(PF, this.errorCode(rule, kind, who), low, high, rule);
      return -1;
    }
    if (!walk.mark(write)) return this.refuseTable(low, high);
    const { base, rights } = walk;
    const inPage = low & (pageBytes(rights) - 1) & 0xfffff000;
    const physical = base + inPage;
    if (this.ept !== undefined) {
      const host = this.ept.translate(physical + (low & 0xfff), eptKinds[kind]);
      if (host < 0) return this.refuseByEpt(physical + (low & 0xfff), low, high, eptKinds[kind], true);
      return this.combine(low, high, kind, host, rights & ~right.pageSize);
    }
    this.page = physical / 4096;
    this.rights = rights;
    if (this.keep) this.fill(low, high, kind === access.execute, base, rights);
    return physical + (low & 0xfff);
  }

  // Guests with EPT. Combined mappings are cached by 4 KiB, with what EPT forbids beside the guest's own rights; those of
  // EPT alone by the walk itself. Intel SDM vol. 3, "Caching Translation Information"

  /** EPT of the guest that runs. */
  private ept: EptWalk | undefined;

  private combine(low: number, high: number, kind: AccessKind, host: number, guestRights: number): number {
    const { ept } = this;
    const page = host - (low & 0xfff);
    const rights = guestRights | (ept === undefined ? 0 : eptRights(ept));
    this.page = page / 4096;
    this.rights = rights;
    if (this.keep) this.fill(low, high, kind === access.execute, page, rights);
    // It may come from a guest-physical mapping that is stale.
    if (this.keep && this.checkStale) this.stale.compare(low, high, this.page, rights);
    return host;
  }

  /** Without paging the linear address is the guest-physical one, and guest-physical mappings are all there is to cache. */
  private translateGuest(guest: number, kind: AccessKind): number {
    const { ept } = this;
    if (ept === undefined) return guest;
    const host = ept.translate(guest, eptKinds[kind]);
    if (host < 0) return this.refuseByEpt(guest, guest, 0, eptKinds[kind], true);
    this.page = Math.floor(host / 4096);
    this.rights = right.write | right.user | right.dirty | eptRights(ept);
    if (ept.cache?.evicted) {
      ept.cache.evicted = false;
      this.cpu.translationsDropped();
    }
    if (this.keep && this.checkStale) this.stale.compare(guest, 0, this.page, this.rights);
    return host;
  }

  private eptRefuses(rights: number, kind: AccessKind): boolean {
    if (this.ept === undefined) return false;
    if (kind === access.execute) return (rights & right.eptNoExecute) !== 0;
    if (kind === access.read) return (rights & right.eptNoRead) !== 0;
    return (rights & (right.eptNoWrite | right.eptClean)) !== 0;
  }

  /** The exit that stands for the last refusal by EPT. */
  private eptExit: Exit | undefined;

  /** @param kind bits of `eptAccess`; `final`: the translation itself, not an entry of the guest's tables */
  private refuseByEpt(guest: number, low: number, high: number, kind: number, final: boolean): number {
    const { ept, tlb } = this;
    if (ept === undefined) return -1;
    if (this.keep && tlb.dropPage(low, high)) this.cpu.translationsDropped();
    this.eptExit = eptExit(ept, { guest, linear: fromHalves(low, high), kind, final });
    this.refuse(VM_EXIT, 0, low, high, undefined);
    return -1;
  }
  private refuseTable(low: number, high: number): number {
    const { refusedEntry, refusedAccess } = this.walk;
    return this.refuseByEpt(refusedEntry, low, high, refusedAccess, false);
  }

  /**
   * Physical address of guest-physical memory that the processor reads without a linear address: the PDPTEs that a MOV to
   * CR0, CR3 or CR4 loads. Intel SDM vol. 3, "PDPTE Registers". @throws VmExit
   */
  readableGuest(guest: number): number {
    const { ept } = this;
    if (ept === undefined) return guest;
    const host = ept.translate(guest, eptAccess.read);
    if (host >= 0) return host;
    throw new VmExit(eptExit(ept, { guest, linear: undefined, kind: eptAccess.read, final: false }));
  }

  /** A guest's translations from now on: by VPID, and by EPT where there is a pointer. Intel SDM vol. 3, "VPIDs". */
  enterSpace(vpid: number, eptPointer: bigint | undefined): void {
    this.vpid = vpid;
    this.takePointer(eptPointer);
    // Without a VPID the guest shares number 0 with the host, and nothing of it survives.
    if (vpid === 0) this.tlb.dropVpid(0, true);
    this.tlb.select(currentPcid(this.cpu), vpid, this.ep4ta);
    this.cpu.spaceSwitched(true, this.source());
  }
  /** After a snapshot was restored: as `enterSpace` or `leaveSpace`, but what is cached stays. */
  resumeSpace(guest: boolean, vpid: number, eptPointer: bigint | undefined): void {
    this.vpid = vpid;
    this.takePointer(eptPointer);
    this.cpu.translationsDropped();
    this.cpu.spaceSwitched(guest, this.source());
  }
  /** What translations come from and are judged by; the CPL has tables of its own. */
  private source(): readonly number[] {
    const registers = this.state;
    return [
      this.tlb.tag,
      this.tlb.globalTag,
      this.tlb.renumberings,
      registers.getU32(state.cr0),
      registers.getU32(state.cr4),
      registers.getU32(state.efer),
      this.ept?.accessedDirty ? 1 : 0,
    ];
  }
  private takePointer(eptPointer: bigint | undefined): void {
    this.eptPointer = eptPointer;
    if (eptPointer === undefined) {
      this.ep4ta = NO_EPT;
      this.useEpt(undefined, undefined);
      return;
    }
    if (eptPointer !== this.lastPointer) this.selectPointer(eptPointer);
    this.ep4ta = this.lastEp4ta;
    this.useEpt(this.eptWalk, this.eptLook);
  }
  /** Most often a hypervisor enters with the pointer that it entered with before. */
  private lastPointer: bigint | undefined;
  private lastEp4ta: number = NO_EPT;
  private selectPointer(eptPointer: bigint): void {
    this.lastPointer = eptPointer;
    this.lastEp4ta = ep4taOf(eptPointer);
    this.eptWalk ??= new EptWalk(
      this.cpu.physical,
      this.cpu.model,
      false,
      this.keep ? this.tlb.guestPhysical : undefined,
    );
    this.eptLook ??= new EptWalk(this.cpu.physical, this.cpu.model, true);
    this.eptWalk.select(eptPointer);
    this.eptLook.select(eptPointer);
  }
  /** Back to root operation; `forget` what VPID 0 holds. */
  leaveSpace(forget: boolean): void {
    this.vpid = 0;
    this.takePointer(undefined);
    if (forget) this.tlb.dropVpid(0, true);
    this.tlb.select(currentPcid(this.cpu));
    this.cpu.spaceSwitched(false, this.source());
  }
  /** By which translations are tagged now. */
  vpid = 0;
  /** Of the guest that runs with EPT. */
  eptPointer: bigint | undefined;
  private ep4ta: number = NO_EPT;
  private eptWalk: EptWalk | undefined;
  private eptLook: EptWalk | undefined;
  private useEpt(walk: EptWalk | undefined, look: EptWalk | undefined): void {
    this.ept = walk;
    this.walk.ept = walk;
    this.stale.ept = look;
  }

  private fill(low: number, high: number, instruction: boolean, base: number, rights: number): void {
    const { tlb } = this;
    const physical = base + (low & (pageBytes(rights) - 1) & 0xfffff000);
    tlb.fill(instruction, low, high, base, rights);
    if (tlb.evicted) {
      if (tlb.evictedSize === 0) this.cpu.translationsDropped(fromHalves(tlb.evictedLow, tlb.evictedHigh), instruction);
      else this.cpu.translationsDropped();
    }
    if (!this.tellFills) {
      this.state.setU32(state.fillCount, this.state.getU32(state.fillCount) + 1);
      return;
    }
    this.cpu.surroundings.emit('tlb-fill', () => ({
      linear: fromHalves(low & 0xfffff000, high),
      physical: BigInt(physical),
    }));
  }

  /**
   * May a derived table answer accesses of this kind, by the same accessor, to the page just translated, until
   * `translationsDropped` or `modeChanged`? Supervisor access to user pages under SMAP depends on EFLAGS.AC: never.
   */
  mayDerive(kind: AccessKind): boolean {
    if (this.checkStale) return false;
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
  refusal(rights: number, kind: AccessKind, who: Accessor, registers: CpuState = this.state): PagingRule | undefined {
    const user = (rights & right.user) !== 0;
    if (kind === access.execute) {
      if (who === accessor.user) {
        if (!user) return 'walk.user';
      } else if (user && registers.getU32(state.cr4) & CR4.SMEP) return 'walk.smep';
      return rights & right.noExecute && registers.getU32(state.efer) & EFER.NXE ? 'walk.nx' : undefined;
    }
    const write = kind !== access.read;
    if (who === accessor.user) {
      if (!user) return 'walk.user';
      return write && !(rights & right.write) ? 'walk.writable' : undefined;
    }
    if (user && registers.getU32(state.cr4) & CR4.SMAP)
      if (who === accessor.implicit || !(registers.getU32(state.flags) & AC)) return 'walk.smap';
    return write && !(rights & right.write) && registers.getU32(state.cr0) & CR0.WP ? 'walk.writable' : undefined;
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
    const address = fromHalves(faultLow, faultHigh);
    if (faultVector === VM_EXIT) return new VmExit(this.eptExit as Exit);
    if (refusedBy === undefined) return new Fault(faultVector, { rule: 'linear.canonical', linear: address }, 0);
    return new Fault(faultVector, verdict(this.walk, refusedBy, address), faultCode, address);
  }

  /** Of a page fault. Intel SDM vol. 3, "Page-Fault Exceptions". */
  errorCode(rule: PagingRule, kind: AccessKind, who: Accessor): number {
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

  // Invalidations. Each also drops what was derived.

  /** MOV to CR3, task switch: `pcid` is that of the new value; its translations go unless `keep`, global ones stay. */
  changeSpace(pcid: number, keep: boolean): void {
    if (!keep) this.tlb.dropPcid(pcid, this.vpid);
    this.tlb.select(pcid, this.vpid, this.ep4ta);
    this.cpu.translationsDropped();
  }

  /** MOV to CR4 that changes PCIDE: another process context is current; what is cached stays. */
  selectPcid(pcid: number): void {
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
    this.tlb.dropPageOfVpid(...halves(linear), vpid);
    this.cpu.translationsDropped();
  }

  /** MOV to CR4 that changes PAE or sets SMEP: the current PCID, global translations included. */
  dropSpace(pcid: number): void {
    this.tlb.dropPcid(pcid, this.vpid);
    this.tlb.dropGlobals(this.vpid);
    this.cpu.translationsDropped();
  }

  /** INVLPG: the page of a linear address, whatever its size, under the current PCID; global translations too. */
  dropPage(linear: bigint): void {
    const [low, high] = halves(linear);
    this.tlb.dropPageUnder(low, high, currentPcid(this.cpu), this.vpid);
    this.cpu.translationsDropped();
  }

  /** INVPCID by type (0 address, 1 one PCID, 2 everything, 3 all PCIDs without global translations). */
  dropByPcid(type: 0 | 1 | 2 | 3, pcid: number, linear: bigint): void {
    if (type === 0) this.tlb.dropPageOf(...halves(linear), pcid, this.vpid);
    else if (type === 1) this.tlb.dropPcid(pcid, this.vpid);
    else this.tlb.dropVpid(this.vpid, type === 2);
    this.cpu.translationsDropped();
  }

  /** RESET or INIT of the TLBs: VMX operation is over. */
  reset(): void {
    this.vpid = 0;
    this.takePointer(undefined);
    this.tlb.reset();
    this.cpu.translationsDropped();
    this.cpu.spaceSwitched(false, this.source());
  }
}

/** Kinds of access by `AccessKind`: a probe is a write. */
const eptKinds = [eptAccess.read, eptAccess.write, eptAccess.write, eptAccess.execute] as const;

const halves = (linear: bigint): [number, number] => [
  Number(linear & 0xffffffffn),
  Number((linear >> 32n) & 0xffffffffn),
];
