/** What changed since a vCPU stopped last is marked, and nothing else. */

import { expect, test } from 'vitest';
import type { Session } from '../../../src/debugger/session';
import { debug } from '../guest-session';
import { openEverything } from './tree';

const changed = (session: Session, scope: string): string[] =>
  openEverything(session)
    .filter(({ path, item }) => path.startsWith(`${scope}/`) && item.mark === 'changed')
    .map(({ path }) => path.slice(scope.length + 1));

const guest = `
bits 64
        mov eax, 0x105
        add al, 1
        mov ds, ax
        mov eax, 0x18
        mov ds, ax
        mov ecx, 0xc0000082
        xor edx, edx
        wrmsr
        mov al, 0x11
        out 0x21, al
        nop
`;

test('registers and their parts, though nobody has looked before', async () => {
  const { session } = await debug(guest);
  expect(changed(session, 'Registers')).toEqual([]);
  await session.step(0, 'into', 'instruction');
  expect(changed(session, 'Registers')).toEqual(['rax', 'rax/eax', 'rax/ax', 'rax/al', 'rax/ah', 'rip']);
  await session.step(0, 'into', 'instruction');
  expect(changed(session, 'Registers')).toEqual(['rax', 'rax/eax', 'rax/ax', 'rax/al', 'rip', 'rflags']);
  expect(changed(session, 'Flags')).toEqual(['pf']);
  // Asking twice changes no answer.
  expect(changed(session, 'Flags')).toEqual(['pf']);
});

test('an edit counts as a change from the stop before, and is none at the next', async () => {
  const { session } = await debug(guest);
  await session.step(0, 'into', 'instruction');
  session.environment(0).setName('rbx', 7n);
  expect(changed(session, 'Registers')).toContain('rbx');
  await session.step(0, 'into', 'instruction');
  expect(changed(session, 'Registers')).not.toContain('rbx');
});

test('what is no register is compared with what was shown at the last stop', async () => {
  const { session } = await debug('bits 64\nmov al, 0x11\nout 0x21, al\nnop\nnop\nnop\n');
  await session.step(0, 'into', 'instruction');
  expect(changed(session, 'Devices')).toEqual([]);
  await session.step(0, 'into', 'instruction');
  const marks = changed(session, 'Devices');
  expect(marks).toContain('pic/mask 1');
  expect(marks).not.toContain('pic/mask 2');
  await session.step(0, 'into', 'instruction');
  expect(changed(session, 'Devices')).not.toContain('pic/mask 1');
});
