/**
 * Intel SDM vol. 1, "Bit and Byte Instructions" with POPCNT, LZCNT, TZCNT and CRC32. SETcc is among the data transfers,
 * TEST among the logical ones. What the manual leaves open: docs/undefined-behaviour.md.
 */

import type { Definition } from '../definition';
import { c64, type Emitter, type Size, signExtend } from '../emitter';
import { type Expr, i64, select } from '../wasm';

const words: readonly Size[] = [16, 32, 64];

/** What the instruction leaves in place of the bit; none: BT. */
type Change = ((value: Expr, mask: Expr) => Expr) | undefined;

const selected = (e: Emitter): Expr => e.let(i64.and(e.read(1), c64(e.size - 1)));

const bitTest = (name: string, change: Change): Definition[] => {
  const common = { name, sizes: words, first: change ? 'update' : 'read' } as const;
  const test = (e: Emitter, value: Expr, bit: Expr): void => e.setCarry(i64.and(i64.shrU(value, bit), c64(1)));
  return [
    {
      ...common,
      forms: ['r,r', 'x,i'],
      emit: (e) => {
        const bit = selected(e);
        const value = e.read(0);
        test(e, value, bit);
        if (change) e.write(0, change(value, i64.shl(c64(1), bit)));
      },
    },
    {
      // A bit string: the offset is signed and reaches beyond the operand that the address names.
      ...common,
      forms: ['m,r'],
      emit: (e) => {
        const index = e.let(signExtend(e.read(1), e.size));
        const bit = e.let(i64.and(index, c64(e.size - 1)));
        const bytes = e.size / 8;
        const address = e.address(i64.mul(i64.shrS(index, c64(Math.log2(e.size))), c64(bytes)));
        if (change) e.probe(address, e.size);
        const value = e.load(address, e.size);
        test(e, value, bit);
        if (change) e.store(address, e.size, change(value, i64.shl(c64(1), bit)));
      },
    },
  ];
};

const without = (value: Expr, mask: Expr): Expr => i64.and(value, i64.xor(mask, c64(-1)));

/** Position of the highest set bit. */
const highest = (value: Expr): Expr => i64.sub(c64(63), i64.clz(value));

/** With a zero source the destination stays as it is: so do all processors, AMD's manual promises it. */
const scan = (name: string, position: (value: Expr) => Expr): Definition => ({
  name,
  forms: ['r,x'],
  sizes: words,
  first: 'update',
  emit: (e) => {
    const source = e.read(1);
    e.if(
      i64.eqz(source),
      () => e.setFlagsFrom(c64(0), c64(0), c64(0)),
      () => {
        const result = e.let(position(source));
        e.setFlagsNotZero(result, c64(0), c64(0), 64);
        e.write(0, result);
      },
    );
  },
});

const count = (name: string, feature: string, emit: (e: Emitter, source: Expr) => void): Definition => ({
  name,
  feature,
  forms: ['r,x'],
  sizes: words,
  first: 'write',
  emit: (e) => emit(e, e.read(1)),
});
/** CF tells that the source was zero, ZF that the result is. */
const zeros = (e: Emitter, source: Expr, result: Expr): void => {
  const counted = e.let(result);
  e.setFlagsWithoutParity(counted, i64.extendU(i64.eqz(source)), 64);
  e.write(0, counted);
};

/** The CRC of iSCSI, bits reflected; a step takes one bit of the data. */
const POLYNOMIAL = 0x82f63b78;
const crc32 = (from: Size, sizes: readonly Size[]): Definition => ({
  name: `crc32.${from}`,
  feature: 'SSE4_2',
  forms: ['r,x'],
  sizes,
  first: 'update',
  operandSizes: [32, from],
  emit: (e) => {
    const data = e.read(1);
    const crc = e.variable(i64.xor(e.read(0), data));
    const left = e.variable(c64(from));
    e.repeat(() => {
      const subtract = i64.and(i64.sub(c64(0), i64.and(crc.get, c64(1))), c64(POLYNOMIAL));
      crc.set(i64.xor(i64.shrU(crc.get, c64(1)), subtract));
      left.set(i64.sub(left.get, c64(1)));
      return i64.ne(left.get, c64(0));
    });
    e.write(0, crc.get);
  },
});

export const bitAndByte: readonly Definition[] = [
  ...bitTest('bt', undefined),
  ...bitTest('bts', (value, mask) => i64.or(value, mask)),
  ...bitTest('btr', without),
  ...bitTest('btc', (value, mask) => i64.xor(value, mask)),
  scan('bsf', i64.ctz),
  scan('bsr', highest),
  count('popcnt', 'POPCNT', (e, source) => {
    const counted = e.let(i64.popcnt(source));
    e.setFlagsWithoutParity(counted, c64(0), 64);
    e.write(0, counted);
  }),
  count('tzcnt', 'BMI1', (e, source) => zeros(e, source, select(i64.eqz(source), c64(e.size), i64.ctz(source)))),
  count('lzcnt', 'LZCNT', (e, source) => zeros(e, source, i64.sub(i64.clz(source), c64(64 - e.size)))),
  crc32(8, [32, 64]),
  crc32(16, [32]),
  crc32(32, [32]),
  crc32(64, [64]),
];
