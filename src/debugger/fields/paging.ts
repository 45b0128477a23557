/** Entries of the walk of a linear address by name: `pte.0x400000`, `pte.0x400000.rw`, `pde.0x400000.p`. */

import { explainWalk, type WalkStep } from '../../machine/cpu/look';
import { pagingMode } from '../../machine/cpu/page-walk';
import type { EntryFields } from '../../x86/descriptor-fields';
import { pagingEntryFields } from '../../x86/paging-entries';
import { sizeText } from '../inspect/size-text';
import { bigWord, type FieldFamily, memoryField, noSuchPart, type Owner, partOf } from './field';

const PS = 0x80n;

/** Bytes of an entry. */
const entryBytes = ({ vcpu }: Pick<Owner, 'vcpu'>): 4 | 8 => (pagingMode(vcpu.state) === '32-bit' ? 4 : 8);

export const fieldsOfStep = (step: WalkStep, bytes: 4 | 8): EntryFields => {
  const { level, entry, register } = step;
  const page = level === 'PTE' || ((level === 'PDE' || level === 'PDPTE') && !register && (entry & PS) !== 0n);
  return pagingEntryFields(level, page, bytes, register);
};

const heads = ['pml4e', 'pdpte', 'pde', 'pte'];

/** How far the walk goes, and what would be named there. */
const absentStep = (owner: Owner, head: string, [address = '', name]: readonly string[]): string | undefined => {
  const linear = bigWord(address);
  if (linear === undefined) return undefined;
  const steps = explainWalk(owner.vcpu.cpu, linear);
  const last = steps.at(-1);
  if (last === undefined) return 'paging is off: no entry translates an address';
  const reached = steps.find(({ level }) => level.toLowerCase() === head);
  if (reached !== undefined)
    return name === undefined
      ? undefined
      : noSuchPart(head, name, Object.keys(fieldsOfStep(reached, entryBytes(owner))));
  const ends = last.level.toLowerCase();
  // Above the first level of this mode there is nothing.
  if (heads.indexOf(head) < heads.indexOf(ends)) return `this paging mode has no ${head.toUpperCase()}`;
  const how = last.leaf === undefined ? 'is not present' : `maps a page of ${sizeText(last.leaf.size)}`;
  const instead = [ends, address, ...(name === undefined ? [] : [name])].join('.');
  return `the walk of ${address} ends at its ${last.level}, which ${how}: there is ${instead}, and no ${head.toUpperCase()}`;
};

export const pagingFields: FieldFamily = {
  heads: () => heads,
  absent: absentStep,
  find: (owner, head, [address, name]) => {
    const linear = bigWord(address);
    const step =
      linear === undefined
        ? undefined
        : explainWalk(owner.vcpu.cpu, linear).find(({ level }) => level.toLowerCase() === head);
    if (step === undefined) return undefined;
    const bytes = entryBytes(owner);
    // PDPTE registers of PAE paging are loaded by MOV to CR3 alone.
    const memory = step.register
      ? { width: 64, read: () => step.entry }
      : memoryField(owner, { space: 'phys', address: step.entryPhysical }, bytes);
    if (name === undefined) return memory;
    const fields = fieldsOfStep(step, bytes);
    const field = Object.hasOwn(fields, name) ? fields[name] : undefined;
    return field === undefined ? undefined : partOf(memory, field.pieces);
  },
};
