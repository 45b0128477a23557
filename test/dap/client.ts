/** Debug sessions with the protocol's own test client, on guests written in the tests. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { DebugClient } from '@vscode/debugadapter-testsupport';
import type { DebugProtocol } from '@vscode/debugprotocol';
import { afterAll, afterEach } from 'vitest';
import { DiskFiles } from '../../src/cli/files-node';
import { Adapter } from '../../src/dap/adapter';
import type { Bundle } from '../cli/bundle';

export type Stopped = DebugProtocol.StoppedEvent['body'];
type Row = DebugProtocol.Variable;

/** Lines of a guest that carry a mark: `; #LOOP`. Counted from 1. */
const marks = (source: string): Record<string, number> =>
  Object.fromEntries(
    source.split('\n').flatMap((line, index) => {
      const name = /#([A-Z]\w*)/.exec(line)?.[1];
      return name === undefined ? [] : [[name, index + 1]];
    }),
  );

export class Client {
  readonly program: string;
  readonly line: Record<string, number>;
  output = '';
  console = '';
  private readonly events: { event: string; body: unknown }[] = [];

  constructor(
    readonly dap: DebugClient,
    program: string,
    source: string,
  ) {
    this.program = program;
    this.line = marks(source);
    dap.on('output', ({ body }: DebugProtocol.OutputEvent) => {
      if (body.category === 'stdout') this.output += body.output;
      else this.console += body.output;
    });
    for (const event of [
      'initialized',
      'stopped',
      'terminated',
      'exited',
      'invalidated',
      'memory',
      'breakpoint',
      'continued',
    ])
      dap.on(event, ({ body }: DebugProtocol.Event) => this.events.push({ event, body }));
  }

  /** Starts, sets breakpoints on marked lines, and lets it run; with `stopOnEntry` it stands at the start. */
  async launch(
    options: Record<string, unknown> = {},
    configure: (client: Client) => Promise<unknown> = async () => {},
  ): Promise<void> {
    const { dap } = this;
    await dap.initializeRequest({
      adapterID: 'ringside',
      linesStartAt1: true,
      columnsStartAt1: true,
      pathFormat: 'path',
      ...{ supportsInvalidatedEvent: true, supportsMemoryEvent: true, supportsVariableType: true },
    });
    await dap.launchRequest({ program: this.program, ...options } as never);
    await this.event('initialized');
    await configure(this);
    await dap.configurationDoneRequest();
  }

  breakAt(...breakpoints: (string | DebugProtocol.SourceBreakpoint)[]): Promise<DebugProtocol.SetBreakpointsResponse> {
    return this.dap.setBreakpointsRequest({
      source: { path: this.program },
      breakpoints: breakpoints.map((one) => (typeof one === 'string' ? { line: this.lineOf(one) } : one)),
    });
  }

  lineOf(mark: string): number {
    const line = this.line[mark];
    if (line === undefined) throw new Error(`no line is marked #${mark}`);
    return line;
  }

  /** The next event of a kind, also one that came before it was asked for. */
  async event(kind: string): Promise<unknown> {
    for (let waited = 0; waited < 30_000; waited += 5) {
      const at = this.events.findIndex(({ event }) => event === kind);
      const [found] = at < 0 ? [] : this.events.splice(at, 1);
      if (found !== undefined) return found.body;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    throw new Error(`no event ${kind} came; there are ${JSON.stringify(this.events)}`);
  }
  async stopped(): Promise<Stopped> {
    return (await this.event('stopped')) as Stopped;
  }

  /** The innermost frame's line, or its address where it has none. */
  async where(): Promise<number | string> {
    const [frame] = await this.stack();
    return frame?.line || (frame?.instructionPointerReference ?? '');
  }
  async stack(): Promise<DebugProtocol.StackFrame[]> {
    const { body } = await this.dap.stackTraceRequest({ threadId: 1 });
    return body.stackFrames;
  }

  async scope(name: string, frameId = 1000): Promise<Row[]> {
    const { body } = await this.dap.scopesRequest({ frameId });
    const scope = body.scopes.find((one) => one.name === name);
    return this.rows(scope?.variablesReference ?? 0);
  }
  async rows(variablesReference: number): Promise<Row[]> {
    return (await this.dap.variablesRequest({ variablesReference })).body.variables;
  }
  async register(name: string): Promise<string | undefined> {
    return (await this.scope('Registers')).find((row) => row.name === name)?.value;
  }
  async evaluate(expression: string, context = 'watch'): Promise<string> {
    const { body } = await this.dap.evaluateRequest({ expression, context, frameId: 1000 });
    return body.result;
  }
  // biome-ignore lint/suspicious/noExplicitAny: requests that the test client has no method for
  async request(command: string, args: object): Promise<any> {
    return (await this.dap.customRequest(command, args)).body;
  }

  /** A motion and the stop that it ends in. */
  async go(command: 'continue' | 'next' | 'stepIn' | 'stepOut' | 'pause', args: object = {}): Promise<Stopped> {
    await this.dap.customRequest(command, { threadId: 1, ...args });
    return this.stopped();
  }
}

/** The adapter of this process behind the streams that a client speaks through: the protocol's bytes, but no process. */
const connected = async (): Promise<{ dap: DebugClient; end: () => Promise<void> }> => {
  const dap = new DebugClient('', '', 'ringside');
  dap.defaultTimeout = 30_000;
  const adapter = new Adapter(new DiskFiles());
  const [toAdapter, toClient] = [new PassThrough(), new PassThrough()];
  adapter.start(toAdapter, toClient);
  (dap as unknown as { connect(from: PassThrough, to: PassThrough): void }).connect(toClient, toAdapter);
  return { dap, end: async () => adapter.dispose() };
};

/** The adapter as a process of its own, on stdin and stdout. */
export const spawned = async (bundle: Bundle): Promise<{ dap: DebugClient; end: () => Promise<void> }> => {
  const dap = new DebugClient(process.execPath, bundle.adapter, 'ringside');
  dap.defaultTimeout = 30_000;
  await dap.start();
  return { dap, end: () => dap.stop() };
};

export interface Guests {
  /** A session on this source; ended behind the test. */
  open(source: string, start?: typeof connected): Promise<Client>;
  /** Writes a file of the tests. */
  write(name: string, content: string | Uint8Array): string;
}

/** A folder for the guests of a test file, and sessions on them. */
export const useGuests = (): Guests => {
  const folder = mkdtempSync(join(tmpdir(), 'ringside-dap-'));
  const ends: (() => Promise<void>)[] = [];
  const write = (name: string, content: string | Uint8Array): string => {
    const path = join(folder, name);
    writeFileSync(path, content);
    return path;
  };
  afterEach(async () => {
    await Promise.all(ends.splice(0).map((end) => end()));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return {
    write,
    open: async (source, start = connected) => {
      const { dap, end } = await start();
      ends.push(end);
      return new Client(dap, write('guest.asm', source), source);
    },
  };
};
