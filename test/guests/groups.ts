/** All trials, by what they are about. */

import { codeTrials } from './code';
import { debugTrials } from './debug';
import { eventTrials } from './events';
import { exceptionTrials } from './exceptions';
import { limitTrials } from './limits';
import { longTrials } from './long';
import { modeTrials } from './modes';
import { pagingTrials } from './paging';
import { segmentTrials } from './segments';
import { taskTrials } from './tasks';
import type { Trial } from './trial';
import { vmxTrials } from './vmx';

export const groups: Readonly<Record<string, readonly Trial[]>> = {
  exceptions: exceptionTrials,
  paging: pagingTrials,
  modes: modeTrials,
  segments: segmentTrials,
  tasks: taskTrials,
  long: longTrials,
  debug: debugTrials,
  events: eventTrials,
  code: codeTrials,
  limits: limitTrials,
  vmx: vmxTrials,
};
