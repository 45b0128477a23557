/** Setting where it goes on, by the protocol: goto, restartFrame, stepInTargets. */

import { expect, test } from 'vitest';
import { useGuests } from './client';

const { open } = useGuests();

const nested = `bits 64
start:  mov rbp, rsp            ; #START
        mov ecx, 7
        times 2 call outer      ; #CALL
        hlt                     ; #HLT
outer:  push rbp                ; #OUTER
        mov rbp, rsp
        inc rbx                 ; #INC
        leave
        ret
`;

test('a step into a chosen call goes past those before it', async () => {
  const client = await open(nested);
  await client.launch({}, () => client.breakAt('CALL'));
  await client.stopped();
  const { targets } = await client.request('stepInTargets', { frameId: 1000 });
  expect(targets).toEqual([
    { id: 1, label: 'outer (call 0x100013 <outer>)', line: client.lineOf('OUTER') },
    { id: 2, label: 'outer (call 0x100013 <outer>)', line: client.lineOf('OUTER') },
  ]);
  expect(await client.go('stepIn', { targetId: 2 })).toMatchObject({ reason: 'step' });
  expect(await client.where()).toBe(client.lineOf('OUTER'));
  expect(await client.register('rbx')).toMatch(/^0x1\b/);
  const outside = await client.request('stepInTargets', { frameId: 1001 });
  expect(outside.targets).toEqual([]);
});

test('restartFrame goes back to the start of a function and says what it does not undo', async () => {
  const client = await open(nested);
  await client.launch({}, () => client.breakAt('INC'));
  await client.stopped();
  await client.go('next');
  await client.request('restartFrame', { frameId: 1000 });
  expect(await client.stopped()).toMatchObject({ reason: 'restart', threadId: 1, allThreadsStopped: true });
  expect(await client.where()).toBe(client.lineOf('OUTER'));
  expect(await client.register('rbx')).toMatch(/^0x1\b/);
  expect(client.console).toContain('other registers, memory and devices stay as they are');
  await expect(client.request('restartFrame', { frameId: 1001 })).rejects.toThrow(/^nobody called this code/);
});

test('goto goes on from a line or an address', async () => {
  const client = await open(nested);
  await client.launch({ stopOnEntry: true });
  await client.stopped();
  const byLine = await client.request('gotoTargets', { source: { path: client.program }, line: client.lineOf('INC') });
  expect(byLine.targets).toMatchObject([{ label: 'outer+0x4', line: client.lineOf('INC') }]);
  const { instructionPointerReference } = byLine.targets[0];
  const byAddress = await client.request('gotoTargets', {
    instructionReference: instructionPointerReference,
    offset: -4,
  });
  expect(byAddress.targets).toMatchObject([{ label: 'outer', line: client.lineOf('OUTER') }]);
  await client.request('goto', { threadId: 1, targetId: byAddress.targets[0].id });
  expect(await client.stopped()).toMatchObject({ reason: 'goto', threadId: 1 });
  expect(await client.where()).toBe(client.lineOf('OUTER'));
  await expect(client.request('gotoTargets', {})).rejects.toThrow(
    'gotoTargets needs a source and a line, or an instructionReference',
  );
});
