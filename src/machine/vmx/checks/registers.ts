/** What the manual asks of control registers and MSRs in both state areas. */

import type { FieldName } from '../../../x86/vmx/fields';
import { rule } from './rule';
import {
  all,
  and,
  any,
  bits,
  capability,
  equal,
  type Given,
  implies,
  isCanonical,
  isClear,
  isOneOf,
  minus,
  type Predicate,
  processor,
  shiftedLeft,
  shiftedRight,
  type Term,
  term,
} from './tree';

const fixed = (register: 'CR0' | 'CR4', which: 0 | 1): Term => capability(`IA32_VMX_${register}_FIXED${which}`);

/**
 * Bits that are 1 in FIXED0 are 1, bits that are 0 in FIXED1 are 0. Bits of `free` are not looked at.
 * Intel SDM vol. 3, "VMX-Fixed Bits in CR0" and "VMX-Fixed Bits in CR4".
 */
export const suitsVmx = (of: Given, register: 'CR0' | 'CR4', free = 0n): Predicate => {
  const kept = BigInt.asUintN(64, ~free);
  const looked = (at: Given): Term => (free === 0n ? term(at) : and(at, kept));
  const ones = looked(fixed(register, 0));
  const own = looked(of);
  return all(equal(and(of, ones), ones), equal(and(own, fixed(register, 1)), own));
};

/** UC, WC, WT, WP, WB, UC-. Intel SDM vol. 3, "IA32_PAT MSR". */
const memoryTypes = [0, 1, 4, 5, 6, 7];

/** Each of the eight bytes is a memory type. */
export const isPat = (of: Given): Predicate =>
  all(...[0, 1, 2, 3, 4, 5, 6, 7].map((entry) => isOneOf(bits(of, entry * 8 + 7, entry * 8), memoryTypes)));

/** IA32_S_CET: bits 9:6 are reserved, and not both SUPPRESS and TRACKER are set. */
export const isCetState = (of: Given): Predicate =>
  all(equal(bits(of, 9, 6), 0), any(equal(bits(of, 10), 0), equal(bits(of, 11), 0)));

/** Bits 63 down to the linear-address width are equal; unlike in a canonical address, the one below may differ. */
export const fitsLinearWidth = (of: Given): Predicate => {
  const upper = shiftedRight(of, processor('linear-address-width'));
  const ones = minus(shiftedLeft(1, minus(64, processor('linear-address-width'))), 1);
  return any(equal(upper, 0), equal(upper, ones));
};

/** The checks on the MSRs of FRED in a state area, while `when` holds. Intel SDM vol. 3, "Flexible Return and Event Delivery". */
export const fredRules = (id: string, side: 'HOST' | 'GUEST', when: Predicate) => {
  const msr = (name: string): FieldName => `${side}_IA32_FRED_${name}` as FieldName;
  const numbers = [1, 2, 3] as const;
  return [
    rule(
      `${id}.config`,
      implies(when, all(isClear(msr('CONFIG'), 2), equal(bits(msr('CONFIG'), 5, 4), 0), isClear(msr('CONFIG'), 11))),
    ),
    rule(`${id}.config.canonical`, implies(when, isCanonical(msr('CONFIG')))),
    ...numbers.flatMap((n) => [
      rule(`${id}.rsp${n}.canonical`, implies(when, isCanonical(msr(`RSP${n}`)))),
      rule(`${id}.rsp${n}.aligned`, implies(when, equal(bits(msr(`RSP${n}`), 5, 0), 0))),
      rule(`${id}.ssp${n}.canonical`, implies(when, isCanonical(msr(`SSP${n}`)))),
      rule(`${id}.ssp${n}.aligned`, implies(when, equal(bits(msr(`SSP${n}`), 2, 0), 0))),
    ]),
  ];
};
