/** The exits of accesses that EPT refuses. Intel SDM vol. 3, "Exit Qualification for EPT Violations", "EPT Misconfigurations". */

import { exitReasons } from '../../x86/vmx/exit-reasons';
import { type EptWalk, eptAccess } from './ept';
import type { Exit } from './virtualization';

const LINEAR_VALID = 1 << 7;
const FINAL = 1 << 8;

export interface RefusedAccess {
  /** Guest-physical address. */
  readonly guest: number;
  /** Undefined for the loads of PDPTE registers, which no linear address asks for. */
  readonly linear: bigint | undefined;
  /** Bits of `eptAccess`. */
  readonly kind: number;
  /** To the translation of the linear address, not to an entry of the guest's tables. */
  readonly final: boolean;
}

/**
 * After a walk that found no page, or none for this access. Bit 12 of the qualification, NMI unblocking due to IRET, is
 * for whoever delivers the exit.
 */
export const eptExit = (ept: EptWalk, { guest, linear, kind, final }: RefusedAccess): Exit => {
  const level = ept.depth - 1;
  const { misconfigured } = ept;
  const cause = {
    rule: misconfigured === undefined ? 'ept.violation' : `ept.${misconfigured}`,
    field: 'EPT_POINTER',
    ...(level < 0 ? {} : { value: ept.entry(level), bitmapByte: BigInt(ept.address[level] as number) }),
    ...(misconfigured === undefined ? {} : { bit: ept.badBit }),
  };
  const where = {
    guestPhysical: BigInt(guest),
    ...(linear === undefined ? {} : { guestLinear: linear }),
    instructionLength: 0,
    cause,
  };
  if (misconfigured !== undefined) return { reason: exitReasons.EPT_MISCONFIGURATION.number, ...where };
  const qualification = kind | (ept.rights << 3) | (linear === undefined ? 0 : LINEAR_VALID) | (final ? FINAL : 0);
  return { reason: exitReasons.EPT_VIOLATION.number, qualification: BigInt(qualification), ...where };
};

/** What an access to an entry of the guest's tables counts as. Intel SDM vol. 3, "Accessed and Dirty Flags for EPT". */
export const tableAccess = ({ accessedDirty }: EptWalk): number =>
  accessedDirty ? eptAccess.read | eptAccess.write : eptAccess.read;
