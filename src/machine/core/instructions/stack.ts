/**
 * Stack instructions of Intel SDM vol. 1, "Procedure Calls, Interrupts, and Exceptions", apart from the common forms of
 * PUSH and POP: to memory, of segment registers, of all registers, and frames with nesting levels.
 */

import type { Definition } from '../definition';
import { c64, RBP, RSP, type Size } from '../emitter';
import { type Expr, i64 } from '../wasm';

const words: readonly Size[] = [16, 32, 64];

const popTo = (name: string, based: boolean): Definition => ({
  name,
  forms: ['m'],
  sizes: words,
  first: 'write',
  stack: true,
  emit: (e) => {
    const value = e.top();
    const address = based ? e.address(c64(e.size / 8)) : e.address();
    e.probe(address, e.size);
    e.store(address, e.size, value);
    e.dropTop();
  },
});

/** Beyond the selector the slot keeps what it held, when the operand has 32 bits: so do Intel's processors. */
const pushSegment: Definition = {
  name: 'push.sreg',
  forms: ['i'],
  sizes: words,
  first: 'none',
  stack: true,
  emit: (e) => {
    const written = e.size === 32 ? 16 : e.size;
    const selector = e.selector(e.immediate());
    const address = e.stackAddress(c64(e.size / 8), written, true);
    e.probe(address, written);
    e.store(address, written, selector);
    e.moveStack(c64(-e.size / 8));
  },
};

const eight = [0, 1, 2, 3, 4, 5, 6, 7] as const;
/** Stores as it goes, as processors do; the registers are the same when it is executed again after a fault. */
const pushAll: Definition = {
  name: 'pusha',
  forms: [''],
  sizes: [16, 32],
  first: 'none',
  stack: true,
  multiCommit: true,
  emit: (e) => {
    if (e.long) return e.fault(6, 'opcode.undefined');
    for (const register of eight) {
      const address = e.stackAddress(c64((register + 1) * (e.size / 8)), e.size, true);
      e.probe(address, e.size);
      e.store(address, e.size, e.gpr(register));
    }
    e.moveStack(c64(-e.size));
  },
};
const popAll: Definition = {
  ...pushAll,
  name: 'popa',
  emit: (e) => {
    if (e.long) return e.fault(6, 'opcode.undefined');
    // From the lowest address: EDI first.
    const values = eight.map((n) => ({
      register: 7 - n,
      value: e.load(e.stackAddress(c64(-n * (e.size / 8)), e.size, false), e.size),
    }));
    for (const { register, value } of values) if (register !== RSP) e.setGpr(register, value);
    e.moveStack(c64(e.size));
  },
};

/**
 * ENTER copies `level` - 1 frame pointers from the calling procedure's frame. It stores as it goes, as processors do,
 * and changes registers only when nothing can fail any more: executed again after a fault it stores the same. The last
 * thing tried is a write at the final stack pointer.
 */
const enter: Definition = {
  name: 'enter',
  forms: ['i,i'],
  sizes: words,
  first: 'none',
  stack: true,
  multiCommit: true,
  emit: (e) => {
    const bytes = e.size / 8;
    const level = e.let(i64.and(e.secondImmediate(), c64(31)));
    const pointer = e.let(e.stackPointer());
    const base = e.gpr(RBP, 64);
    /** Stores the n-th value, from 1. */
    const pushAs = (n: Expr, value: Expr): void => {
      const address = e.stackAddress(i64.mul(n, c64(bytes)), e.size, true);
      e.probe(address, e.size);
      e.store(address, e.size, value);
    };
    pushAs(c64(1), base);
    const n = e.variable(c64(1));
    const next = (): Expr => i64.add(n.get, c64(1));
    e.if(i64.gtU(level, c64(1)), () =>
      e.repeat(() => {
        const fromBase = i64.sub(base, i64.mul(n.get, c64(bytes)));
        const copied = e.load(e.stackAddress(i64.sub(pointer, fromBase), e.size, false), e.size);
        pushAs(next(), copied);
        n.set(next());
        return i64.ltU(n.get, level);
      }),
    );
    const frame = e.let(i64.sub(pointer, c64(bytes)));
    e.if(i64.ne(level, c64(0)), () => pushAs(i64.add(level, c64(1)), frame));
    // Level n pushes n + 1 values.
    const room = i64.and(e.immediate(), c64(0xffff));
    const below = e.let(i64.add(i64.mul(i64.add(level, c64(1)), c64(bytes)), room));
    e.probe(e.stackAddress(below, e.size, true), e.size);
    e.setGpr(RBP, frame, e.size);
    e.moveStack(i64.sub(c64(0), below));
  },
};

export const stack: readonly Definition[] = [
  popTo('pop', false),
  popTo('pop.based', true),
  pushSegment,
  pushAll,
  popAll,
  enter,
];
