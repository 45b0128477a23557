/** May this program touch a port? IOPL first, then the bit map of the TSS. Intel SDM vol. 1, "I/O Permission Bit Map". */

import { exception } from '../../x86/exceptions';
import { state as layout } from '../core/layout';
import { TR } from '../core/state';
import type { Cpu } from './cpu';
import { readTss } from './descriptors';
import { ioplOf, modeOf, REAL, VIRTUAL_8086 } from './mode';
import { refuse } from './refusal';
import { IO_MAP_BASE } from './task-state-segment';

/** IN, OUT, INS and OUTS of `size` bytes. @throws Fault #GP(0), #PF */
export const checkPort = (cpu: Cpu, port: number, size: 1 | 2 | 4): void => {
  const { state } = cpu;
  const mode = modeOf(state);
  if (mode === REAL || (mode !== VIRTUAL_8086 && state.cpl <= ioplOf(state))) return;
  const value = BigInt(port);
  // A 16-bit TSS has no bit map.
  if ((state.segmentAccess(TR) & 8) === 0)
    refuse(exception.GP, 'io.iopl', 0, { value, register: 'eflags', selector: state.selector(TR) });
  const limit = state.getU32(layout.segmentLimit + TR * 4);
  if (limit < IO_MAP_BASE + 1) refuse(exception.GP, 'io.bitmap-limit', 0, { value, selector: state.selector(TR) });
  // Two bytes are read always: the ports of one access may have their bits in both.
  const at = Number(readTss(cpu, IO_MAP_BASE, 2)) + (port >>> 3);
  if (at + 1 > limit) refuse(exception.GP, 'io.bitmap-limit', 0, { value, selector: state.selector(TR) });
  const bits = Number(readTss(cpu, at, 2)) >>> (port & 7);
  if ((bits & ((1 << size) - 1)) !== 0) refuse(exception.GP, 'io.bitmap', 0, { value, selector: state.selector(TR) });
};
