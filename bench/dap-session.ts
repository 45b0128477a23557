/** A debug session as a client of `ringside dap` on its standard streams, with no more work than it must do. */

import { type ChildProcessByStdio, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';

interface Message {
  readonly type: string;
  readonly event?: string;
  readonly request_seq?: number;
  readonly success?: boolean;
  readonly message?: string;
  // biome-ignore lint/suspicious/noExplicitAny: bodies of all kinds
  readonly body?: any;
}

const HEAD = /Content-Length: (\d+)\r\n\r\n/;

export class DapSession {
  private readonly child: ChildProcessByStdio<Writable, Readable, null>;
  private readonly waiting = new Map<number | string, (message: Message) => void>();
  private bytes: Buffer = Buffer.alloc(0);
  private seq = 0;

  constructor(command: string) {
    this.child = spawn(process.execPath, [command, 'dap'], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.child.stdout.on('data', (data: Buffer) => this.take(data));
  }

  private take(data: Buffer): void {
    this.bytes = this.bytes.length === 0 ? data : Buffer.concat([this.bytes, data]);
    for (;;) {
      const [head, length] = HEAD.exec(this.bytes.toString('latin1', 0, 64)) ?? [];
      const end = (head?.length ?? 0) + Number(length);
      if (head === undefined || this.bytes.length < end) return;
      const message: Message = JSON.parse(this.bytes.toString('utf8', head.length, end));
      this.bytes = this.bytes.subarray(end);
      const key = message.request_seq ?? message.event ?? '';
      const done = this.waiting.get(key);
      this.waiting.delete(key);
      done?.(message);
    }
  }

  private next(key: number | string): Promise<Message> {
    return new Promise((resolve) => this.waiting.set(key, resolve));
  }

  // biome-ignore lint/suspicious/noExplicitAny: as above
  async ask(command: string, args: object = {}): Promise<any> {
    const seq = ++this.seq;
    const body = JSON.stringify({ seq, type: 'request', command, arguments: args });
    const answer = this.next(seq);
    this.child.stdin.write(`Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
    const { success, message, body: given } = await answer;
    if (success !== true) throw new Error(`${command}: ${message}`);
    return given;
  }

  /** Stands at the first instruction of the program. */
  async start(program: string): Promise<void> {
    await this.ask('initialize', { adapterID: 'ringside' });
    const ready = this.next('initialized');
    const stopped = this.next('stopped');
    await this.ask('launch', { program, stopOnEntry: true });
    await ready;
    await this.ask('configurationDone');
    await stopped;
  }

  async step(): Promise<void> {
    const stopped = this.next('stopped');
    void this.ask('stepIn', { threadId: 1, granularity: 'instruction' });
    await stopped;
  }

  /** What a client shows at a stop, with these scopes open; all of them without names. */
  async look(open?: readonly string[]): Promise<void> {
    await this.ask('threads');
    const { stackFrames } = await this.ask('stackTrace', { threadId: 1, startFrame: 0, levels: 20 });
    const { scopes } = await this.ask('scopes', { frameId: stackFrames[0].id });
    for (const { name, expensive, variablesReference } of scopes)
      if (open === undefined ? !expensive : open.includes(name)) await this.ask('variables', { variablesReference });
  }

  end(): void {
    this.child.kill();
  }
}
