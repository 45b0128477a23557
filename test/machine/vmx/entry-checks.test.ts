import { expect, test } from 'vitest';
import { controlChecks, entryRules, guestChecks, hostStateChecks } from '../../../src/machine/vmx/checks';
import { type Edit, edited, editsFor } from '../../../src/machine/vmx/checks/edits';
import { type Facts, holds } from '../../../src/machine/vmx/checks/evaluate';
import { not } from '../../../src/machine/vmx/checks/tree';
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

/** Breaks each rule by its smallest edit. */
const mutations = entryRules.map((rule) => ({ rule, edits: editsFor(not(rule.check), vmcs()) }));

test.each(mutations.filter(({ edits }) => edits.length > 0))(
  '$rule.id: breaking it is seen, and mended',
  ({ rule, edits }) => {
    const facts = edited(vmcs(), edits[0] as Edit);
    expect(broken(facts)).toContain(rule.id);
    const mended = editsFor(rule.check, facts);
    expect(mended.length).toBeGreaterThan(0);
    for (const edit of mended) expect(holds(rule.check, edited(facts, edit))).toBe(true);
  },
);

test('for every rule an edit is found that breaks it, but for those that hang on memory or on the processor', () => {
  const unbreakable = mutations.filter(({ edits }) => edits.length === 0).map(({ rule }) => rule.id);
  expect(unbreakable).toEqual([
    'injection.error-code.only-for-exceptions',
    'address-space.guest-needs-ia-32e',
    'address-space.host-needs-ia-32e',
    'guest.pdpte0.memory',
    'guest.pdpte1.memory',
    'guest.pdpte2.memory',
    'guest.pdpte3.memory',
  ]);
});

test('VMCS fields: an encoding tells width and group, and is found again', () => {
  for (const name of fieldNames) {
    const { encoding } = vmcsFields[name];
    expect(fieldAt(encoding)).toBe(name);
    expect(encoding & 1).toBe(0);
    if (/^(GUEST|HOST)_/.test(name) && name !== 'GUEST_PHYSICAL_ADDRESS' && name !== 'GUEST_LINEAR_ADDRESS')
      expect(groupOf(encoding)).toBe(name.startsWith('GUEST') ? 'guest' : 'host');
    if (name.endsWith('_SELECTOR')) expect(widthOf(encoding)).toBe(16);
    for (const need of 'needs' in vmcsFields[name] ? (vmcsFields[name] as { needs: readonly string[] }).needs : [])
      if (!need.startsWith('capability.')) expect(controlOf(need), need).toBeDefined();
  }
});
