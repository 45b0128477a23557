/** Why the machine stands where it stands: the rule, its evidence, and the chain behind it. */

import { explainFault, vectorTitle } from '../explain';
import type { Item } from '../item';
import { chainOf, pauseText } from '../pause-text';
import type { Session } from '../session';
import { chainItems, reasonItems } from './faults';

export const whyItems = (session: Session): Item[] => {
  const { stopped: pause, info } = session;
  if (pause === undefined) return [{ name: 'stopped', meaning: 'the program has not started yet' }];
  if (pause.reason === 'fault') {
    const { fault } = pause;
    return [
      { name: 'stopped', meaning: explainFault({ ...fault, cr2: fault.address }) },
      { name: 'exception', bits: BigInt(fault.vector), size: 1, meaning: vectorTitle(fault.vector) },
      ...reasonItems(fault.why),
    ];
  }
  if (pause.reason === 'event' && pause.event.kind === 'trap')
    return [{ name: 'stopped', meaning: pauseText(pause) }, ...reasonItems(pause.event.why)];
  return [{ name: 'stopped', meaning: pauseText(pause) }, ...chainItems(chainOf(pause), info)];
};
