/** Intel SDM vol. 1, "Control Transfer Instructions": the near ones. Far transfers are the privileged architecture's. */

import type { Definition } from '../definition';
import { type Condition, c64, type Emitter, RCX, type Size, truncate } from '../emitter';
import { type Expr, i32, i64 } from '../wasm';
import { conditions } from './data-transfer';

const words: readonly Size[] = [16, 32, 64];

const GENERAL_PROTECTION = 13;

/**
 * A branch to a non-canonical address, or outside 64-bit mode beyond the limit of CS, is refused before anything
 * changes. The target of a relative branch in 64-bit mode is taken to be canonical.
 */
const checked = (e: Emitter, address: Expr): Expr => {
  const target = e.let(address);
  if (e.size !== 64) refuseBeyond(e, target);
  else
    e.if(i64.ne(i64.shrS(i64.shl(target, c64(16)), c64(16)), target), () =>
      e.fault(GENERAL_PROTECTION, 'code-segment.noncanonical', 0),
    );
  return target;
};
const refuseBeyond = (e: Emitter, target: Expr): void =>
  e.if(i64.gtU(target, e.codeLimit()), () => e.fault(GENERAL_PROTECTION, 'code-segment.beyond-limit', 0));
/** The target of a relative branch that is taken when `taken`. */
const relative = (e: Emitter, taken?: Expr): Expr => {
  const target = e.branchTarget();
  if (e.size !== 64) {
    if (taken) e.if(taken, () => refuseBeyond(e, target));
    else refuseBeyond(e, target);
  }
  return target;
};

/**
 * Relative branches come in two kinds: `near` ones whose target lies in the same page of flat code are linked record
 * to record; `far` ones go through the jump cache.
 */
const linked = (name: string, condition: (e: Emitter) => Expr): Definition => ({
  name: `${name}.linked`,
  forms: [''],
  sizes: [64],
  first: 'none',
  flow: 'branch',
  hot: [64],
  emit: (e) => {
    const taken = e.let(condition(e));
    e.endBlock();
    e.if(taken, () => e.goTaken());
    e.goNext();
  },
});
const unlinked = (name: string, condition: (e: Emitter) => Expr): Definition => ({
  name: `${name}.unlinked`,
  forms: [''],
  sizes: words,
  first: 'none',
  flow: 'branch',
  moded: true,
  emit: (e) => {
    const taken = e.let(condition(e));
    const target = relative(e, taken);
    e.endBlock();
    e.if(taken, () => e.goTo(target));
    e.goNext();
  },
});

const jcc = conditions.flatMap((name, code) => {
  const holds = (e: Emitter) => e.condition(code as Condition);
  return [linked(`j${name}`, holds), unlinked(`j${name}`, holds)];
});

const jumps: readonly Definition[] = [
  {
    name: 'jmp.linked',
    forms: [''],
    sizes: [64],
    first: 'none',
    flow: 'branch',
    hot: [64],
    emit: (e) => {
      e.endBlock();
      e.goTaken();
    },
  },
  {
    name: 'jmp.unlinked',
    forms: [''],
    sizes: words,
    first: 'none',
    flow: 'branch',
    moded: true,
    hot: [64],
    emit: (e) => {
      const target = relative(e);
      e.endBlock();
      e.goTo(target);
    },
  },
  {
    name: 'jmp',
    forms: ['x'],
    sizes: words,
    first: 'read',
    flow: 'branch',
    moded: true,
    hot: [64],
    emit: (e) => {
      const target = checked(e, e.read(0));
      e.endBlock();
      e.goTo(target);
    },
  },
];

const calls: readonly Definition[] = [
  {
    name: 'call.linked',
    forms: [''],
    sizes: [32, 64],
    first: 'none',
    flow: 'branch',
    stack: true,
    hot: [32, 64],
    emit: (e) => {
      const address = e.stackAddress(c64(e.size / 8), e.size, true);
      e.probe(address, e.size);
      e.endBlock();
      e.store(address, e.size, e.nextRip());
      e.moveStack(c64(-e.size / 8));
      e.goTaken();
    },
  },
  {
    name: 'call.unlinked',
    forms: [''],
    sizes: words,
    first: 'none',
    flow: 'branch',
    stack: true,
    hot: [64],
    emit: (e) => callTo(e, relative(e)),
  },
  {
    name: 'call',
    forms: ['x'],
    sizes: words,
    first: 'read',
    flow: 'branch',
    stack: true,
    hot: [64],
    emit: (e) => callTo(e, checked(e, e.read(0))),
  },
];
const callTo = (e: Emitter, target: Expr): void => {
  const address = e.stackAddress(c64(e.size / 8), e.size, true);
  e.probe(address, e.size);
  e.endBlock();
  e.store(address, e.size, e.nextRip());
  e.moveStack(c64(-e.size / 8));
  e.goTo(target);
};

const ret: Definition = {
  name: 'ret',
  forms: ['', 'i'],
  sizes: words,
  first: 'none',
  flow: 'branch',
  stack: true,
  hot: [32, 64],
  emit: (e) => {
    const target = checked(e, e.top());
    e.endBlock();
    e.dropTop(e.size, e.hasImmediate() ? i64.and(e.immediate(), c64(0xffff)) : c64(0));
    e.goTo(target);
  },
};

const counted = (name: string, condition: (e: Emitter, count: Expr) => Expr): Definition => ({
  name,
  forms: [''],
  sizes: words,
  first: 'none',
  flow: 'branch',
  moded: true,
  addressed: true,
  emit: (e) => {
    const old = e.gpr(RCX, e.addressSize);
    const count = e.let(name.startsWith('j') ? old : truncate(i64.sub(old, c64(1)), e.addressSize));
    const taken = e.let(condition(e, count));
    const target = relative(e, taken);
    e.endBlock();
    if (!name.startsWith('j')) e.setGpr(RCX, count, e.addressSize);
    e.if(taken, () => e.goTo(target));
    e.goNext();
  },
});
const notZero = (count: Expr): Expr => i64.ne(count, c64(0));

/** What the decoder puts where a block ends without a branch: not an instruction, counts nothing itself. */
const ends: readonly Definition[] = [
  {
    name: 'end.linked',
    forms: [''],
    sizes: [64],
    first: 'none',
    flow: 'branch',
    hot: [64],
    emit: (e) => {
      e.endBlock(0);
      e.goTaken();
    },
  },
  {
    name: 'end.unlinked',
    forms: [''],
    sizes: words,
    first: 'none',
    flow: 'branch',
    moded: true,
    hot: [64],
    emit: (e) => {
      e.endBlock(0);
      e.goTo(e.branchTarget());
    },
  },
];

export const controlTransfer: readonly Definition[] = [
  ...jcc,
  ...jumps,
  ...calls,
  ret,
  ...ends,
  counted('loop', (_, count) => notZero(count)),
  counted('loope', (e, count) => i32.and(notZero(count), e.condition(4))),
  counted('loopne', (e, count) => i32.and(notZero(count), e.condition(5))),
  counted('jrcxz', (_, count) => i64.eqz(count)),
];
