/** Every instruction that the core executes, by the manual's groups. */

import type { Definition } from '../definition';
import { binaryArithmetic } from './binary-arithmetic';
import { bitAndByte } from './bit-and-byte';
import { bitManipulation } from './bit-manipulation';
import { controlTransfer } from './control-transfer';
import { dataTransfer } from './data-transfer';
import { decimalArithmetic } from './decimal-arithmetic';
import { exchange } from './exchange';
import { flagControl } from './flag-control';
import { logical } from './logical';
import { miscellaneous } from './miscellaneous';
import { multiplyAndDivide } from './multiply-divide';
import { privilegeTransfer } from './privilege-transfer';
import { segmentRegister } from './segment-register';
import { shiftAndRotate } from './shift-rotate';
import { stack } from './stack';
import { string } from './string';
import { vmcsAccess } from './vmcs-access';

export const instructions: readonly Definition[] = [
  ...dataTransfer,
  ...binaryArithmetic,
  ...logical,
  ...controlTransfer,
  ...privilegeTransfer,
  ...multiplyAndDivide,
  ...shiftAndRotate,
  ...bitAndByte,
  ...bitManipulation,
  ...exchange,
  ...decimalArithmetic,
  ...string,
  ...stack,
  ...flagControl,
  ...segmentRegister,
  ...miscellaneous,
  ...vmcsAccess,
];
