/** A whole session as the client sees it, message by message: nothing changes here by chance. */

import type { DebugProtocol } from '@vscode/debugprotocol';
import { expect, test } from 'vitest';
import { Adapter } from '../../src/dap/adapter';
import { MemoryFiles } from '../../src/program/files-memory';

const guest = `bits 64
start:  mov ecx, 2
.loop:  call put
        loop .loop
        hlt
put:    mov al, 'x'
        out 0xe9, al
        ret
`;

type Message = Record<string, unknown>;

/** Speaks to the adapter as a worker's port does; gives all messages, without numbers that only count them. */
const converse = async (
  talk: (ask: (command: string, args?: object) => Promise<Message>, stop: () => Promise<void>) => Promise<void>,
) => {
  const transcript: Message[] = [];
  const answers = new Map<number, (answer: Message) => void>();
  let stops = 0;
  let awaited: { readonly count: number; readonly done: () => void } | undefined;
  const adapter = new Adapter(new MemoryFiles({ '/guest.asm': guest }));
  adapter.onDidSendMessage((message) => {
    const { seq: _seq, request_seq, ...rest } = message as Message & { seq: number; request_seq?: number };
    transcript.push(JSON.parse(JSON.stringify(rest)));
    if (rest.event === 'stopped' || rest.event === 'terminated') stops++;
    if (awaited !== undefined && stops >= awaited.count) awaited.done();
    if (request_seq !== undefined) answers.get(request_seq)?.(rest);
  });
  let seq = 0;
  let seen = 0;
  const ask = (command: string, args?: object): Promise<Message> => {
    const request = { seq: ++seq, type: 'request', command, arguments: args };
    transcript.push({ type: 'request', command, arguments: args });
    return new Promise((resolve) => {
      answers.set(request.seq, resolve);
      adapter.handleMessage(request as DebugProtocol.ProtocolMessage);
    });
  };
  const stop = (): Promise<void> => {
    seen++;
    return new Promise((done) => {
      if (stops >= seen) done();
      else awaited = { count: seen, done };
    });
  };
  await talk(ask, stop);
  return transcript;
};

test('a session from the first greeting to the end', async () => {
  const transcript = await converse(async (ask, stop) => {
    await ask('initialize', { adapterID: 'ringside', linesStartAt1: false, supportsInvalidatedEvent: true });
    await ask('launch', { program: '/guest.asm' });
    await ask('setBreakpoints', { source: { path: '/guest.asm' }, breakpoints: [{ line: 5 }] });
    await ask('setExceptionBreakpoints', { filters: ['#GP'] });
    await ask('configurationDone');
    await stop();
    await ask('threads');
    await ask('stackTrace', { threadId: 1 });
    await ask('scopes', { frameId: 1000 });
    await ask('evaluate', { expression: 'ecx', context: 'hover', frameId: 1000 });
    await ask('next', { threadId: 1 });
    await stop();
    await ask('stepOut', { threadId: 1 });
    await stop();
    await ask('setExpression', { expression: 'ecx', value: '1', frameId: 1000 });
    await ask('disassemble', { memoryReference: '0x100005', instructionCount: 2, instructionOffset: -1 });
    await ask('nonsense');
    await ask('setBreakpoints', { source: { path: '/guest.asm' }, breakpoints: [] });
    await ask('continue', { threadId: 1 });
    await stop();
    await ask('continue', { threadId: 1 });
    await stop();
    await ask('disconnect');
  });
  const [, initialized] = transcript;
  // The filters of all exceptions are long, and tested elsewhere.
  if (initialized !== undefined) delete (initialized.body as Record<string, unknown>).exceptionBreakpointFilters;
  const text = transcript.map((message) => JSON.stringify(message)).join('\n');
  await expect(`${text}\n`).toMatchFileSnapshot('transcripts/session.jsonl');
});
