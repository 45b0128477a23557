/** The expression language and the debug console through the protocol: trees, formats, commands, completions. */

import { describe, expect, test } from 'vitest';
import { type Client, useGuests } from './client';

const guests = useGuests();

const counting = `bits 64
start:  xor eax, eax
        mov ecx, 3
.loop:  call double             ; #LOOP
        dec ecx
        jnz .loop
        hlt                     ; #END
double: inc eax                 ; #DOUBLE
        ret
cell:   dq 0x1122334455667788
message: db "Hello", 0
`;

const atLoop = async (): Promise<Client> => {
  const client = await guests.open(counting);
  await client.launch({}, () => client.breakAt('LOOP'));
  await client.stopped();
  return client;
};

const evaluate = (client: Client, expression: string, context = 'repl', more: object = {}) =>
  client.request('evaluate', { expression, context, frameId: 1000, ...more });

describe('evaluate', () => {
  test('the value format of the request and of the expression', async () => {
    const client = await atLoop();
    const shown = async (expression: string, hex?: boolean): Promise<string> =>
      (await evaluate(client, expression, 'watch', hex === undefined ? {} : { format: { hex } })).result;
    expect(await shown('[cell]:u16')).toBe('0x7788 30600');
    expect(await shown('[cell]:u16', true)).toBe('0x7788 30600');
    expect(await shown('[cell]:u16', false)).toBe('30600');
    expect(await shown('[cell]:u16,x', false)).toBe('0x7788');
    expect(await shown('message,s')).toBe('"Hello"');
  });

  test('trees: arrays in pages, walks by level; references for memory and code', async () => {
    const client = await atLoop();
    const array = await evaluate(client, '[cell]:u8[8]', 'watch');
    expect(array).toMatchObject({ indexedVariables: 8, memoryReference: expect.stringMatching(/^0x10/) });
    const { variables } = await client.request('variables', {
      variablesReference: array.variablesReference,
      start: 6,
      count: 2,
    });
    expect(variables).toMatchObject([
      { name: '[6]', value: '0x22' },
      { name: '[7]', value: '0x11' },
    ]);
    const walk = await evaluate(client, 'walk(rip)', 'hover');
    expect((await client.rows(walk.variablesReference)).map(({ name }) => name)).toEqual(
      expect.arrayContaining(['PML4E', 'PDPTE', 'PDE', 'physical']),
    );
    const symbol = await evaluate(client, 'double', 'hover');
    expect(symbol.valueLocationReference).toBeGreaterThan(0);
    const place = await client.request('locations', { locationReference: symbol.valueLocationReference });
    expect(place.line).toBe(client.lineOf('DOUBLE'));
  });

  test('an element of an array is set by its name, as registers are; the guest sees it', async () => {
    const client = await atLoop();
    const { variablesReference } = await evaluate(client, '[cell]:u8[8]', 'watch');
    const set = await client.request('setVariable', { variablesReference, name: '[7]', value: '0x7f' });
    expect(set.value).toBe('0x7f');
    expect((await evaluate(client, '[cell]', 'watch')).result).toBe('0x7f22334455667788');
    const answer = await client.request('setExpression', { expression: '[cell]:u16,d', value: '-2', frameId: 1000 });
    expect(answer.value).toBe('-2');
    expect(await client.evaluate('[cell]:u32')).toBe('0x5566fffe 1432813566');
  });

  test('the clipboard gets all of a value that other contexts shorten', async () => {
    const client = await atLoop();
    expect((await evaluate(client, '[start]:u8[12]', 'watch')).result).toMatch(/, …\]$/);
    const { result } = await evaluate(client, '[start]:u8[12]', 'clipboard');
    expect(result.split(', ')).toHaveLength(12);
  });

  test('in a frame further out RIP and RSP are its own, and cannot be set', async () => {
    const client = await atLoop();
    await client.breakAt('DOUBLE');
    await client.go('continue');
    const [, outer] = await client.stack();
    const inFrame = (expression: string, frameId = outer?.id) =>
      client.request('evaluate', { expression, context: 'watch', frameId });
    expect((await inFrame('rip == .loop + 5')).result).toBe('0x1 true');
    const inner = BigInt((await inFrame('rsp', 1000)).result.split(' ')[0]);
    expect(BigInt((await inFrame('rsp')).result.split(' ')[0])).toBe(inner + 8n);
    await expect(
      client.request('setExpression', { expression: 'rsp', value: '0', frameId: outer?.id }),
    ).rejects.toThrow('rsp of a frame further out cannot be set');
  });

  test('errors: one line with a column where there is one line, a caret in the console', async () => {
    const client = await atLoop();
    await expect(evaluate(client, 'rax + foo', 'hover')).rejects.toThrow(
      /^there is no register, flag or symbol `foo` \(column 7\)$/,
    );
    await expect(evaluate(client, 'rax + foo')).rejects.toThrow(/`foo`\n {2}rax \+ foo\n {8}\^$/);
  });
});

describe('the debug console', () => {
  test('has the commands: look, break, move, poke', async () => {
    const client = await atLoop();
    const say = async (line: string): Promise<string> => (await evaluate(client, line)).result;
    expect(await say('disas double, 2')).toMatch(/inc eax\n.*ret$/);
    expect(await say('break double if ecx == 2')).toMatch(/^breakpoint \d+ at 0x10[0-9a-f]+ double .*if ecx == 2$/);
    expect(await say('x message, 5')).toContain('Hello');
    await client.breakAt();
    expect(await say('continue')).toBe('');
    expect(await client.event('continued')).toMatchObject({ allThreadsContinued: true });
    expect((await client.stopped()).reason).toBe('breakpoint');
    expect(await client.where()).toBe(client.lineOf('DOUBLE'));
    expect(await client.evaluate('ecx')).toBe('0x2 2');
    expect(await say('[cell] = 5')).toBe('0x5 5');
    expect(await client.event('invalidated')).toBeDefined();
    await say('stepi');
    await client.stopped();
  });

  test('scopes and results unfold', async () => {
    const client = await atLoop();
    const { result, variablesReference } = await evaluate(client, 'info segments');
    expect(result).toBe('Segments');
    expect((await client.rows(variablesReference)).map(({ name }) => name)).toContain('cs');
    const why = await evaluate(client, 'why');
    expect(why.result).toMatch(/^breakpoint \d+/);
  });

  test('its breakpoints outlive a restart, asked for by a command', async () => {
    const client = await atLoop();
    await evaluate(client, 'break double');
    await client.breakAt();
    await evaluate(client, 'restart');
    await client.stopped();
    expect(await client.where()).toBe(client.lineOf('DOUBLE'));
  });

  test('a log point of the console prints and goes on', async () => {
    const client = await atLoop();
    await client.breakAt();
    await evaluate(client, 'log double log eax is {eax}');
    await evaluate(client, 'break 7');
    await evaluate(client, 'continue');
    await client.stopped();
    expect(await client.where()).toBe(client.lineOf('END'));
    expect(client.console.match(/eax is 0x[0-9a-f]/g)).toEqual(['eax is 0x0', 'eax is 0x1', 'eax is 0x2']);
  });

  test('what comes from outside reaches a guest that runs', async () => {
    const client = await guests.open(
      'bits 64\nwait: mov edx, 0x3fd\nin al, dx\ntest al, 1\njz wait\nmov edx, 0x3f8\nin al, dx\nout dx, al\njmp wait\n',
    );
    await client.launch();
    expect((await evaluate(client, 'send')).result).toBe('1 byte sent');
    await expect.poll(() => client.output).toBe('\n');
    await expect(evaluate(client, 'rax = 1')).rejects.toThrow('the machine is running; pause it first');
    await client.go('pause');
  });

  test('what it shows stays as it was when the machine goes on', async () => {
    const client = await atLoop();
    const { variablesReference } = await evaluate(client, '[rsp - 8]:u64[1]');
    const before = await client.rows(variablesReference);
    await client.breakAt('DOUBLE');
    await client.go('continue');
    expect(await client.rows(variablesReference)).toEqual(before);
  });
});

describe('completions', () => {
  test('commands and their arguments, with what is replaced and where the cursor goes', async () => {
    const client = await atLoop();
    const at = async (text: string, column = text.length + 1) =>
      (await client.request('completions', { text, column, frameId: 1000 })).targets;
    expect(await at('disas dou')).toEqual([
      { label: 'double', type: 'function', detail: 'symbol', start: 7, length: 3 },
    ]);
    expect(await at('wal')).toEqual(
      expect.arrayContaining([
        { label: 'walk', type: 'keyword', start: 1, length: 3 },
        expect.objectContaining({ text: 'walk()', selectionStart: 5, selectionLength: 0 }),
      ]),
    );
    expect(await at('eax + 1', 4)).toMatchObject([{ label: 'eax' }]);
    expect((await at('one\n[cell]:i', 12)).length).toBe(0);
    expect(
      (await client.request('completions', { text: 'one\n[cell]:i', line: 2, column: 9, frameId: 1000 })).targets,
    ).toMatchObject([{ label: 'i8' }, { label: 'i16' }, { label: 'i32' }, { label: 'i64' }]);
  });
});
