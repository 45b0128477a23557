import { expect, test } from 'vitest';
import { controlChecks, entryRules, guestChecks, hostStateChecks } from '../../../src/machine/vmx/checks';
import { type Facts, holds } from '../../../src/machine/vmx/checks/evaluate';
import { controlOf } from '../../../src/x86/vmx/controls';
import { fieldAt, fieldNames, groupOf, vmcsFields, widthOf } from '../../../src/x86/vmx/fields';
import { vmcs } from './a-vmcs';

const broken = (facts: Facts): string[] =>
  entryRules.filter(({ check }) => holds(check, facts) === false).map(({ id }) => id);

test('a good VMCS breaks no rule', () => {
  expect(broken(vmcs())).toEqual([]);
});

test('ids are unique, and every implied rule exists', () => {
  const ids = entryRules.map(({ id }) => id);
  expect(new Set(ids).size).toBe(ids.length);
  for (const { implies } of entryRules) for (const id of implies) expect(ids).toContain(id);
});

test('rules of the guest, of the host and of controls are as many as other implementations check', () => {
  expect(controlChecks.length).toBeGreaterThan(65);
  expect(hostStateChecks.length).toBeGreaterThan(35);
  expect(guestChecks.length).toBeGreaterThan(92);
});

test('a field that is not known leaves only the rules undecided that hang on it', () => {
  const facts = vmcs({ GUEST_RFLAGS: undefined });
  const undecided = entryRules.filter(({ check }) => holds(check, facts) === undefined);
  expect(broken(facts)).toEqual([]);
  expect(undecided.map(({ id }) => id)).toContain('guest.rflags.reserved');
  expect(undecided.every(({ fields }) => fields.includes('GUEST_RFLAGS'))).toBe(true);
});

test('VMCS fields: an encoding tells width and group, and is found again', () => {
  for (const name of fieldNames) {
    const { encoding } = vmcsFields[name];
    expect(fieldAt(encoding)).toBe(name);
    expect(encoding & 1).toBe(0);
    if (/^(GUEST|HOST)_/.test(name) && !/^GUEST_(PHYSICAL_ADDRESS|LINEAR_ADDRESS|DEADLINE_SHADOW)$/.test(name))
      expect(groupOf(encoding)).toBe(name.startsWith('GUEST') ? 'guest' : 'host');
    if (name.endsWith('_SELECTOR')) expect(widthOf(encoding)).toBe(16);
    for (const need of 'needs' in vmcsFields[name] ? (vmcsFields[name] as { needs: readonly string[] }).needs : [])
      if (!need.startsWith('capability.')) expect(controlOf(need), need).toBeDefined();
  }
});
