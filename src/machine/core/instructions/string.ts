/**
 * Intel SDM vol. 1, "String Instructions"; INS and OUTS are the privileged architecture's. A repeated instruction is a
 * definition of its own (`rep.movs`, `repe.cmps`, `repne.scas`), each run of its handler one iteration: it ends its
 * block and comes back to itself, so that interrupts, traps and the budget act between iterations.
 */

import type { Definition } from '../definition';
import { c64, type Emitter, RAX, RCX, RDI, RSI, type Size, truncate } from '../emitter';
import { type Expr, i32, i64, select } from '../wasm';

const all: readonly Size[] = [8, 16, 32, 64];
const ES = 0;
const DF = 0x400;

/** What an iteration does once all its accesses are sure to succeed. */
interface Iteration {
  commit(): void;
  /** Of the comparing ones: were the elements equal, and the flags that tell how they differ. */
  readonly comparison?: Comparison;
}
interface Comparison {
  readonly equal: Expr;
  setFlags(): void;
}
type Body = (e: Emitter) => Iteration;

/** Distance to the next element. */
const step = (e: Emitter): Expr =>
  e.let(select(i64.eqz(i64.and(e.flagsWord(), c64(DF))), c64(e.size / 8), c64(-e.size / 8)));

/** Linear address of the element, and how to move on. */
const at = (e: Emitter, register: number, write: boolean): { address: Expr; advance(by: Expr): void } => {
  const offset = e.gpr(register, e.addressSize);
  const address = e.linear(offset, e.size, write, register === RDI ? ES : undefined);
  return { address, advance: (by) => e.setGpr(register, i64.add(offset, by), e.addressSize) };
};

const move: Body = (e) => {
  const by = step(e);
  const source = at(e, RSI, false);
  const value = e.load(source.address, e.size);
  const target = at(e, RDI, true);
  e.probe(target.address, e.size);
  return {
    commit: () => {
      e.store(target.address, e.size, value);
      source.advance(by);
      target.advance(by);
    },
  };
};
const store: Body = (e) => {
  const by = step(e);
  const target = at(e, RDI, true);
  e.probe(target.address, e.size);
  const value = e.gpr(RAX);
  return {
    commit: () => {
      e.store(target.address, e.size, value);
      target.advance(by);
    },
  };
};
const load: Body = (e) => {
  const by = step(e);
  const source = at(e, RSI, false);
  const value = e.load(source.address, e.size);
  return {
    commit: () => {
      source.advance(by);
      e.setGpr(RAX, value);
    },
  };
};
const compared = (e: Emitter, a: Expr, b: Expr): Comparison => {
  const r = e.let(i64.sub(a, b));
  return { equal: e.let(i64.eqz(r)), setFlags: () => e.flagsSub(a, b, r) };
};
const compare: Body = (e) => {
  const by = step(e);
  // Processors read the second operand first: it decides which of two page faults there is.
  const second = at(e, RDI, false);
  const b = e.load(second.address, e.size);
  const first = at(e, RSI, false);
  const a = e.load(first.address, e.size);
  return {
    comparison: compared(e, a, b),
    commit: () => {
      first.advance(by);
      second.advance(by);
    },
  };
};
const scan: Body = (e) => {
  const by = step(e);
  const second = at(e, RDI, false);
  const b = e.load(second.address, e.size);
  return { comparison: compared(e, e.gpr(RAX), b), commit: () => second.advance(by) };
};

const common = { forms: [''], sizes: all, first: 'none', addressed: true, moded: true } as const;

const once = (name: string, body: Body): Definition => ({
  ...common,
  name,
  emit: (e) => {
    const { commit, comparison } = body(e);
    comparison?.setFlags();
    commit();
  },
});

/**
 * It goes on while the elements are equal (REPE) or differ (REPNE), or always (REP). Processors set the flags at the
 * last iteration: a fault or a trap before it finds those from before the instruction. With 32-bit addresses in 64-bit
 * mode the upper half of RCX, of MOVS and STOS also those of the addresses, is cleared before anything else.
 */
const repeated = (
  name: string,
  body: Body,
  goesOn: 'equal' | 'different' | 'always',
  registers: readonly number[] = [RCX],
): Definition => ({
  ...common,
  name,
  flow: 'rep',
  multiCommit: true,
  emit: (e) => {
    const count = e.gpr(RCX, e.addressSize);
    if (e.long && e.addressSize === 32) for (const register of registers) e.setGpr(register, e.gpr(register, 32), 32);
    e.if(
      i64.eqz(count),
      () => {
        e.endBlock();
        e.goNext();
      },
      () => {
        const { commit, comparison } = body(e);
        const equal = comparison?.equal;
        const left = e.let(truncate(i64.sub(count, c64(1)), e.addressSize));
        const more = i64.ne(left, c64(0));
        const holds = goesOn === 'different' && equal ? i32.eqz(equal) : equal;
        const again = e.let(goesOn === 'always' || !holds ? more : i32.and(more, holds));
        e.endBlock();
        commit();
        e.setGpr(RCX, left, e.addressSize);
        e.if(again, () => e.goAgain());
        comparison?.setFlags();
        e.goNext();
      },
    );
  },
});

/** AL from the table at rBX ("XLAT/XLATB—Table Look-up Translation"). */
const translate: Definition = {
  ...common,
  name: 'xlatb',
  sizes: [8],
  emit: (e) => {
    const offset = i64.add(e.gpr(3, e.addressSize), e.gpr(RAX, 8));
    const address = e.linear(e.let(truncate(offset, e.addressSize as Size)), 8, false);
    e.setGpr(RAX, e.load(address, 8), 8);
  },
};

export const string: readonly Definition[] = [
  once('movs', move),
  once('stos', store),
  once('lods', load),
  once('cmps', compare),
  once('scas', scan),
  repeated('rep.movs', move, 'always', [RCX, RSI, RDI]),
  repeated('rep.stos', store, 'always', [RCX, RDI]),
  repeated('rep.lods', load, 'always'),
  repeated('repe.cmps', compare, 'equal'),
  repeated('repne.cmps', compare, 'different'),
  repeated('repe.scas', scan, 'equal'),
  repeated('repne.scas', scan, 'different'),
  translate,
];
