/** The TLBs: what is cached, with the tags, compared with what the tables say now. */

import type { Cpu } from '../../machine/cpu/cpu';
import type { GuestPhysicalEntry } from '../../machine/cpu/guest-physical-tlb';
import { type AddressView, explainEpt, explainWalk, presentView } from '../../machine/cpu/look';
import { pagingMode } from '../../machine/cpu/page-walk';
import { currentPcid, pcidOf } from '../../machine/cpu/pcid';
import type { TlbEntry } from '../../machine/cpu/tlb';
import { hex } from '../../x86/address';
import { type Item, lazyItem } from '../item';
import { memoryTypeText } from '../memory-types';
import { eptRightsText } from '../translation-rights';
import type { Subject } from './scope';
import { sizeText } from './size-text';

export const translationItems = ({ vcpu: { cpu } }: Subject): Item[] => {
  const entries = [...cpu.paging.tlb.entries()];
  const guests = [...cpu.paging.tlb.guestPhysical.entries()];
  const spaces = knownSpaces(cpu);
  return [
    {
      name: 'entries',
      bits: BigInt(entries.length),
      size: 2,
      meaning: 'set to 0 to drop them all',
      expression: 'tlb.entries',
      settable: true,
    },
    lazyItem('stale', () => {
      const old = entries.filter((entry) => stale(cpu, spaces, entry) !== undefined).length;
      const behind = guests.filter((entry) => staleGuest(cpu, entry) !== undefined).length;
      const all = entries.length + guests.length;
      return old + behind === 0 ? 'no entry differs from the tables' : `${old + behind} of ${all} entries`;
    }),
    ...[false, true].map((instruction): Item => {
      const own = entries.filter((entry) => entry.instruction === instruction);
      return {
        name: instruction ? 'instructions' : 'data',
        meaning: `${own.length} ${own.length === 1 ? 'translation' : 'translations'}`,
        count: own.length,
        children: (start = 0, count = own.length) =>
          own.slice(start, start + count).map((entry) => entryItem(cpu, spaces, entry)),
      };
    }),
    ...(guests.length === 0
      ? []
      : [
          {
            name: 'guest-physical',
            meaning: `${guests.length} ${guests.length === 1 ? 'mapping' : 'mappings'} by EPT, which INVEPT alone drops`,
            count: guests.length,
            children: (start = 0, count = guests.length) =>
              guests.slice(start, start + count).map((entry) => guestEntryItem(cpu, entry)),
          },
        ]),
  ];
};

/** A space whose tables can be walked now, with the tags of what is cached of it. */
interface KnownSpace {
  readonly view: AddressView;
  readonly vpid: number;
  readonly pcid: number;
  readonly ep4ta: bigint | undefined;
}

const ROOT = 0xf_ffff_ffff_f000n;

/** The present space, and that of the guest whose hypervisor runs. */
const knownSpaces = (cpu: Cpu): readonly KnownSpace[] => {
  const spaceOf = (view: AddressView, vpid: number): KnownSpace => ({
    view,
    vpid,
    pcid: pcidOf(view.state),
    ep4ta: view.eptPointer === undefined ? undefined : view.eptPointer & ROOT,
  });
  const guest = cpu.vmx?.guestSide;
  return [
    spaceOf(presentView(cpu), cpu.paging.vpid),
    // Without a VPID nothing of it is left.
    ...(guest?.vpid ? [spaceOf(guest, guest.vpid)] : []),
  ];
};

const entryItem = (cpu: Cpu, spaces: readonly KnownSpace[], entry: TlbEntry): Item => {
  const { linear, physical, size, pcid, vpid, ep4ta } = entry;
  const differs = stale(cpu, spaces, entry);
  const tags = [
    pcid === undefined ? 'global' : `PCID ${pcid}`,
    ...(vpid === 0 ? [] : [`VPID ${vpid}`]),
    ...(ep4ta === undefined ? [] : [`EP4TA ${hex(ep4ta)}`]),
  ];
  const words = `${sizeText(size)}, ${rightsOf(entry)}, ${tags.join(', ')}`;
  const own = vpid === cpu.paging.vpid;
  const name = `tlb.${hex(linear)}.valid${pcid === undefined || pcid === currentPcid(cpu) ? '' : `.${pcid}`}`;
  return {
    name: `${hex(linear)} ${tags.join(' ')} ${sizeText(size)}`,
    bits: physical,
    size: 8,
    meaning: differs === undefined ? words : `${words}; ${differs}`,
    memory: { space: 'phys', address: physical },
    ...(differs === undefined ? {} : { mark: 'stale' }),
    children: () => [
      ...(own
        ? ([
            { name: 'valid', bits: 1n, width: 1, meaning: 'set to 0 to drop it', expression: name, settable: true },
          ] as const)
        : []),
      { name: 'linear', bits: linear, size: 8, ...(own ? { memory: { space: 'linear', address: linear } } : {}) },
      { name: 'physical', bits: physical, size: 8, memory: { space: 'phys', address: physical } },
    ],
  };
};

type Rights = Pick<TlbEntry, 'writable' | 'user' | 'noExecute' | 'dirty' | 'eptRights'>;

const rightsOf = ({ writable, user, noExecute, dirty, eptRights }: Rights): string =>
  [
    writable ? 'R/W' : 'read-only',
    user ? 'user' : 'supervisor',
    ...(noExecute ? ['XD'] : []),
    ...(dirty ? ['D'] : []),
    ...(eptRights === 7 ? [] : [`EPT ${eptRightsText(eptRights)}`]),
  ].join(' ');

/** What the tables say now, in words, where it is something else. Of spaces that are not known nothing can be said. */
const stale = (cpu: Cpu, spaces: readonly KnownSpace[], entry: TlbEntry): string | undefined => {
  const { linear, physical, pcid, vpid, ep4ta } = entry;
  const space = spaces.find(
    (one) => one.vpid === vpid && one.ep4ta === ep4ta && (pcid === undefined || pcid === one.pcid),
  );
  if (space === undefined) return undefined;
  const { view } = space;
  if (pagingMode(view.state) === 'none') return 'paging is off now';
  const steps = explainWalk(cpu, linear, view);
  const leaf = steps.at(-1)?.leaf;
  if (leaf === undefined) return 'the tables map nothing here now';
  const beyond = explainEpt(cpu, leaf.physical, view);
  if (beyond !== undefined && beyond.leaf === undefined) return 'EPT maps nothing here now';
  const leads = beyond?.leaf?.physical ?? leaf.physical;
  if (leads !== physical) return `the tables now lead to ${hex(leads)}`;
  const now = {
    writable: steps.every(({ writable }) => writable),
    user: steps.every(({ user }) => user),
    noExecute: steps.some(({ noExecute, register }) => noExecute && !register),
    dirty: leaf.dirty,
    eptRights: beyond === undefined ? 7 : beyond.rights & 7,
  };
  const same =
    now.writable === entry.writable &&
    now.user === entry.user &&
    now.noExecute === entry.noExecute &&
    now.eptRights === entry.eptRights &&
    (now.dirty || !entry.dirty);
  return same ? undefined : `the tables now say ${rightsOf(now)}`;
};

const guestEntryItem = (cpu: Cpu, entry: GuestPhysicalEntry): Item => {
  const { guest, physical, rights, memoryType, dirty, ep4ta } = entry;
  const differs = staleGuest(cpu, entry);
  const type = memoryTypeText(memoryType);
  const words = `${eptRightsText(rights)}, ${type}${dirty ? ', D' : ''}, EP4TA ${hex(ep4ta)}`;
  return {
    name: `${hex(guest)} EP4TA ${hex(ep4ta)}`,
    bits: physical,
    size: 8,
    meaning: differs === undefined ? words : `${words}; ${differs}`,
    memory: { space: 'phys', address: physical },
    ...(differs === undefined ? {} : { mark: 'stale' }),
  };
};

/** Write-back, four levels: of the pointer only the root counts here. */
const POINTER = 0x1en;

const staleGuest = (
  cpu: Cpu,
  { guest, physical, rights, memoryType, ep4ta }: GuestPhysicalEntry,
): string | undefined => {
  const look = explainEpt(cpu, guest, { state: cpu.state, eptPointer: ep4ta | POINTER });
  if (look?.leaf === undefined) return 'EPT maps nothing here now';
  const { leaf } = look;
  if (leaf.physical !== physical) return `EPT now leads to ${hex(leaf.physical)}`;
  if ((look.rights & 7) !== rights) return `EPT now allows ${eptRightsText(look.rights)}`;
  return leaf.memoryType === memoryType ? undefined : `EPT now says memory type ${leaf.memoryType}`;
};
