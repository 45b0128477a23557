/** How the code at CS is to be decoded: size, and whether the segments can be forgotten. */

import { type DecodeMode, decodeMode } from './decoder';
import { state } from './layout';
import { type CpuState, CS, DS, ES, SS } from './state';

/** Bits of access rights: CS.L, D/B, unusable, and of the type: writable or readable, expand-down with code. */
const LONG_CODE = 1 << 13;
const BIG = 1 << 14;
const UNUSABLE = 1 << 16;
const READABLE = 2;
const DATA_KIND = 0xe;
const EFER_LMA = 1 << 10;
const CR0_PE = 1;
const VM = 1 << 17;

export const decodeModeOf = (cpu: CpuState): DecodeMode => {
  const rights = cpu.segmentAccess(CS);
  if (rights & LONG_CODE && cpu.getU32(state.efer) & EFER_LMA) return decodeMode.code64;
  if (!(rights & BIG)) return decodeMode.code16;
  if (!(cpu.getU32(state.cr0) & CR0_PE) || cpu.getU32(state.flags) & VM) return decodeMode.code32;
  const flat = isFlat(cpu, CS) && isFlat(cpu, SS) && isFlat(cpu, DS) && isFlat(cpu, ES);
  return flat && cpu.segmentAccess(SS) & BIG ? decodeMode.flat32 : decodeMode.code32;
};

/** Base 0, limit 4 GiB - 1, usable, and data writable and growing up. */
const isFlat = (cpu: CpuState, index: typeof CS | typeof SS | typeof DS | typeof ES): boolean => {
  const rights = cpu.segmentAccess(index);
  return (
    cpu.segmentBase(index) === 0n &&
    cpu.getU32(state.segmentLimit + index * 4) === 0xffffffff &&
    !(rights & UNUSABLE) &&
    (index === CS ? (rights & READABLE) !== 0 : (rights & DATA_KIND) === READABLE)
  );
};
