/** How an address is translated, level by level, and which accesses are allowed there. */

import { access as kinds } from '../../machine/core/layout';
import type { Cpu } from '../../machine/cpu/cpu';
import { explainWalk, judgeAccess, type WalkStep } from '../../machine/cpu/look';
import { pagingMode } from '../../machine/cpu/page-walk';
import { type AccessKind, type Accessor, accessor } from '../../machine/cpu/paging';
import { hex, type LinearAddress } from '../../x86/address';
import { gather, piecesWidth } from '../../x86/bit-pieces';
import { explain } from '../explain';
import { fieldsOfStep } from '../fields/paging';
import type { Item } from '../item';

/** An access to be judged: by the current ring unless `user` says otherwise. */
export interface Access {
  readonly kind: 'read' | 'write' | 'execute';
  readonly user?: boolean;
}

/** One item a level, then where the address leads, then the verdicts: on one access, or on all kinds. */
export const walkItems = (cpu: Cpu, address: LinearAddress, access?: Access): Item[] => {
  const steps = explainWalk(cpu, address);
  const verdicts = access === undefined ? allAccesses : [access];
  return [
    ...steps.map((step) => stepItem(cpu, address, step)),
    leadsTo(steps, address),
    ...verdicts.map((one) => verdictItem(cpu, address, one)),
  ];
};

/** Where a walk leads, in words: `physical 0x1000, page of 4 KiB`. */
export const walkText = (cpu: Cpu, address: LinearAddress): string =>
  leadsTo(explainWalk(cpu, address), address).meaning ?? '';

const allAccesses: readonly Access[] = [false, true].flatMap((user) =>
  (['read', 'write', 'execute'] as const).map((kind) => ({ kind, user })),
);

const stepItem = (cpu: Cpu, address: LinearAddress, step: WalkStep): Item => {
  const { level, entry, entryAddress, entryPhysical, register } = step;
  const bytes = pagingMode(cpu.state) === '32-bit' ? 4 : 8;
  const name = `${level.toLowerCase()}.${hex(address)}`;
  return {
    name: level,
    bits: entry,
    size: bytes,
    meaning: `at ${register ? 'PDPTE register, loaded from ' : ''}${hex(entryAddress)}: ${stepText(step)}`,
    expression: name,
    ...(register ? {} : { settable: true }),
    memory: { space: 'phys', address: entryPhysical },
    children: () =>
      Object.entries(fieldsOfStep(step, bytes)).map(
        ([field, { pieces, meaning }]): Item => ({
          name: field,
          bits: gather(entry, pieces),
          width: piecesWidth(pieces),
          meaning,
          expression: `${name}.${field}`,
          ...(register ? {} : { settable: true }),
        }),
      ),
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

const leadsTo = (steps: readonly WalkStep[], address: LinearAddress): Item => {
  const last = steps.at(-1);
  if (last === undefined) return physicalItem(address & 0xffff_ffffn, 'paging is off');
  if (last.leaf !== undefined)
    return physicalItem(last.leaf.physical + (address & 0xfffn), `page of ${sizeText(last.leaf.size)}`);
  const why = last.refused === 'walk.reserved' ? 'a reserved bit is set' : 'bit P is 0';
  return { name: 'physical', meaning: `not mapped: ${why} in the ${last.level}`, mark: 'denied' };
};

const physicalItem = (bits: bigint, meaning: string): Item => ({
  name: 'physical',
  bits,
  size: 8,
  meaning,
  memory: { space: 'phys', address: bits },
});

const verdictItem = (cpu: Cpu, address: LinearAddress, { kind, user = cpu.state.cpl === 3 }: Access): Item => {
  const who: Accessor = user ? accessor.user : accessor.supervisor;
  const why = judgeAccess(cpu, address, kinds[kind] as AccessKind, who);
  const name = `${user ? 'user' : 'supervisor'} ${kind}`;
  return why === undefined ? { name, meaning: 'allowed' } : { name, meaning: explain(why), mark: 'denied' };
};

export const sizeText = (bytes: number): string => {
  for (const [unit, size] of [
    ['TiB', 2 ** 40],
    ['GiB', 2 ** 30],
    ['MiB', 2 ** 20],
  ] as const)
    if (bytes >= size && bytes % size === 0) return `${bytes / size} ${unit}`;
  return `${bytes / 1024} KiB`;
};
