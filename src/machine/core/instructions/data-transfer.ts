/** Intel SDM vol. 1, "Data Transfer Instructions": moves, stack, exchanges, conversions, conditional moves. */

import type { Definition } from '../definition';
import { type Condition, c64, type Emitter, RAX, RBP, RDX, type Size, signExtend, truncate } from '../emitter';
import { i64, select } from '../wasm';

const all: readonly Size[] = [8, 16, 32, 64];
const words: readonly Size[] = [16, 32, 64];

export const conditions = [
  'o',
  'no',
  'b',
  'ae',
  'e',
  'ne',
  'be',
  'a',
  's',
  'ns',
  'p',
  'np',
  'l',
  'ge',
  'le',
  'g',
] as const;

const mov: Definition = {
  name: 'mov',
  flags: 'ignores',
  forms: ['x,r', 'r,x', 'x,i'],
  sizes: all,
  first: 'write',
  hot: all,
  emit: (e) => e.write(0, e.read(1)),
};

/** From and to an offset of 64 bits that the instruction holds: it is the record's immediate. */
const absolute: readonly Definition[] = [
  {
    name: 'mov.load',
    forms: ['r,i'],
    sizes: all,
    first: 'write',
    emit: (e) => e.write(0, e.load(e.linear(e.immediate(), e.size, false), e.size)),
  },
  {
    name: 'mov.store',
    forms: ['i,r'],
    sizes: all,
    first: 'none',
    emit: (e) => {
      const value = e.read(1);
      const address = e.linear(e.immediate(), e.size, true);
      e.probe(address, e.size);
      e.store(address, e.size, value);
    },
  },
];

/** From the operand's size, which the name tells, to the destination's. */
const extension = (name: string, from: 8 | 16 | 32): Definition => ({
  name: `${name}.${from}`,
  forms: ['r,x'],
  sizes: words.filter((size) => size >= from),
  first: 'write',
  operandSizes: [undefined, from],
  hot: [32, 64],
  emit: (e) => e.write(0, name === 'movzx' ? e.read(1) : signExtend(e.read(1), from)),
});
const extensions: readonly Definition[] = [
  extension('movzx', 8),
  extension('movsx', 8),
  extension('movzx', 16),
  extension('movsx', 16),
  extension('movsxd', 32),
];

const push: Definition = {
  name: 'push',
  flags: 'ignores',
  forms: ['x', 'i'],
  sizes: words,
  first: 'read',
  stack: true,
  hot: [32, 64],
  emit: (e) => e.push(e.read(0)),
};

/** POP to memory: stack.ts. */
const pop: Definition = {
  name: 'pop',
  flags: 'ignores',
  forms: ['r'],
  sizes: words,
  first: 'write',
  stack: true,
  hot: [32, 64],
  emit: (e) => {
    const value = e.top();
    e.dropTop();
    e.write(0, value);
  },
};

const lea: Definition = {
  name: 'lea',
  flags: 'ignores',
  forms: ['r,m'],
  sizes: words,
  first: 'write',
  hot: [32, 64],
  emit: (e) => e.write(0, e.offset()),
};

const xchg: Definition = {
  name: 'xchg',
  forms: ['x,r'],
  sizes: all,
  first: 'update',
  emit: (e) => {
    const old = e.read(0);
    const other = e.read(1);
    e.write(0, other);
    e.write(1, old);
  },
};

const conversions: readonly Definition[] = (
  [
    ['cbw', 16],
    ['cwde', 32],
    ['cdqe', 64],
  ] as const
).map(([name, size]) => ({
  name,
  forms: [''],
  sizes: [size],
  first: 'none',
  emit: (e: Emitter) => e.setGpr(RAX, signExtend(e.gpr(RAX, (size / 2) as Size), (size / 2) as Size)),
}));

const signs: readonly Definition[] = (
  [
    ['cwd', 16],
    ['cdq', 32],
    ['cqo', 64],
  ] as const
).map(([name, size]) => ({
  name,
  forms: [''],
  sizes: [size],
  first: 'none',
  emit: (e: Emitter) => e.setGpr(RDX, i64.shrS(signExtend(e.gpr(RAX), size), c64(63))),
}));

const conditionalMoves: readonly Definition[] = conditions.map((name, code) => ({
  name: `cmov${name}`,
  forms: ['r,x'],
  sizes: words,
  first: 'update',
  emit: (e: Emitter) => {
    const value = e.read(1);
    const old = e.read(0);
    e.write(0, select(e.condition(code as Condition), value, old));
  },
}));

const conditionalSets: readonly Definition[] = conditions.map((name, code) => ({
  name: `set${name}`,
  forms: ['x'],
  sizes: [8] as const,
  first: 'write',
  emit: (e: Emitter) => e.write(0, i64.extendU(e.condition(code as Condition))),
}));

const leave: Definition = {
  name: 'leave',
  forms: [''],
  sizes: words,
  first: 'none',
  stack: true,
  hot: [64],
  emit: (e) => {
    const frame = e.long ? e.gpr(RBP, 64) : e.gpr(RBP, 32);
    const value = e.load(e.stackAddress(i64.sub(e.stackPointer(), frame), e.size, false), e.size);
    e.moveStack(i64.add(i64.sub(frame, e.stackPointer()), c64(e.size / 8)));
    e.setGpr(RBP, truncate(value, e.size));
  },
};

export const dataTransfer: readonly Definition[] = [
  mov,
  ...absolute,
  ...extensions,
  push,
  pop,
  leave,
  lea,
  xchg,
  ...conversions,
  ...signs,
  ...conditionalMoves,
  ...conditionalSets,
];
