/**
 * A program of its own, started by heap.test.ts with --expose-gc: 100,000 stops of one session, at every tenth of which
 * everything is looked at. Prints by how many bytes the heap and what lies beside it have grown, as JSON.
 */

import type { DebugProtocol } from '@vscode/debugprotocol';
import { Adapter } from '../../src/dap/adapter';
import { MemoryFiles } from '../../src/program/files-memory';

const STOPS = 100_000;
/** Stops until everything is compiled and every cache is full. */
const WARM = 20_000;
const LOOK_EVERY = 20;
const BREAK_EVERY = 5;

const guest = `bits 64
start:  lea rsi, [data]
again:  call work
        jmp again
work:   push rbp
        mov rbp, rsp
        inc qword [rsi]
here:   add rax, [rsi]
        pop rbp
        ret
        align 256
data:   dq 0
`;

interface Message {
  readonly request_seq?: number;
  readonly event?: string;
  readonly success?: boolean;
  readonly message?: string;
  // biome-ignore lint/suspicious/noExplicitAny: bodies of all kinds
  readonly body?: any;
}

const adapter = new Adapter(new MemoryFiles({ '/guest.asm': guest }));
const waiting = new Map<number | string, (message: Message) => void>();
adapter.onDidSendMessage((sent) => {
  const message = sent as Message;
  const key = message.request_seq ?? message.event ?? '';
  const done = waiting.get(key);
  waiting.delete(key);
  done?.(message);
});
const next = (key: number | string) => new Promise<Message>((resolve) => waiting.set(key, resolve));

let seq = 0;
const ask = async (command: string, args: object = {}) => {
  const request = { seq: ++seq, type: 'request', command, arguments: args };
  const answer = next(seq);
  adapter.handleMessage(request as DebugProtocol.ProtocolMessage);
  const { success, message, body } = await answer;
  if (success !== true) throw new Error(`${command}: ${message}`);
  return body;
};

const go = async (command: string, args: object = {}): Promise<void> => {
  const stopped = next('stopped');
  await ask(command, { threadId: 1, ...args });
  await stopped;
};

const look = async (): Promise<void> => {
  await ask('threads');
  const { stackFrames } = await ask('stackTrace', { threadId: 1 });
  const { scopes } = await ask('scopes', { frameId: stackFrames[0].id });
  for (const { variablesReference } of scopes) await ask('variables', { variablesReference });
  await ask('evaluate', { expression: '[data]:u64 + rax', frameId: stackFrames[0].id });
  await ask('readMemory', { memoryReference: '0x100000', count: 256 });
  await ask('disassemble', { memoryReference: '0x100010', instructionOffset: -5, instructionCount: 20 });
};

const stops = async (count: number): Promise<void> => {
  for (let n = 0; n < count; n++) {
    if (n % BREAK_EVERY === 0) await go('continue');
    else await go('stepIn', { granularity: n % 2 === 0 ? 'instruction' : 'line' });
    if (n % LOOK_EVERY === 0) await look();
  }
};

const bytes = (): { heap: number; beside: number } => {
  for (let n = 0; n < 4; n++) (globalThis as unknown as { gc(): void }).gc();
  const { heapUsed, external } = process.memoryUsage();
  return { heap: heapUsed, beside: external };
};

const main = async (): Promise<void> => {
  await ask('initialize', { adapterID: 'ringside', supportsInvalidatedEvent: true, supportsMemoryEvent: true });
  const [ready, stopped] = [next('initialized'), next('stopped')];
  await ask('launch', { program: '/guest.asm', stopOnEntry: true });
  await ready;
  await ask('setFunctionBreakpoints', { breakpoints: [{ name: 'here', condition: 'rsi == data' }] });
  await ask('configurationDone');
  await stopped;
  await stops(WARM);
  const before = bytes();
  await stops(STOPS);
  const after = bytes();
  process.stdout.write(JSON.stringify({ heap: after.heap - before.heap, beside: after.beside - before.beside }));
  adapter.dispose();
};

void main();
