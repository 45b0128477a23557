/** PAUSE, and loops of it. Intel SDM vol. 3, "Instructions That Cause VM Exits Conditionally" (PAUSE) and "PLE". */

import { Mnemonic } from 'iced-x86';
import { state as layout } from '../../core/layout';
import { control } from '../control-bits';
import type { Vmx } from '../vmx';
import { exitOf, type Intercept } from './intercept';

/** At CPL 0: PAUSEs closer together than the gap make a loop, which exits when it has lasted for the window. */
const loopIsTooLong = (vmx: Vmx): boolean => {
  const { cpu, current } = vmx;
  const { state } = cpu;
  if (current === undefined || state.cpl !== 0) return false;
  const now = cpu.surroundings.now();
  const gap = now - state.getF64(layout.pauseLast);
  state.setF64(layout.pauseLast, now);
  if (!state.getU32(layout.pauseFirst) || gap > current.get32('PLE_GAP')) {
    state.setU32(layout.pauseFirst, 1);
    state.setF64(layout.pauseStart, now);
    return false;
  }
  return now - state.getF64(layout.pauseStart) > current.get32('PLE_WINDOW');
};

const pause: Intercept = (vmx, instruction) => {
  const { primary, secondary } = vmx.controls;
  if (primary & control.pause)
    return exitOf('PAUSE', { rule: 'primary.pause-exiting', control: 'primary.pause-exiting' }, instruction);
  if (!(secondary & control.pauseLoop) || !loopIsTooLong(vmx)) return undefined;
  const by = 'secondary.pause-loop-exiting';
  return exitOf('PAUSE', { rule: by, control: by, field: 'PLE_WINDOW' }, instruction);
};

export const pauseIntercepts: ReadonlyMap<Mnemonic, Intercept> = new Map([[Mnemonic.Pause, pause]]);
