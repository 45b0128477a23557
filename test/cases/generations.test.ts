/** "It runs on my machine": the same program on every processor that has VT-x, and the rule by which it fails on another. */

import { describe, expect, test } from 'vitest';
import { control } from '../../src/machine/vmx/control-bits';
import { presets } from '../../src/x86/presets';
import type { Spec } from '../machine/vmx/hypervisor';
import { raw } from './entries';
import { start } from './start';

describe('the same program on the next processor', () => {
  const outcomes = async (spec: Spec): Promise<Record<string, string>> => {
    const found: Record<string, string> = {};
    for (const { name } of presets.filter(({ vmx }) => vmx !== undefined)) {
      const session = await start(spec, name);
      session.events.break('vmentry');
      session.events.break('vmentry-failure');
      const pause = await session.continue();
      if (pause.reason !== 'event') throw new Error(`${name}: ${pause.reason}`);
      found[name] = pause.event.kind === 'vmentry-failure' ? pause.event.rule : 'enters';
    }
    return found;
  };
  const where = (found: Readonly<Record<string, string>>, rule: string): string[] =>
    Object.keys(found).filter((name) => found[name] === rule);

  test('a secondary control of a later generation: only the earlier ones refuse it', async () => {
    const rdseed = { guest: 'nop', secondary: control.wbinvd, setup: raw(0x401e, control.rdseed) };
    const found = await outcomes(rdseed);
    expect(where(found, 'control.secondary.allowed')).toEqual(expect.arrayContaining(['nehalem', 'haswell']));
    expect(where(found, 'enters')).toContain('skylake');
  });
  test('four CR3-target values: real processors take them, KVM offers none', async () => {
    const found = await outcomes({ guest: 'nop', fields: { CR3_TARGET_COUNT: 4 } });
    expect(where(found, 'control.cr3-target-count')).toEqual(['kvm-nested']);
  });
  test('a program that asks the capability MSRs enters everywhere', async () => {
    expect(new Set(Object.values(await outcomes({ guest: 'nop', secondary: control.rdseed })))).toEqual(
      new Set(['enters']),
    );
  });
});
