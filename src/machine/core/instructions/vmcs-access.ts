/**
 * VMREAD and VMWRITE between registers in 64-bit mode, where nothing is refused: what hypervisors execute at every exit.
 * Everything else, and all that fails, is machine/vmx/instructions.ts's. Intel SDM vol. 3, "VMX Instruction Reference".
 */

import type { Definition } from '../definition';
import { c64, type Emitter } from '../emitter';
import { type Expr, i32, i64, select } from '../wasm';

/** Number of the field whose encoding an operand holds. */
const fieldOf = (e: Emitter, operand: number): Expr => {
  const number = e.let(e.vmcsField(e.read(operand)));
  e.if(i32.eqz(number), () => e.decline());
  return number;
};

const definition = (name: string, first: Definition['first'], emit: Definition['emit']): Definition => ({
  name,
  forms: ['r,r'],
  sizes: [64],
  first,
  moded: true,
  longOnly: true,
  emit,
});

/** Bits 14:13 of an encoding tell the width, bits 11:10 what the field is for: 1 is read-only. */
const WIDTH = 0x6000n;
const GROUP = 0xc00n;
const READ_ONLY = 0x400n;
const WIDTH_16 = 0n;
const WIDTH_32 = 0x4000n;

export const vmcsAccess: readonly Definition[] = [
  definition('vmread', 'write', (e) => {
    const number = fieldOf(e, 1);
    e.write(0, e.readVmcs(number));
    e.setArithmeticFlags(c64(0));
  }),
  definition('vmwrite', 'read', (e) => {
    const number = fieldOf(e, 0);
    const encoding = e.read(0);
    e.if(i64.eq(i64.and(encoding, c64(GROUP)), c64(READ_ONLY)), () => e.decline());
    const width = e.let(i64.and(encoding, c64(WIDTH)));
    const mask = select(
      i64.eq(width, c64(WIDTH_16)),
      c64(0xffff),
      select(i64.eq(width, c64(WIDTH_32)), c64(0xffff_ffff), c64(-1)),
    );
    e.writeVmcs(number, e.let(i64.and(e.read(1), mask)));
    e.setArithmeticFlags(c64(0));
  }),
];
