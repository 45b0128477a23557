/** Of every exit that no instruction makes `why` names what decides: where it comes, and where it does not. */

import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { Session } from '../../../src/debugger/session';
import { whyLast, whyNext } from '../../../src/debugger/why/instruction';
import { whyNot } from '../../../src/debugger/why/reason';
import { pendingCauses } from '../../../src/machine/vmx/pending-events';
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

test.each([
  [
    'an external interrupt',
    0x4030,
    'external-interrupt exiting" (pin-based control bit 0) is 0: the external interrupt 0x30',
  ],
  ['an NMI', 0x4400, 'NMI exiting" (pin-based control bit 3) is 0: the NMI'],
])('%s that the guest itself got', async (_, command, says) => {
  const guest = `mov qword [resume], done
        mov ebx, 0xfee00000
        mov dword [rbx + 0xf0], 0x1ff
        mov dword [rbx + 0x310], 0
        mov dword [rbx + 0x300], ${command === 0x4030 ? 0x44030 : command}
        nop`;
  const session = await inGuest({ guest, fields: { GUEST_RFLAGS: 0x202 } }, 5);
  await session.step(0, 'into', 'instruction');
  expect(whyLast(session, 0).text).toBe(`no VM exit: "${says} went through the guest's IDT`);
});

test.each([
  ['exits', 1 << 1, 'it exits: EXCEPTION_BITMAP bit 1 is 1'],
  ['goes to the guest', 0, "it goes to the guest's own handler: EXCEPTION_BITMAP bit 1 is 0"],
])('a debug trap that waits for the boundary %s', async (_, bitmap, says) => {
  const guest = 'mov qword [resume], done\n pushfq\n or dword [rsp], 0x100\n popfq\n nop\n nop';
  const session = await inGuest({ guest, fields: { EXCEPTION_BITMAP: bitmap }, exits: 1 }, 5);
  const { text } = whyNext(session, 0);
  expect(text).toMatch(/^before the next instruction: #DB: /);
  expect(text).toContain(says);
  await session.step(0, 'into', 'instruction');
  expect(session.vcpu(0).vmx?.nonRoot).toBe(bitmap === 0);
});

test('a reason of another instruction is answered with the next one, and nonsense is refused', async () => {
  const session = await inGuest({ guest: 'nop\n cpuid' }, 0);
  const nop = 'nop: no VM exit: nothing intercepts this NOP';
  expect(whyNot(session, 0, 'cpuid').text).toBe(`the next instruction is another one: ${nop}`);
  await session.step(0, 'into', 'instruction');
  expect(whyNot(session, 0, '10').text).toBe(whyNext(session, 0).text);
  expect(whyNot(session, 0, 'triple_fault').text).toContain('raises no exception');
  expect(() => whyNot(session, 0, 'NOTHING')).toThrow(/^NOTHING is no exit reason: /);
  expect(() => whyNot(session, 0, '#XX')).toThrow('#XX is no exception');
});

test('docs/hypervisor-problems.md has a row for every exit between two instructions', () => {
  const page = readFileSync('docs/hypervisor-problems.md', 'utf8');
  const rows = page.split('\n').filter((line) => /^\| [A-Z_]+[ ,]/.test(line));
  for (const { reason } of pendingCauses) expect(rows.filter((row) => row.includes(reason))).toHaveLength(1);
});
