/** The guest-state area and the processor's state: which field is which part. Used by entries, exits and the debugger. */

import type { FieldName } from '../../x86/vmx/fields';
import { state as layout } from '../core/layout';
import type { CpuState } from '../core/state';
import { msrOffset } from '../cpu/msrs';
import { fieldIndex, fieldWord, type Vmcs } from './vmcs';

const segments = ['ES', 'CS', 'SS', 'DS', 'FS', 'GS', 'LDTR', 'TR'] as const;

/** A field, where it lies in the state, and how many words of it count. */
type Row = readonly [FieldName, number, 1 | 2];

/** The same as numbers: of the field, offset in the state, words. */
interface Copy {
  readonly field: number;
  readonly at: number;
  readonly words: 1 | 2;
}

const one = (field: FieldName, at: number): Row => [field, at, 1];
const two = (field: FieldName, at: number): Row => [field, at, 2];
export const copiesOf = (rows: readonly Row[]): readonly Copy[] =>
  rows.map(([field, at, words]) => ({ field: fieldIndex[field], at, words }));

/** What entries load and exits save as it is. */
export const guestCopies = copiesOf([
  two('GUEST_CR3', layout.cr3),
  two('GUEST_CR4', layout.cr4),
  two('GUEST_RSP', layout.gpr + 4 * 8),
  two('GUEST_RIP', layout.rip),
  two('GUEST_GDTR_BASE', layout.gdtrBase),
  one('GUEST_GDTR_LIMIT', layout.gdtrLimit),
  two('GUEST_IDTR_BASE', layout.idtrBase),
  one('GUEST_IDTR_LIMIT', layout.idtrLimit),
  two('GUEST_SYSENTER_ESP', msrOffset('IA32_SYSENTER_ESP')),
  two('GUEST_SYSENTER_EIP', msrOffset('IA32_SYSENTER_EIP')),
  one('GUEST_SYSENTER_CS', msrOffset('IA32_SYSENTER_CS')),
  ...segments.flatMap((name, n): Row[] => [
    one(`GUEST_${name}_SELECTOR`, layout.segmentSelector + n * 4),
    two(`GUEST_${name}_BASE`, layout.segmentBase + n * 8),
    one(`GUEST_${name}_LIMIT`, layout.segmentLimit + n * 4),
    one(`GUEST_${name}_AR_BYTES`, layout.segmentAccess + n * 4),
  ]),
  one('GUEST_INTERRUPTIBILITY_STATE', layout.interruptibility),
  one('GUEST_ACTIVITY_STATE', layout.activity),
  two('GUEST_PENDING_DBG_EXCEPTIONS', layout.pendingDebug),
]);

export const pdpteCopies = copiesOf(([0, 1, 2, 3] as const).map((n) => two(`GUEST_PDPTR${n}`, layout.pdpte + n * 8)));

/** From fields to the processor. */
export const loadCopies = (copies: readonly Copy[], vmcs: Vmcs, state: CpuState): void => {
  const { u32 } = state.memory;
  const slot = vmcs.at >>> 2;
  for (const { field, at, words } of copies) {
    const from = slot + fieldWord(field);
    const to = (state.base + at) >>> 2;
    u32[to] = u32[from] as number;
    if (words === 2) u32[to + 1] = u32[from + 1] as number;
  }
};

/** From the processor to fields; `changed` hears the numbers of those whose value is another than before. */
export const saveCopies = (
  copies: readonly Copy[],
  vmcs: Vmcs,
  state: CpuState,
  changed: (field: number) => void,
): void => {
  const { u32 } = state.memory;
  const slot = vmcs.at >>> 2;
  for (const { field, at, words } of copies) {
    const to = slot + fieldWord(field);
    const from = (state.base + at) >>> 2;
    const low = u32[from] as number;
    const high = words === 2 ? (u32[from + 1] as number) : 0;
    if (u32[to] === low && u32[to + 1] === high) continue;
    vmcs.put(field, low, high);
    changed(field);
  }
};
