import fc from 'fast-check';
import { expect, test } from 'vitest';
import { vcpu } from '../../../src/machine/core/layout';
import { CoreMemory } from '../../../src/machine/core/memory';
import { CpuState } from '../../../src/machine/core/state';
import { entryRules } from '../../../src/machine/vmx/checks';
import { EntryChecks } from '../../../src/machine/vmx/checks/compiled';
import { type Facts, holds } from '../../../src/machine/vmx/checks/evaluate';
import { Vmcs } from '../../../src/machine/vmx/vmcs';
import { type FieldName, fieldNames } from '../../../src/x86/vmx/fields';
import { vmcs as good } from './a-vmcs';

/** Fields that decide, each of whose bits may change; and values that matter. */
const changes = fc.array(
  fc.tuple(fc.constantFrom<FieldName>(...fieldNames), fc.integer({ min: 0, max: 63 }), fc.boolean()),
  { maxLength: 6 },
);

test('asking only the rules of changed fields finds the same first broken rule as asking all', () => {
  const state = new CpuState(new CoreMemory(), 0);
  const slot = new Vmcs(state, state.base + vcpu.vmcs);
  slot.claim(0x5000n);
  const base = good();
  const facts: Facts = { ...base, field: (name) => slot.get(name) };
  for (const name of fieldNames) slot.set(name, base.field(name) ?? 0n);
  const checks = new EntryChecks(entryRules, facts);
  const full = () => entryRules.find(({ check }) => holds(check, facts) === false)?.id;
  expect(checks.firstBroken(slot, facts, true)?.id).toBeUndefined();
  let entries = 0;
  fc.assert(
    fc.property(fc.array(changes, { maxLength: 8 }), (attempts) => {
      const before = fieldNames.map((name) => slot.get(name));
      for (const attempt of attempts) {
        for (const [name, bit, restore] of attempt)
          slot.set(name, restore ? (base.field(name) ?? 0n) : slot.get(name) ^ (1n << BigInt(bit)));
        const broken = checks.firstBroken(slot, facts, true)?.id;
        expect(broken).toBe(full());
        if (broken === undefined) entries++;
      }
      for (const [n, name] of fieldNames.entries()) slot.set(name, before[n] as bigint);
    }),
    { numRuns: 150 },
  );
  expect(entries).toBeGreaterThan(20);
});
