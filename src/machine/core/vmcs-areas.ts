/** The areas of a VMCS and the processor's state: which field is which part. Intel SDM vol. 3, "Guest-State Area" and "Host-State Area". */

import { type MsrName, msrSlots } from '../../x86/msrs';
import { type FieldName, fieldIndex } from '../../x86/vmx/fields';
import { state } from './layout';

/** A field that is copied as it is. */
export interface Copy {
  /** Its number. */
  readonly field: number;
  /** Offset in the state, and how much of that the field holds, in bytes. */
  readonly at: number;
  readonly bytes: 4 | 8;
}

const copy = (field: FieldName, at: number, bytes: 4 | 8 = 8): Copy => ({ field: fieldIndex[field], at, bytes });
const msr = (name: MsrName): number => state.msr + (msrSlots[name] as number) * 8;
const segments = ['ES', 'CS', 'SS', 'DS', 'FS', 'GS', 'LDTR', 'TR'] as const;
const RSP = state.gpr + 4 * 8;

/** What entries load and exits save. CR0 is saved so, but loaded in parts. */
export const guestArea: readonly Copy[] = [
  copy('GUEST_CR3', state.cr3),
  copy('GUEST_CR4', state.cr4),
  copy('GUEST_RSP', RSP),
  copy('GUEST_RIP', state.rip),
  copy('GUEST_GDTR_BASE', state.gdtrBase),
  copy('GUEST_GDTR_LIMIT', state.gdtrLimit, 4),
  copy('GUEST_IDTR_BASE', state.idtrBase),
  copy('GUEST_IDTR_LIMIT', state.idtrLimit, 4),
  copy('GUEST_SYSENTER_ESP', msr('IA32_SYSENTER_ESP')),
  copy('GUEST_SYSENTER_EIP', msr('IA32_SYSENTER_EIP')),
  copy('GUEST_SYSENTER_CS', msr('IA32_SYSENTER_CS'), 4),
  ...segments.flatMap((name, n): Copy[] => [
    copy(`GUEST_${name}_SELECTOR`, state.segmentSelector + n * 4, 4),
    copy(`GUEST_${name}_BASE`, state.segmentBase + n * 8),
    copy(`GUEST_${name}_LIMIT`, state.segmentLimit + n * 4, 4),
    copy(`GUEST_${name}_AR_BYTES`, state.segmentAccess + n * 4, 4),
  ]),
  copy('GUEST_INTERRUPTIBILITY_STATE', state.interruptibility, 4),
  copy('GUEST_ACTIVITY_STATE', state.activity, 4),
  copy('GUEST_PENDING_DBG_EXCEPTIONS', state.pendingDebug),
];
export const savedCr0: Copy = copy('GUEST_CR0', state.cr0);

/** With PAE paging under EPT. */
export const pdpteArea: readonly Copy[] = ([0, 1, 2, 3] as const).map((n) =>
  copy(`GUEST_PDPTR${n}`, state.pdpte + n * 8),
);

/** What exits load; the hidden parts of the segments but for these bases are the same at every exit. */
export const hostArea: readonly Copy[] = [
  copy('HOST_CR3', state.cr3),
  copy('HOST_RSP', RSP),
  copy('HOST_RIP', state.rip),
  copy('HOST_IA32_SYSENTER_CS', msr('IA32_SYSENTER_CS')),
  copy('HOST_IA32_SYSENTER_ESP', msr('IA32_SYSENTER_ESP')),
  copy('HOST_IA32_SYSENTER_EIP', msr('IA32_SYSENTER_EIP')),
  copy('HOST_GDTR_BASE', state.gdtrBase),
  copy('HOST_IDTR_BASE', state.idtrBase),
  ...(['ES', 'CS', 'SS', 'DS', 'FS', 'GS'] as const).map((name, n) =>
    copy(`HOST_${name}_SELECTOR`, state.segmentSelector + n * 4, 4),
  ),
  copy('HOST_TR_SELECTOR', state.segmentSelector + segments.indexOf('TR') * 4, 4),
  ...(['FS', 'GS', 'TR'] as const).map((name) =>
    copy(`HOST_${name}_BASE`, state.segmentBase + segments.indexOf(name) * 8),
  ),
];
