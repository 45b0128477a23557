/**
 * What people do with a debugger, as golden transcripts: every request, answer and event of a session, in
 * transcripts/NAME.txt. `npx vitest run test/dap/transcripts.test.ts -u` writes them anew; read the difference.
 */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { Dialogue } from './transcript';
import { counting, faulting, locked, paging, talking, twoProcessors } from './transcripts/guests';

const open: Dialogue[] = [];
const begin = (source: string): Dialogue => beginWith({ '/guest.asm': source });
const beginWith = (files: Readonly<Record<string, string | Uint8Array>>): Dialogue => {
  const dialogue = new Dialogue(files);
  open.push(dialogue);
  return dialogue;
};
afterEach(() => {
  for (const dialogue of open.splice(0)) dialogue.end();
});

const keep = (dialogue: Dialogue, name: string) =>
  expect(dialogue.text).toMatchFileSnapshot(join(import.meta.dirname, `transcripts/${name}.txt`));

const program = '/guest.asm';
/** The line of a guest that holds this text, counted from 1. */
const lineOf = (source: string, text: string): number => source.split('\n').findIndex((one) => one.includes(text)) + 1;

const breakAt = (dialogue: Dialogue, source: string, ...places: (string | { at: string; [more: string]: string })[]) =>
  dialogue.ask('setBreakpoints', {
    source: { path: program },
    breakpoints: places.map((place) => {
      const { at, ...more } = typeof place === 'string' ? { at: place } : place;
      return { line: lineOf(source, at), ...more };
    }),
  });

test('first steps in assembly', async () => {
  const talk = begin(counting);
  await talk.start({ program, stopOnEntry: true }, () => breakAt(talk, counting, 'call double'));
  expect(await talk.event('stopped')).toMatchObject({ reason: 'entry' });
  expect(await talk.look('Registers', 'Flags')).toMatchObject({
    Registers: { rip: expect.stringMatching(/^0x100000/) },
  });
  await talk.go('next');
  expect(await talk.go('continue')).toMatchObject({ reason: 'breakpoint', hitBreakpointIds: [1] });
  await talk.ask('evaluate', { expression: 'eax', context: 'hover', frameId: 1000 });
  await talk.ask('evaluate', { expression: '[rsp]', context: 'watch', frameId: 1000 });
  expect(await talk.go('stepIn')).toMatchObject({ reason: 'step' });
  await talk.look('Registers');
  await talk.go('next', { granularity: 'instruction' });
  expect(await talk.go('stepOut')).toMatchObject({ reason: 'step' });
  expect(await talk.refused('evaluate', { expression: 'eax +', context: 'repl' })).toContain('value is missing');
  await breakAt(talk, counting);
  await talk.ask('continue', { threadId: 1 });
  expect(await talk.event('exited')).toEqual({ exitCode: 7 });
  await talk.event('terminated');
  await talk.ask('disconnect');
  await keep(talk, 'first-steps');
});

test('conditions, hit counts and log points', async () => {
  const talk = begin(counting);
  await talk.start({ program }, () =>
    breakAt(
      talk,
      counting,
      { at: '.loop:', condition: 'ecx == 3 && !cf' },
      { at: 'call double', logMessage: 'eax is {eax}, {{as it is}}' },
      { at: 'dec ecx', hitCondition: '== 4' },
      { at: 'jnz .loop', condition: 'ecx ==' },
    ),
  );
  expect(await talk.event('stopped')).toMatchObject({ reason: 'breakpoint', hitBreakpointIds: [1] });
  expect(await talk.ask('evaluate', { expression: 'ecx', frameId: 1000 })).toMatchObject({ result: '0x3 3' });
  expect(await talk.go('continue')).toMatchObject({ reason: 'breakpoint', hitBreakpointIds: [3] });
  await talk.ask('setFunctionBreakpoints', { breakpoints: [{ name: 'double', condition: 'eax == 5' }] });
  expect(await talk.go('continue')).toMatchObject({ reason: 'function breakpoint' });
  await talk.ask('setInstructionBreakpoints', {
    breakpoints: [{ instructionReference: '0x100000', offset: 7, condition: 'ecx == 0', hitCondition: '1' }],
  });
  await talk.ask('terminate');
  await talk.event('terminated');
  await talk.ask('disconnect');
  await keep(talk, 'conditions');
});

test('stopping on what the machine does', async () => {
  const talk = begin(talking);
  let ids: number[] = [];
  await talk.start({ program, breakOn: ['cpuid if leaf == 1'] }, async () => {
    const { breakpoints } = await talk.ask('setFunctionBreakpoints', {
      breakpoints: [
        { name: 'port:0x3f8:w', hitCondition: '== 2' },
        { name: 'msr:IA32_LSTAR:w', condition: 'value == 0x1234' },
        { name: 'trap:#PQ' },
      ],
    });
    expect(breakpoints.map(({ verified }: { verified: boolean }) => verified)).toEqual([true, true, false]);
    ids = breakpoints.map(({ id }: { id: number }) => id);
    await talk.ask('ringside/events', { filters: ['port', 'msr'] });
  });
  expect(await talk.event('stopped')).toMatchObject({ reason: 'function breakpoint', hitBreakpointIds: [ids[0]] });
  await talk.look();
  expect(await talk.go('continue')).toMatchObject({ reason: 'function breakpoint', hitBreakpointIds: [ids[1]] });
  await talk.ask('evaluate', { expression: 'log port:0xf4 if value == 3', context: 'repl', frameId: 1000 });
  expect(await talk.go('continue')).toMatchObject({ reason: 'event' });
  await talk.ask('evaluate', { expression: 'breakpoints', context: 'repl', frameId: 1000 });
  await talk.ask('ringside/counts');
  await talk.ask('continue', { threadId: 1 });
  await talk.event('exited');
  await talk.ask('disconnect');
  await keep(talk, 'events');
});

test('data breakpoints', async () => {
  const talk = begin(counting);
  await talk.start({ program, stopOnEntry: true });
  await talk.event('stopped');
  const word = await talk.ask('dataBreakpointInfo', { name: '[total]:u32', frameId: 1000 });
  const range = await talk.ask('dataBreakpointInfo', { name: '0x200100', asAddress: true, bytes: 16 });
  await talk.ask('dataBreakpointInfo', { name: 'rax', frameId: 1000 });
  await talk.ask('dataBreakpointInfo', { name: '1 + 1', frameId: 1000 });
  const { breakpoints } = await talk.ask('setDataBreakpoints', {
    breakpoints: [
      { dataId: word.dataId, accessType: 'write', condition: 'eax == 3' },
      { dataId: range.dataId, accessType: 'readWrite' },
    ],
  });
  const [first, second] = breakpoints;
  expect(await talk.go('continue')).toMatchObject({ reason: 'data breakpoint', hitBreakpointIds: [first.id] });
  await talk.look();
  expect(await talk.go('continue')).toMatchObject({ reason: 'data breakpoint', hitBreakpointIds: [second.id] });
  await talk.ask('setDataBreakpoints', { breakpoints: [] });
  await talk.ask('continue', { threadId: 1 });
  expect(await talk.event('exited')).toEqual({ exitCode: 7 });
  await talk.ask('disconnect');
  await keep(talk, 'data-breakpoints');
});

test('a page fault, explained', async () => {
  const talk = begin(paging);
  await talk.start({ program }, () =>
    talk.ask('setExceptionBreakpoints', { filters: [], filterOptions: [{ filterId: '#PF', condition: 'cpl == 0' }] }),
  );
  expect(await talk.event('stopped')).toMatchObject({ reason: 'exception', description: 'Paused on #PF' });
  const info = await talk.ask('exceptionInfo', { threadId: 1 });
  expect(info.description).toMatch(/present|mapped/);
  await talk.look('Paging', 'Faults');
  for (const expression of ['why()', 'walk(rbx)', 'sym(rip)']) {
    const { variablesReference } = await talk.ask('evaluate', { expression, context: 'watch', frameId: 1000 });
    if (variablesReference > 0) await talk.ask('variables', { variablesReference });
  }
  expect(await talk.go('stepIn', { granularity: 'instruction' })).toMatchObject({ reason: 'step' });
  expect(await talk.ask('evaluate', { expression: 'cr2', context: 'watch', frameId: 1000 })).toMatchObject({
    result: expect.stringMatching(/^0xffff800000000008/),
  });
  await talk.ask('terminate');
  await talk.event('terminated');
  await talk.ask('disconnect');
  await keep(talk, 'page-fault');
});

test('a triple fault, before the reset', async () => {
  const talk = begin(faulting);
  await talk.start({ program });
  expect(await talk.event('stopped')).toMatchObject({ reason: 'exception', description: 'Triple fault' });
  await talk.ask('exceptionInfo', { threadId: 1 });
  await talk.look('Faults');
  await talk.ask('continue', { threadId: 1 });
  expect(await talk.event('exited')).toEqual({ exitCode: 6 });
  await talk.event('terminated');
  await talk.ask('disconnect');
  await keep(talk, 'triple-fault');
});

test('two vCPUs', async () => {
  const talk = begin(twoProcessors);
  await talk.start({ program, cpus: 2, mode: 32 }, () => breakAt(talk, twoProcessors, 'second:', 'seen:'));
  expect(await talk.event('stopped')).toMatchObject({ reason: 'breakpoint', threadId: 2 });
  await talk.ask('threads');
  await talk.ask('stackTrace', { threadId: 1 });
  const { stackFrames } = await talk.ask('stackTrace', { threadId: 2 });
  await talk.ask('scopes', { frameId: stackFrames[0].id });
  expect(await talk.go('next', { threadId: 2 })).toMatchObject({ reason: 'step', threadId: 2 });
  expect(await talk.go('next', { threadId: 2, singleThread: true })).toMatchObject({ reason: 'step', threadId: 2 });
  expect(await talk.go('continue', { threadId: 2 })).toMatchObject({ reason: 'breakpoint', threadId: 1 });
  await talk.ask('terminateThreads', { threadIds: [2] });
  expect(await talk.event('thread')).toEqual({ reason: 'exited', threadId: 2 });
  await talk.ask('threads');
  expect(await talk.refused('next', { threadId: 2 })).toContain('stopped');
  await talk.ask('terminate');
  await talk.event('terminated');
  await talk.ask('disconnect');
  await keep(talk, 'two-vcpus');
});

test('a kernel in C', async () => {
  const source = readFileSync(join(import.meta.dirname, 'transcripts/kernel.c'), 'utf8');
  const talk = beginWith({
    '/src/kernel.elf': readFileSync(join(import.meta.dirname, 'transcripts/kernel.elf')),
    '/src/kernel.c': source,
  });
  await talk.start({ program: '/src/kernel.elf' }, () =>
    talk.ask('setBreakpoints', {
      source: { path: '/src/kernel.c' },
      breakpoints: [{ line: lineOf(source, 'sum += n') }],
    }),
  );
  expect(await talk.event('stopped')).toMatchObject({ reason: 'breakpoint' });
  await talk.look();
  await talk.go('next');
  const { stackFrames } = await talk.ask('stackTrace', { threadId: 1 });
  expect(stackFrames.slice(0, 2)).toMatchObject([
    { name: expect.stringMatching(/^triangle/), source: { path: '/src/kernel.c' } },
    { name: expect.stringMatching(/^_start/), line: lineOf(source, 'total = triangle') },
  ]);
  await talk.ask('setBreakpoints', { source: { path: '/src/kernel.c' }, breakpoints: [] });
  await talk.go('stepOut');
  await talk.ask('loadedSources');
  await talk.ask('continue', { threadId: 1 });
  expect(await talk.event('exited')).toEqual({ exitCode: 7 });
  await talk.ask('disconnect');
  await keep(talk, 'c-kernel');
});

test('memory and disassembly', async () => {
  const talk = begin(locked);
  await talk.start({ program, stopOnEntry: true });
  await talk.event('stopped');
  // `here`, and before it what the line table knows; then from the middle of an instruction.
  const { instructions } = await talk.ask('disassemble', {
    memoryReference: '0x10001a',
    instructionOffset: -4,
    instructionCount: 8,
    resolveSymbols: true,
  });
  expect(instructions.slice(0, 5).map(({ address }: { address: string }) => Number(address) - 0x10_0000)).toEqual([
    0, 0xa, 0x11, 0x19, 0x1a,
  ]);
  await talk.ask('disassemble', { memoryReference: '0x100010', instructionOffset: -2, instructionCount: 4 });
  await talk.ask('readMemory', { memoryReference: '0x100000', count: 16 });
  await talk.ask('readMemory', { memoryReference: '0xffff800000000000', count: 16 });
  await talk.ask('readMemory', { memoryReference: 'phys:0x100000', offset: 4, count: 4 });
  await talk.ask('writeMemory', { memoryReference: '0x200000', data: Buffer.from('hello').toString('base64') });
  await talk.ask('readMemory', { memoryReference: '0x200000', count: 5 });
  await talk.go('next');
  // Code that no source tells of is a source itself.
  await talk.ask('writeMemory', {
    memoryReference: '0x300000',
    data: Buffer.from([0x90, 0x40, 0xf4]).toString('base64'),
  });
  await talk.ask('setExpression', { expression: 'rip', value: '0x300000', frameId: 1000 });
  const { stackFrames } = await talk.ask('stackTrace', { threadId: 1 });
  const { source } = stackFrames[0];
  const { content } = await talk.ask('source', { source, sourceReference: source.sourceReference });
  expect(content).toContain('nop');
  expect(await talk.refused('readMemory', { memoryReference: 'nowhere', count: 1 })).toContain('nowhere');
  await talk.ask('terminate');
  await talk.event('terminated');
  await talk.ask('disconnect');
  await keep(talk, 'memory');
});

test('edits', async () => {
  const talk = begin(counting);
  await talk.start({ program, stopOnEntry: true });
  await talk.event('stopped');
  const { scopes } = await talk.ask('scopes', { frameId: 1000 });
  const registers = scopes.find(({ name }: { name: string }) => name === 'Registers').variablesReference;
  expect(await talk.ask('setVariable', { variablesReference: registers, name: 'rax', value: '0x1234' })).toMatchObject({
    value: expect.stringMatching(/^0x1234/),
  });
  await talk.ask('setExpression', { expression: '[0x200000]:u16', value: 'rax + 1', frameId: 1000 });
  expect(await talk.ask('evaluate', { expression: '[0x200000]:u16', frameId: 1000 })).toMatchObject({
    result: expect.stringMatching(/^0x1235/),
  });
  await talk.ask('evaluate', { expression: 'rcx = 7', context: 'repl', frameId: 1000 });
  await talk.refused('setVariable', { variablesReference: registers, name: 'nothing', value: '1' });
  await talk.refused('setExpression', { expression: '1 + 1', value: '2', frameId: 1000 });
  const { targets } = await talk.ask('gotoTargets', {
    source: { path: program },
    line: lineOf(counting, 'mov al, 3'),
  });
  await talk.ask('goto', { threadId: 1, targetId: targets[0].id });
  expect(await talk.event('stopped')).toMatchObject({ reason: 'goto' });
  await talk.ask('continue', { threadId: 1 });
  expect(await talk.event('exited')).toEqual({ exitCode: 7 });
  await talk.ask('disconnect');
  await keep(talk, 'edits');
});

test('a restart', async () => {
  const talk = begin(counting);
  await talk.start({ program, stopOnEntry: true }, () =>
    breakAt(talk, counting, { at: 'dec ecx', hitCondition: '== 2' }),
  );
  await talk.event('stopped');
  expect(await talk.go('continue')).toMatchObject({ reason: 'breakpoint', hitBreakpointIds: [1] });
  await talk.ask('restart', { arguments: { program, stopOnEntry: false } });
  expect(await talk.event('stopped')).toMatchObject({ reason: 'breakpoint', hitBreakpointIds: [1] });
  expect(await talk.ask('evaluate', { expression: 'eax', frameId: 1000 })).toMatchObject({ result: '0x2 2' });
  expect(await talk.refused('restart', { arguments: { program: '/elsewhere.asm' } })).toContain('elsewhere');
  await talk.ask('disconnect');
  await keep(talk, 'restart');
});
