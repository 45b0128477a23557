/** Intel SDM vol. 3, "Checks on Guest Segment Registers" and "Checks on Guest Descriptor-Table Registers": exit 33. */

import type { FieldName } from '../../../x86/vmx/fields';
import { guest64, unrestricted } from './guest-registers';
import { entryChecks, rule } from './rule';
import {
  all,
  any,
  atMost,
  bits,
  differ,
  equal,
  implies,
  isCanonical,
  isClear,
  isOneOf,
  isSet,
  not,
  type Predicate,
  type Term,
  times,
} from './tree';

const segments = ['CS', 'SS', 'DS', 'ES', 'FS', 'GS'] as const;
const data = ['DS', 'ES', 'FS', 'GS'] as const;
type Segment = (typeof segments)[number] | 'LDTR' | 'TR';

const selector = (name: Segment): FieldName => `GUEST_${name}_SELECTOR`;
const base = (name: Segment): FieldName => `GUEST_${name}_BASE`;
const limit = (name: Segment): FieldName => `GUEST_${name}_LIMIT`;
const rights = (name: Segment): FieldName => `GUEST_${name}_AR_BYTES`;
const type = (name: Segment): Term => bits(rights(name), 3, 0);
const dpl = (name: Segment): Term => bits(rights(name), 6, 5);
const rpl = (name: Segment): Term => bits(selector(name), 1, 0);
const usable = (name: Segment): Predicate => isClear(rights(name), 16);

const virtual8086 = isSet('GUEST_RFLAGS', 17);
const normal = not(virtual8086);
/** Events are delivered by FRED. */
const fred = all(normal, isSet('GUEST_CR4', 32));
/** CS is always usable. */
const present = (name: Segment): Predicate => (name === 'CS' || name === 'TR' ? normal : all(normal, usable(name)));
const id = (name: Segment, what: string): string => `guest.${name.toLowerCase()}.${what}`;

const VIRTUAL_8086_RIGHTS = 0xf3;
const VIRTUAL_8086_LIMIT = 0xffff;

/** What is true of the access rights of every kind of segment that is there. */
const commonRights = (name: Segment, when: Predicate | undefined) => {
  const then = (check: Predicate, ...also: Predicate[]): Predicate => {
    const conditions = when === undefined ? also : [when, ...also];
    return conditions.length === 0 ? check : implies(all(...conditions), check);
  };
  return [
    rule(id(name, 'present'), then(isSet(rights(name), 7))),
    rule(id(name, 'reserved'), then(equal(bits(rights(name), 11, 8), 0))),
    rule(id(name, 'granularity-needs-pages'), then(isClear(rights(name), 15), differ(bits(limit(name), 11, 0), 0xfff))),
    rule(id(name, 'granularity-for-large'), then(isSet(rights(name), 15), differ(bits(limit(name), 31, 20), 0))),
    rule(id(name, 'reserved-high'), then(equal(bits(rights(name), 31, 17), 0))),
  ];
};

/** CS of a guest in real-address mode (or one that has just left it) may look like data. */
const codeIsData = equal(type('CS'), 3);

export const guestSegmentChecks = entryChecks('Checks on Guest Segment Registers', [
  rule('guest.tr.selector.ti', isClear(selector('TR'), 2)),
  rule('guest.ldtr.selector.ti', implies(usable('LDTR'), isClear(selector('LDTR'), 2))),
  rule('guest.ss.selector.rpl', implies(all(normal, not(unrestricted)), equal(rpl('SS'), rpl('CS')))),

  ...segments.map((name) =>
    rule(id(name, 'base.virtual-8086'), implies(virtual8086, equal(base(name), times(selector(name), 16)))),
  ),
  ...(['TR', 'FS', 'GS'] as const).map((name) => rule(id(name, 'base.canonical'), isCanonical(base(name)))),
  rule('guest.ldtr.base.canonical', implies(usable('LDTR'), isCanonical(base('LDTR')))),
  rule('guest.cs.base.32', equal(bits(base('CS'), 63, 32), 0)),
  ...(['SS', 'DS', 'ES'] as const).map((name) =>
    rule(id(name, 'base.32'), implies(usable(name), equal(bits(base(name), 63, 32), 0))),
  ),

  ...segments.map((name) =>
    rule(id(name, 'limit.virtual-8086'), implies(virtual8086, equal(limit(name), VIRTUAL_8086_LIMIT))),
  ),
  ...segments.map((name) =>
    rule(id(name, 'rights.virtual-8086'), implies(virtual8086, equal(rights(name), VIRTUAL_8086_RIGHTS))),
  ),

  rule('guest.cs.type', implies(normal, any(isOneOf(type('CS'), [9, 11, 13, 15]), all(unrestricted, codeIsData)))),
  rule('guest.ss.type', implies(present('SS'), isOneOf(type('SS'), [3, 7]))),
  ...data.flatMap((name) => [
    rule(id(name, 'type.accessed'), implies(present(name), isSet(rights(name), 0))),
    rule(id(name, 'type.readable'), implies(all(present(name), isSet(rights(name), 3)), isSet(rights(name), 1))),
  ]),
  ...segments.map((name) => rule(id(name, 'system'), implies(present(name), isSet(rights(name), 4)))),
  rule('guest.cs.dpl.data', implies(all(normal, codeIsData), equal(dpl('CS'), 0))),
  rule('guest.cs.dpl.nonconforming', implies(all(normal, isOneOf(type('CS'), [9, 11])), equal(dpl('CS'), dpl('SS')))),
  rule('guest.cs.dpl.conforming', implies(all(normal, isOneOf(type('CS'), [13, 15])), atMost(dpl('CS'), dpl('SS')))),
  rule('guest.ss.dpl.rpl', implies(all(normal, not(unrestricted)), equal(dpl('SS'), rpl('SS')))),
  rule('guest.ss.dpl.real', implies(all(normal, any(codeIsData, isClear('GUEST_CR0', 0))), equal(dpl('SS'), 0))),
  rule('guest.ss.dpl.fred', implies(fred, isOneOf(dpl('SS'), [0, 3]))),
  rule('guest.ss.dpl.fred-64-bit', implies(all(fred, equal(dpl('SS'), 0)), isSet(rights('CS'), 13))),
  rule(
    'guest.ss.dpl.fred-user',
    implies(
      all(fred, equal(dpl('SS'), 3)),
      all(equal(bits('GUEST_RFLAGS', 13, 12), 0), isClear('GUEST_INTERRUPTIBILITY_STATE', 0)),
    ),
  ),
  ...data.map((name) =>
    rule(
      id(name, 'dpl'),
      implies(all(present(name), not(unrestricted), atMost(type(name), 11)), atMost(rpl(name), dpl(name))),
    ),
  ),
  ...segments.flatMap((name) => commonRights(name, present(name))),
  rule('guest.cs.long-not-default', implies(all(normal, guest64, isSet(rights('CS'), 13)), isClear(rights('CS'), 14))),

  rule('guest.tr.type', any(equal(type('TR'), 11), all(not(guest64), equal(type('TR'), 3)))),
  rule('guest.tr.system', isClear(rights('TR'), 4)),
  rule('guest.tr.usable', usable('TR')),
  ...commonRights('TR', undefined),
  rule('guest.ldtr.type', implies(usable('LDTR'), equal(type('LDTR'), 2))),
  rule('guest.ldtr.system', implies(usable('LDTR'), isClear(rights('LDTR'), 4))),
  ...commonRights('LDTR', usable('LDTR')),
]);

export const guestDescriptorTableChecks = entryChecks('Checks on Guest Descriptor-Table Registers', [
  rule('guest.gdtr.base.canonical', isCanonical('GUEST_GDTR_BASE')),
  rule('guest.idtr.base.canonical', isCanonical('GUEST_IDTR_BASE')),
  rule('guest.gdtr.limit', equal(bits('GUEST_GDTR_LIMIT', 31, 16), 0)),
  rule('guest.idtr.limit', equal(bits('GUEST_IDTR_LIMIT', 31, 16), 0)),
]);
