/**
 * Where generated code looks at the machine from: between two instructions of a vCPU, inside the core or outside of it.
 * Nothing it does has a side effect: memory is found by a walk of its own through the page tables.
 */

import { CR0, CR4, EFER } from '../../x86/control-registers';
import { FRAMES, frame, record, state, ZERO_FRAME } from './layout';
import { CS } from './state';
import {
  block,
  br,
  brIf,
  type Expr,
  type Func,
  getLocal,
  i32,
  i64,
  Label,
  loop,
  type Module,
  ret,
  select,
  setLocal,
  when,
} from './wasm';

export interface Site {
  readonly func: Func;
  /** Where the vCPU's state is. */
  readonly base: number;
  /** To be done first. */
  readonly before: readonly Expr[];
  /** Branched to where the core alone cannot tell. */
  readonly undecided: Label;
  readonly rip: Expr;
  /** What is left of the budget; undefined outside of the core. */
  readonly left: Expr | undefined;
  /** (linear address, bytes) -> where they lie in the core's memory; 0: that takes TypeScript. */
  readonly linear: Func;
  /** (physical address, bytes) -> the same */
  readonly physical: Func;
}

const c = i32.const;
const LONG_CODE = 1 << 13;

/** 64-bit mode, 1 or 0. */
export const isLongMode = (base: number): Expr =>
  i32.and(
    i32.shrU(i32.load(c(0), base + state.efer), c(10)),
    i32.shrU(i32.and(i32.load(c(0), base + state.segmentAccess + CS * 4), c(LONG_CODE)), c(13)),
  );

const finders = new WeakMap<Module, Map<number, { readonly linear: Func; readonly physical: Func }>>();

/** The site before the instruction of a record; without one, where the vCPU stands. */
export const siteIn = (module: Module, func: Func, base: number, rec?: Expr): Site => {
  const known = finders.get(module) ?? new Map();
  finders.set(module, known);
  const memory = known.get(base) ?? memoryFinders(module, base);
  known.set(base, memory);
  const undecided = new Label();
  if (rec === undefined)
    return { func, base, before: [], undecided, rip: i64.load(c(0), base + state.rip), left: undefined, ...memory };
  const left = func.local('i32');
  const rip = func.local('i64');
  const sum = i64.add(
    i64.load(c(0), base + state.ipBase),
    i64.sub(
      i64.load32u(rec, record.extra),
      i64.extendU(i32.add(i32.shrU(i32.load16u(rec, record.place), c(12)), c(1))),
    ),
  );
  const before = [
    setLocal(left, i32.sub(i32.load(c(0), base + state.budget), i32.load8u(rec, record.before))),
    setLocal(rip, sum),
    when(i32.eqz(isLongMode(base)), [setLocal(rip, i64.and(getLocal(rip, 'i64'), i64.const(0xffffffffn)))]),
  ];
  return { func, base, before, undecided, rip: getLocal(rip, 'i64'), left: getLocal(left, 'i32'), ...memory };
};

const memoryFinders = (module: Module, base: number): { readonly linear: Func; readonly physical: Func } => {
  const physical = physicalFinder(module, `physical.${base}`);
  return { physical, linear: linearFinder(module, `linear.${base}`, base, physical) };
};

/** Memory below 4 GiB that lies in one page and is no device's. */
const physicalFinder = (module: Module, name: string): Func => {
  const func = module.function(name, ['i64', 'i32'], 'i32');
  const [address, bytes] = [func.parameter(0), func.parameter(1)];
  const entry = func.local('i32');
  const e = getLocal(entry, 'i32');
  const offset = i32.and(i32.wrap(address), c(0xfff));
  const address32 = i32.wrap(address);
  func.body = [
    when(i64.gtU(address, i64.const(0xffffffffn)), [ret(c(0))]),
    when(i32.gtU(i32.add(offset, bytes), c(4096)), [ret(c(0))]),
    setLocal(entry, i32.load(i32.shl(i32.shrU(address32, c(12)), c(2)), FRAMES)),
    when(i32.and(e, c(frame.device)), [ret(c(0))]),
    setLocal(entry, i32.and(e, c(-4096))),
    ret(i32.add(select(e, e, c(ZERO_FRAME)), offset)),
  ];
  return func;
};

/**
 * The walk of machine/cpu/page-walk.ts for the usual cases: no paging, 32-bit paging with small pages, 4-level paging
 * with tables below 4 GiB. Whatever breaks a rule is TypeScript's to report.
 */
const linearFinder = (module: Module, name: string, base: number, physical: Func): Func => {
  const func = module.function(name, ['i64', 'i32'], 'i32');
  const [linear, bytes] = [func.parameter(0), func.parameter(1)];
  const st32 = (offset: number) => i32.load(c(0), base + offset);
  const table = func.local('i64');
  const entry = func.local('i64');
  const shift = func.local('i64');
  const at = func.local('i32');
  const e = getLocal(entry, 'i64');
  const s = getLocal(shift, 'i64');
  const place = getLocal(at, 'i32');
  const offset = (bits: number) => i64.and(linear, i64.const((1n << BigInt(bits)) - 1n));
  const found = (page: Expr, bits: number) => ret(physical.call(i64.or(page, offset(bits)), bytes));
  const maskedEntry = (mask: bigint) => i64.and(e, i64.const(mask));
  /** Reads an entry of a table, which must be in memory, and present. */
  const read = (address: Expr, size: 4 | 8): Expr[] => [
    setLocal(at, physical.call(address, c(size))),
    when(i32.eqz(place), [ret(c(0))]),
    setLocal(entry, size === 8 ? i64.load(place) : i64.load32u(place)),
    when(i64.eqz(maskedEntry(1n)), [ret(c(0))]),
  ];
  const next = new Label();
  const [four, small] = [new Label(), new Label()];
  const low32 = i64.and(linear, i64.const(0xffffffffn));
  func.body = [
    // Behind the tables of a VMX guest there may be EPT.
    when(st32(state.vmxNonRoot), [ret(c(0))]),
    when(i32.eqz(i32.and(st32(state.cr0), c(CR0.PG))), [ret(physical.call(low32, bytes))]),
    // What lies in two pages may be mapped anywhere.
    when(i64.gtU(i64.add(offset(12), i64.extendU(bytes)), i64.const(4096)), [ret(c(0))]),
    setLocal(table, i64.and(i64.load32u(c(0), base + state.cr3), i64.const(0xfffff000n))),
    block(four, [
      brIf(four, i32.and(st32(state.cr4), c(CR4.PAE))),
      ...read(i64.add(getLocal(table, 'i64'), i64.shl(i64.shrU(low32, i64.const(22)), i64.const(2))), 4),
      when(i64.ne(maskedEntry(0x80n), i64.const(0)), [ret(c(0))]),
      ...read(
        i64.add(
          maskedEntry(0xfffff000n),
          i64.shl(i64.and(i64.shrU(linear, i64.const(12)), i64.const(0x3ff)), i64.const(2)),
        ),
        4,
      ),
      found(maskedEntry(0xfffff000n), 12),
    ]),
    when(i32.eqz(i32.and(st32(state.efer), c(EFER.LMA))), [ret(c(0))]),
    // Only canonical addresses, and a root below 4 GiB.
    when(i64.ne(i64.shrS(i64.shl(linear, i64.const(16)), i64.const(16)), linear), [ret(c(0))]),
    when(i64.ne(i64.and(i64.load(c(0), base + state.cr3), i64.const(0xfffff00000000n)), i64.const(0)), [ret(c(0))]),
    setLocal(shift, i64.const(39)),
    block(small, [
      loop(next, [
        ...read(
          i64.add(getLocal(table, 'i64'), i64.shl(i64.and(i64.shrU(linear, s), i64.const(0x1ff)), i64.const(3))),
          8,
        ),
        // An address beyond 4 GiB or with reserved bits; XD where it does not exist.
        when(i64.ne(maskedEntry(0xfffff00000000n), i64.const(0)), [ret(c(0))]),
        when(i32.and(i64.ltS(e, i64.const(0)), i32.eqz(i32.and(st32(state.efer), c(EFER.NXE)))), [ret(c(0))]),
        brIf(small, i64.eq(s, i64.const(12))),
        when(i64.ne(maskedEntry(0x80n), i64.const(0)), [
          when(i64.ne(s, i64.const(21)), [ret(c(0))]),
          when(i64.ne(maskedEntry(0x1fe000n), i64.const(0)), [ret(c(0))]),
          found(maskedEntry(0xffe00000n), 21),
        ]),
        setLocal(table, maskedEntry(0xfffff000n)),
        setLocal(shift, i64.sub(s, i64.const(9))),
        br(next),
      ]),
    ]),
    found(maskedEntry(0xfffff000n), 12),
  ];
  return func;
};
