/**
 * The protocol's requests, events and fields that no flag tells of: each that docs/protocol.md says is there is used, and
 * something observable comes of it.
 */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DebugProtocol } from '@vscode/debugprotocol';
import { describe, expect, test } from 'vitest';
import { endClients, guest, lineOf, newClient, numberOf, program, rowsOf, source, standing } from './capabilities';
import type { Dialogue } from './transcript';
import { twoProcessors } from './transcripts/guests';

endClients();

type Row = DebugProtocol.Variable;

/** All rows of all scopes, and what they open into, as deep as that; lazy ones are not opened. */
const everyRow = async (talk: Dialogue, depth = 2): Promise<Row[]> => {
  const { scopes } = await talk.ask('scopes', { frameId: 1000 });
  const found: Row[] = [];
  const open = async (variablesReference: number, left: number): Promise<void> => {
    const { variables } = await talk.ask('variables', { variablesReference, start: 0, count: 40 });
    for (const row of variables as Row[]) {
      found.push(row);
      if (left > 0 && row.variablesReference > 0 && row.presentationHint?.lazy !== true)
        await open(row.variablesReference, left - 1);
    }
  };
  for (const { variablesReference } of scopes) await open(variablesReference, depth);
  return found;
};

const register = async (talk: Dialogue, name: string): Promise<Row> =>
  (await rowsOf(talk, 'Registers')).find((row) => row.name === name);

const other = async (text: string, launch: object = {}, client: object = {}): Promise<Dialogue> => {
  const talk = newClient(client, undefined, text);
  await talk.start({ program, stopOnEntry: true, ...launch });
  await talk.event('stopped');
  return talk;
};

const walks: Readonly<Record<string, (() => Promise<unknown>) | undefined>> = {
  'request `pause`': async () => {
    const talk = await other('bits 64\nagain: jmp again\n');
    await talk.ask('continue', { threadId: 1 });
    expect(await talk.go('pause')).toMatchObject({ reason: 'pause' });
  },
  'request `source`': async () => {
    const talk = await standing();
    expect(await talk.ask('source', { source, sourceReference: 0 })).toMatchObject({ content: guest });
    // Code that was copied to where no source tells of it.
    await talk.ask('writeMemory', { memoryReference: '0x300000', data: Buffer.from([0x90, 0xf4]).toString('base64') });
    await talk.ask('setExpression', { expression: 'rip', value: '0x300000', frameId: 1000 });
    const { stackFrames } = await talk.ask('stackTrace', { threadId: 1 });
    const { source: listing, line } = stackFrames[0];
    expect(listing.sourceReference).toBeGreaterThan(0);
    const { content } = await talk.ask('source', { source: listing, sourceReference: listing.sourceReference });
    expect(content.split('\n')[line - 1]).toMatch(/\bnop\b/);
  },
  'request `locations`': async () => {
    const talk = await standing();
    const { valueLocationReference: locationReference } = await register(talk, 'rip');
    expect(await talk.ask('locations', { locationReference })).toMatchObject({ source, line: lineOf('start:') });
  },
  'reverse request `runInTerminal`': undefined,
  'reverse request `startDebugging`': undefined,

  'event `capabilities`': async () => {
    const talk = await standing();
    expect(talk.all('capabilities')).toMatchObject([{ capabilities: { supportsTerminateThreadsRequest: false } }]);
  },
  'event `invalidated`': async () => {
    const talk = await standing();
    await talk.look('Registers');
    await talk.ask('setExpression', { expression: 'rip', value: 'double', frameId: 1000 });
    expect((await talk.event('invalidated')).areas).toContain('variables');
  },
  'event `memory`': async () => {
    const talk = await standing();
    await talk.ask('readMemory', { memoryReference: '0x300000', count: 64 });
    await talk.ask('setExpression', { expression: '[0x300010]:u8', value: '1', frameId: 1000 });
    expect(await talk.event('memory')).toMatchObject({ memoryReference: '0x300000' });
  },
  'event `progress…`': async () => {
    const talk = await other('bits 64\ncall spin\nhlt\nspin: jmp spin\n', {}, { supportsProgressReporting: true });
    await talk.ask('next', { threadId: 1 });
    const { progressId, cancellable } = await talk.event('progressStart');
    expect(cancellable).toBe(true);
    await talk.ask('cancel', { progressId });
    expect(await talk.event('progressEnd')).toMatchObject({ progressId });
    expect(await talk.event('stopped')).toMatchObject({ reason: 'pause' });
  },
  'event `module`': async () => {
    const talk = await standing();
    expect(talk.all('module')).toMatchObject([{ reason: 'new', module: { path: program } }]);
  },
  'event `loadedSource`': async () => {
    const talk = await standing();
    expect(talk.all('loadedSource')).toMatchObject([{ reason: 'new', source }]);
  },
  'event `process`': async () => {
    const talk = await standing();
    expect(talk.all('process')).toMatchObject([{ startMethod: 'launch', pointerSize: 64 }]);
  },
  'event `thread`': async () => {
    const talk = await other(twoProcessors, { cpus: 2, mode: 32 });
    await talk.ask('continue', { threadId: 1 });
    expect(await talk.event('thread')).toEqual({ reason: 'started', threadId: 2 });
  },
  'event `exited`': async () => {
    const talk = await other('bits 64\nmov al, 3\nout 0xf4, al\n');
    await talk.ask('continue', { threadId: 1 });
    expect(await talk.event('exited')).toEqual({ exitCode: 7 });
  },
  'event `breakpoint`': async () => {
    const talk = await standing();
    const set = await talk.ask('setBreakpoints', { source, breakpoints: [{ line: lineOf('ud2') }] });
    const [{ id }] = set.breakpoints;
    await talk.ask('restart', { arguments: { program, stopOnEntry: true } });
    expect(await talk.event('breakpoint')).toMatchObject({ reason: 'changed', breakpoint: { id, verified: true } });
  },

  '`stopped.hitBreakpointIds`': async () => {
    const talk = await standing();
    const line = await talk.ask('setBreakpoints', { source, breakpoints: [{ line: lineOf('double:') }] });
    const named = await talk.ask('setFunctionBreakpoints', { breakpoints: [{ name: 'double' }] });
    const { hitBreakpointIds } = await talk.go('continue');
    expect(new Set(hitBreakpointIds)).toEqual(new Set([line.breakpoints[0].id, named.breakpoints[0].id]));
  },
  '`output.group`': async () => {
    const talk = await standing();
    expect(await talk.go('continue')).toMatchObject({ description: 'Triple fault' });
    const groups = talk.all('output').map(({ group }) => group);
    expect(groups.filter((group) => group !== undefined)).toEqual(['start', 'end']);
    expect(groups.indexOf('end')).toBeGreaterThan(groups.indexOf('start') + 1);
  },
  '`output.variablesReference`': async () => {
    const talk = await standing();
    await talk.ask('evaluate', { expression: 'log port:0x3f8', context: 'repl', frameId: 1000 });
    await talk.go('continue');
    const { output, variablesReference } = talk.all('output').find((one) => one.variablesReference > 0);
    expect(output).toContain('0x3f8');
    const { variables } = await talk.ask('variables', { variablesReference });
    expect(variables).toEqual(
      expect.arrayContaining([expect.objectContaining({ name: 'port', value: expect.stringMatching(/^0x3f8/) })]),
    );
  },

  '`Variable.memoryReference`': async () => {
    const talk = await standing();
    const { memoryReference } = await register(talk, 'rsp');
    expect(BigInt(memoryReference ?? '')).toBe(await numberOf(talk, 'rsp'));
  },
  '`Variable.presentationHint`': async () => {
    const talk = await standing();
    expect((await register(talk, 'rax')).presentationHint?.attributes ?? []).not.toContain('readOnly');
    const fixed = (await everyRow(talk, 0)).filter(({ presentationHint }) =>
      presentationHint?.attributes?.includes('readOnly'),
    );
    expect(fixed).not.toEqual([]);
  },
  '`presentationHint.lazy`': async () => {
    const talk = await standing();
    const lazy = (await everyRow(talk)).find(({ presentationHint }) => presentationHint?.lazy === true);
    expect(lazy?.value).toBe('');
    const { variables } = await talk.ask('variables', { variablesReference: lazy?.variablesReference });
    expect(variables).toMatchObject([{ value: expect.stringMatching(/\S/) }]);
  },
  '`valueLocationReference`': async () => {
    const talk = await standing();
    await talk.ask('setExpression', { expression: 'rip', value: 'double', frameId: 1000 });
    const { valueLocationReference: locationReference } = await register(talk, 'rip');
    expect(await talk.ask('locations', { locationReference })).toMatchObject({ source, line: lineOf('double:') });
  },
  '`declarationLocationReference`': async () => {
    const talk = await standing();
    const total = (await rowsOf(talk, 'Data')).find(({ name }) => name === 'total');
    const { declarationLocationReference: locationReference } = total;
    expect(await talk.ask('locations', { locationReference })).toMatchObject({ source, line: lineOf('total:') });
  },
  'variable paging': async () => {
    const talk = await standing();
    const array = await talk.ask('evaluate', { expression: '[start]:u8[1000]', frameId: 1000 });
    expect(array.indexedVariables).toBe(1000);
    const { variablesReference } = array;
    const page = async (start: number, count: number) =>
      (await talk.ask('variables', { variablesReference, filter: 'indexed', start, count })).variables;
    expect([...(await page(0, 2)), ...(await page(2, 2))]).toEqual(await page(0, 4));
  },
  '`instructionPointerReference`': async () => {
    const talk = await standing();
    const { stackFrames } = await talk.ask('stackTrace', { threadId: 1 });
    const { instructionPointerReference: memoryReference } = stackFrames[0];
    const { instructions } = await talk.ask('disassemble', { memoryReference, instructionCount: 1 });
    expect(instructions).toMatchObject([{ instruction: 'xor eax, eax' }]);
  },
  'frame `presentationHint`, `moduleId`': async () => {
    const talk = await standing();
    const frames = async () => (await talk.ask('stackTrace', { threadId: 1 })).stackFrames;
    const { modules } = await talk.ask('modules', {});
    expect(await frames()).toMatchObject([{ moduleId: modules[0].id, presentationHint: 'normal' }]);
    await talk.ask('setExpression', { expression: 'rip', value: '0x300000', frameId: 1000 });
    expect((await frames())[0]).toMatchObject({ presentationHint: 'subtle' });
  },

  'data breakpoint `asAddress`': async () => {
    const talk = await standing();
    const name = `phys:0x${(await numberOf(talk, 'total')).toString(16)}`;
    const { dataId } = await talk.ask('dataBreakpointInfo', { name, asAddress: true, bytes: 4 });
    await talk.ask('setDataBreakpoints', { breakpoints: [{ dataId, accessType: 'write' }] });
    expect(await talk.go('continue')).toMatchObject({ reason: 'data breakpoint' });
  },
  'condition of an instruction breakpoint': async () => {
    const talk = await standing();
    const breakpoints = [{ instructionReference: '0x100007', condition: 'ecx == 2', hitCondition: '1' }];
    await talk.ask('setInstructionBreakpoints', { breakpoints });
    await talk.go('continue');
    expect(await numberOf(talk, 'ecx')).toBe(2n);
  },
  'condition of a data breakpoint': async () => {
    const talk = await standing();
    const { dataId } = await talk.ask('dataBreakpointInfo', { name: '[total]:u32', frameId: 1000 });
    const breakpoints = [{ dataId, accessType: 'write', condition: 'eax >= 2', hitCondition: '== 2' }];
    await talk.ask('setDataBreakpoints', { breakpoints });
    await talk.go('continue');
    expect(await numberOf(talk, '[total]:u32')).toBe(3n);
  },
  'invalid rows in `disassemble`': async () => {
    const talk = await standing();
    const ask = { memoryReference: '0xffff800000000000', instructionOffset: -2, instructionCount: 4 };
    const { instructions } = await talk.ask('disassemble', ask);
    const hints = instructions.map(({ presentationHint }: { presentationHint?: string }) => presentationHint);
    expect(hints).toEqual(['invalid', 'invalid', 'invalid', 'invalid']);
  },
  '`stepBack` granularity': undefined,
  'custom requests': async () => {
    const talk = await standing();
    await talk.ask('ringside/events', { filters: ['port:0x3f8', 'cpuid'] });
    await talk.ask('ringside/valueFormat', { radix: 'binary' });
    await talk.go('continue');
    expect(talk.all('ringside/event')).toMatchObject([{ counts: [1, 0], events: [{ kind: 'port' }] }]);
    expect((await talk.ask('ringside/counts')).counts.port).toMatchObject({ total: 1 });
    expect((await register(talk, 'rax')).value).toMatch(/^0b/);
  },
};

const told = (() => {
  const page = readFileSync(join(import.meta.dirname, '../../docs/protocol.md'), 'utf8');
  const [, section = ''] = page.split('## What has no flag');
  const rows = [...section.matchAll(/^\| (.+?) \| (yes|no) \| \S/gm)];
  return Object.fromEntries(rows.map(([, name = '', said = '']) => [name, said]));
})();

describe('each that is said to be there is made good', () => {
  const there = Object.entries(walks).flatMap(([name, walk]) => (walk === undefined ? [] : [[name, walk] as const]));
  test.each(there)('%s', async (_, walk) => {
    await walk();
  });
});

test('docs/protocol.md has a row for each of the 32', () => {
  expect(told).toEqual(Object.fromEntries(Object.entries(walks).map(([name, walk]) => [name, walk ? 'yes' : 'no'])));
  expect(Object.keys(walks)).toHaveLength(32);
});
