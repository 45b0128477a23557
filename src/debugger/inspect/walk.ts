/** How an address is translated, level by level, and which accesses are allowed there. */

import { access as kinds } from '../../machine/core/layout';
import type { Cpu } from '../../machine/cpu/cpu';
import { type AddressView, explainWalk, judgeAccess, presentView, type WalkStep } from '../../machine/cpu/look';
import { pagingMode } from '../../machine/cpu/page-walk';
import { type AccessKind, type Accessor, accessor } from '../../machine/cpu/paging';
import { hex, type LinearAddress } from '../../x86/address';
import { gather, piecesWidth } from '../../x86/bit-pieces';
import { explain } from '../explain';
import { fieldsOfStep } from '../fields/paging';
import type { Item } from '../item';
import { eptItems, eptRefusal, eptVerdict, guestItem } from './ept-walk';
import { sizeText } from './size-text';

/** An access to be judged: by the current ring unless `user` says otherwise. */
export interface Access {
  readonly kind: 'read' | 'write' | 'execute';
  readonly user?: boolean;
}

/**
 * One item a level, then where the address leads, then the verdicts: on one access, or on all kinds. Under EPT each entry, and
 * the page, has its walk through EPT. @param side the space of the guest whose hypervisor runs, where that is meant
 */
export const walkItems = (cpu: Cpu, address: LinearAddress, access?: Access, side?: AddressView): Item[] => {
  const view = side ?? presentView(cpu);
  const steps = explainWalk(cpu, address, view);
  const subject = { cpu, view, own: side === undefined };
  return [
    ...steps.map((step) => stepItem(subject, address, step)),
    ...leadsTo(subject, steps, address),
    ...(access === undefined ? verdictItems(subject, address) : [verdictItem(subject, address, access)]),
  ];
};

/** Where a walk leads, in words: `physical 0x1000, page of 4 KiB`. */
export const walkText = (cpu: Cpu, address: LinearAddress, view = presentView(cpu)): string =>
  leadsTo({ cpu, view, own: false }, explainWalk(cpu, address, view), address).at(-1)?.meaning ?? '';

/** Whose tables; the fields of one's own can be named and set. */
interface Walked {
  readonly cpu: Cpu;
  readonly view: AddressView;
  readonly own: boolean;
}

const accessKinds = ['read', 'write', 'execute'] as const;
const rings = [false, true] as const;

/** On all accesses, one item each; those of one ring that the same thing denies are one, and so is all where that denies all. */
const verdictItems = (subject: Walked, address: LinearAddress): Item[] => {
  const verdicts = rings.map((user) => accessKinds.map((kind) => verdictItem(subject, address, { kind, user })));
  const [first, ...others] = verdicts.flat();
  const isAlike = (one: Item, other: Item): boolean => one.mark === 'denied' && one.meaning === other.meaning;
  if (first !== undefined && others.every((one) => isAlike(one, first))) return [{ ...first, name: 'any access' }];
  return verdicts.flatMap((ofRing) =>
    ofRing.flatMap((one, index) => {
      const alike = ofRing.filter((other) => isAlike(other, one));
      if (alike.length < 2) return [one];
      if (ofRing.indexOf(alike[0] as Item) < index) return [];
      const more = alike.slice(1).map(({ name }) => name.replace(/^\S+ /, ''));
      return [{ ...one, name: [one.name, ...more].join(', ') }];
    }),
  );
};

const stepItem = ({ cpu, view, own }: Walked, address: LinearAddress, step: WalkStep): Item => {
  const { level, entry, entryAddress, entryPhysical, register } = step;
  const bytes = pagingMode(view.state) === '32-bit' ? 4 : 8;
  const settable = own && !register ? ({ settable: true } as const) : {};
  const name = `${level.toLowerCase()}.${hex(address)}`;
  return {
    name: level,
    bits: entry,
    size: bytes,
    meaning: `at ${register ? 'PDPTE register, loaded from ' : ''}${hex(entryAddress)}: ${stepText(step)}`,
    ...(own ? { expression: name } : {}),
    ...settable,
    memory: { space: 'phys', address: entryPhysical },
    children: () => [
      ...Object.entries(fieldsOfStep(step, bytes)).map(
        ([field, { pieces, meaning }]): Item => ({
          name: field,
          bits: gather(entry, pieces),
          width: piecesWidth(pieces),
          meaning,
          ...(own ? { expression: `${name}.${field}` } : {}),
          ...settable,
        }),
      ),
      ...eptItems(cpu, entryAddress, view),
    ],
  };
};

/** `R/W user XD A D G`: what an entry says. */
const stepText = ({ present, register, writable, user, noExecute, accessed, leaf }: WalkStep): string => {
  if (!present) return 'not present';
  return [
    'P',
    ...(register ? [] : [writable ? 'R/W' : 'read-only', user ? 'user' : 'supervisor']),
    ...(noExecute ? ['XD'] : []),
    ...(accessed ? ['A'] : []),
    ...(leaf?.dirty ? ['D'] : []),
    ...(leaf?.global ? ['G'] : []),
  ].join(' ');
};

const leadsTo = ({ cpu, view }: Walked, steps: readonly WalkStep[], address: LinearAddress): Item[] => {
  const last = steps.at(-1);
  const through = (guest: bigint, meaning: string): Item[] =>
    view.eptPointer === undefined
      ? [physicalItem(guest, meaning)]
      : [guestItem(cpu, guest, meaning, view), eptVerdict(cpu, guest, view)];
  if (pagingMode(view.state) === 'none') return through(address & 0xffff_ffffn, 'paging is off');
  if (last?.leaf !== undefined)
    return through(last.leaf.physical + (address & 0xfffn), `page of ${sizeText(last.leaf.size)}`);
  if (last?.refused === undefined)
    return [{ name: 'physical', meaning: 'not reached: EPT does not let the walk read an entry', mark: 'denied' }];
  const why = last.refused === 'walk.reserved' ? 'a reserved bit is set' : 'bit P is 0';
  return [{ name: 'physical', meaning: `not mapped: ${why} in the ${last.level}`, mark: 'denied' }];
};

const physicalItem = (bits: bigint, meaning: string): Item => ({
  name: 'physical',
  bits,
  size: 8,
  meaning,
  memory: { space: 'phys', address: bits },
});

const verdictItem = (
  { cpu, view }: Walked,
  address: LinearAddress,
  { kind, user = view.state.cpl === 3 }: Access,
): Item => {
  const who: Accessor = user ? accessor.user : accessor.supervisor;
  const why = judgeAccess(cpu, address, kinds[kind] as AccessKind, who, view);
  const name = `${user ? 'user' : 'supervisor'} ${kind}`;
  if (why !== undefined) return { name, meaning: explain(why), mark: 'denied' };
  const beyond = eptRefusal(cpu, address, kind, view);
  return beyond === undefined ? { name, meaning: 'allowed' } : { name, meaning: beyond, mark: 'denied' };
};
