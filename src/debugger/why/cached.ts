/**
 * A translation that is cached and that the processor uses, whatever the tables say by now. Intel SDM vol. 3, "Caching
 * Translation Information".
 */

import type { Cpu } from '../../machine/cpu/cpu';
import { eptAccess } from '../../machine/cpu/ept';
import { type AddressView, peekGuestTranslation } from '../../machine/cpu/look';
import { currentPcid } from '../../machine/cpu/pcid';
import type { TlbEntry } from '../../machine/cpu/tlb';

/** An access to a linear address. */
export interface Touched {
  readonly kind: 'read' | 'write' | 'execute';
  readonly linear: bigint;
}

export interface Cached {
  /** Where it leads. */
  readonly physical: bigint;
  readonly dropped: string;
}

const ROOT = 0xf_ffff_ffff_f000n;
const PAGE = 4096n;

const rootOf = ({ eptPointer }: AddressView): bigint | undefined =>
  eptPointer === undefined ? undefined : eptPointer & ROOT;

/** An access that a cached translation forbids, or that has a dirty flag to set, walks the tables. */
const allows = (entry: TlbEntry, { kind }: Touched, user: boolean): boolean => {
  if (user && !entry.user) return false;
  if (!(entry.eptRights & eptAccess[kind])) return false;
  if (kind === 'write') return entry.writable && entry.dirty;
  return kind === 'read' || !entry.noExecute;
};

const linearEntry = (cpu: Cpu, touched: Touched, view: AddressView): Cached | undefined => {
  const { linear, kind } = touched;
  const pcid = currentPcid(cpu);
  for (const entry of cpu.paging.tlb.entries()) {
    const within = linear >= entry.linear && linear < entry.linear + BigInt(entry.size);
    if (!within || entry.instruction !== (kind === 'execute')) continue;
    if (entry.vpid !== cpu.paging.vpid || entry.ep4ta !== rootOf(view)) continue;
    if (entry.pcid !== undefined && entry.pcid !== pcid) continue;
    if (!allows(entry, touched, view.state.cpl === 3)) continue;
    const dropped = view.eptPointer === undefined ? 'INVLPG, INVPCID or a MOV to CR3' : 'INVEPT';
    return { physical: entry.physical + (linear - entry.linear), dropped };
  }
  return undefined;
};

const guestEntry = (cpu: Cpu, { linear, kind }: Touched, view: AddressView): Cached | undefined => {
  const guest = peekGuestTranslation(cpu, linear, view);
  if (guest === undefined || view.eptPointer === undefined) return undefined;
  const page = (BigInt(guest) / PAGE) * PAGE;
  for (const entry of cpu.paging.tlb.guestPhysical.entries()) {
    if (entry.guest !== page || entry.ep4ta !== rootOf(view) || !(entry.rights & eptAccess[kind])) continue;
    if (kind === 'write' && !entry.dirty) continue;
    return { physical: entry.physical + (BigInt(guest) % PAGE), dropped: 'INVEPT' };
  }
  return undefined;
};

/** What of an access is cached: the linear address, or else the guest-physical one. */
export const cachedFor = (cpu: Cpu, touched: Touched, view: AddressView): Cached | undefined =>
  linearEntry(cpu, touched, view) ?? guestEntry(cpu, touched, view);
