/** All trials, by what they are about. */

import { exceptionTrials } from './exceptions';
import { pagingTrials } from './paging';
import type { Trial } from './trial';

export const groups: Readonly<Record<string, readonly Trial[]>> = {
  exceptions: exceptionTrials,
  paging: pagingTrials,
};
