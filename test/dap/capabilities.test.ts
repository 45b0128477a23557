/**
 * Every flag that the adapter raises is made good: something observable comes of it. A flag that nobody walks, and a
 * table in docs/protocol.md that says something else, fail.
 */

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DebugProtocol } from '@vscode/debugprotocol';
import { describe, expect, test } from 'vitest';
import { LeftMachines } from '../../src/dap/left-machines';
import { endClients, guest, lineOf, newClient, numberOf, program, rowsOf, source, standing } from './capabilities';
import type { Dialogue } from './transcript';
import { twoProcessors } from './transcripts/guests';

endClients();

type Flag = keyof DebugProtocol.Capabilities;
type Capabilities = Required<DebugProtocol.Capabilities>;
type Walk = (offered: Capabilities) => Promise<unknown>;

/** Goes on to where a source breakpoint stops. */
const stoppedAt = async (line: string, more: object = {}): Promise<Dialogue> => {
  const talk = await standing();
  const { breakpoints } = await talk.ask('setBreakpoints', { source, breakpoints: [{ line: lineOf(line), ...more }] });
  expect(breakpoints).toMatchObject([{ verified: true }]);
  expect(await talk.go('continue')).toMatchObject({ reason: 'breakpoint' });
  return talk;
};

/** Names of what comes back for a text with the cursor at its end. */
const completions = async (talk: Dialogue, text: string): Promise<string[]> => {
  const { targets } = await talk.ask('completions', { text, column: text.length + 1, frameId: 1000 });
  return targets.map(({ label }: { label: string }) => label);
};

/** A client goes, leaving its machine; what the next one that attaches is stopped by, or undefined when it runs. */
const handOver = async (how: object): Promise<Dialogue> => {
  const left = new LeftMachines();
  const first = newClient({}, left, 'bits 64\nstart: inc rax\njmp start\n');
  await first.start({ program });
  await first.ask('disconnect', how);
  const second = newClient({}, left);
  await second.greet();
  await second.ask('attach', {});
  await second.event('initialized');
  await second.ask('configurationDone');
  return second;
};

const checksum: Readonly<Record<string, (text: string) => string>> = {
  MD5: (text) => createHash('md5').update(text).digest('hex'),
  SHA1: (text) => createHash('sha1').update(text).digest('hex'),
  SHA256: (text) => createHash('sha256').update(text).digest('hex'),
};

const walks: Readonly<Record<Flag, Walk>> = {
  supportsConfigurationDoneRequest: async () => {
    const talk = newClient();
    await talk.greet();
    await talk.ask('launch', { program });
    await talk.event('initialized');
    // It waits for its breakpoints.
    expect(await numberOf(talk, 'step')).toBe(0n);
    await talk.ask('configurationDone');
    expect(await talk.event('stopped')).toMatchObject({ reason: 'exception' });
  },
  supportsFunctionBreakpoints: async () => {
    const talk = await standing();
    await talk.ask('setFunctionBreakpoints', { breakpoints: [{ name: 'double' }] });
    expect(await talk.go('continue')).toMatchObject({ reason: 'function breakpoint' });
    expect(await numberOf(talk, 'rip == double')).toBe(1n);
  },
  supportsConditionalBreakpoints: async () => {
    const talk = await stoppedAt('dec ecx', { condition: 'eax == 3' });
    expect(await numberOf(talk, 'eax')).toBe(3n);
  },
  supportsHitConditionalBreakpoints: async () => {
    const talk = await stoppedAt('dec ecx', { hitCondition: '== 4' });
    expect(await numberOf(talk, 'eax')).toBe(4n);
  },
  supportsEvaluateForHovers: async () => {
    const talk = await standing();
    expect(await talk.ask('evaluate', { expression: 'double', context: 'hover', frameId: 1000 })).toMatchObject({
      result: expect.stringMatching(/^0x10/),
    });
    await talk.refused('evaluate', { expression: 'eax = 1', context: 'hover', frameId: 1000 });
  },
  exceptionBreakpointFilters: async ({ exceptionBreakpointFilters: filters }) => {
    const talk = await standing();
    // One of them is for any event of the grammar, which is its condition.
    const { breakpoints } = await talk.ask('setExceptionBreakpoints', {
      filters: filters.map(({ filter }) => filter).filter((filter) => filter !== 'event'),
      filterOptions: [{ filterId: 'event', condition: 'cpuid' }],
    });
    expect(breakpoints).toEqual(filters.map(() => expect.objectContaining({ verified: true })));
    await talk.ask('setExceptionBreakpoints', { filters: ['#UD'] });
    expect(await talk.go('continue')).toMatchObject({ reason: 'exception', description: 'Paused on #UD' });
  },
  supportsStepBack: async () => {
    const talk = await standing();
    await talk.go('next');
    await talk.go('stepBack');
    expect(await numberOf(talk, 'step')).toBe(0n);
  },
  supportsSetVariable: async () => {
    const talk = await standing();
    const { scopes } = await talk.ask('scopes', { frameId: 1000 });
    const { variablesReference } = scopes.find(({ name }: { name: string }) => name === 'Registers');
    await talk.ask('setVariable', { variablesReference, name: 'rax', value: '0x77' });
    expect(await numberOf(talk, 'rax')).toBe(0x77n);
  },
  supportsRestartFrame: async () => {
    const talk = await stoppedAt('mov [total], eax');
    await talk.ask('restartFrame', { frameId: 1000 });
    expect(await talk.event('stopped')).toMatchObject({ reason: 'restart' });
    expect(await numberOf(talk, 'rip == double')).toBe(1n);
  },
  supportsGotoTargetsRequest: async () => {
    const talk = await standing();
    const { targets } = await talk.ask('gotoTargets', { source, line: lineOf('ud2') });
    await talk.ask('goto', { threadId: 1, targetId: targets[0].id });
    await talk.event('stopped');
    const { stackFrames } = await talk.ask('stackTrace', { threadId: 1 });
    expect(stackFrames[0].line).toBe(lineOf('ud2'));
  },
  supportsStepInTargetsRequest: async () => {
    const talk = await stoppedAt('call rbx');
    const { targets } = await talk.ask('stepInTargets', { frameId: 1000 });
    expect(targets).toMatchObject([{ label: expect.stringContaining('double') }]);
    await talk.go('stepIn', { targetId: targets[0].id });
    expect(await numberOf(talk, 'rip == double')).toBe(1n);
  },
  supportsCompletionsRequest: async () => {
    const talk = await standing();
    expect(await completions(talk, 'doub')).toContain('double');
    expect(await completions(talk, '1 + ra')).toContain('rax');
  },
  completionTriggerCharacters: async ({ completionTriggerCharacters: characters }) => {
    const talk = await standing();
    for (const character of characters) expect(await completions(talk, character), character).not.toEqual([]);
  },
  supportsModulesRequest: async () => {
    const talk = await standing();
    const { modules, totalModules } = await talk.ask('modules', {});
    expect(modules).toHaveLength(totalModules);
    expect(modules).toMatchObject([
      { name: 'guest.asm', path: program, addressRange: expect.stringMatching(/^0x100000-/) },
    ]);
  },
  additionalModuleColumns: async ({ additionalModuleColumns: columns }) => {
    const talk = await standing();
    const { modules } = await talk.ask('modules', {});
    for (const { attributeName, type } of columns) {
      const types = modules.map((row: Record<string, unknown>) => typeof row[attributeName]);
      expect(types, attributeName).toContain(type ?? 'string');
    }
  },
  supportedChecksumAlgorithms: async ({ supportedChecksumAlgorithms: algorithms }) => {
    const talk = await standing();
    const { sources } = await talk.ask('loadedSources');
    const { checksums } = sources.find(({ path }: { path: string }) => path === program);
    for (const { algorithm, checksum: given } of checksums) {
      expect(algorithms).toContain(algorithm);
      expect(given).toBe(checksum[algorithm]?.(guest));
    }
    expect(checksums).toHaveLength(algorithms.length);
  },
  supportsRestartRequest: async () => {
    const talk = await stoppedAt('dec ecx');
    await talk.ask('restart', { arguments: { program, stopOnEntry: true } });
    await talk.event('stopped');
    expect(await numberOf(talk, 'step')).toBe(0n);
    expect(await talk.go('continue')).toMatchObject({ reason: 'breakpoint' });
  },
  supportsExceptionOptions: async () => {
    const talk = await standing();
    await talk.ask('setExceptionBreakpoints', {
      filters: [],
      exceptionOptions: [{ path: [{ names: ['CPU exceptions'] }, { names: ['#UD'] }], breakMode: 'always' }],
    });
    expect(await talk.go('continue')).toMatchObject({ reason: 'exception', description: 'Paused on #UD' });
  },
  supportsValueFormattingOptions: async () => {
    const talk = await standing();
    await talk.ask('setExpression', { expression: 'rax', value: '255', frameId: 1000 });
    const { scopes } = await talk.ask('scopes', { frameId: 1000 });
    const { variablesReference } = scopes[0];
    const rax = async (hex: boolean) =>
      (await talk.ask('variables', { variablesReference, format: { hex } })).variables.find(
        ({ name }: { name: string }) => name === 'rax',
      ).value;
    expect([await rax(true), await rax(false)]).toEqual([
      expect.stringMatching(/^0xff\b/),
      expect.stringMatching(/^255\b/),
    ]);
    const evaluated = async (hex: boolean) =>
      (await talk.ask('evaluate', { expression: 'rax', frameId: 1000, format: { hex } })).result;
    expect([await evaluated(true), await evaluated(false)]).toEqual([
      expect.stringMatching(/^0xff\b/),
      expect.stringMatching(/^255\b/),
    ]);
    const named = async (format: object) => (await talk.ask('stackTrace', { threadId: 1, format })).stackFrames[0].name;
    expect(await named({ line: true, module: true })).not.toBe(await named({ line: false, module: false }));
  },
  supportsExceptionInfoRequest: async () => {
    const talk = await standing();
    await talk.ask('setExceptionBreakpoints', { filters: ['#UD'] });
    await talk.go('continue');
    expect(await talk.ask('exceptionInfo', { threadId: 1 })).toMatchObject({ exceptionId: '#UD' });
  },
  supportTerminateDebuggee: async () => {
    const left = new LeftMachines();
    const first = await standing({}, {}, left);
    await first.ask('disconnect', { terminateDebuggee: true });
    const second = newClient({}, left);
    await second.greet();
    expect(await second.refused('attach', {})).toMatch(/machine/);
    const third = await handOver({ terminateDebuggee: false });
    await third.go('pause');
  },
  supportSuspendDebuggee: async () => {
    const suspended = await handOver({ suspendDebuggee: true });
    await suspended.event('stopped');
    const before = await numberOf(suspended, 'step');
    expect(await numberOf(suspended, 'step')).toBe(before);
    const running = await handOver({ terminateDebuggee: false, suspendDebuggee: false });
    const then = await numberOf(running, 'step');
    await expect.poll(() => numberOf(running, 'step')).toBeGreaterThan(then);
  },
  supportsDelayedStackTraceLoading: async () => {
    const talk = await stoppedAt('mov [total], eax');
    const { stackFrames: all, totalFrames } = await talk.ask('stackTrace', { threadId: 1 });
    const { stackFrames: second } = await talk.ask('stackTrace', { threadId: 1, startFrame: 1, levels: 1 });
    expect(second).toEqual([all[1]]);
    expect(totalFrames).toBeGreaterThanOrEqual(2);
  },
  supportsLoadedSourcesRequest: async () => {
    const { sources } = await (await standing()).ask('loadedSources');
    expect(sources).toMatchObject([{ path: program }]);
  },
  supportsLogPoints: async () => {
    const talk = await standing();
    await talk.ask('setBreakpoints', {
      source,
      breakpoints: [{ line: lineOf('dec ecx'), logMessage: 'eax is {eax}' }, { line: lineOf('mov edx') }],
    });
    await talk.go('continue');
    const said = talk.all('output').map(({ output }) => output);
    expect(said).toEqual([1, 2, 3, 4, 5].map((n) => expect.stringMatching(new RegExp(`^eax is 0x${n}`))));
  },
  supportsTerminateThreadsRequest: async () => {
    const talk = newClient({}, undefined, twoProcessors);
    const line = twoProcessors.split('\n').findIndex((one) => one.startsWith('second:')) + 1;
    await talk.start({ program, cpus: 2, mode: 32 }, () =>
      talk.ask('setBreakpoints', { source, breakpoints: [{ line }] }),
    );
    await talk.event('stopped');
    await talk.ask('terminateThreads', { threadIds: [2] });
    expect(await talk.event('thread')).toEqual({ reason: 'exited', threadId: 2 });
    expect(await talk.refused('terminateThreads', { threadIds: [1] })).toMatch(/last/);
    // It never comes to say that it is alive.
    await talk.ask('continue', { threadId: 1 });
    await talk.ask('pause', { threadId: 1 });
    expect(await talk.event('stopped')).toMatchObject({ reason: 'pause' });
  },
  supportsSetExpression: async () => {
    const talk = await standing();
    await talk.ask('setExpression', { expression: '[total]:u32', value: '0x1234', frameId: 1000 });
    expect(await numberOf(talk, '[total]:u16')).toBe(0x1234n);
  },
  supportsTerminateRequest: async () => {
    const talk = await standing();
    await talk.ask('terminate');
    await talk.event('terminated');
  },
  supportsDataBreakpoints: async () => {
    const talk = await standing();
    const { dataId, accessTypes } = await talk.ask('dataBreakpointInfo', { name: '[total]:u32', frameId: 1000 });
    expect(accessTypes).toContain('write');
    await talk.ask('setDataBreakpoints', { breakpoints: [{ dataId, accessType: 'write' }] });
    expect(await talk.go('continue')).toMatchObject({ reason: 'data breakpoint' });
    expect(await numberOf(talk, '[total]:u32')).toBe(1n);
  },
  supportsReadMemoryRequest: async () => {
    const talk = await standing();
    const { data } = await talk.ask('readMemory', { memoryReference: '0x100000', count: 2 });
    expect(Buffer.from(data, 'base64')).toEqual(Buffer.from([0x31, 0xc0]));
  },
  supportsWriteMemoryRequest: async () => {
    const talk = await standing();
    const data = Buffer.from([1, 2, 3, 4]).toString('base64');
    expect(await talk.ask('writeMemory', { memoryReference: '0x300000', data })).toMatchObject({ bytesWritten: 4 });
    expect(await numberOf(talk, '[0x300000]:u32')).toBe(0x04030201n);
  },
  supportsDisassembleRequest: async () => {
    const talk = await standing();
    const { instructions } = await talk.ask('disassemble', { memoryReference: '0x100000', instructionCount: 2 });
    expect(instructions).toMatchObject([{ instruction: 'xor eax, eax' }, { instruction: 'mov ecx, 5' }]);
  },
  supportsCancelRequest: async () => {
    const talk = await standing();
    const long = talk.refused('disassemble', { memoryReference: '0x100000', instructionCount: 10_000 });
    await talk.ask('cancel', { requestId: talk.lastRequest });
    expect(await long).toBe('cancelled');
  },
  supportsBreakpointLocationsRequest: async () => {
    const talk = await standing();
    const { breakpoints } = await talk.ask('breakpointLocations', { source, line: 1, endLine: 3 });
    expect(breakpoints.map(({ line }: { line: number }) => line)).toEqual([2, 3]);
  },
  supportsClipboardContext: async () => {
    const talk = await standing();
    const copied = async (context: string) =>
      (await talk.ask('evaluate', { expression: '[0x100000]:u8[40]', frameId: 1000, context })).result;
    expect((await copied('clipboard')).length).toBeGreaterThan((await copied('watch')).length);
  },
  supportsSteppingGranularity: async () => {
    const talk = await standing();
    await talk.go('next', { granularity: 'instruction' });
    expect(await numberOf(talk, 'rip - start')).toBe(2n);
    await talk.go('next', { granularity: 'line' });
    expect(await numberOf(talk, 'rip - start')).toBe(7n);
    await talk.go('next', { granularity: 'statement' });
    expect(await numberOf(talk, 'rip - start')).toBe(9n);
  },
  supportsInstructionBreakpoints: async () => {
    const talk = await standing();
    const breakpoints = [{ instructionReference: '0x100000', offset: 7 }];
    await talk.ask('setInstructionBreakpoints', { breakpoints });
    expect(await talk.go('continue')).toMatchObject({ reason: 'instruction breakpoint' });
    expect(await numberOf(talk, 'rip - start')).toBe(7n);
  },
  supportsExceptionFilterOptions: async () => {
    const talk = await standing();
    const filterOptions = [{ filterId: '#UD', condition: 'eax == 0' }];
    await talk.ask('setExceptionBreakpoints', { filters: [], filterOptions });
    expect(await talk.go('continue')).toMatchObject({ description: 'Triple fault' });
  },
  supportsSingleThreadExecutionRequests: async () => {
    const talk = newClient({}, undefined, 'bits 64\nagain: inc rax\njmp again\n');
    await talk.start({ program, cpus: 2, stopOnEntry: true });
    await talk.event('stopped');
    // The second one waits for its start-up: alone it never goes on.
    expect(await talk.go('continue', { threadId: 2, singleThread: true })).toMatchObject({ threadId: 2 });
    expect(await numberOf(talk, 'rax')).toBe(0n);
    expect(await talk.ask('continue', { threadId: 1, singleThread: true })).toEqual({ allThreadsContinued: false });
    await talk.go('pause');
  },
  supportsDataBreakpointBytes: async () => {
    const talk = await standing();
    const total = await numberOf(talk, 'total');
    const { dataId } = await talk.ask('dataBreakpointInfo', {
      name: `0x${(total - 4n).toString(16)}`,
      asAddress: true,
      bytes: 5,
    });
    await talk.ask('setDataBreakpoints', { breakpoints: [{ dataId, accessType: 'write' }] });
    expect(await talk.go('continue')).toMatchObject({ reason: 'data breakpoint' });
  },
  breakpointModes: async ({ breakpointModes: modes }) => {
    const talk = await standing();
    const setters: Readonly<Record<string, (mode: string) => Promise<unknown>>> = {
      source: (mode) => talk.ask('setBreakpoints', { source, breakpoints: [{ line: 3, mode }] }),
      instruction: (mode) =>
        talk.ask('setInstructionBreakpoints', { breakpoints: [{ instructionReference: '0x100000', mode }] }),
      exception: (mode) =>
        talk.ask('setExceptionBreakpoints', { filters: [], filterOptions: [{ filterId: '#UD', mode }] }),
      data: async (mode) => {
        const { dataId } = await talk.ask('dataBreakpointInfo', { name: '[total]:u32', frameId: 1000, mode });
        return talk.ask('setDataBreakpoints', { breakpoints: [{ dataId, accessType: 'write' }] });
      },
    };
    for (const { mode, appliesTo } of modes)
      for (const kind of appliesTo)
        expect(await setters[kind]?.(mode), `${kind} ${mode}`).toMatchObject({ breakpoints: [{ verified: true }] });
    expect(await setters.source?.('nonsense')).toMatchObject({
      breakpoints: [{ verified: false, message: expect.stringContaining('nonsense') }],
    });
    // A write of what is there already changes nothing.
    await setters.data?.('change');
    await talk.ask('setBreakpoints', { source, breakpoints: [] });
    await talk.ask('setInstructionBreakpoints', { breakpoints: [] });
    await talk.ask('setExpression', { expression: '[total]:u32', value: '1', frameId: 1000 });
    expect(await talk.go('continue')).toMatchObject({ reason: 'data breakpoint' });
    expect(await numberOf(talk, '[total]:u32')).toBe(2n);
  },
  supportsANSIStyling: async () => {
    const styled = async (supportsANSIStyling: boolean) => {
      const talk = await standing({}, { supportsANSIStyling });
      await rowsOf(talk, 'Registers');
      await talk.go('next');
      await talk.go('next');
      const rcx = (await rowsOf(talk, 'Registers')).find(({ name }) => name === 'rcx');
      return rcx.value;
    };
    const plain = await styled(false);
    expect(plain).toMatch(/^0x5/);
    expect((await styled(true)).split('\u001b')).toEqual(['', expect.stringMatching(`^\\[\\d+m${plain}$`), '[0m']);
  },
};

const raised = await (async () => {
  const talk = newClient({}, new LeftMachines());
  return (await talk.greet()) as Capabilities;
})();
const isRaised = (flag: Flag): boolean => raised[flag] !== undefined && raised[flag] !== false;
const flags = Object.keys(walks) as Flag[];

describe('each flag is made good', () => {
  test.each(flags.filter(isRaised))('%s', async (flag) => {
    await walks[flag](raised);
  });
});

test('no flag is raised that nobody walks', () => {
  expect(Object.keys(raised).filter((flag) => !Object.hasOwn(walks, flag))).toEqual([]);
});

test('at least 39 of the 42 are raised', () => {
  expect(flags).toHaveLength(42);
  expect(flags.filter(isRaised).length).toBeGreaterThanOrEqual(39);
});

test('docs/protocol.md says of each flag whether it is raised', () => {
  const page = readFileSync(join(import.meta.dirname, '../../docs/protocol.md'), 'utf8');
  const rows = [...page.matchAll(/^\| `(\w+)` \| (yes|no) \| \S/gm)].map(([, flag, said]) => [flag, said]);
  const told = Object.fromEntries(rows.filter(([flag = '']) => flags.includes(flag as Flag)));
  expect(told).toEqual(Object.fromEntries(flags.map((flag) => [flag, isRaised(flag) ? 'yes' : 'no'])));
});
