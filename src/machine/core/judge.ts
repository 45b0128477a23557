/**
 * What the core does where a breakpoint lies: WebAssembly made while the machine runs, which compares addresses and
 * evaluates conditions, and goes on with the instruction where nothing wants to stop. Where something does, or cannot
 * be told, the core leaves, and TypeScript decides. Nothing is counted by a judge that leaves.
 */

import { HIT_COUNTS, MOST_STOPS, record, STOPS, state, status, vcpuBase } from './layout';
import type { CoreMemory } from './memory';
import { isLongMode, type Site, siteIn } from './site';
import { CS } from './state';
import {
  block,
  br,
  brIf,
  callIndirect,
  type Expr,
  type Func,
  getLocal,
  i32,
  i64,
  Label,
  loop,
  Module,
  ret,
  setLocal,
  when,
} from './wasm';

/** One breakpoint at an address, so far as the core can judge it. */
export interface Test {
  /** Does its condition hold? It branches to the site's `undecided` where that takes TypeScript. Without one: always. */
  readonly condition?: ((at: Site) => Judged) | undefined;
  /** It wants to stop by the number of times that its condition held; without one at each. */
  readonly counter?: Counter | undefined;
}

/** What has to be done before, and then a number that is not 0 where it holds. */
export interface Judged {
  readonly statements: readonly Expr[];
  /** An i32. */
  readonly holds: Expr;
}

export interface Counter {
  readonly operator: '>=' | '>' | '==' | '<' | '<=' | '%';
  readonly wanted: number;
  /** Which count it is. */
  readonly cell: number;
}

/** Address of a hit count. */
export const hitCount = (cell: number): number => HIT_COUNTS + cell * 8;

const compare: Readonly<Record<Counter['operator'], (hits: Expr, wanted: Expr) => Expr>> = {
  '>=': i64.geU,
  '>': i64.gtU,
  '==': i64.eq,
  '<': i64.ltU,
  '<=': i64.leU,
  '%': (hits, wanted) => i64.eqz(i64.remU(hits, wanted)),
};

/** Judges of one vCPU: of all linear addresses, and of physical addresses one by one. */
export interface Judges {
  readonly linear: (at: number) => number;
  readonly physical: ReadonlyMap<number, (at: number) => number>;
}

/**
 * @param table what the core calls its handlers from
 * @param linear addresses with conditions; those that stop always are in the list of `writeStops`
 * @param physical the same for physical addresses; without tests, TypeScript decides
 */
export const makeJudges = (
  vcpu: number,
  memory: WebAssembly.Memory,
  table: WebAssembly.Table,
  linear: ReadonlyMap<bigint, readonly Test[]>,
  physical: ReadonlyMap<number, readonly Test[] | undefined>,
): Judges => {
  const module = new Module();
  module.importsTable = true;
  const base = vcpuBase(vcpu);
  judge(module, 'linear', base, (site, leave) => search(site, linear, leave));
  for (const [address, tests] of physical)
    judge(module, `physical${address}`, base, (site, leave) =>
      tests === undefined ? [br(leave)] : askAll(site, tests, leave),
    );
  const compiled = new WebAssembly.Module(module.encode() as BufferSource);
  const { exports } = new WebAssembly.Instance(compiled, { host: { memory, table } });
  const found = (name: string) => exports[name] as (at: number) => number;
  return {
    linear: found('linear'),
    physical: new Map([...physical.keys()].map((address) => [address, found(`physical${address}`)])),
  };
};

/** The linear addresses at which every judge leaves. @returns false when they are too many */
export const writeStops = ({ u64 }: CoreMemory, addresses: readonly bigint[]): boolean => {
  const count = Math.min(addresses.length, MOST_STOPS);
  u64[STOPS / 8] = BigInt(count);
  for (let n = 0; n < count; n++) u64[STOPS / 8 + 1 + n] = addresses[n] as bigint;
  return count === addresses.length;
};

/** What `state.judgedBudget` is where nothing was judged before. */
export const NOTHING_JUDGED = 0x80000000;

const judge = (
  module: Module,
  name: string,
  base: number,
  ask: (site: Site, leave: Label) => readonly Expr[],
): void => {
  const func = module.function(name, ['i32'], 'i32', true);
  const rec = func.parameter(0);
  const site = siteIn(module, func, base, rec);
  const [leave, goOn] = [site.undecided, new Label()];
  const st32 = (offset: number) => i32.load(i32.const(0), base + offset);
  const left = site.left as Expr;
  func.body = [
    block(leave, [
      block(goOn, [
        ...site.before,
        // It was judged before the run began, or is the next iteration of a repeated string instruction.
        brIf(goOn, i32.eq(left, st32(state.judgedBudget))),
        brIf(goOn, i32.and(i32.ne(st32(state.unretired), i32.const(0)), i32.eq(left, st32(state.repeatBudget)))),
        ...ask(site, leave),
      ]),
      ret(callIndirect(i32.load16u(rec, record.plain), rec)),
    ]),
    i32.store(i32.const(0), rec, base + state.record),
    i32.store(i32.const(0), i32.const(status.breakpoint), base + state.status),
    ret(i32.const(0)),
  ];
};

/** Looks for the linear address of the instruction: in the list of those that stop, then by halves in the others. */
const search = (site: Site, points: ReadonlyMap<bigint, readonly Test[]>, leave: Label): Expr[] => {
  const { func } = site;
  const local = func.local('i64');
  const here = getLocal(local, 'i64');
  const at = func.local('i32');
  const next = new Label();
  const listed = when(i32.ne(i32.load(i32.const(0), STOPS), i32.const(0)), [
    setLocal(at, i32.const(0)),
    loop(next, [
      brIf(leave, i64.eq(here, i64.load(getLocal(at, 'i32'), STOPS + 8))),
      setLocal(at, i32.add(getLocal(at, 'i32'), i32.const(8))),
      brIf(next, i32.ltU(getLocal(at, 'i32'), i32.shl(i32.load(i32.const(0), STOPS), i32.const(3)))),
    ]),
  ]);
  const sorted = [...points].sort(([a], [b]) => (a < b ? -1 : 1));
  const tree = (from: number, to: number): Expr[] => {
    if (to - from > 2) {
      const middle = (from + to) >> 1;
      const [pivot] = sorted[middle] as [bigint, readonly Test[]];
      return [when(i64.ltU(here, i64.const(pivot)), tree(from, middle), tree(middle, to))];
    }
    return sorted
      .slice(from, to)
      .map(([address, tests]) => when(i64.eq(here, i64.const(address)), askAll(site, tests, leave)));
  };
  const codeBase = i64.load(i32.const(0), site.base + state.segmentBase + CS * 8);
  return [
    setLocal(local, site.rip),
    when(i32.eqz(isLongMode(site.base)), [setLocal(local, i64.and(i64.add(here, codeBase), i64.const(0xffffffffn)))]),
    listed,
    ...tree(0, sorted.length),
  ];
};

/** Leaves where one of them wants to stop; otherwise counts those whose conditions hold. */
const askAll = (site: Site, tests: readonly Test[], leave: Label): Expr[] => {
  const { func } = site;
  const counted: Expr[] = [];
  const asked = tests.flatMap(({ condition, counter }): Expr[] => {
    const judged = condition?.(site);
    const holds = judged?.holds ?? i32.const(1);
    if (counter === undefined) return [...(judged?.statements ?? []), brIf(leave, holds)];
    const met = localFor(func, 'i32');
    const cell = i64.load(i32.const(0), hitCount(counter.cell));
    const hits = i64.add(cell, i64.const(1));
    counted.push(when(met.get, [i64.store(i32.const(0), hits, hitCount(counter.cell))]));
    return [
      ...(judged?.statements ?? []),
      met.set(i32.ne(holds, i32.const(0))),
      brIf(leave, i32.and(met.get, compare[counter.operator](hits, i64.const(counter.wanted)))),
    ];
  });
  return [...asked, ...counted];
};

const localFor = (func: Func, type: 'i32') => {
  const index = func.local(type);
  return { get: getLocal(index, type), set: (value: Expr) => setLocal(index, value) };
};
