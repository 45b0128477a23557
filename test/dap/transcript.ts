/**
 * Whole sessions, message by message, as the adapter's client sees them: what a golden transcript holds. The adapter is
 * driven as a worker's port does; numbers that only count messages are left out.
 */

import type { DebugProtocol } from '@vscode/debugprotocol';
import { Adapter } from '../../src/dap/adapter';
import type { Context } from '../../src/dap/context';
import type { LeftMachines } from '../../src/dap/left-machines';
import type { Machine } from '../../src/machine/pc';
import { MemoryFiles } from '../../src/program/files-memory';

type Body = Record<string, unknown>;
interface Message extends Body {
  readonly type: 'request' | 'response' | 'event';
  readonly command?: string;
  readonly event?: string;
  readonly success?: boolean;
  readonly message?: string;
  readonly arguments?: unknown;
  readonly body?: unknown;
}

/** What the client can do, as VS Code says it; but no progress, which comes or not by the clock. */
const greeting: DebugProtocol.InitializeRequestArguments = {
  adapterID: 'ringside',
  linesStartAt1: true,
  columnsStartAt1: true,
  pathFormat: 'path',
  supportsVariableType: true,
  supportsVariablePaging: true,
  supportsInvalidatedEvent: true,
  supportsMemoryEvent: true,
  supportsMemoryReferences: true,
};

/** Milliseconds to wait for an event, on a busy machine too. */
const PATIENCE = 20_000;

export class Dialogue {
  private readonly messages: Message[] = [];
  private readonly answers = new Map<number, (answer: Message) => void>();
  private readonly adapter: Adapter;
  /** Number of the last request. */
  lastRequest = 0;
  /** How many messages an `event` has looked at. */
  private seen = 0;
  private wake: (() => void) | undefined;

  /** @param client what it can do otherwise than VS Code */
  constructor(
    files: Readonly<Record<string, string | Uint8Array>>,
    private readonly client: Partial<DebugProtocol.InitializeRequestArguments> = {},
    left?: LeftMachines,
  ) {
    this.adapter = new Adapter(new MemoryFiles(files), left);
    this.adapter.onDidSendMessage((sent) => {
      const { seq: _seq, request_seq, ...message } = sent as Message & { seq: number; request_seq?: number };
      this.messages.push(JSON.parse(JSON.stringify(message)));
      if (request_seq !== undefined) this.answers.get(request_seq)?.(message);
      this.wake?.();
    });
  }

  private send(command: string, args: object | undefined): Promise<Message> {
    const seq = ++this.lastRequest;
    this.messages.push({ type: 'request', command, arguments: args });
    return new Promise((resolve) => {
      this.answers.set(seq, resolve);
      this.adapter.handleMessage({ seq, type: 'request', command, arguments: args } as DebugProtocol.ProtocolMessage);
    });
  }

  /** The body of the answer. */
  // biome-ignore lint/suspicious/noExplicitAny: bodies are as many as requests; what a test reads of one it asserts
  async ask(command: string, args?: object): Promise<any> {
    const { success, message, body } = await this.send(command, args);
    if (!success) throw new Error(`${command}: ${message}`);
    return body;
  }

  /** The message of a refusal. */
  async refused(command: string, args?: object): Promise<string> {
    const { success, message } = await this.send(command, args);
    if (success) throw new Error(`${command} was not refused`);
    return message ?? '';
  }

  /** The next event of a kind behind the last one that was waited for. */
  // biome-ignore lint/suspicious/noExplicitAny: as above
  async event(kind: string): Promise<any> {
    for (;;) {
      for (; this.seen < this.messages.length; this.seen++)
        if (this.messages[this.seen]?.event === kind) return this.messages[this.seen++]?.body;
      await this.more(kind);
    }
  }

  /** The bodies of all events of a kind so far. */
  // biome-ignore lint/suspicious/noExplicitAny: as above
  all(kind: string): any[] {
    return this.messages.filter(({ event }) => event === kind).map(({ body }) => body);
  }

  /** Until another message comes. */
  private more(kind: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => reject(new Error(`no event ${kind} came; so far\n${this.text}`)), PATIENCE);
      this.wake = () => {
        clearTimeout(late);
        resolve();
      };
    });
  }

  /** A motion, and the stop that it ends in. */
  async go(command: string, args: object = {}): Promise<DebugProtocol.StoppedEvent['body']> {
    await this.ask(command, { threadId: 1, ...args });
    return this.event('stopped');
  }

  /** The greeting; its answer is kept as one mark, it is long and tested elsewhere. */
  async greet(): Promise<DebugProtocol.Capabilities> {
    const capabilities = await this.ask('initialize', { ...greeting, ...this.client });
    const answer = this.messages.findIndex(({ type, command }) => type === 'response' && command === 'initialize');
    this.messages[answer] = { type: 'response', command: 'initialize', success: true, body: '…' };
    return capabilities;
  }

  /** From the greeting to `configurationDone`. */
  async start(launch: object, configure: () => Promise<unknown> = async () => {}): Promise<void> {
    await this.greet();
    const launched = this.ask('launch', launch);
    await this.event('initialized');
    await launched;
    await configure();
    await this.ask('configurationDone');
  }

  /** What a client asks for at a stop: threads, stack, scopes, and the variables of the scopes that are open. */
  async look(...open: string[]): Promise<Record<string, Record<string, string>>> {
    await this.ask('threads');
    const { stackFrames } = await this.ask('stackTrace', { threadId: 1, startFrame: 0, levels: 20 });
    const { scopes } = await this.ask('scopes', { frameId: stackFrames[0].id });
    const rows: Record<string, Record<string, string>> = {};
    for (const name of open) {
      const { variablesReference } = (scopes as DebugProtocol.Scope[]).find((scope) => scope.name === name) ?? {};
      if (variablesReference === undefined) throw new Error(`there is no scope ${name}`);
      const { variables } = await this.ask('variables', { variablesReference });
      rows[name] = Object.fromEntries(
        (variables as DebugProtocol.Variable[]).map((variable) => [variable.name, variable.value]),
      );
    }
    return rows;
  }

  /** The machine behind it all, for its state and to take it somewhere. */
  get machine(): Machine {
    return (this.adapter as unknown as { readonly context: Context }).context.session.machine;
  }

  /** Everything that was said, to be kept. */
  get text(): string {
    return `${this.messages.map(line).join('\n')}\n`;
  }

  end(): void {
    this.adapter.dispose();
  }
}

const line = (message: Message): string => {
  if (message.type === 'event') return `! ${message.event}${value(message.body)}`;
  if (message.type === 'request') return `> ${message.command}${value(message.arguments)}`;
  return message.success
    ? `< ${message.command}${value(message.body)}`
    : `< ${message.command} refused: ${message.message}`;
};

/** JSON, with each row of a list of objects on a line of its own: differences are to be read. */
const value = (given: unknown): string => (given === undefined ? '' : ` ${rows(given, '  ')}`);
const rows = (given: unknown, indent: string): string => {
  if (Array.isArray(given) && given.some((one) => typeof one === 'object')) {
    const inner = given.map((one) => `\n${indent}${rows(one, `${indent}  `)}`).join(',');
    return `[${inner}]`;
  }
  if (typeof given === 'object' && given !== null && !Array.isArray(given)) {
    const fields = Object.entries(given).map(([name, one]) => `${JSON.stringify(name)}:${rows(one, indent)}`);
    return `{${fields.join(',')}}`;
  }
  return JSON.stringify(given);
};
