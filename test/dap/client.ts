/** A debug session over stdio with the protocol's own test client, on guests written in the tests. */

import { DebugClient } from '@vscode/debugadapter-testsupport';
import type { DebugProtocol } from '@vscode/debugprotocol';
import { afterEach } from 'vitest';
import type { Bundle } from '../cli/bundle';

export type Stopped = DebugProtocol.StoppedEvent['body'];
type Row = DebugProtocol.Variable;

/** Lines of a guest that carry a mark: `; #LOOP`. Counted from 1. */
export const marks = (source: string): Record<string, number> =>
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
  async go(command: 'continue' | 'next' | 'stepIn' | 'stepOut', args: object = {}): Promise<Stopped> {
    await this.dap.customRequest(command, { threadId: 1, ...args });
    return this.stopped();
  }
}

/** Clients that are ended behind each test. */
export const useClients = (bundle: Bundle): ((source: string, name?: string) => Promise<Client>) => {
  const open: DebugClient[] = [];
  afterEach(async () => {
    await Promise.all(open.splice(0).map((client) => client.stop()));
  });
  return async (source, name = 'guest.asm') => {
    const dap = new DebugClient(process.execPath, bundle.adapter, 'ringside');
    dap.defaultTimeout = 30_000;
    await dap.start();
    open.push(dap);
    return new Client(dap, bundle.write(name, source), source);
  };
};
