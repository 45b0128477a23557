/** Every row of the intercepts: one guest that exits by it, one that does not. */

import { describe, expect, test } from 'vitest';
import { presets } from '../../../src/x86/presets';
import { exitReasons } from '../../../src/x86/vmx/exit-reasons';
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
