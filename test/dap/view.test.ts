/** How the machine is shown: modules, sources that are disassembly, places of values, pages, formats, spaces. */

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { DebugProtocol } from '@vscode/debugprotocol';
import { describe, expect, test } from 'vitest';
import { type Client, useGuests } from './client';

const { open, write } = useGuests();

const guest = `bits 64
start:  mov rbx, start
        mov ecx, 3
.again: dec ecx
        jnz .again              ; #AGAIN
        call deeper
        jmp $                   ; #END
deeper: nop
        ret                     ; #DEEP
text:   db 'Hello'
`;

/** The bytes of the guest without its names and lines: the machine shows them to a first client. */
const image = async (): Promise<string> => {
  const client = await open(guest);
  await client.launch({ stopOnEntry: true });
  await client.stopped();
  const { data } = await client.request('readMemory', { memoryReference: '0x100000', count: 40 });
  return write('guest.bin', Buffer.from(data, 'base64'));
};

const flat = async (more: (client: Client) => void = () => {}): Promise<Client> => {
  const program = await image();
  const client = await open('');
  more(client);
  await client.launch({ program, load: '0x100000', mode: '64', stopOnEntry: true });
  await client.stopped();
  return client;
};

const frame = async (client: Client): Promise<DebugProtocol.StackFrame> =>
  (await client.stack())[0] as DebugProtocol.StackFrame;

describe('code without a source', () => {
  test('is a source itself: the frame is on the line of its instruction, and steps stay in the same text', async () => {
    const told: DebugProtocol.LoadedSourceEvent['body'][] = [];
    const client = await flat(({ dap }) => {
      dap.on('loadedSource', ({ body }) => told.push(body));
    });
    const { source, line, presentationHint } = await frame(client);
    expect(presentationHint).toBe('subtle');
    expect(told).toEqual([{ reason: 'new', source }]);
    const { content } = await client.request('source', { source, sourceReference: source?.sourceReference });
    const text = (content as string).split('\n');
    expect(text[line - 1]).toMatch(/^ {2}0x100000 {2}48 bb 00 00 10 00 00 00 00 00 +mov rbx, 0x100000$/);
    await client.go('next', { granularity: 'instruction' });
    const next = await frame(client);
    expect(next.source).toEqual(source);
    expect(text[next.line - 1]).toContain('mov ecx, 3');
    expect((await client.request('loadedSources', {})).sources).toEqual([source]);
    await expect(client.request('source', { sourceReference: 99 })).rejects.toThrow(
      'there is no source 99; it belongs to a session that is gone',
    );
  });

  test('takes breakpoints on its lines', async () => {
    const client = await flat();
    const { source } = await frame(client);
    const { content } = await client.request('source', { source, sourceReference: source?.sourceReference });
    const line = (content as string).split('\n').findIndex((text) => text.includes('dec ecx')) + 1;
    const { breakpoints } = await client.request('setBreakpoints', { source, breakpoints: [{ line }] });
    expect(breakpoints).toMatchObject([{ verified: true, line, instructionReference: '0x10000f' }]);
    expect(await client.go('continue')).toMatchObject({ reason: 'breakpoint' });
    expect(await frame(client)).toMatchObject({ line, instructionPointerReference: '0x10000f' });
  });

  test('a listing is another one when the code has changed', async () => {
    const client = await flat();
    const before = (await frame(client)).source?.sourceReference;
    await client.request('writeMemory', { memoryReference: '0x100000', data: Buffer.from([0x90]).toString('base64') });
    const after = (await frame(client)).source;
    expect(after?.sourceReference).not.toBe(before);
    expect((await client.request('source', { source: after, sourceReference: 0 })).content).toContain('nop');
  });
});

describe('modules', () => {
  test('the program with its addresses and symbols, announced at the launch', async () => {
    const told: DebugProtocol.ModuleEvent['body'][] = [];
    const client = await open(guest);
    client.dap.on('module', ({ body }) => told.push(body));
    await client.launch({ stopOnEntry: true });
    await client.stopped();
    const { modules, totalModules } = await client.request('modules', {});
    expect(totalModules).toBe(1);
    const size = readFileSync(await image()).length;
    expect(modules).toMatchObject([
      { id: 1, name: 'guest.asm', symbolStatus: 'symbols and lines', symbolCount: 4, sourceFiles: 1 },
    ]);
    expect(modules[0].addressRange).toMatch(/^0x100000-0x10002[0-9a-f]$/);
    expect(size).toBe(40);
    expect(told).toEqual([{ reason: 'new', module: modules[0] }]);
    expect(await frame(client)).toMatchObject({ moduleId: 1 });
    const { stackFrames } = await client.request('stackTrace', { threadId: 1, format: { module: true, line: true } });
    expect(stackFrames[0].name).toBe('guest.asm!start (64-bit, ring 0) line 2');
  });

  test('the services of the firmware are a module of their own', async () => {
    const client = await open('bits 16\norg 0x7c00\nstart: hlt\ntimes 510-($-$$) db 0\ndw 0xaa55\n');
    await client.launch({ stopOnEntry: true });
    await client.stopped();
    const { modules } = await client.request('modules', { startModule: 1, moduleCount: 1 });
    expect(modules).toMatchObject([{ id: 'firmware', isUserCode: false }]);
    const [start] = /^0x[0-9a-f]+/.exec(modules[0].addressRange) ?? [];
    const { instructions } = await client.request('disassemble', { memoryReference: start, instructionCount: 4096 });
    expect(instructions.map(({ instruction }: { instruction: string }) => instruction)).toContainEqual(
      expect.stringMatching(/^; native code: /),
    );
  });
});

describe('sources', () => {
  test('carry the checksum of the text that the code was made from; another text is told', async () => {
    const client = await open(guest);
    await client.launch({ stopOnEntry: true });
    await client.stopped();
    const checksum = createHash('md5').update(guest).digest('hex');
    const { sources } = await client.request('loadedSources', {});
    expect(sources).toMatchObject([{ path: client.program, checksums: [{ algorithm: 'MD5', checksum }] }]);
    expect(client.console).not.toContain('has changed');
    write('guest.asm', `; another line\n${guest}`);
    const source = { path: client.program };
    const told = new Promise((resolve) => {
      client.dap.on('output', ({ body }) => resolve(body.output));
    });
    await client.request('setBreakpoints', { source, breakpoints: [{ line: 2 }], sourceModified: true });
    expect(await told).toBe(`${client.program} has changed since guest.asm was made from it: its lines may be wrong\n`);
  });
});

describe('values', () => {
  const atDeep = async (more: Partial<DebugProtocol.InitializeRequestArguments> = {}): Promise<Client> => {
    const client = await open(guest);
    const initialize = client.dap.initializeRequest.bind(client.dap);
    client.dap.initializeRequest = (args) => initialize({ ...args, ...more } as never);
    await client.launch({}, () => client.breakAt('DEEP'));
    await client.stopped();
    return client;
  };
  const row = async (client: Client, name: string): Promise<DebugProtocol.Variable> =>
    (await client.scope('Registers')).find((one) => one.name === name) as DebugProtocol.Variable;

  test('that point at code lead to its line', async () => {
    const client = await atDeep();
    const { valueLocationReference } = await row(client, 'rip');
    const location = await client.request('locations', { locationReference: valueLocationReference });
    expect(location).toMatchObject({ source: { path: client.program }, line: client.lineOf('DEEP') });
    await expect(client.request('locations', { locationReference: 4711 })).rejects.toThrow('there is no location 4711');
  });

  test('of a symbol lead to where it is declared', async () => {
    const client = await atDeep();
    const { variablesReference } = await client.request('evaluate', { expression: 'text', context: 'watch' });
    const [byte] = await client.rows(variablesReference);
    expect(byte).toMatchObject({ name: 'u8', value: '0x48', memoryReference: '0x10001c' });
    const { declarationLocationReference } = byte as DebugProtocol.Variable;
    const location = await client.request('locations', { locationReference: declarationLocationReference });
    expect(location).toMatchObject({ source: { path: client.program }, line: 10 });
  });

  test('are shown in the format of the request, or in that of the session', async () => {
    const client = await atDeep();
    const { variablesReference } = (await client.request('scopes', { frameId: 1000 })).scopes[0];
    const rbx = async (format?: object): Promise<string> =>
      (await client.request('variables', { variablesReference, ...(format ? { format } : {}) })).variables.find(
        ({ name }: DebugProtocol.Variable) => name === 'rbx',
      ).value;
    expect(await rbx()).toBe('0x100000 start');
    expect(await rbx({ hex: false })).toBe('1048576 start');
    await client.request('ringside/valueFormat', { radix: 'binary' });
    expect(await client.event('invalidated')).toEqual({ areas: ['variables'] });
    expect(await rbx()).toBe('0b100000000000000000000 start');
    expect(await rbx({ hex: true })).toBe('0x100000 start');
    await expect(client.request('ringside/valueFormat', { radix: 'octal' })).rejects.toThrow(
      'ringside/valueFormat: radix is one of hex, decimal, binary',
    );
  });

  test('named children are no indexed ones; pages are parts of the whole', async () => {
    const client = await atDeep();
    const { variablesReference } = (await client.request('scopes', { frameId: 1000 })).scopes[0];
    const names = async (args: object): Promise<string[]> =>
      (await client.request('variables', { variablesReference, ...args })).variables.map(
        ({ name }: DebugProtocol.Variable) => name,
      );
    const all = await names({});
    expect(await names({ start: 2, count: 3 })).toEqual(all.slice(2, 5));
    expect(await names({ filter: 'named' })).toEqual(all);
    expect(await names({ filter: 'indexed' })).toEqual([]);
    await expect(client.request('variables', { variablesReference: 1 })).rejects.toThrow('there is no tree 1');
  });

  test('what changed is coloured only where the client shows colours', async () => {
    const plain = await atDeep();
    await plain.scope('Registers');
    await plain.go('stepIn');
    expect((await row(plain, 'rip')).value).not.toContain('\u001b');
    const coloured = await atDeep({ supportsANSIStyling: true });
    await coloured.scope('Registers');
    await coloured.go('stepIn');
    expect((await row(coloured, 'rip')).value).toBe('\u001b[33m0x100018 start.again+0x9\u001b[0m');
    expect((await row(coloured, 'rbx')).value).not.toContain('\u001b');
  });

  test('an edit tells of the stack only when the stack looks different', async () => {
    const client = await atDeep();
    await client.stack();
    await client.dap.threadsRequest();
    const { variablesReference } = (await client.request('scopes', { frameId: 1000 })).scopes[0];
    await client.request('setVariable', { variablesReference, name: 'rax', value: '1' });
    expect(await client.event('invalidated')).toEqual({ areas: ['variables'] });
    await client.request('setVariable', { variablesReference, name: 'rip', value: 'start' });
    expect(await client.event('invalidated')).toEqual({ areas: ['stacks', 'variables'] });
  });

  test('what the client saw at an earlier stop looks no different after an edit', async () => {
    const client = await atDeep();
    await client.stack();
    await client.go('stepIn');
    await client.stack();
    const { variablesReference } = (await client.request('scopes', { frameId: 1000 })).scopes[0];
    await client.request('setVariable', { variablesReference, name: 'rax', value: '1' });
    expect(await client.event('invalidated')).toEqual({ areas: ['variables'] });
  });
});

describe('memory', () => {
  test('in every space, with what cannot be read between what can', async () => {
    const client = await open(guest);
    await client.launch({ stopOnEntry: true, memory: '16M' });
    await client.stopped();
    const read = (memoryReference: string, count: number, offset = 0) =>
      client.request('readMemory', { memoryReference, count, offset });
    const [linear, gpa, phys] = await Promise.all(
      ['0x100000', 'gpa:0x100000', 'cpu0:phys:1048576'].map((reference) => read(reference, 8)),
    );
    expect(gpa).toEqual({ ...linear, address: 'gpa:0x100000' });
    expect(phys).toEqual({ ...linear, address: 'cpu0:phys:0x100000' });
    // The tables map the first 4 GiB.
    expect(await read('0xfffffffe', 6)).toEqual({
      address: '0xfffffffe',
      data: expect.any(String),
      unreadableBytes: 4,
    });
    expect(await read('phys:0xffffffffffffe', 16)).toMatchObject({ unreadableBytes: 14 });
    expect(await read('phys:0x10000000000000', 16)).toMatchObject({ unreadableBytes: 16 });
    await expect(read('cpu7:0x100000', 1)).rejects.toThrow('there is no vCPU 7');
  });

  test('is written in part where the client allows it, and not at all where it does not', async () => {
    const client = await open(guest);
    await client.launch({ stopOnEntry: true, memory: '16M' });
    await client.stopped();
    const end = { memoryReference: 'phys:0xfffffe', data: Buffer.from([1, 2, 3, 4]).toString('base64') };
    await expect(client.request('writeMemory', end)).rejects.toThrow(
      'phys:0x1000000 is no memory: a device or nothing answers there',
    );
    expect((await client.request('readMemory', { memoryReference: '0xfffffe', count: 2 })).data).toBe('AAA=');
    expect(await client.request('writeMemory', { ...end, allowPartial: true })).toEqual({ bytesWritten: 2, offset: 0 });
    expect((await client.request('readMemory', { memoryReference: '0xfffffe', count: 2 })).data).toBe('AQI=');
  });

  test('a view is told of what differs in it after a stop, and of nothing else', async () => {
    const client = await open('bits 64\nmov byte [0x200003], 7\nnop\nnop\njmp $\n');
    await client.launch({ stopOnEntry: true });
    await client.stopped();
    const told: unknown[] = [];
    client.dap.on('memory', ({ body }) => told.push(body));
    await client.request('readMemory', { memoryReference: '0x200000', count: 16 });
    await client.request('readMemory', { memoryReference: '0x100000', count: 16 });
    await client.go('next');
    await client.go('next');
    await client.stack();
    expect(told).toEqual([{ memoryReference: '0x200000', offset: 3, count: 1 }]);
  });
});

describe('disassembly', () => {
  test('has exactly as many rows as were asked for, each address plain, the source named where it changes', async () => {
    const client = await open(guest);
    await client.launch({ stopOnEntry: true });
    await client.stopped();
    const { instructions } = await client.request('disassemble', {
      memoryReference: 'phys:0x100000',
      instructionOffset: -2,
      instructionCount: 300,
    });
    expect(instructions).toHaveLength(300);
    expect(instructions[2]).toMatchObject({ address: '0x100000', symbol: 'start', line: 2, endLine: 2 });
    expect(instructions.filter(({ location }: { location?: object }) => location !== undefined)).toHaveLength(1);
    await expect(client.request('disassemble', { memoryReference: '0', instructionCount: 1_000_000 })).rejects.toThrow(
      'disassemble: at most 100000 instructions',
    );
  });
});

test('what another vCPU than the stopped one shows says which one it is', async () => {
  const client = await open(guest);
  await client.launch({ stopOnEntry: true, cpus: 2 });
  await client.stopped();
  const { stackFrames } = await client.request('stackTrace', { threadId: 2 });
  const reference = stackFrames[0].instructionPointerReference as string;
  expect(reference).toMatch(/^cpu1:0x[0-9a-f]+$/);
  const rip = (await client.scope('Registers', stackFrames[0].id)).find(({ name }) => name === 'rip');
  expect(rip?.memoryReference).toBe(reference);
  const own = (await client.scope('Registers')).find(({ name }) => name === 'rip');
  expect(own?.memoryReference).toBe('0x100000');
  // Its own space: vCPU 1 waits in real mode, where nothing is paged.
  const { address, data } = await client.request('readMemory', { memoryReference: 'cpu1:0x100000', count: 4 });
  expect({ address, data }).toEqual({ address: 'cpu1:0x100000', data: 'SLsAAA==' });
  const { instructions } = await client.request('disassemble', {
    memoryReference: 'cpu1:0x100000',
    instructionCount: 1,
  });
  expect(instructions[0]).toMatchObject({ address: '0x100000', instruction: 'dec ax' });
});
