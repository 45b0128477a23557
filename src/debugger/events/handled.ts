/** Has the guest a handler for a vector? Intel SDM vol. 3, "Interrupt and Exception Handling": the gates of the IDT. */

import { COMPATIBILITY, modeOf, REAL } from '../../machine/cpu/mode';
import type { Machine } from '../../machine/pc';
import { linear } from '../../x86/address';
import { peekLinear } from '../guest-memory';

const PRESENT = 0x80;
const TYPE = 0x1f;
/** Types of gates that lead to a handler: task, 16-bit and 32-bit (or 64-bit) interrupt and trap gates. */
const protectedGates: ReadonlySet<number> = new Set([5, 6, 7, 14, 15]);
const longGates: ReadonlySet<number> = new Set([14, 15]);

/** Looks into the table only; what the delivery itself may run into is not foreseen. */
export const isHandled = (machine: Machine, vcpu: number, vector: number): boolean => {
  const found = machine.cpus[vcpu];
  if (found === undefined) return false;
  const { base, limit } = found.state.idtr;
  const mode = modeOf(found.state);
  const bytes = mode === REAL ? 4 : mode >= COMPATIBILITY ? 16 : 8;
  if (vector * bytes + bytes - 1 > limit) return false;
  const entry = peekLinear(found.cpu, linear(BigInt.asUintN(64, base + BigInt(vector * bytes))), bytes);
  if (entry.length < bytes) return false;
  // A vector of zeros is nobody's handler, though the processor would go there.
  if (mode === REAL) return entry.some((byte) => byte !== 0);
  const rights = entry[5] ?? 0;
  const gates = mode >= COMPATIBILITY ? longGates : protectedGates;
  return (rights & PRESENT) !== 0 && gates.has(rights & TYPE);
};
