/** The task-state segment that TR names, by field: `tss.rsp0`, `tss.ist1`, `tss.iomap`. */

import { TR } from '../../machine/core/state';
import { isIa32e } from '../../machine/cpu/mode';
import { access } from '../../x86/descriptors';
import { type TssField, tssFields } from '../../x86/task-state';
import { type FieldFamily, memoryField, type Owner } from './field';

export interface TaskState {
  readonly width: 16 | 32 | 64;
  readonly base: bigint;
  readonly limit: number;
  /** Those within the limit. */
  readonly fields: readonly (readonly [name: string, field: TssField])[];
}

/** Undefined while TR names no TSS, as after reset. */
export const taskState = ({ vcpu: { state } }: Pick<Owner, 'vcpu'>): TaskState | undefined => {
  const { selector, base, limit, access: rights } = state.segment(TR);
  if ((selector & 0xfffc) === 0 || rights & access.unusable) return undefined;
  const width = isIa32e(state) ? 64 : rights & 8 ? 32 : 16;
  return {
    width,
    base,
    limit,
    fields: Object.entries(tssFields[width]).filter(([, { at, size }]) => at + size - 1 <= limit),
  };
};

export const taskFields: FieldFamily = {
  heads: () => ['tss'],
  names: (owner) => taskState(owner)?.fields.map(([name]) => `tss.${name}`) ?? [],
  find: (owner, _, [name]) => {
    const task = taskState(owner);
    const found = task?.fields.find(([own]) => own === name)?.[1];
    if (task === undefined || found === undefined) return undefined;
    return memoryField(owner, { space: 'linear', address: task.base + BigInt(found.at) }, found.size);
  },
};
