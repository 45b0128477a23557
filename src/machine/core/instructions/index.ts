/** Every instruction that the core executes, by the manual's groups. */

import type { Definition } from '../definition';
import { binaryArithmetic } from './binary-arithmetic';
import { controlTransfer } from './control-transfer';
import { dataTransfer } from './data-transfer';
import { logical } from './logical';

export const instructions: readonly Definition[] = [
  ...dataTransfer,
  ...binaryArithmetic,
  ...logical,
  ...controlTransfer,
];
