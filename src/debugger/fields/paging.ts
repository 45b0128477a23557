/** Entries of the walk of a linear address by name: `pte.0x400000`, `pte.0x400000.rw`, `pde.0x400000.p`. */

import { explainWalk, type WalkStep } from '../../machine/cpu/look';
import { pagingMode } from '../../machine/cpu/page-walk';
import type { EntryFields } from '../../x86/descriptor-fields';
import { pagingEntryFields } from '../../x86/paging-entries';
import { bigWord, type FieldFamily, memoryField, type Owner, partOf } from './field';

const PS = 0x80n;

/** Bytes of an entry. */
const entryBytes = ({ vcpu }: Pick<Owner, 'vcpu'>): 4 | 8 => (pagingMode(vcpu.state) === '32-bit' ? 4 : 8);

export const fieldsOfStep = (step: WalkStep, bytes: 4 | 8): EntryFields => {
  const { level, entry, register } = step;
  const page = level === 'PTE' || ((level === 'PDE' || level === 'PDPTE') && !register && (entry & PS) !== 0n);
  return pagingEntryFields(level, page, bytes, register);
};

export const pagingFields: FieldFamily = {
  heads: () => ['pml4e', 'pdpte', 'pde', 'pte'],
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
