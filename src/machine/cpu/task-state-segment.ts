/**
 * What a 16-bit and a 32-bit TSS hold and where. Intel SDM vol. 3, "Task-State Segment (TSS)", "16-Bit Task-State
 * Segment".
 */

import { CS, DS, ES, FS, GS, SS } from '../core/state';

export interface TssLayout {
  /** Size in bytes of registers and pointers. */
  readonly size: 2 | 4;
  /** Lowest legal limit. */
  readonly minimum: number;
  readonly ip: number;
  readonly flags: number;
  /** The first of eight general registers in their numbers' order. */
  readonly general: number;
  readonly ldt: number;
  /** Page-directory base, 32-bit only. */
  readonly cr3: number | undefined;
  /** T flag, 32-bit only. */
  readonly trap: number | undefined;
  readonly segments: readonly { readonly index: 0 | 1 | 2 | 3 | 4 | 5; readonly at: number }[];
  /** The dynamic part, which a switch to another task writes: first and behind the last byte. */
  readonly saved: readonly [number, number];
}

/** The previous task's selector, in both. */
export const PREVIOUS_TASK = 0;
/** Offset of the I/O permission bit map, in 32- and 64-bit ones. */
export const IO_MAP_BASE = 0x66;

export const tss32: TssLayout = {
  size: 4,
  minimum: 0x67,
  ip: 0x20,
  flags: 0x24,
  general: 0x28,
  ldt: 0x60,
  cr3: 0x1c,
  trap: 0x64,
  segments: [
    { index: ES, at: 0x48 },
    { index: CS, at: 0x4c },
    { index: SS, at: 0x50 },
    { index: DS, at: 0x54 },
    { index: FS, at: 0x58 },
    { index: GS, at: 0x5c },
  ],
  saved: [0x20, 0x60],
};

export const tss16: TssLayout = {
  size: 2,
  minimum: 0x2b,
  ip: 0x0e,
  flags: 0x10,
  general: 0x12,
  ldt: 0x2a,
  cr3: undefined,
  trap: undefined,
  segments: [
    { index: ES, at: 0x22 },
    { index: CS, at: 0x24 },
    { index: SS, at: 0x26 },
    { index: DS, at: 0x28 },
  ],
  saved: [0x0e, 0x2a],
};
