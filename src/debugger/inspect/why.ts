/** Why the machine stands where it stands: the rule, its evidence, and the chain behind it. */

import { state as layout } from '../../machine/core/layout';
import { explainFault, vectorTitle } from '../explain';
import type { Item } from '../item';
import { chainOf, pauseText } from '../pause-text';
import type { Session } from '../session';
import type { Answer } from '../why/answer';
import { exitItems, explainExit } from '../why/explain-exit';
import { explainFailure, failureOf } from '../why/failure';
import { whyLast, whyNext } from '../why/instruction';
import { chainItems, reasonItems } from './faults';

export const whyItems = (session: Session, vcpu = session.machine.current): Item[] => [
  ...stopItems(session),
  ...instructionItems(session, vcpu),
];

/** The last and the next instruction, where VT-x has to do with them. */
const instructionItems = (session: Session, index: number): Item[] => {
  const { state, vmx } = session.vcpu(index);
  if (vmx === undefined || !state.getU32(layout.vmxUsed) || session.stopped?.reason === 'ending') return [];
  const item = (name: string, { text, items, unknown }: Answer): Item[] =>
    unknown === true ? [] : [{ name, meaning: text, ...(items.length === 0 ? {} : { children: () => items }) }];
  // A failure is what the stop itself tells of.
  const last = failureOf(session, index) === undefined ? item('last instruction', whyLast(session, index)) : [];
  return [...last, ...item('next instruction', whyNext(session, index))];
};

const stopItems = (session: Session): Item[] => {
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
  if (pause.reason === 'event' && pause.event.kind === 'vmexit') {
    const { machine } = session;
    const { event, vcpu } = pause;
    return [{ name: 'stopped', meaning: explainExit(machine, vcpu, event) }, ...exitItems(machine, vcpu, event)];
  }
  const failure = failureOf(session, pause.vcpu);
  if (failure !== undefined) {
    const { text, items } = explainFailure(session, failure);
    return [{ name: 'stopped', meaning: text }, ...items];
  }
  return [{ name: 'stopped', meaning: pauseText(pause) }, ...chainItems(chainOf(pause), info)];
};
