/** The segments that SYSCALL, SYSRET, SYSENTER and SYSEXIT make up without reading a table: base 0, 4 GiB, present. */

import { type CpuState, CS, SS } from '../core/state';

/** Present, S, G; for code accessed, readable and executable, for data accessed and writable. */
const CODE = 0x809b;
const DATA = 0x8093;
const LONG = 0x2000;
const BIG = 0x4000;

/** CS and SS for privilege `cpl`, and that. `long`: 64-bit code. */
export const setFlatSegments = (state: CpuState, code: number, stack: number, cpl: number, long: boolean): void => {
  const dpl = cpl << 5;
  state.setHidden(CS, code, 0, 0xffff_ffff, CODE | dpl | (long ? LONG : BIG));
  state.setHidden(SS, stack, 0, 0xffff_ffff, DATA | dpl | BIG);
  state.cpl = cpl;
};
