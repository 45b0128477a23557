/** Intel SDM vol. 1, "Bit Manipulation Instructions (BMI1, BMI2)", and the ADX additions. */

import type { Definition } from '../definition';
import { c64, type Emitter, RDX, type Size, signExtend, truncate } from '../emitter';
import { type Expr, i32, i64, select } from '../wasm';

const sizes: readonly Size[] = [32, 64];
const UNDEFINED_OPCODE = 6;

const zero = c64(0);
const inverse = (value: Expr): Expr => i64.xor(value, c64(-1));
const negative = (value: Expr): Expr => i64.sub(zero, value);
const flag = (condition: Expr): Expr => i64.extendU(condition);

const CR0_PE = 1;
const VM = 0x20000;
/**
 * Instructions with a VEX prefix are not recognized in real-address and virtual-8086 mode (Intel SDM vol. 2, "Exceptions
 * Type 13"); decoded code does not tell these from 16-bit protected mode.
 */
const requireProtected = (e: Emitter): void =>
  e.if(i32.or(i64.eqz(i64.and(e.control('cr0'), c64(CR0_PE))), i64.ne(i64.and(e.flagsWord(), c64(VM)), zero)), () =>
    e.fault(UNDEFINED_OPCODE, 'opcode.undefined'),
  );

/** Result and CF; SF ZF follow the result, the others are clear. */
type Operation = (e: Emitter, a: Expr, b: Expr) => { readonly result: Expr; readonly carry: Expr };

const define = (
  name: string,
  feature: string,
  form: string,
  [first, second]: readonly [number, number],
  operation: Operation,
): Definition => ({
  name,
  feature,
  forms: [form],
  sizes,
  first: 'write',
  emit: (e) => {
    requireProtected(e);
    const b = e.read(second);
    const a = first === second ? b : e.read(first);
    const { result, carry } = operation(e, a, b);
    const r = e.let(truncate(result, e.size));
    // The manual leaves SF of BEXTR open: it is clear.
    e.setFlagsWithoutParity(name === 'bextr' ? flag(i64.ne(r, zero)) : r, carry);
    e.write(0, r);
  },
});

const isZero = (value: Expr): Expr => flag(i64.eqz(value));

const extract: Operation = (e, a, b) => {
  const start = e.let(i64.and(b, c64(0xff)));
  const length = e.let(i64.and(i64.shrU(b, c64(8)), c64(0xff)));
  const shifted = e.let(select(i64.ltU(start, c64(e.size)), i64.shrU(a, start), zero));
  const low = i64.and(shifted, inverse(i64.shl(c64(-1), length)));
  return { result: select(i64.ltU(length, c64(64)), low, shifted), carry: zero };
};
const zeroHigh: Operation = (e, a, b) => {
  const index = e.let(i64.and(b, c64(0xff)));
  const low = i64.and(a, inverse(i64.shl(c64(-1), index)));
  return { result: select(i64.ltU(index, c64(e.size)), low, a), carry: flag(i64.gtU(index, c64(e.size - 1))) };
};

/** Shifts without flags; the count is the third operand. */
const shiftWithoutFlags = (name: string, shift: (e: Emitter, a: Expr, count: Expr) => Expr): Definition => ({
  name,
  feature: 'BMI2',
  forms: ['r,x,r'],
  sizes,
  first: 'write',
  emit: (e) => {
    requireProtected(e);
    const count = e.let(i64.and(e.read(2), c64(e.size - 1)));
    e.write(0, shift(e, e.read(1), count));
  },
});

/** Goes over the set bits of the mask from the lowest up. */
const overMask = (name: string, collect: (low: Expr, next: Expr, source: Expr) => { add: Expr; condition: Expr }) =>
  ({
    name,
    feature: 'BMI2',
    forms: ['r,r,x'],
    sizes,
    first: 'write',
    emit: (e: Emitter) => {
      requireProtected(e);
      const mask = e.variable(e.read(2));
      const source = e.read(1);
      const result = e.variable(zero);
      const next = e.variable(c64(1));
      e.if(i64.ne(mask.get, zero), () =>
        e.repeat(() => {
          const low = e.let(i64.and(mask.get, negative(mask.get)));
          const { add, condition } = collect(low, next.get, source);
          result.set(i64.or(result.get, select(condition, add, zero)));
          next.set(i64.shl(next.get, c64(1)));
          mask.set(i64.xor(mask.get, low));
          return i64.ne(mask.get, zero);
        }),
      );
      e.write(0, result.get);
    },
  }) as const satisfies Definition;

const has = (value: Expr, bit: Expr): Expr => i64.ne(i64.and(value, bit), zero);

/** The high half goes to the first operand; when both name one register, that is what it keeps. */
const mulx: Definition = {
  name: 'mulx',
  feature: 'BMI2',
  forms: ['r,r,x'],
  sizes,
  first: 'write',
  emit: (e) => {
    requireProtected(e);
    const b = e.read(2);
    const a = e.gpr(RDX);
    const product = e.let(i64.mul(a, b));
    const high = e.size === 64 ? e.highUnsigned(a, b) : i64.shrU(product, c64(32));
    e.write(1, product);
    e.write(0, high);
  },
};

/** Additions that use and change one flag only. */
const addWithFlag = (name: string, input: (e: Emitter) => Expr, output: (e: Emitter, flag: Expr) => void) =>
  ({
    name,
    feature: 'ADX',
    forms: ['r,x'],
    sizes,
    first: 'update',
    emit: (e: Emitter) => {
      const b = e.read(1);
      const a = e.read(0);
      const r = e.let(i64.add(i64.add(a, b), input(e)));
      const carries = i64.or(i64.and(a, b), i64.and(i64.or(a, b), inverse(r)));
      output(e, e.let(i64.and(i64.shrU(carries, c64(e.size - 1)), c64(1))));
      e.write(0, r);
    },
  }) as const satisfies Definition;

export const bitManipulation: readonly Definition[] = [
  define('andn', 'BMI1', 'r,r,x', [1, 2], (_, a, b) => ({ result: i64.and(inverse(a), b), carry: zero })),
  define('bextr', 'BMI1', 'r,x,r', [1, 2], extract),
  define('blsi', 'BMI1', 'r,x', [1, 1], (_, a) => ({
    result: i64.and(a, negative(a)),
    carry: flag(i64.ne(a, zero)),
  })),
  define('blsmsk', 'BMI1', 'r,x', [1, 1], (_, a) => ({
    result: i64.xor(a, i64.sub(a, c64(1))),
    carry: isZero(a),
  })),
  define('blsr', 'BMI1', 'r,x', [1, 1], (_, a) => ({ result: i64.and(a, i64.sub(a, c64(1))), carry: isZero(a) })),
  define('bzhi', 'BMI2', 'r,x,r', [1, 2], zeroHigh),
  mulx,
  overMask('pdep', (low, next, source) => ({ add: low, condition: has(source, next) })),
  overMask('pext', (low, next, source) => ({ add: next, condition: has(source, low) })),
  {
    name: 'rorx',
    feature: 'BMI2',
    forms: ['r,x,i'],
    sizes,
    first: 'write',
    emit: (e) => {
      requireProtected(e);
      const count = e.let(i64.and(e.immediate(), c64(e.size - 1)));
      const a = e.read(1);
      const turned = i64.or(i64.shrU(a, count), i64.shl(a, i64.sub(c64(32), count)));
      e.write(0, e.size === 64 ? i64.rotr(a, count) : turned);
    },
  },
  shiftWithoutFlags('sarx', (e, a, count) => i64.shrS(signExtend(a, e.size), count)),
  shiftWithoutFlags('shlx', (_, a, count) => i64.shl(a, count)),
  shiftWithoutFlags('shrx', (_, a, count) => i64.shrU(a, count)),
  addWithFlag(
    'adcx',
    (e) => e.carry(),
    (e, flag) => e.setCarry(flag),
  ),
  addWithFlag(
    'adox',
    (e) => e.overflow(),
    (e, flag) => e.setOverflow(flag),
  ),
];
