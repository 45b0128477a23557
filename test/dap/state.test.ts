/** What a session shows and lets one change: stack, scopes, variables, expressions, memory, code, faults. */

import type { DebugProtocol } from '@vscode/debugprotocol';
import { describe, expect, test } from 'vitest';
import { type Client, useGuests } from './client';

const { open } = useGuests();

const guest = `bits 64
start:  mov rax, 0xffff800000001234
        mov rsi, text
        call outer
        hlt
outer:  push rbp
        mov rbp, rsp
        call inner
        pop rbp
        ret
inner:  mov rdx, [text]         ; #INNER
        nop                     ; #NEXT
        ret
text:   db 'Hello', 0, 0, 0, 0x80
`;

const atInner = async (): Promise<Client> => {
  const client = await open(guest);
  await client.launch({}, () => client.breakAt('INNER'));
  await client.stopped();
  return client;
};

describe('stack', () => {
  test('frames have names, lines, ring and mode', async () => {
    const client = await atInner();
    const frames = (await client.stack()).map(({ name, line }) => ({ name, line }));
    expect(frames).toEqual([
      { name: 'inner (64-bit, ring 0)', line: client.lineOf('INNER') },
      { name: 'outer+0x9 (64-bit, ring 0)', line: 8 },
      { name: 'start+0x19 (64-bit, ring 0)', line: 4 },
    ]);
  });

  test('a frame further out knows what the stack tells', async () => {
    const client = await atInner();
    const rows = await client.scope('Registers', 1001);
    expect(rows.map(({ name, value }) => `${name} ${value}`)).toEqual([
      'rip 0x100023 outer+0x9',
      'rsp 0x8fff0',
      expect.stringMatching(/^rbp 0x/),
    ]);
  });

  test('through an interrupt into ring 3', async () => {
    const client = await open(
      `bits 64
start:  mov rdi, 0x92000
        or qword [0x91000], 4
        or qword [rdi], 4
        or qword [0x93000], 4
        mov rax, cr3
        mov cr3, rax
        lgdt [gdtr]
        lidt [idtr]
        mov ax, 0x28
        ltr ax
        push 0x23
        push 0x70000
        push 0x2
        push 0x1b
        push user
        iretq
user:   call deeper             ; #USER
        jmp user
deeper: int 0x80                ; #DEEPER
        ret
kernel: nop                     ; #KERNEL
        iretq
align 16
gdt:    dq 0, 0x00af9b000000ffff, 0x00cf93000000ffff, 0x00affb000000ffff, 0x00cff3000000ffff
        dw 103, tss - $$, 0x8910, 0
        dq 0
gdtr:   dw 7 * 8 - 1
        dq gdt
tss:    dd 0
        dq 0x80000
        times 92 db 0
idt:    times 0x80 * 16 db 0
        dw kernel - $$, 0x08, 0xee10, 0x10
        dq 0
idtr:   dw 0x81 * 16 - 1
        dq idt
`.replace('0xee10', '0xee00'),
    );
    await client.launch({}, () => client.breakAt('KERNEL'));
    await client.stopped();
    const frames = (await client.stack()).map(({ name, line }) => ({ name, line }));
    expect(frames.slice(0, 4)).toEqual([
      { name: 'kernel (64-bit, ring 0)', line: client.lineOf('KERNEL') },
      { name: '[interrupt from ring 3]', line: 0 },
      { name: 'deeper+0x2 (64-bit, ring 3)', line: client.lineOf('DEEPER') + 1 },
      { name: 'user+0x5 (64-bit, ring 3)', line: client.lineOf('USER') },
    ]);
    const paged = async (startFrame: number, levels: number) =>
      (await client.request('stackTrace', {
        threadId: 1,
        startFrame,
        levels,
      })) as DebugProtocol.StackTraceResponse['body'];
    expect((await paged(0, 1)).totalFrames).toBeUndefined();
    const { stackFrames } = await paged(1, 2);
    expect(stackFrames.map(({ name, presentationHint }) => [name, presentationHint])).toEqual([
      ['[interrupt from ring 3]', 'label'],
      ['deeper+0x2 (64-bit, ring 3)', 'normal'],
    ]);
    expect((await client.request('scopes', { frameId: stackFrames[0]?.id })).scopes).toEqual([]);
    expect((await paged(3, 9)).totalFrames).toBe(4);
    // Out of the handler, into the code that it interrupted.
    await client.go('stepOut');
    expect(await client.where()).toBe(client.lineOf('DEEPER') + 1);
  });
});

describe('scopes and variables', () => {
  test('Registers come first, general registers are their direct children in lower case, 0x first', async () => {
    const client = await atInner();
    const { body } = await client.dap.scopesRequest({ frameId: 1000 });
    expect(body.scopes.slice(0, 4).map(({ name }) => name)).toEqual([
      'Registers',
      'Flags',
      'Segments',
      'Control registers & MSRs',
    ]);
    const rows = await client.scope('Registers');
    expect(rows.slice(0, 3).map(({ name, value }) => [name, value])).toEqual([
      ['rax', '0xffff800000001234'],
      ['rcx', '0x0'],
      ['rdx', '0x0'],
    ]);
    for (const { value } of rows) expect(value).toMatch(/^0x[0-9a-f]+( |$)/);
  });

  test('Flags, Segments and control registers are decoded', async () => {
    const client = await atInner();
    const value = async (scope: string, name: string): Promise<string | undefined> =>
      (await client.scope(scope)).find((row) => row.name === name)?.value;
    expect(await value('Flags', 'if')).toBe('0x0');
    expect(await value('Segments', 'cs')).toBe('0x8 base 0x0 limit 0xffffffff code, 64-bit, readable, ring 0');
    expect(await value('Control registers & MSRs', 'cr0')).toBe('0x80000011 PE ET PG');
    expect(await value('Control registers & MSRs', 'efer')).toBe('0x500 LME LMA');
    const cr4 = (await client.scope('Control registers & MSRs')).find(({ name }) => name === 'cr4');
    const bits = await client.rows(cr4?.variablesReference ?? 0);
    expect(bits.find(({ name }) => name === 'PAE')?.value).toBe('0x1 physical address extension');
  });

  test('references stay the same from stop to stop, with new values behind them', async () => {
    const client = await atInner();
    const references = async (): Promise<number[]> =>
      (await client.dap.scopesRequest({ frameId: 1000 })).body.scopes.map((scope) => scope.variablesReference);
    const before = await references();
    await client.go('next');
    expect((await client.rows(before[0] ?? 0)).find(({ name }) => name === 'rdx')?.value).toBe('0x6f6c6c6548');
    expect(await references()).toEqual(before);
  });

  test('set variable: registers, flags, bits and segment parts; as the machine sees it', async () => {
    const client = await atInner();
    const { body } = await client.dap.scopesRequest({ frameId: 1000 });
    const set = async (scope: string, name: string, value: string): Promise<string> => {
      const variablesReference = body.scopes.find((one) => one.name === scope)?.variablesReference ?? 0;
      return (await client.dap.setVariableRequest({ variablesReference, name, value })).body.value;
    };
    expect(await set('Registers', 'rbx', '0xffffffffffffffff')).toBe('0xffffffffffffffff');
    expect(await client.event('invalidated')).toEqual({ areas: ['variables'] });
    expect(await set('Registers', 'rcx', 'rbx - 1')).toBe('0xfffffffffffffffe');
    expect(await set('Registers', 'rsi', '0x10002f some text that we showed')).toMatch(/^0x10002f/);
    expect(await set('Flags', 'cf', '1')).toBe('0x1');
    expect(await client.evaluate('cf && rbx == -1')).toBe('0x1 true');
    await expect(set('Flags', 'cf', '2')).rejects.toThrow('0x2 does not fit into cf, which has one bit');
    await expect(set('Machine', 'step', '2')).rejects.toThrow('step cannot be set');
    await expect(set('Registers', 'rbx', 'foo')).rejects.toThrow(
      'there is no register, flag or symbol `foo` (column 1)',
    );
  });
});

describe('expressions', () => {
  test('registers and their parts, flags, symbols, memory, arithmetic', async () => {
    const client = await atInner();
    for (const [expression, expected] of [
      ['rax', '0xffff800000001234'],
      ['eax', '0x1234 4660'],
      ['al', "0x34 52 '4'"],
      ['r8d', '0x0 0'],
      ['rsi', '0x10002f text'],
      ['text', '0x10002f text'],
      ['[text]:u8', "0x48 72 'H'"],
      ['dword [text]', '0x6c6c6548 1819043144'],
      ['[text + 8]:i8', '0x80 -128'],
      ['phys[text]:u8', "0x48 72 'H'"],
      ['cr0.pg', '0x1 1'],
      ['cpl == 0', '0x1 true'],
      ['msr[0x10] > 0', '0x1 true'],
      ['$', '0x100025 inner'],
      ['0x7fffffffffffffff + 1', '0x8000000000000000'],
    ] as const)
      expect(await client.evaluate(expression, 'hover'), expression).toBe(expected);
  });

  test('a bit register shows its bits', async () => {
    const client = await atInner();
    const { body } = await client.dap.evaluateRequest({ expression: 'cr0', context: 'watch', frameId: 1000 });
    expect(body.result).toBe('0x80000011 PE ET PG');
    expect((await client.rows(body.variablesReference)).map(({ name }) => name)).toContain('WP');
  });

  test('the console assigns, watches do not', async () => {
    const client = await atInner();
    expect(await client.evaluate('rbx = rax + 1', 'repl')).toBe('0xffff800000001235');
    expect(await client.evaluate("[text]:u8 = 'J'", 'repl')).toBe("0x4a 74 'J'");
    expect(await client.evaluate('ax = 0x5678', 'repl')).toBe('0x5678 22136');
    expect(await client.register('rax')).toBe('0xffff800000005678');
    await expect(client.evaluate('rbx = 1')).rejects.toThrow('values can be set in the debug console only');
    await client.request('setExpression', { expression: 'r9b', value: '0xff', frameId: 1000 });
    expect(await client.register('r9')).toBe('0xff');
  });

  test('completions: registers and symbols', async () => {
    const client = await atInner();
    const { targets } = await client.request('completions', { text: '1 + in', column: 7, frameId: 1000 });
    expect(targets).toEqual([{ label: 'inner', type: 'function', detail: 'symbol', start: 5, length: 2 }]);
  });
});

describe('memory', () => {
  test('is read and written at plain hexadecimal and decimal references, exactly', async () => {
    const client = await atInner();
    const text = 0x10002f;
    for (const memoryReference of ['0x10002f', String(text), 'phys:0x10002f']) {
      const { data } = await client.request('readMemory', { memoryReference, count: 5 });
      expect(Buffer.from(data, 'base64').toString()).toBe('Hello');
    }
    const offset = await client.request('readMemory', { memoryReference: '0x10002f', offset: -8, count: 1 });
    expect(offset.address).toBe('0x100027');
    await client.request('writeMemory', { memoryReference: '0x10002f', data: Buffer.from('Jolly').toString('base64') });
    for (const memoryReference of ['1048623', 'phys:0x10002f', '0x10002f'])
      expect(await client.event('memory')).toEqual({ memoryReference, offset: 0, count: 5 });
    expect(await client.evaluate('[text]:u8')).toBe("0x4a 74 'J'");
  });

  test('what is not mapped is told: 64-bit addresses stay exact', async () => {
    const client = await atInner();
    const high = await client.request('readMemory', { memoryReference: '0xffff800000001234', count: 16 });
    expect(high).toEqual({ address: '0xffff800000001234', unreadableBytes: 16 });
    await expect(
      client.request('writeMemory', { memoryReference: '0xffff800000001234', data: 'AAAA' }),
    ).rejects.toThrow('nothing is mapped at 0xffff800000001234');
    const end = await client.request('readMemory', { memoryReference: '0xffffffff', count: 3 });
    expect(Buffer.from(end.data, 'base64')).toHaveLength(1);
  });
});

describe('code', () => {
  const rows = async (
    client: Client,
    instructionOffset: number,
    instructionCount: number,
    memoryReference = '0x100025',
  ) =>
    (await client.request('disassemble', { memoryReference, instructionOffset, instructionCount })).instructions as {
      address: string;
      instruction: string;
      symbol?: string;
      line?: number;
      presentationHint?: string;
    }[];

  test('is shown with symbols, bytes and lines', async () => {
    const client = await atInner();
    const [first, second] = await rows(client, 0, 2);
    expect(first).toMatchObject({
      address: '0x100025',
      instruction: 'mov rdx, [0x10002f] <text>',
      symbol: 'inner',
      line: 11,
    });
    expect(second).toMatchObject({ address: '0x10002d', instruction: 'nop', line: 12 });
  });

  test('negative offsets give whole instructions, in as many rows as were asked for', async () => {
    const client = await atInner();
    const all = await rows(client, -6, 8);
    expect(all.map(({ address, instruction }) => `${address} ${instruction}`)).toEqual(
      [
        '0x100019 hlt',
        '0x10001a push rbp',
        '0x10001b mov rbp, rsp',
        '0x10001e call 0x100025 <inner>',
        '0x100023 pop rbp',
        '0x100024 ret',
        '0x100025 mov rdx, [0x10002f] <text>',
        '0x10002d nop',
      ].map((row) => row),
    );
  });

  test('where nothing is mapped the rows are there and marked', async () => {
    const client = await atInner();
    const all = await rows(client, -2, 4, '0xffff800000000000');
    expect(all.map(({ address, instruction, presentationHint }) => [address, instruction, presentationHint])).toEqual([
      ['0xffff7ffffffffffe', '??', 'invalid'],
      ['0xffff7fffffffffff', '??', 'invalid'],
      ['0xffff800000000000', '??', 'invalid'],
      ['0xffff800000000001', '??', 'invalid'],
    ]);
  });

  test('sources', async () => {
    const client = await atInner();
    expect((await client.request('loadedSources', {})).sources).toMatchObject([
      { name: 'guest.asm', path: client.program },
    ]);
    expect((await client.request('source', { source: { path: client.program }, sourceReference: 0 })).content).toBe(
      guest,
    );
    const { breakpoints } = await client.request('breakpointLocations', {
      source: { path: client.program },
      line: 10,
      endLine: 12,
    });
    expect(breakpoints).toEqual([{ line: 10 }, { line: 11 }, { line: 12 }]);
  });
});

describe('faults', () => {
  const faulting = `bits 64
        mov rbx, 0x123456789000
        mov [rbx + 8], eax      ; #WRITE
        hlt
`;

  test('a filter by vector stops before the delivery, with the reason in words', async () => {
    const client = await open(faulting);
    await client.launch({}, () => client.dap.setExceptionBreakpointsRequest({ filters: ['#PF'] }));
    const stopped = await client.stopped();
    expect(stopped).toMatchObject({ reason: 'exception', description: 'Paused on #PF', threadId: 1 });
    expect(stopped.text).toMatch(
      /^#PF Page Fault \(error code 0x2: supervisor write, page not present; CR2 0x123456789008\): .*PML4E 0x0 at 0x91120 \(bit 0, P, is 0\); the rule: /,
    );
    expect(await client.where()).toBe(client.lineOf('WRITE'));
    expect(await client.evaluate('cr2')).toBe('0x0 0');
    const info = await client.request('exceptionInfo', { threadId: 1 });
    expect(info).toMatchObject({ exceptionId: '#PF', breakMode: 'always', details: { message: 'walk.present' } });
    expect(await client.go('continue')).toMatchObject({ description: 'Triple fault' });
  });

  test('conditions per vector see the fault', async () => {
    const client = await open(faulting);
    const filter = (condition: string) =>
      client.dap.setExceptionBreakpointsRequest({ filters: [], filterOptions: [{ filterId: '#PF', condition }] });
    await client.launch({}, () => filter('error_code == 2 && cr2 == rbx + 8'));
    expect(await client.stopped()).toMatchObject({ description: 'Paused on #PF' });
    const other = await open(faulting);
    await other.launch({}, () =>
      other.dap.setExceptionBreakpointsRequest({
        filters: [],
        filterOptions: [{ filterId: 'all', condition: 'vector == 6' }],
      }),
    );
    expect(await other.stopped()).toMatchObject({ description: 'Triple fault' });
  });
});
