/** The TLBs: what is cached, with the tags, compared with what the tables say now. */

import type { Cpu } from '../../machine/cpu/cpu';
import { explainWalk } from '../../machine/cpu/look';
import { pagingMode } from '../../machine/cpu/page-walk';
import { currentPcid } from '../../machine/cpu/pcid';
import type { TlbEntry } from '../../machine/cpu/tlb';
import { hex } from '../../x86/address';
import { type Item, lazyItem } from '../item';
import type { Subject } from './scope';
import { sizeText } from './walk';

export const translationItems = ({ vcpu: { cpu } }: Subject): Item[] => {
  const entries = [...cpu.paging.tlb.entries()];
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
      const old = entries.filter((entry) => stale(cpu, entry) !== undefined);
      return old.length === 0 ? 'no entry differs from the tables' : `${old.length} of ${entries.length} entries`;
    }),
    ...[false, true].map((instruction): Item => {
      const own = entries.filter((entry) => entry.instruction === instruction);
      return {
        name: instruction ? 'instructions' : 'data',
        meaning: `${own.length} translations`,
        count: own.length,
        children: (start = 0, count = own.length) =>
          own.slice(start, start + count).map((entry) => entryItem(cpu, entry)),
      };
    }),
  ];
};

const entryItem = (cpu: Cpu, entry: TlbEntry): Item => {
  const { linear, physical, size, pcid, vpid, ep4ta } = entry;
  const differs = stale(cpu, entry);
  const tags = [
    pcid === undefined ? 'global' : `PCID ${pcid}`,
    ...(vpid === 0 ? [] : [`VPID ${vpid}`]),
    ...(ep4ta === undefined ? [] : [`EP4TA ${hex(ep4ta)}`]),
  ];
  const words = `${sizeText(size)}, ${rightsOf(entry)}, ${tags.join(', ')}`;
  const name = `tlb.${hex(linear)}.valid${pcid === undefined || pcid === currentPcid(cpu) ? '' : `.${pcid}`}`;
  return {
    name: `${hex(linear)} ${tags.join(' ')} ${sizeText(size)}`,
    bits: physical,
    size: 8,
    meaning: differs === undefined ? words : `${words}; ${differs}`,
    memory: { space: 'phys', address: physical },
    ...(differs === undefined ? {} : { mark: 'stale' }),
    children: () => [
      { name: 'valid', bits: 1n, width: 1, meaning: 'set to 0 to drop it', expression: name, settable: true },
      { name: 'linear', bits: linear, size: 8, memory: { space: 'linear', address: linear } },
      { name: 'physical', bits: physical, size: 8, memory: { space: 'phys', address: physical } },
    ],
  };
};

const rightsOf = ({
  writable,
  user,
  noExecute,
  dirty,
}: Pick<TlbEntry, 'writable' | 'user' | 'noExecute' | 'dirty'>): string =>
  [
    writable ? 'R/W' : 'read-only',
    user ? 'user' : 'supervisor',
    ...(noExecute ? ['XD'] : []),
    ...(dirty ? ['D'] : []),
  ].join(' ');

/** What the tables say now, in words, where it is something else. Of other address spaces nothing can be said. */
const stale = (cpu: Cpu, entry: TlbEntry): string | undefined => {
  const { linear, physical, pcid, vpid } = entry;
  if (vpid !== 0 || (pcid !== undefined && pcid !== currentPcid(cpu))) return undefined;
  if (pagingMode(cpu.state) === 'none') return 'paging is off now';
  const steps = explainWalk(cpu, linear);
  const leaf = steps.at(-1)?.leaf;
  if (leaf === undefined) return 'the tables map nothing here now';
  if (leaf.physical !== physical) return `the tables now lead to ${hex(leaf.physical)}`;
  const now = {
    writable: steps.every(({ writable }) => writable),
    user: steps.every(({ user }) => user),
    noExecute: steps.some(({ noExecute, register }) => noExecute && !register),
    dirty: leaf.dirty,
  };
  const same =
    now.writable === entry.writable &&
    now.user === entry.user &&
    now.noExecute === entry.noExecute &&
    (now.dirty || !entry.dirty);
  return same ? undefined : `the tables now say ${rightsOf(now)}`;
};
