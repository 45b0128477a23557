/** How sessions begin and end: machines that outlive their client, restarts, processes, attributes nobody knows. */

import { type AddressInfo, createServer, type Server } from 'node:net';
import { DebugClient } from '@vscode/debugadapter-testsupport';
import type { DebugProtocol } from '@vscode/debugprotocol';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { DiskFiles } from '../../src/cli/files-node';
import { Adapter } from '../../src/dap/adapter';
import { LeftMachines } from '../../src/dap/left-machines';
import { type Client, useGuests } from './client';

const { open, write } = useGuests();

const counting = `bits 64
start:  mov al, 'A'             ; #START
        out 0xe9, al
.spin:  inc rbx                 ; #SPIN
        cmp byte [door], 0
        je .spin
        mov al, 'B'             ; #OUT
        out 0xe9, al
        mov al, 3
        out 0xf4, al
door:   db 0
`;

/** An adapter for each client, as the command serves them, with the machines that they leave. */
const left = new LeftMachines();
let server: Server | undefined;
const clients: DebugClient[] = [];
const served = async (): Promise<{ dap: DebugClient; end: () => Promise<void> }> => {
  server ??= createServer((socket) => {
    const adapter = new Adapter(new DiskFiles(), left);
    adapter.onEnd = () => socket.end();
    socket.on('close', () => adapter.dispose());
    adapter.start(socket, socket);
  });
  if (!server.listening) await new Promise<void>((done) => server?.listen(0, '127.0.0.1', done));
  const dap = new DebugClient('', '', 'ringside');
  dap.defaultTimeout = 30_000;
  await dap.start((server.address() as AddressInfo).port);
  clients.push(dap);
  return { dap, end: async () => {} };
};
/** The line goes dead without a word. */
const cutOff = (dap: DebugClient | undefined): void => (dap as unknown as { stopAdapter(): void })?.stopAdapter();
afterEach(() => {
  for (const dap of clients.splice(0)) cutOff(dap);
});
afterAll(() => server?.close());

const attach = async (client: Client, options: object = {}, configure = async () => {}): Promise<void> => {
  await client.dap.initializeRequest({ adapterID: 'ringside', linesStartAt1: true, pathFormat: 'path' });
  await client.dap.attachRequest(options as never);
  await client.event('initialized');
  await configure();
  await client.dap.configurationDoneRequest();
};

describe('machines that stay', () => {
  test('a machine left suspended is where it was, without the breakpoints of its first client', async () => {
    const first = await open(counting, served);
    await first.launch({}, () => first.breakAt('SPIN'));
    await first.stopped();
    await first.go('continue');
    const rbx = await first.register('rbx');
    await first.dap.disconnectRequest({ suspendDebuggee: true } as never);
    expect(first.console).toMatch(/the machine stays, suspended: attach to machine \d+/);

    const second = await open(counting, served);
    await attach(second);
    expect(await second.stopped()).toMatchObject({ reason: 'breakpoint' });
    expect(await second.register('rbx')).toBe(rbx);
    await second.request('evaluate', { expression: '[door]:u8 = 1', context: 'repl' });
    await second.dap.continueRequest({ threadId: 1 });
    expect(await second.event('exited')).toEqual({ exitCode: 7 });
    expect(second.output).toBe('B');
  });

  test('a machine left running goes on; what it prints meanwhile is kept', async () => {
    const first = await open(
      counting.replace("mov al, 'A'", 'mov ecx, 60000000\nwait:   loop wait\n        mov al, 65'),
      served,
    );
    await first.launch();
    await first.dap.disconnectRequest({ terminateDebuggee: false } as never);
    await new Promise((resolve) => setTimeout(resolve, 300));
    const second = await open(counting, served);
    await attach(second, {}, async () => void (await second.dap.setExceptionBreakpointsRequest({ filters: [] })));
    await second.dap.pauseRequest({ threadId: 1 });
    expect(await second.stopped()).toMatchObject({ reason: 'pause' });
    await second.request('evaluate', { expression: '[door]:u8 = 1', context: 'repl' });
    await second.dap.continueRequest({ threadId: 1 });
    await second.event('exited');
    expect(second.output).toBe('AB');
  });

  test('a client that is cut off leaves what it attached to, and ends what it launched', async () => {
    const first = await open(counting, served);
    await first.launch({}, () => first.breakAt('SPIN'));
    await first.stopped();
    await first.dap.disconnectRequest({ terminateDebuggee: false } as never);
    const second = await open(counting, served);
    await attach(second, { stopOnEntry: true });
    await second.stopped();
    cutOff(clients.at(-1));
    const third = await open(counting, served);
    await expect.poll(() => attach(third, { stopOnEntry: true }).then(() => 'attached', String)).toBe('attached');
    await third.stopped();
    await third.dap.disconnectRequest({ terminateDebuggee: true } as never);
    const fourth = await open(counting, served);
    await expect(attach(fourth)).rejects.toThrow(/^there is no machine to attach to: one stays behind when/);
  });

  test('where nobody could come back it is said so', async () => {
    const client = await open(counting);
    const { body } = await client.dap.initializeRequest({
      adapterID: 'ringside',
      linesStartAt1: true,
      pathFormat: 'path',
    });
    expect(body).toMatchObject({ supportTerminateDebuggee: true, supportSuspendDebuggee: false });
    await expect(client.dap.attachRequest({} as never)).rejects.toThrow(
      /this adapter serves one client and ends with it/,
    );
    await client.dap.launchRequest({ program: client.program } as never);
    await client.dap.configurationDoneRequest();
    await client.dap.disconnectRequest({ terminateDebuggee: false } as never);
    expect(client.console).toContain('the machine ends with this connection: nobody could come back to it');
  });
});

describe('restart', () => {
  test('takes attributes that have changed, tells that it runs, and keeps what was there where it cannot', async () => {
    const client = await open(counting);
    await client.launch({ stopOnEntry: true }, () => client.breakAt('SPIN'));
    await client.stopped();
    await client.request('restart', { arguments: { program: client.program, memory: '32M' } });
    expect(await client.event('continued')).toEqual({ threadId: 1, allThreadsContinued: true });
    expect(await client.stopped()).toMatchObject({ reason: 'breakpoint' });
    await client.breakAt();
    await client.dap.continueRequest({ threadId: 1 });
    write('guest.asm', 'bits 64\nmov eax, [rbx\n');
    await expect(client.request('restart', {})).rejects.toThrow(/guest\.asm:2/);
    expect(await client.stopped()).toMatchObject({ reason: 'pause' });
    expect(await client.where()).not.toBe(client.lineOf('START'));
  });
});

describe('what the client is told', () => {
  test('the process, and what one vCPU cannot do', async () => {
    const client = await open(counting);
    const told: unknown[] = [];
    for (const kind of ['process', 'capabilities'])
      client.dap.on(kind, ({ event, body }: DebugProtocol.Event) => told.push({ event, body }));
    await client.launch({ stopOnEntry: true });
    await client.stopped();
    expect(told).toEqual([
      {
        event: 'process',
        body: { name: client.program, isLocalProcess: true, startMethod: 'launch', pointerSize: 64 },
      },
      {
        event: 'capabilities',
        body: {
          capabilities: { supportsSingleThreadExecutionRequests: false, supportsTerminateThreadsRequest: false },
        },
      },
    ]);
  });

  test('what the assembler warns of', async () => {
    const client = await open('bits 64\nmov al, 300\nhlt\n');
    await client.launch({ stopOnEntry: true });
    await client.stopped();
    expect(client.console).toBe(`${client.program}:2:1: 300 does not fit in a byte (warning)\n`);
  });

  test('attributes that nobody reads, with the right ones', async () => {
    const client = await open(counting);
    await client.launch({ stopOnEntry: true, memry: '1M', zzzzzzzzzzzz: 1, cwd: '/', __sessionId: 'x' });
    await client.stopped();
    expect(client.console).toBe('no such attribute of a configuration: memry (did you mean memory?), zzzzzzzzzzzz\n');
  });

  test('a file that is no program, with the attribute that would say what it is', async () => {
    const client = await open('nothing');
    const program = write('nothing.bin', 'nothing');
    await expect(client.launch({ program })).rejects.toThrow(/for a flat binary give `load`$/);
  });

  test('a chain of faults, as a group under its first line', async () => {
    const client = await open('bits 64\nlidt [none]\nud2\nnone: dw 0xfff\ndq 0x200000\n');
    const groups: unknown[] = [];
    client.dap.on('output', ({ body }: DebugProtocol.OutputEvent) => groups.push(body.group));
    await client.launch();
    await client.stopped();
    expect(groups.filter((group) => group !== undefined)).toEqual(['start', 'end']);
  });
});
