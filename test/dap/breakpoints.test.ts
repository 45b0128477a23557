/** Breakpoints through the protocol: numbers that stay, events as breakpoints, modes, data, and what clients are told. */

import type { DebugProtocol } from '@vscode/debugprotocol';
import { describe, expect, test } from 'vitest';
import { useGuests } from './client';

const { open } = useGuests();

const counting = `
bits 64
start:  mov ecx, 5
.count: inc eax                 ; #INC
        out 0x80, al            ; #OUT
        dec ecx
        jnz .count
        mov [cell], eax         ; #STORE
        mov [cell], eax         ; #AGAIN
        nop                     ; #NOP
        ud2                     ; #UD
        hlt
align 8
cell:   dq 0
`;

type Answer = { breakpoints: DebugProtocol.Breakpoint[] };
const greeting = { adapterID: 'test', linesStartAt1: true, columnsStartAt1: true, pathFormat: 'path' };

describe('numbers', () => {
  test('what is asked for before the launch is pending, and told when it is there', async () => {
    const client = await open(counting);
    const { dap } = client;
    const told: DebugProtocol.BreakpointEvent['body'][] = [];
    dap.on('breakpoint', ({ body }: DebugProtocol.BreakpointEvent) => told.push(body));
    await dap.initializeRequest(greeting);
    const { body: early } = await client.breakAt('INC');
    const event: Answer = await client.request('setFunctionBreakpoints', { breakpoints: [{ name: 'port:0x80:w' }] });
    expect([...early.breakpoints, ...event.breakpoints]).toMatchObject([
      { id: 1, verified: false, reason: 'pending' },
      { id: 2, verified: false, reason: 'pending' },
    ]);
    await dap.launchRequest({ program: client.program } as never);
    await client.event('initialized');
    expect(told).toMatchObject([
      { reason: 'changed', breakpoint: { id: 1, verified: true, line: client.lineOf('INC') } },
      { reason: 'changed', breakpoint: { id: 2, verified: true } },
    ]);
    await dap.configurationDoneRequest();
    expect(await client.stopped()).toMatchObject({ hitBreakpointIds: [1] });
    expect(await client.go('continue')).toMatchObject({ reason: 'function breakpoint', hitBreakpointIds: [2] });
  });

  test('stay while others come and go, with their hits', async () => {
    const client = await open(counting);
    const inc = { line: client.lineOf('INC'), hitCondition: '== 3' };
    await client.launch({}, async () => {
      await client.breakAt(inc, { line: client.lineOf('OUT'), hitCondition: '== 2' });
    });
    expect(await client.stopped()).toMatchObject({ hitBreakpointIds: [2] });
    const { body } = await client.breakAt(inc, 'NOP');
    expect(body.breakpoints.map(({ id }) => id)).toEqual([1, 3]);
    expect(await client.go('continue')).toMatchObject({ hitBreakpointIds: [1] });
    expect(await client.register('rcx')).toBe('0x3');
  });

  test('stay when the machine is started anew', async () => {
    const client = await open(counting);
    await client.launch({ stopOnEntry: true, breakOn: ['trap:#UD'] });
    await client.stopped();
    await client.breakAt('NOP');
    const port: Answer = await client.request('setFunctionBreakpoints', { breakpoints: [{ name: 'port:0x80' }] });
    const data: Answer = await client.request('setDataBreakpoints', {
      breakpoints: [{ dataId: (await client.request('dataBreakpointInfo', { name: '[cell]:u32' })).dataId }],
    });
    const ids = [...port.breakpoints, ...data.breakpoints].map(({ id }) => id);
    const told: number[] = [];
    client.dap.on('breakpoint', ({ body }: DebugProtocol.BreakpointEvent) => told.push(body.breakpoint.id ?? 0));
    await client.request('restart', {});
    await client.stopped();
    expect(told).toEqual(expect.arrayContaining(ids as number[]));
    expect(await client.go('continue')).toMatchObject({ hitBreakpointIds: [ids[0]] });
    await client.request('setFunctionBreakpoints', { breakpoints: [] });
    expect(await client.go('continue')).toMatchObject({ reason: 'data breakpoint', hitBreakpointIds: [ids[1]] });
  });

  test('of breakpoints that the console sets are told, and that they are gone', async () => {
    const client = await open(counting);
    await client.launch({ stopOnEntry: true });
    await client.stopped();
    await client.evaluate('tbreak start.count', 'repl');
    const added = (await client.event('breakpoint')) as DebugProtocol.BreakpointEvent['body'];
    expect(added).toMatchObject({ reason: 'new', breakpoint: { verified: true } });
    expect(await client.go('continue')).toMatchObject({ hitBreakpointIds: [added.breakpoint.id] });
    expect(await client.event('breakpoint')).toMatchObject({
      reason: 'removed',
      breakpoint: { id: added.breakpoint.id },
    });
  });
});

describe('events', () => {
  test('are function breakpoints, with conditions and hit counts', async () => {
    const client = await open(counting);
    await client.launch({}, async () => {
      const { breakpoints }: Answer = await client.request('setFunctionBreakpoints', {
        breakpoints: [
          { name: 'port:0x80:w', condition: 'value == 2' },
          { name: 'port:0x81:q' },
          { name: 'start.count', condition: 'eax == 3' },
        ],
      });
      expect(breakpoints).toMatchObject([
        { verified: true, message: 'access to an I/O port or a range of them; stops after the instruction' },
        {
          verified: false,
          message:
            'port:0x81:q: `q` says nothing about port; write for example port:0x3f8:w, and its names are read, write',
        },
        { verified: true, instructionReference: '0x100005' },
      ]);
    });
    expect(await client.stopped()).toMatchObject({
      reason: 'function breakpoint',
      description: 'Paused on port 0x80 written',
      text: 'port write 0x80, 1 byte <- 0x2',
      hitBreakpointIds: [1],
    });
    expect(await client.go('continue')).toMatchObject({ hitBreakpointIds: [3] });
    expect(await client.register('rax')).toBe('0x3');
  });

  test('are exception filters, by name and as condition', async () => {
    const client = await open(counting);
    await client.launch({}, async () => {
      const { breakpoints }: Answer = await client.request('setExceptionBreakpoints', {
        filters: ['trap:#UD', 'nonsense'],
        filterOptions: [
          { filterId: 'event', condition: 'port:0x80:w if value == 4' },
          { filterId: '#UD', condition: 'cr3:w' },
          { filterId: 'all', condition: 'vector == 13', mode: 'unhandled' },
          { filterId: 'all', mode: 'sometimes' },
        ],
      });
      expect(breakpoints).toMatchObject([
        { verified: true },
        {
          verified: false,
          message: expect.stringMatching(/^nonsense: no such filter; one of all,event,vmexit,.*,#DE/),
        },
        { verified: true },
        { verified: false, message: '#UD: the condition `cr3:w` names another event' },
        { verified: true },
        { verified: false, message: 'sometimes: no such mode; one of always, unhandled, userUnhandled' },
      ]);
    });
    expect(await client.stopped()).toMatchObject({
      reason: 'event',
      hitBreakpointIds: [3],
      text: expect.stringMatching(/0x4/),
    });
    expect(await client.go('continue')).toMatchObject({
      reason: 'exception',
      description: 'Paused on #UD',
      hitBreakpointIds: [1],
    });
    expect(await client.where()).toBe(client.lineOf('UD'));
  });

  test.each([
    ['always', [], true],
    ['always', [{ names: ['CPU exceptions'] }], true],
    ['always', [{ names: ['CPU exceptions'] }, { names: ['#UD'] }], true],
    ['always', [{ names: ['CPU exceptions'] }, { names: ['#PF'] }], false],
    ['always', [{ names: ['CPU exceptions'] }, { names: ['#UD'], negate: true }], false],
    ['unhandled', [{ names: ['CPU exceptions'] }, { names: ['#UD'] }], true],
    ['userUnhandled', [{ names: ['CPU exceptions'] }, { names: ['#UD'] }], false],
    ['never', [{ names: ['CPU exceptions'] }], false],
  ])('exception options: %s %j', async (breakMode, path, stops) => {
    const client = await open('bits 64\nud2 ; #UD\n');
    await client.launch({}, () =>
      client.request('setExceptionBreakpoints', { filters: [], exceptionOptions: [{ path, breakMode }] }),
    );
    const { description } = await client.stopped();
    expect(description).toBe(stops ? 'Paused on #UD' : 'Triple fault');
  });

  test('of exception options for the same exception the last one counts', async () => {
    const client = await open('bits 64\nud2\n');
    await client.launch({}, () =>
      client.request('setExceptionBreakpoints', {
        filters: [],
        exceptionOptions: [
          { breakMode: 'always' },
          { path: [{ names: ['CPU exceptions'] }, { names: ['#UD', '#GP'] }], breakMode: 'never' },
        ],
      }),
    );
    expect((await client.stopped()).description).toBe('Triple fault');
  });

  test('come from the configuration; a wrong one refuses the launch', async () => {
    const client = await open(counting);
    await client.launch({ breakOn: ['port:0x80:w if value == 3 hits 1', 'trap:#UD'] });
    expect(await client.stopped()).toMatchObject({ reason: 'event', text: expect.stringMatching(/<- 0x3/) });
    expect(await client.go('continue')).toMatchObject({ reason: 'exception' });
    const other = await open(counting);
    await other.dap.initializeRequest(greeting);
    await expect(other.dap.launchRequest({ program: other.program, breakOn: ['trop'] } as never)).rejects.toThrow(
      /^trop: no kind of event; one of trap, /,
    );
  });

  test('are logged as lines with their source, which unfold into their fields', async () => {
    const client = await open(counting);
    const lines: DebugProtocol.OutputEvent['body'][] = [];
    client.dap.on('output', ({ body }: DebugProtocol.OutputEvent) => lines.push(body));
    await client.launch({ trace: ['port:0x80:w if value <= 2'], breakOn: ['port:0x80 if value == 5'] });
    await client.stopped();
    expect(lines).toMatchObject([
      {
        category: 'console',
        output: expect.stringMatching(/port write 0x80, 1 byte <- 0x1\n$/),
        line: client.lineOf('OUT'),
      },
      {
        category: 'console',
        output: expect.stringMatching(/port write 0x80, 1 byte <- 0x2\n$/),
        line: client.lineOf('OUT'),
      },
    ]);
    const rows = await client.rows(lines[1]?.variablesReference ?? 0);
    expect(Object.fromEntries(rows.map(({ name, value }) => [name, value]))).toMatchObject({
      port: '0x80',
      size: '0x1',
      access: 'write',
      value: '0x2',
      vcpu: '0x0',
    });
  });

  test('are streamed in batches that count what they leave out', async () => {
    const client = await open(
      'bits 64\nmov ecx, 1000\nagain: out 0x80, al\ncpuid\nxor eax, eax\nmov ecx, [n]\ndec dword [n]\njnz again\nhlt\nn: dd 999\n',
    );
    const batches: { events: { kind: string; fields: object }[]; counts: number[]; leftOut: number }[] = [];
    client.dap.on('ringside/event', ({ body }) => batches.push(body));
    await client.launch({ stopOnEntry: true });
    await client.stopped();
    await client.request('ringside/events', { filters: ['port:0x80:w', 'cpuid if leaf == 0'], rate: 50 });
    await client.go('continue');
    const sum = (of: (batch: (typeof batches)[0]) => number): number => batches.reduce((all, one) => all + of(one), 0);
    const [port, cpuid] = [0, 1].map((index) => sum(({ counts }) => counts[index] ?? 0));
    expect(port).toBe(999);
    expect(cpuid).toBe(999);
    expect(sum(({ events, leftOut }) => events.length + leftOut)).toBe(1998);
    expect(batches[0]?.events[0]).toMatchObject({
      kind: 'port',
      at: '0x100005',
      text: 'write 0x80, 1 byte <- 0x0',
      fields: { port: '0x80', access: 'write' },
    });
    for (const { events } of batches) expect(events.length).toBeLessThanOrEqual(5);
    const { counts } = await client.request('ringside/counts', {});
    expect(counts).toMatchObject({ port: { total: 999 }, cpuid: { total: 999 } });
    await expect(client.request('ringside/events', { filters: ['bogus'] })).rejects.toThrow(/no kind of event/);
  });
});

describe('data', () => {
  test('watches memory by expression, by address, by variable and registers; only where it changes', async () => {
    const client = await open(counting);
    await client.launch({ stopOnEntry: true });
    await client.stopped();
    const info = (args: object) => client.request('dataBreakpointInfo', args);
    const { dataId } = await info({ name: 'cell', bytes: 4 });
    expect(dataId).toMatch(/^0x100\w+:4$/);
    const [address] = dataId.split(':');
    expect((await info({ name: address, asAddress: true, bytes: 4 })).dataId).toBe(dataId);
    expect((await info({ name: address, asAddress: true, bytes: 4, mode: 'physical' })).dataId).toBe(`phys:${dataId}`);
    const change = await info({ name: '[cell]:u32', mode: 'change' });
    expect(change).toMatchObject({ dataId: `change ${dataId}`, accessTypes: ['write'] });
    expect(await info({ name: 'rax + 1' })).toMatchObject({
      dataId: null,
      description: expect.stringMatching(/watched/),
    });
    const registers = (await client.dap.scopesRequest({ frameId: 1000 })).body.scopes[0]?.variablesReference;
    expect(await info({ variablesReference: registers, name: 'rcx' })).toMatchObject({ dataId: 'register rcx' });
    await client.request('setDataBreakpoints', { breakpoints: [{ dataId: change.dataId }] });
    expect(await client.go('continue')).toMatchObject({ reason: 'data breakpoint' });
    expect(await client.where()).toBe(client.lineOf('AGAIN'));
    await client.request('setDataBreakpoints', { breakpoints: [{ dataId: `phys:${dataId}`, accessType: 'write' }] });
    expect(await client.go('continue')).toMatchObject({ reason: 'data breakpoint' });
    expect(await client.where()).toBe(client.lineOf('NOP'));
  });

  test('a register stops where it changes, under its condition', async () => {
    const client = await open(counting);
    await client.launch({}, () =>
      client.request('setDataBreakpoints', { breakpoints: [{ dataId: 'register rax', condition: 'eax == 2' }] }),
    );
    expect(await client.stopped()).toMatchObject({ reason: 'data breakpoint', hitBreakpointIds: [1] });
    expect(await client.where()).toBe(client.lineOf('OUT'));
  });
});

test('a breakpoint that is set while the machine runs takes effect at once', async () => {
  const client = await open('bits 64\nagain: inc rax ; #INC\njmp again\n');
  await client.launch();
  await client.breakAt('INC');
  expect(await client.stopped()).toMatchObject({ reason: 'breakpoint', hitBreakpointIds: [1] });
});

test('a physical breakpoint stops whichever address maps its bytes', async () => {
  const client = await open('bits 64\nmov rax, [0x92000]\nmov [0x92008], rax\nnop ; #NOP\nhlt\n');
  await client.launch({}, async () => {
    const { breakpoints }: Answer = await client.request('setInstructionBreakpoints', {
      breakpoints: [
        { instructionReference: '0x100000', offset: 16, mode: 'physical' },
        { instructionReference: '0xffff800000000000', mode: 'physical' },
        { instructionReference: '0x100000', mode: 'sideways' },
      ],
    });
    expect(breakpoints).toMatchObject([
      { verified: true, instructionReference: 'phys:0x100010' },
      { verified: false, message: '0xffff800000000000: nothing is mapped here' },
      { verified: false, message: 'sideways: no such mode; one of linear, physical' },
    ]);
  });
  expect(await client.stopped()).toMatchObject({ reason: 'instruction breakpoint', hitBreakpointIds: [1] });
  expect(await client.where()).toBe(client.lineOf('NOP'));
});
