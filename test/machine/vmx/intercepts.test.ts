/** Every row of the intercepts: one guest that exits by it, one that does not. */

import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { presets } from '../../../src/x86/presets';
import { type ExitReasonName, exitReasons } from '../../../src/x86/vmx/exit-reasons';
import { interceptRows } from './intercept-rows';
import { runHypervisor } from './run-hypervisor';

const available = new Set<string>(presets.filter(({ vmx }) => vmx !== undefined).map(({ name }) => name));
const rows = interceptRows.filter(({ cpu }) => cpu === undefined || available.has(cpu));

describe.each(rows.map((row) => [row.name, row] as const))('%s', (_, row) => {
  const { reason, rule, exits, says = {}, passes, cpu = 'haswell' } = row;
  const number = BigInt(exitReasons[reason].number);

  test('exits', () => {
    const run = runHypervisor(exits, { cpu });
    expect(run.end).toBe('');
    const found = run.exits.find(({ VM_EXIT_REASON }) => VM_EXIT_REASON === number);
    expect(found).toMatchObject({ VM_EXIT_REASON: number, ...says });
    const event = run.guest.events.find((one) => one.kind === 'vmexit' && one.reason === Number(number));
    expect(event).toMatchObject({ cause: { rule } });
  });

  test.skipIf(passes === undefined)('does not exit', () => {
    const run = runHypervisor(passes ?? exits, { cpu });
    expect(run.end).toBe('');
    expect(run.exits.length).toBeGreaterThan(0);
    const others = run.exits.filter(
      ({ VM_EXIT_INTR_INFO, VM_EXIT_REASON }) =>
        VM_EXIT_REASON === number && (number !== 0n || VM_EXIT_INTR_INFO === says.VM_EXIT_INTR_INFO),
    );
    expect(others).toEqual([]);
  });
});

/** Reasons that need more than one instruction, or EPT: their guests are in other files. */
const elsewhere: readonly ExitReasonName[] = [
  'SIPI', // history.test.ts
  'ENTRY_FAILURE_GUEST_STATE', // transition-rows.ts
  'ENTRY_FAILURE_MSR_LOADING',
  'EPT_VIOLATION', // ept.test.ts
  'EPT_MISCONFIGURATION',
];

test('every exit reason that docs/vmx.md says is in has a guest', () => {
  const page = readFileSync(new URL('../../../docs/vmx.md', import.meta.url), 'utf8');
  const [, ranges = ''] = /^In, as far as .*: ([\d, -]+)\.$/m.exec(page) ?? [];
  const told = ranges.split(', ').flatMap((range) => {
    const [first = 0, last = first] = range.split('-').map(Number);
    return Array.from({ length: last - first + 1 }, (_, n) => first + n);
  });
  const names = new Set<ExitReasonName>([...interceptRows.map(({ reason }) => reason), ...elsewhere]);
  const tried = [...names].map((name) => exitReasons[name].number);
  expect(tried.sort((one, other) => one - other)).toEqual(told);
});
