/**
 * Every request that only looks, at guests in all modes: the state before is the state after, and the machine goes on as
 * one does that nobody looked at.
 */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DebugProtocol } from '@vscode/debugprotocol';
import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { randomLines, randomProgram } from '../machine/random-guest';
import { Dialogue } from './transcript';
import { faulting, paging, talking, twoProcessors } from './transcripts/guests';

const example = (name: string): string => readFileSync(join(import.meta.dirname, '../../examples', name), 'utf8');

/** Guest, how it is launched, and how many steps of it there are to look at. */
const guests: Readonly<Record<string, readonly [source: string, launch: object, steps: number]>> = {
  'real mode and the BIOS': [example('boot-sector.asm'), { mode: 16 }, 1200],
  'rings and system calls': [example('rings.asm'), {}, 400],
  'page faults': [example('paging.asm'), {}, 3200],
  'timer interrupts': [example('timer.asm'), {}, 240],
  'ports, MSRs, CPUID': [talking, {}, 13],
  'a triple fault': [faulting, {}, 6],
  'a write to where nothing is': [paging, {}, 10],
  'two vCPUs': [twoProcessors, { cpus: 2, mode: 32 }, 400],
  'no TLB': [example('paging.asm'), { tlb: 'none' }, 3200],
};

const program = '/guest.asm';
const open: Dialogue[] = [];
afterEach(() => {
  for (const talk of open.splice(0)) talk.end();
});

const standing = async (source: string, launch: object): Promise<Dialogue> => {
  const talk = new Dialogue({ [program]: source }, { supportsANSIStyling: true });
  open.push(talk);
  await talk.start({ program, stopOnEntry: true, ...launch });
  await talk.event('stopped');
  return talk;
};

/** Code, stack, data, what was never touched, the screen, the APICs' registers, and where nothing is mapped. */
const references = ['0x100000', '0x7c00', '0x8fff0', '0x200ff8', '0xb8000', '0xfee00000', '0xffff800000000000']
  .flatMap((address) => [address, `phys:${address}`, `gpa:${address}`])
  .concat('phys:0xfec00000');

const expressions = [
  'rip',
  '[rsp]',
  'phys[0xfee00020]:u32',
  'gpa[0x1000]:u8[64]',
  'walk(rip)',
  'walk(0x40000000)',
].concat([
  'why()',
  'sym(rip)',
  'cr3',
  'msr[0x10]',
  'rflags',
  'step + vtime',
  '[0xb8000]:u16[2000]',
  'rax = 5',
  '[0x400000',
  'nothing',
]);

const commands = ['help', 'info', 'stack', 'disas', 'list', 'symbols', 'breakpoints', 'walk 0x100000', 'why'].concat([
  'x/16xb 0x100000',
  'find 0x100000 16 0x90',
  'print rax',
]);

/** Sends it, whether it is refused or not: at some places there is nothing to see. */
const perhaps = async (talk: Dialogue, command: string, args?: object) => {
  try {
    return await talk.ask(command, args);
  } catch {
    return undefined;
  }
};

const openRows = async (talk: Dialogue, variablesReference: number, depth: number): Promise<void> => {
  const { variables } = await talk.ask('variables', { variablesReference, start: 0, count: 30 });
  for (const row of variables as DebugProtocol.Variable[])
    if (row.variablesReference > 0 && depth > 0) await openRows(talk, row.variablesReference, depth - 1);
};

const lookAtEverything = async (talk: Dialogue): Promise<void> => {
  const { threads } = await talk.ask('threads');
  for (const { id: threadId } of threads) {
    const { stackFrames } = await talk.ask('stackTrace', { threadId, format: { line: true, module: true } });
    const { id: frameId } = stackFrames[0];
    const { scopes } = await talk.ask('scopes', { frameId });
    for (const { variablesReference } of scopes) await openRows(talk, variablesReference, 2);
    for (const expression of expressions)
      for (const context of ['hover', 'watch', 'clipboard'])
        await perhaps(talk, 'evaluate', { expression, frameId, context });
    for (const expression of commands) await perhaps(talk, 'evaluate', { expression, frameId, context: 'repl' });
    for (const text of ['r', '[', 'walk(', 'info '])
      await perhaps(talk, 'completions', { text, column: text.length + 1, frameId });
    await perhaps(talk, 'stepInTargets', { frameId });
    await perhaps(talk, 'exceptionInfo', { threadId });
    for (const name of ['[rsp]', 'rax', 'start']) await perhaps(talk, 'dataBreakpointInfo', { name, frameId });
    const { source, line } = stackFrames[0];
    if (source !== undefined) {
      await perhaps(talk, 'source', { source, sourceReference: source.sourceReference ?? 0 });
      await perhaps(talk, 'gotoTargets', { source, line });
      await perhaps(talk, 'breakpointLocations', { source, line: 1, endLine: 100 });
    }
  }
  for (const memoryReference of references) {
    await perhaps(talk, 'readMemory', { memoryReference, offset: -8, count: 5000 });
    await perhaps(talk, 'disassemble', { memoryReference, instructionOffset: -10, instructionCount: 30 });
    await perhaps(talk, 'dataBreakpointInfo', { name: memoryReference, asAddress: true, bytes: 16 });
  }
  for (const command of ['modules', 'loadedSources', 'ringside/counts']) await perhaps(talk, command, {});
  for (let locationReference = 1; locationReference < 5; locationReference++)
    await perhaps(talk, 'locations', { locationReference });
  for (const radix of ['binary', 'hex']) await perhaps(talk, 'ringside/valueFormat', { radix });
};

describe.each(Object.entries(guests))('%s', (_, [source, launch, steps]) => {
  test('looks the same before and after, and goes on as if nobody had looked', async () => {
    const [looked, plain] = [await standing(source, launch), await standing(source, launch)];
    const places = 4;
    for (let n = 0; n <= places; n++) {
      looked.machine.runTo(Math.floor((steps * n) / places));
      const before = looked.machine.stateHash();
      await lookAtEverything(looked);
      expect(looked.machine.stateHash()).toBe(before);
    }
    plain.machine.runTo(steps);
    expect(looked.machine.counters.step).toBe(plain.machine.counters.step);
    expect(looked.machine.stateHash()).toBe(plain.machine.stateHash());
  });
});

test('random guests, whose code changes, do not notice either', async () => {
  const slices = fc.array(fc.integer({ min: 1, max: 2000 }), { minLength: 2, maxLength: 4 });
  await fc.assert(
    fc.asyncProperty(randomLines, slices, async (lines, lengths) => {
      const source = randomProgram(lines);
      const [looked, plain] = [await standing(source, {}), await standing(source, {})];
      let total = 0;
      for (const length of lengths) {
        total += length;
        looked.machine.runTo(total);
        await lookAtEverything(looked);
      }
      plain.machine.runTo(total);
      expect(looked.machine.stateHash()).toBe(plain.machine.stateHash());
    }),
    { numRuns: 3 },
  );
});
