/** Of every exit that no instruction makes `why` names what decides: where it comes, and where it does not. */

import { expect, test } from 'vitest';
import type { Session } from '../../../src/debugger/session';
import { whyLast, whyNext } from '../../../src/debugger/why/instruction';
import { whyNot } from '../../../src/debugger/why/reason';
import { exitReasons } from '../../../src/x86/vmx/exit-reasons';
import { hypervisor, type Spec } from '../../machine/vmx/hypervisor';
import { debug } from '../guest-session';
import { eventRows } from './event-rows';

/** A guest that has been entered and has executed some instructions. */
const inGuest = async (spec: Spec, after: number): Promise<Session> => {
  const { session } = await debug(hypervisor(spec), { cpu: 'haswell' });
  session.events.break('vmentry', { temporary: true });
  await session.continue();
  for (let n = 0; n < after; n++) await session.step(0, 'into', 'instruction');
  expect(session.vcpu(0).vmx?.nonRoot).toBe(true);
  return session;
};

test.each(eventRows)('$name', async ({ spec, after, ask, says, comes }) => {
  const session = await inGuest(spec, after);
  const before = session.machine.stateHash();
  const { text, items } = whyNot(session, 0, ask);
  expect([text, ...items.map(({ meaning }) => meaning)].join('\n')).toContain(says);
  const next = whyNext(session, 0).text;
  expect(session.machine.stateHash()).toBe(before);
  await session.step(0, 'into', 'instruction');
  const { vmx } = session.vcpu(0);
  expect(vmx?.nonRoot).toBe(comes === undefined);
  if (comes === undefined) return;
  expect(vmx?.lastExit?.exit.reason).toBe(exitReasons[comes].number);
  // What was foretold is what then happened.
  if (next.includes(`VM exit ${exitReasons[comes].number} `)) expect(next).toContain(whyLast(session, 0).text);
  else expect(next).toContain('it exits: ');
});
