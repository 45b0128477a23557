/** How EPT translates a guest-physical address, level by level, and what it forbids there. */

import type { Cpu } from '../../machine/cpu/cpu';
import { type AddressView, type EptLook, explainEpt, peekGuestTranslation } from '../../machine/cpu/look';
import { hex, type LinearAddress } from '../../x86/address';
import type { Item } from '../item';
import { memoryTypeText, typeDispute } from '../memory-types';
import { eptRightsText } from '../translation-rights';
import { sizeText } from './size-text';
import type { Access } from './walk';

/** The levels; none without EPT. */
export const eptItems = (cpu: Cpu, guest: bigint, view: AddressView): Item[] => {
  const look = explainEpt(cpu, guest, view);
  return (look?.entries ?? []).map(
    ({ level, entry, address }): Item => ({
      name: level,
      bits: entry,
      size: 8,
      meaning: `at ${hex(address)}: ${entry & 7n ? eptRightsText(Number(entry & 7n)) : 'not present'}`,
      memory: { space: 'phys', address },
    }),
  );
};

export const guestItem = (cpu: Cpu, guest: bigint, meaning: string, view: AddressView): Item => ({
  name: 'guest-physical',
  bits: guest,
  size: 8,
  meaning,
  memory: { space: 'gpa', address: guest },
  children: () => eptItems(cpu, guest, view),
});

const refusalText = ({ entries, misconfigured }: EptLook): string => {
  const level = entries.at(-1)?.level;
  if (misconfigured !== undefined)
    return `EPT misconfiguration: ${misconfigured.why}, bit ${misconfigured.bit} of the ${level}`;
  return level === undefined ? 'EPT translates 48 bits' : `not mapped by EPT: the ${level} is not present`;
};

/** Where EPT leads, or why it does not. */
export const eptVerdict = (cpu: Cpu, guest: bigint, view: AddressView): Item => {
  const look = explainEpt(cpu, guest, view);
  if (look === undefined) return { name: 'physical', meaning: 'there is no EPT' };
  const { leaf, rights } = look;
  if (leaf === undefined) return { name: 'physical', meaning: refusalText(look), mark: 'denied' };
  const first = Number(leaf.physical) - (Number(leaf.physical) % leaf.size);
  const dispute = typeDispute(cpu, first, leaf.size, leaf.memoryType);
  return {
    name: 'physical',
    bits: leaf.physical,
    size: 8,
    meaning: `EPT page of ${sizeText(leaf.size)}, ${eptRightsText(rights)}, ${memoryTypeText(leaf.memoryType)}${dispute}`,
    memory: { space: 'phys', address: leaf.physical },
    ...(dispute === '' ? {} : { mark: 'differs' }),
  };
};

const wanted = { read: 1, write: 2, execute: 4 } as const;

/** What EPT has against an access that the guest's tables allow, in words. */
export const eptRefusal = (
  cpu: Cpu,
  address: LinearAddress,
  kind: Access['kind'],
  view: AddressView,
): string | undefined => {
  if (view.eptPointer === undefined) return undefined;
  const guest = peekGuestTranslation(cpu, address, view);
  const look = guest === undefined ? undefined : explainEpt(cpu, BigInt(guest), view);
  if (look === undefined) return "EPT does not let the walk read an entry of the guest's tables";
  if (look.leaf === undefined) return refusalText(look);
  return look.rights & wanted[kind] ? undefined : `EPT violation: the page is ${eptRightsText(look.rights)}`;
};
