/** Which instruction exits: one table over all rows. */

import type { Instruction } from 'iced-x86';
import { byNumber } from '../../cpu/by-number';
import type { Exit } from '../../cpu/virtualization';
import type { Vmx } from '../vmx';
import { bitmapIntercepts } from './bitmaps';
import { controlIntercepts } from './by-control';
import { registerIntercepts } from './control-registers';
import type { Intercept } from './intercept';
import { pauseIntercepts } from './pause';

const intercepts = byNumber<Intercept>([
  ...controlIntercepts,
  ...registerIntercepts,
  ...bitmapIntercepts,
  ...pauseIntercepts,
]);

/** The exit that an instruction causes instead of being executed. @throws Fault that has priority over it */
export const interceptOf = (vmx: Vmx, instruction: Instruction): Exit | undefined =>
  intercepts[instruction.mnemonic]?.(vmx, instruction);
