/**
 * Whatever a client sends, in whatever order: each request gets one answer, a refusal says in one line what was wrong,
 * and the adapter lives. RINGSIDE_FUZZ=5000 sets the number of cases, RINGSIDE_FUZZ_SEED begins with one of them.
 */

import { PassThrough } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Adapter } from '../../src/dap/adapter';
import type { Context } from '../../src/dap/context';
import { MemoryFiles } from '../../src/program/files-memory';
import { anyRequest, goodRequest, guest, program, type Sent } from './fuzz-requests';

const numRuns = Number(process.env.RINGSIDE_FUZZ ?? 40);
const first = process.env.RINGSIDE_FUZZ_SEED ? { seed: Number(process.env.RINGSIDE_FUZZ_SEED) } : {};

interface Received {
  readonly type: string;
  readonly request_seq?: number;
  readonly success?: boolean;
  readonly command?: string;
  readonly message?: string;
  readonly event?: string;
  readonly body?: { readonly error?: { readonly format?: string }; readonly output?: string };
}

/** Words of ours or of the engine's that no user should ever read. */
const internal =
  /internal error|\n\s+at |TypeError|RangeError|SyntaxError|ReferenceError|is not a function|Cannot (read|mix|convert)|undefined|NaN|\[object /;

/** The adapter behind streams, as `ringside dap` has it; checks what it sends. */
class Wire {
  readonly received: Received[] = [];
  readonly answers = new Map<number, Received[]>();
  private readonly adapter = new Adapter(new MemoryFiles({ [program]: guest }));
  private readonly input = new PassThrough();
  private readonly output = new PassThrough();
  private seq = 0;

  constructor() {
    let bytes = Buffer.alloc(0);
    this.output.on('data', (data: Buffer) => {
      bytes = Buffer.concat([bytes, data]);
      for (;;) {
        const [head, length] = /^Content-Length: (\d+)\r\n\r\n/.exec(bytes.toString('latin1')) ?? [];
        if (head === undefined || bytes.length < head.length + Number(length)) return;
        this.take(JSON.parse(bytes.toString('utf8', head.length, head.length + Number(length))));
        bytes = bytes.subarray(head.length + Number(length));
      }
    });
    this.adapter.start(this.input, this.output);
  }

  private take(message: Received): void {
    this.received.push(message);
    if (message.type === 'response' && message.request_seq !== undefined)
      this.answers.set(message.request_seq, [...(this.answers.get(message.request_seq) ?? []), message]);
  }

  /** The commands that have a handler. */
  static get handled(): string[] {
    const { handlers } = new Adapter(new MemoryFiles({})) as unknown as { handlers: object };
    return Object.keys(handlers);
  }

  raw(text: string | Uint8Array): void {
    this.input.write(text);
  }
  send(request: Sent): number {
    const seq = ++this.seq;
    const body = JSON.stringify({ seq, type: 'request', ...request });
    this.raw(`Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
    return seq;
  }
  /** Until this request has been answered. */
  async answered(seq: number): Promise<void> {
    for (let waited = 0; !this.answers.has(seq); waited++) {
      if (waited > 5000) throw new Error(`request ${seq} gets no answer`);
      await new Promise((resolve) => setTimeout(resolve, waited < 50 ? 0 : 2));
    }
  }
  async ask(request: Sent): Promise<void> {
    await this.answered(this.send(request));
  }

  /** Every request has had one answer, and each refusal is one plain line. */
  async check(): Promise<void> {
    for (let seq = 1; seq <= this.seq; seq++) await this.answered(seq);
    // A second answer would come in the same turn or the next.
    await new Promise((resolve) => setTimeout(resolve, 1));
    for (const [seq, list] of this.answers) expect(list, `answers to ${seq}`).toHaveLength(1);
    for (const { type, success, command: asked, message, event, body } of this.received) {
      // What was sent as a command may be anything, also what cannot become a text.
      const command = JSON.stringify(asked);
      if (type === 'response' && success === false) {
        expect(message, `${command} is refused with words`).toMatch(/\S/);
        if (message !== 'cancelled') expect(body?.error?.format).toBe(message);
        expect(message, `${command}`).not.toMatch(internal);
        expect(message?.split('\n').length, `${command}: ${message}`).toBeLessThanOrEqual(3);
      }
      if (event === 'output') expect(body?.output).not.toMatch(/internal error|\n\s+at /);
    }
  }

  end(): void {
    this.input.destroy();
    this.adapter.dispose();
  }
  /** Is there a machine under way? */
  get running(): boolean {
    const { context } = this.adapter as unknown as { context: Context };
    return context.hasSession && context.session.running;
  }
}

const withWire = async (work: (wire: Wire) => Promise<void>): Promise<void> => {
  const wire = new Wire();
  try {
    await work(wire);
    await wire.check();
  } finally {
    wire.end();
  }
};

const stopped = { program, stopOnEntry: true, cpus: 2 };
const conditions: Readonly<Record<string, readonly Sent[]>> = {
  'before the greeting': [],
  'before the launch': [goodRequest('initialize')],
  'before the configuration is done': [goodRequest('initialize'), { command: 'launch', arguments: stopped }],
  'at a stop': [
    goodRequest('initialize'),
    { command: 'launch', arguments: stopped },
    { command: 'configurationDone' },
    { command: 'threads' },
  ],
  'while it runs': [
    goodRequest('initialize'),
    { command: 'launch', arguments: { program, cpus: 2 } },
    { command: 'configurationDone' },
  ],
  'after the end': [
    goodRequest('initialize'),
    { command: 'launch', arguments: stopped },
    { command: 'configurationDone' },
    { command: 'terminate' },
  ],
  'after the client has left': [
    goodRequest('initialize'),
    { command: 'launch', arguments: stopped },
    { command: 'configurationDone' },
    { command: 'disconnect' },
  ],
};

describe.each(Object.entries(conditions))('%s', (_, before) => {
  const request = anyRequest(Wire.handled);

  test('each request has one answer, one at a time', { timeout: 0 }, () =>
    fc.assert(
      fc.asyncProperty(fc.array(request, { minLength: 1, maxLength: 12 }), (requests) =>
        withWire(async (wire) => {
          for (const one of [...before, ...requests]) await wire.ask(one);
        }),
      ),
      { numRuns, ...first },
    ),
  );

  test('each request has one answer, all at once', { timeout: 0 }, () =>
    fc.assert(
      fc.asyncProperty(fc.array(request, { minLength: 2, maxLength: 25 }), (requests) =>
        withWire(async (wire) => {
          for (const one of [...before, ...requests]) wire.send(one);
        }),
      ),
      { numRuns, ...first },
    ),
  );
});

test('a client that leaves at any moment leaves nothing running', () =>
  fc.assert(
    fc.asyncProperty(fc.integer({ min: 0, max: 60 }), async (turns) => {
      const wire = new Wire();
      for (const one of conditions['while it runs'] ?? []) wire.send(one);
      for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setTimeout(resolve, turn < 6 ? 0 : 5));
      wire.end();
      // A launch under way may still come to its end.
      await new Promise((resolve) => setTimeout(resolve, 300));
      expect(wire.running).toBe(false);
    }),
    { numRuns: 10 },
  ));

describe('broken messages', () => {
  const framed = (body: string) => `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
  const harmless = fc.oneof(
    fc.constantFrom(
      ...['', 'x', 'null', '5', '"text"', '[]', '{}', '[{"type":"request"}]', '{"type":"request"', '\ufeff{}'],
      ...['{"type":"event","event":"stopped"}', '{"type":"response","request_seq":1}', '{"type":7}'],
      `${'['.repeat(5000)}`,
    ),
    fc.json(),
  );

  test('what is no request is passed over, and the next one is answered', { timeout: 0 }, () =>
    fc.assert(
      fc.asyncProperty(fc.array(harmless, { minLength: 1, maxLength: 5 }), (bodies) =>
        withWire(async (wire) => {
          for (const body of bodies) wire.raw(framed(body));
          await wire.ask(goodRequest('initialize'));
        }),
      ),
      { numRuns, ...first },
    ),
  );

  test('a request without a number, or with a strange one, ends nothing', () =>
    withWire(async (wire) => {
      for (const seq of ['', '"seq":null,', '"seq":"one",', '"seq":-1,', '"seq":1e99,', '"seq":{},'])
        wire.raw(framed(`{${seq}"type":"request","command":"threads"}`));
      await wire.ask(goodRequest('initialize'));
      await wire.ask({ command: 'evaluate', arguments: { expression: '1' } });
    }));

  test('arguments without an end in sight are refused', () =>
    withWire(async (wire) => {
      const deep = `${'['.repeat(50_000)}${']'.repeat(50_000)}`;
      for (const [seq, command] of ['evaluate', 'cancel'].entries())
        wire.raw(
          framed(`{"seq":${seq + 1000},"type":"request","command":"${command}","arguments":{"expression":${deep}}}`),
        );
      await Promise.all([wire.answered(1000), wire.answered(1001)]);
    }));

  test('messages come in pieces and in heaps', () =>
    withWire(async (wire) => {
      const body = JSON.stringify({ seq: 9000, type: 'request', ...goodRequest('initialize') });
      for (const letter of framed(body)) wire.raw(letter);
      await wire.answered(9000);
      for (let n = 0; n < 200; n++) wire.send({ command: 'threads' });
    }));

  test('headers that say nothing or too much do no harm', { timeout: 0 }, () =>
    fc.assert(
      fc.asyncProperty(
        fc.constantFrom(
          'Content-Length: -1\r\n\r\n',
          'Content-Length: many\r\n\r\n',
          'Content-Length: 0\r\n\r\n',
          'Content-Type: text\r\n\r\n',
          '\r\n\r\n\r\n\r\n',
          'Content-Length: 5\r\nContent-Length: 4\r\n\r\nnull',
        ),
        (header) =>
          withWire(async (wire) => {
            wire.raw(header);
            await wire.ask(goodRequest('initialize'));
          }),
      ),
      { numRuns: 12, ...first },
    ),
  );
});
