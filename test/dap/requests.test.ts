/** Requests that come too many, too early, twice, or with something in them that cannot be. */

import type { DebugProtocol } from '@vscode/debugprotocol';
import { describe, expect, test } from 'vitest';
import { Adapter } from '../../src/dap/adapter';
import { MemoryFiles } from '../../src/program/files-memory';

const guest = 'bits 64\nstart:  mov ecx, 5\nagain:  loop again\n        jmp $\n';

type Answer = DebugProtocol.Response;

/** Speaks to an adapter; what is said in one go comes in one chunk. */
const converse = (files = new MemoryFiles({ '/guest.asm': guest })) => {
  const adapter = new Adapter(files);
  const answers = new Map<number, (answer: Answer) => void>();
  const order: number[] = [];
  const events: DebugProtocol.Event[] = [];
  adapter.onDidSendMessage((message) => {
    const answer = message as Answer;
    if (answer.type === 'response') {
      order.push(answer.request_seq);
      answers.get(answer.request_seq)?.(answer);
    } else events.push(message as DebugProtocol.Event);
  });
  let seq = 0;
  const ask = (command: string, args?: unknown): Promise<Answer> => {
    const request = { seq: ++seq, type: 'request', command, arguments: args };
    const answered = new Promise<Answer>((resolve) => answers.set(request.seq, resolve));
    adapter.handleMessage(request as DebugProtocol.ProtocolMessage);
    return answered;
  };
  const event = (kind: string) =>
    expect.poll(() => events.some(({ event: one }) => one === kind), { timeout: 10_000 }).toBe(true);
  const start = async (options: object = {}): Promise<void> => {
    await ask('initialize', { adapterID: 'ringside', supportsProgressReporting: true });
    await ask('launch', { program: '/guest.asm', stopOnEntry: true, ...options });
    await ask('configurationDone');
  };
  return { ask, start, order, events, event, seq: () => seq };
};

describe('cancel', () => {
  test('overtakes a request that waits', async () => {
    const { ask, start, order, seq } = converse();
    await start();
    const looked = ask('disassemble', { memoryReference: '0x100000', instructionCount: 10 });
    const given = ask('disassemble', { memoryReference: '0x100000', instructionCount: 20 });
    const number = seq();
    const cancelled = ask('cancel', { requestId: number });
    expect(await given).toMatchObject({ success: false, message: 'cancelled' });
    expect((await given).body).toBeUndefined();
    expect(await looked).toMatchObject({ success: true });
    expect(await cancelled).toMatchObject({ success: true });
    expect(order.slice(-3)).toEqual([number, number + 1, number - 1]);
    expect(await ask('cancel', { requestId: number })).toMatchObject({ success: true });
  });

  test('what only looks is given up when the machine goes on', async () => {
    const { ask, start } = converse();
    await start();
    const waiting = [
      ask('scopes', { frameId: 1000 }),
      ask('evaluate', { expression: 'rcx', context: 'watch' }),
      ask('evaluate', { expression: 'rcx = 7', context: 'repl' }),
    ];
    const stepped = ask('next', { threadId: 1 });
    const answers = await Promise.all(waiting);
    expect(answers.map(({ message }) => message)).toEqual(['cancelled', 'cancelled', undefined]);
    expect(await stepped).toMatchObject({ success: true });
  });

  test('ends a step that takes long, by its progress', async () => {
    const { ask, start, events, event } = converse();
    await start();
    await ask('setBreakpoints', { source: { path: '/guest.asm' }, breakpoints: [{ line: 4 }] });
    await ask('continue', { threadId: 1 });
    await expect.poll(() => events.filter(({ event: kind }) => kind === 'stopped').length).toBe(2);
    await ask('setBreakpoints', { source: { path: '/guest.asm' }, breakpoints: [] });
    await ask('evaluate', { expression: 'rip = again', context: 'repl' });
    await ask('evaluate', { expression: 'rcx = 0xffffffffffff', context: 'repl' });
    await ask('next', { threadId: 1 });
    await event('progressStart');
    const { body } = events.find(({ event: kind }) => kind === 'progressStart') as DebugProtocol.ProgressStartEvent;
    expect(body).toMatchObject({ title: 'Stepping over', cancellable: true });
    expect(await ask('cancel', { progressId: 'progress-of-nothing' })).toMatchObject({ success: false });
    expect(await ask('cancel', { progressId: body.progressId })).toMatchObject({ success: true });
    await event('progressEnd');
    await expect.poll(() => events.at(-1)).toMatchObject({ event: 'stopped', body: { reason: 'pause' } });
  });
});

describe('order', () => {
  test.each([
    ['anything before initialize', ['threads'], 'the request threads came before initialize'],
    ['initialize twice', ['initialize', 'initialize'], 'initialize is the first request, and comes once'],
    ['a motion before the launch', ['initialize', 'continue'], 'no program was launched yet'],
    ['configurationDone before the launch', ['initialize', 'configurationDone'], 'no program was launched yet'],
    ['a second launch', ['start', 'launch'], 'a program is being debugged already; restart starts it again'],
    ['configurationDone twice', ['start', 'configurationDone'], 'the configuration is done already'],
    ['a motion after the end', ['start', 'terminate', 'continue'], 'the program is over'],
    ['a restart after the end', ['start', 'terminate', 'restart'], 'the program is over'],
    ['two motions at once', ['start', 'continue', 'next'], 'the machine is running; pause it first'],
    ['a target that was never given', ['start', 'goto'], 'there is no goto target 99'],
    ['a frame that cannot be', ['start', 'restartFrame'], 'there is no frame 7'],
    ['a request of no name', ['start', 'nonsense'], 'the request nonsense is not supported'],
  ])('%s', async (_, commands, message) => {
    const { ask, start } = converse();
    const args: Readonly<Record<string, object>> = {
      launch: { program: '/guest.asm' },
      continue: { threadId: 1 },
      next: { threadId: 1 },
      goto: { threadId: 1, targetId: 99 },
      restartFrame: { frameId: 7 },
    };
    let last: Answer | undefined;
    for (const command of commands) {
      if (command === 'start') await start();
      else last = await ask(command, args[command] ?? {});
    }
    expect(last).toMatchObject({ success: false, message });
  });

  test('terminate does not wait for a launch that takes its time', async () => {
    let found: (bytes: Uint8Array) => void = () => {};
    const { ask } = converse({
      read: () => new Promise<Uint8Array>((resolve) => (found = resolve)),
      resolve: (_: string, path: string) => path,
    } as unknown as MemoryFiles);
    await ask('initialize', { adapterID: 'ringside' });
    const launched = ask('launch', { program: '/guest.asm' });
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(await ask('terminate')).toMatchObject({ success: true });
    found(new TextEncoder().encode(guest));
    expect(await launched).toMatchObject({ success: false, message: 'cancelled' });
  });
});

describe('arguments', () => {
  test.each([
    [
      'variables',
      {},
      'the request variables needs the argument variablesReference: a whole number of 0 or more is wanted',
    ],
    [
      'variables',
      { variablesReference: '1' },
      'the request variables: variablesReference is "1"; a whole number of 0 or more is wanted',
    ],
    ['readMemory', { memoryReference: 5, count: 1 }, 'the request readMemory: memoryReference is 5; a text is wanted'],
    [
      'completions',
      { text: 'r', column: 1.5 },
      'the request completions: column is 1.5; a whole number of 0 or more is wanted',
    ],
    [
      'setBreakpoints',
      { source: {}, breakpoints: [{ line: 1 }, { line: 'x' }] },
      'the request setBreakpoints: breakpoints[1].line is "x"; a whole number of 0 or more is wanted',
    ],
    [
      'next',
      { threadId: 1, granularity: 'page' },
      'the request next: granularity is "page"; one of statement, line, instruction is wanted',
    ],
    ['evaluate', [], 'the request evaluate: its arguments is []; an object is wanted'],
    ['next', { threadId: 9 }, 'there is no thread 9'],
    ['scopes', { frameId: 9000 }, 'there is no frame 9000'],
  ])('%s %j', async (command, args, message) => {
    const { ask, start } = converse();
    await start();
    expect(await ask(command, args)).toMatchObject({ success: false, message });
  });

  test('null is as good as nothing', async () => {
    const { ask, start } = converse();
    await start();
    expect(await ask('evaluate', { expression: 'rcx', frameId: null, context: null })).toMatchObject({ success: true });
  });
});
