/** What the manual asks of control registers and MSRs in both state areas. */

import {
  all,
  and,
  any,
  bits,
  capability,
  equal,
  type Given,
  isCanonical,
  isOneOf,
  type Predicate,
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
  const ones = and(fixed(register, 0), kept);
  const own = and(of, kept);
  return all(equal(and(of, ones), ones), equal(and(own, fixed(register, 1)), own));
};

/** UC, WC, WT, WP, WB, UC-. Intel SDM vol. 3, "IA32_PAT MSR". */
const memoryTypes = [0, 1, 4, 5, 6, 7];

/** Each of the eight bytes is a memory type. */
export const isPat = (of: Given): Predicate =>
  all(...[0, 1, 2, 3, 4, 5, 6, 7].map((entry) => isOneOf(bits(of, entry * 8 + 7, entry * 8), memoryTypes)));

/** IA32_S_CET: bits 9:6 are reserved, not both SUPPRESS and TRACKER, and a canonical bitmap address. */
export const isCetState = (of: Given): Predicate =>
  all(equal(bits(of, 9, 6), 0), any(equal(bits(of, 10), 0), equal(bits(of, 11), 0)), isCanonical(term(of)));

export const isShadowStackPointer = (of: Given): Predicate => all(equal(bits(of, 1, 0), 0), isCanonical(of));
