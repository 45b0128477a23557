/** What all scopes have in common: looking leaves no trace, and what is shown is what its expression gives. */

import { describe, expect, test } from 'vitest';
import { assign, evaluate } from '../../../src/debugger/expression/evaluator';
import { parseExpression } from '../../../src/debugger/expression/parser';
import { ExpressionError } from '../../../src/debugger/expression/syntax';
import { scopesOf } from '../../../src/debugger/inspect/scopes';
import { itemValue } from '../../../src/debugger/item';
import type { Session } from '../../../src/debugger/session';
import { modeAndRing } from '../../../src/debugger/vcpu-view';
import { pagingMode } from '../../../src/machine/cpu/page-walk';
import { BadInput } from '../../../src/program/program';
import { debug } from '../guest-session';
import { modes } from './modes';
import { openEverything } from './tree';

const standing = async (mode: string): Promise<Session> => {
  const { source, steps } = modes[mode] as { source: string; steps: number };
  const { session } = await debug(source);
  session.machine.runTo(steps);
  return session;
};

const value = (session: Session, expression: string): bigint =>
  evaluate(parseExpression(expression), session.environment(0)).bits;

const wordsOf = ({ machine }: Session): string => {
  const { state } = machine.cpus[0] as Session['machine']['cpus'][0];
  return `${modeAndRing(state)}, paging ${pagingMode(state)}`;
};

test('the guests stand in six modes', async () => {
  const found: string[] = [];
  for (const mode of Object.keys(modes)) found.push(wordsOf(await standing(mode)));
  expect(found).toEqual([
    'real, ring 0, paging none',
    'protected, ring 0, paging none',
    'protected, ring 0, paging 32-bit',
    'protected, ring 0, paging pae',
    '64-bit, ring 3, paging 4-level',
    '64-bit, ring 0, paging 4-level',
  ]);
});

describe.each(Object.keys(modes))('%s', (mode) => {
  test('opening everything changes nothing', async () => {
    const session = await standing(mode);
    const before = session.machine.stateHash();
    expect(openEverything(session).length).toBeGreaterThan(400);
    expect(session.machine.stateHash()).toBe(before);
    expect(session.machine.log.entries).toEqual([]);
  });

  test('a number is what its expression gives', async () => {
    const session = await standing(mode);
    for (const { path, item } of openEverything(session)) {
      if (item.expression === undefined || item.bits === undefined) continue;
      // A translation is shown as where it leads; its expression tells of its being there.
      expect(`${path} ${value(session, item.expression).toString(16)}`).toBe(`${path} ${item.bits.toString(16)}`);
    }
  });

  test('names are unlike their siblings, and the same at the next stop', async () => {
    const session = await standing(mode);
    const paths = openEverything(session).map(({ path }) => path);
    expect(paths.filter((path, index) => paths.indexOf(path) !== index)).toEqual([]);
    const fixed = (all: readonly string[]): string[] => all.filter((path) => !/^(TLB|Faults)/.test(path));
    await session.step(0, 'into', 'instruction');
    expect(fixed(openEverything(session).map(({ path }) => path))).toEqual(fixed(paths));
  });

  test('what can be set takes its own value, or says in one line which rule refuses it', async () => {
    const session = await standing(mode);
    const environment = session.environment(0);
    const refused: string[] = [];
    for (const { item } of openEverything(session)) {
      const { expression, bits, settable } = item;
      // Writing these starts something: commands, ends of interrupts, the debug-exit port.
      if (settable !== true || expression === undefined || bits === undefined) continue;
      if (/^(exit|pit|keyboard|acpi|port92|tlb|vga|fwcfg|console|com1|rtc|lapic|ioapic|pic)\./.test(expression))
        continue;
      try {
        assign(parseExpression(expression), bits, environment);
      } catch (error) {
        if (!(error instanceof BadInput) && !(error instanceof ExpressionError)) throw error;
        expect(error.message).not.toContain('\n');
        refused.push(expression);
      }
    }
    // A busy TSS, or none, is no value that LTR would load, and real mode knows no LDT.
    expect(refused.filter((name) => name !== 'ldtr' && name !== 'tr')).toEqual([]);
  });

  test('the list of scopes costs nothing, and each gives text', async () => {
    const session = await standing(mode);
    const scopes = scopesOf(session.machine, session.vcpu(0), session.info);
    expect(scopes.slice(0, 11).map(({ name }) => name)).toEqual([
      'Registers',
      'Flags',
      'Segments',
      'Control registers & MSRs',
      'Descriptor tables',
      'Paging',
      'TLB',
      'Interrupts',
      'Devices',
      'Machine',
      'Faults',
    ]);
    for (const { path, item } of openEverything(session))
      if (item.children === undefined) expect(`${path}: ${itemValue(item)}`).not.toMatch(/: $|undefined|NaN/);
  });
});
