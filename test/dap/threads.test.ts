/** vCPUs as threads: how they come and go, one alone, and each with its own reason. */

import type { DebugProtocol } from '@vscode/debugprotocol';
import { expect, test } from 'vitest';
import { type Client, useGuests } from './client';
import { twoVcpus } from './two-vcpus';

const { open } = useGuests();

const threadEvents = (client: Client): DebugProtocol.ThreadEvent['body'][] => {
  const seen: DebugProtocol.ThreadEvent['body'][] = [];
  client.dap.on('thread', ({ body }: DebugProtocol.ThreadEvent) => seen.push(body));
  return seen;
};

const registerOf = async (client: Client, name: string, thread: number): Promise<bigint> =>
  BigInt((await client.request('evaluate', { expression: name, frameId: 1000 * thread })).result.split(' ')[0]);

/** Stands in the loop, with the second vCPU in its own. */
const bothRunning = async (client: Client): Promise<void> => {
  await client.launch({ cpus: 2 }, () => client.breakAt({ line: client.lineOf('AGAIN'), hitCondition: '>= 1000' }));
  await client.stopped();
  await client.breakAt();
};

test('a vCPU is a thread from its start-up IPI on', async () => {
  const client = await open(twoVcpus);
  const seen = threadEvents(client);
  await client.launch({ cpus: 2 }, () => client.breakAt('SIPI'));
  await client.stopped();
  expect((await client.dap.threadsRequest()).body.threads).toHaveLength(1);
  expect(seen).toEqual([]);
  await client.go('next');
  expect(seen).toEqual([{ reason: 'started', threadId: 2 }]);
  expect((await client.dap.threadsRequest()).body.threads).toEqual([
    { id: 1, name: 'vCPU 0 (64-bit, ring 0)' },
    { id: 2, name: 'vCPU 1 (real, ring 0)' },
  ]);
});

test('continue and steps with singleThread leave the other vCPU where it is', async () => {
  const client = await open(twoVcpus);
  await bothRunning(client);
  const [rbx, cx] = [await registerOf(client, 'rbx', 1), await registerOf(client, 'cx', 2)];
  await client.go('stepIn', { threadId: 2, singleThread: true, granularity: 'instruction' });
  await client.go('stepIn', { threadId: 2, singleThread: true, granularity: 'instruction' });
  expect(await registerOf(client, 'cx', 2)).toBe(cx + 1n);
  expect(await registerOf(client, 'rbx', 1)).toBe(rbx);

  const asked = client.dap.customRequest('continue', { threadId: 1, singleThread: true });
  expect((await asked).body).toEqual({ allThreadsContinued: false });
  await client.dap.pauseRequest({ threadId: 1 });
  expect(await client.stopped()).toMatchObject({ reason: 'pause', threadId: 1, allThreadsStopped: true });
  expect(await registerOf(client, 'cx', 2)).toBe(cx + 1n);

  const all = await client.dap.customRequest('continue', { threadId: 1 });
  expect(all.body).toEqual({ allThreadsContinued: true });
  await client.dap.pauseRequest({ threadId: 2 });
  expect(await client.stopped()).toMatchObject({ reason: 'pause', threadId: 2 });
  expect(await registerOf(client, 'cx', 2)).not.toBe(cx + 1n);
});

test('a vCPU that is halted alone pauses instead of ending the program', async () => {
  const client = await open(
    `${twoVcpus.replace('inc rbx   ', 'inc rbx').replace('jmp .spin               ;', 'cli\nhlt ;')}`,
  );
  await client.launch({ cpus: 2, stopOnEntry: true });
  await client.stopped();
  await client.dap.customRequest('continue', { threadId: 1, singleThread: true });
  expect(await client.stopped()).toMatchObject({
    reason: 'pause',
    threadId: 1,
    text: 'only vCPU 0 may run, and nothing can wake it up',
  });
});

test('terminateThreads stops a vCPU for good, and refuses the last one', async () => {
  const client = await open(twoVcpus);
  const seen = threadEvents(client);
  await bothRunning(client);
  const cx = await registerOf(client, 'cx', 2);
  await client.request('terminateThreads', { threadIds: [2] });
  expect(seen).toEqual([
    { reason: 'started', threadId: 2 },
    { reason: 'exited', threadId: 2 },
  ]);
  expect((await client.dap.threadsRequest()).body.threads).toHaveLength(1);
  await expect(client.request('terminateThreads', { threadIds: [1] })).rejects.toThrow(
    'vCPU 0 is the last one that runs: terminate the program instead',
  );
  await expect(client.request('terminateThreads', { threadIds: [7] })).rejects.toThrow('there is no thread 7');
  await client.dap.continueRequest({ threadId: 1 });
  await client.dap.pauseRequest({ threadId: 1 });
  await client.stopped();
  expect(await registerOf(client, 'cx', 2)).toBe(cx);
  await expect(client.request('continue', { threadId: 2, singleThread: true })).rejects.toThrow(
    'vCPU 1 was stopped and takes no more turns',
  );
});

test('a breakpoint stops whichever vCPU meets it, and the other one keeps its own reason', async () => {
  const client = await open(twoVcpus);
  await bothRunning(client);
  const { breakpoints } = await client.request('setInstructionBreakpoints', {
    breakpoints: [{ instructionReference: '0x8000' }],
  });
  expect(await client.go('continue')).toMatchObject({
    reason: 'instruction breakpoint',
    threadId: 2,
    hitBreakpointIds: [breakpoints[0].id],
  });
  await client.go('stepIn', { threadId: 1, singleThread: true, granularity: 'instruction' });
  // Neither is an exception.
  await expect(client.request('exceptionInfo', { threadId: 2 })).rejects.toThrow(/^there was no exception: breakpoint/);
  await expect(client.request('exceptionInfo', { threadId: 1 })).rejects.toThrow(/^there was no exception: step$/);
});
