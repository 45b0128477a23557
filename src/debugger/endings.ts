/** How a run can end, and the exit status that each ending has: odd ones are the guest's, even ones ours. */

import type { Stop } from '../machine/stop';

export type Outcome =
  | 'halted'
  | 'power-off'
  | 'reset'
  | 'guest-exit'
  | 'bad-input'
  | 'budget'
  | 'triple-fault'
  | 'internal-error'
  | 'no-progress'
  | 'interrupted';

export interface Ending {
  readonly outcome: Outcome;
  readonly exitCode: number;
}

const exitCodes: Readonly<Record<Exclude<Outcome, 'guest-exit'>, number>> = {
  halted: 0,
  'power-off': 0,
  reset: 0,
  'bad-input': 2,
  budget: 4,
  'triple-fault': 6,
  'internal-error': 8,
  'no-progress': 10,
  interrupted: 130,
};

export const ending = (outcome: Exclude<Outcome, 'guest-exit'>): Ending => ({ outcome, exitCode: exitCodes[outcome] });

/** The value at the debug-exit port becomes an odd status below 256. */
const guestExit = (value: number): Ending => ({ outcome: 'guest-exit', exitCode: ((value & 0x7f) << 1) | 1 });

/** The ending that a stop of the machine means; undefined when it can go on. A reset is one only with `noReboot`. */
export const endingOf = (stop: Stop, noReboot: boolean): Ending | undefined => {
  switch (stop.reason) {
    case 'guest-exit':
      return guestExit(stop.value);
    case 'halted':
    case 'power-off':
    case 'triple-fault':
    case 'no-progress':
      return ending(stop.reason);
    case 'reset':
      return noReboot ? ending('reset') : undefined;
    default:
      return undefined;
  }
};
