/**
 * The slow ways to memory that the cold handlers share: an access that the fast table answers is made here; one that
 * crosses a page, reaches a device, a page with code, a watched page, or is not translated yet calls out.
 * On refusal the state's status is `fault` and the result means nothing.
 */

import type { Size } from './emitter';
import { access, CODE_LINES, fast, state, status, TAG_CODE, VCPUS } from './layout';
import { get32, get64, set32, set64 } from './state-words';
import type { Transfers } from './transfers';
import { type VmcsFunctions, vmcsFunctions } from './vmcs-functions';
import { type Expr, type Func, getLocal, i32, i64, inState, type Module, ret, setLocal, when } from './wasm';

export interface MemoryFunctions {
  /** (linear, record) -> value */
  readonly load: Readonly<Record<Size, Func>>;
  /** (linear, record) */
  readonly probe: Readonly<Record<Size, Func>>;
  /** (linear, value, record) */
  readonly store: Readonly<Record<Size, Func>>;
  /** (offset, segment slot, bytes, write?, record) -> linear */
  readonly segment: Func;
  readonly vmcs: VmcsFunctions;
  /** Set once they are made: they use the others. */
  transfers?: Transfers;
}

const c = i32.const;
const loads = { 8: i64.load8u, 16: i64.load16u, 32: i64.load32u, 64: i64.load } as const;
const stores = { 8: i64.store8, 16: i64.store16, 32: i64.store32, 64: i64.store } as const;
export const hostLoad = loads;
export const hostStore = stores;

export const memoryFunctions = (module: Module): MemoryFunctions => {
  const callOut = module.import('access', [], 'i32');

  /** Entry of the fast table for the linear address, relative to the tables of the present privilege. */
  const entry = (linear: Expr): Expr =>
    i32.add(get32(state.fast), i32.and(i32.wrap(i64.shrU(linear, i64.const(8))), c(0x3ff0)));
  const tag = (linear: Expr, bytes: number): Expr => i64.and(i64.add(linear, i64.const(bytes - 1)), i64.const(~0xfffn));
  const host = (linear: Expr, at: Expr, table: number): Expr => i32.add(i32.wrap(linear), i32.load(at, table + 8));
  const ask = (linear: Expr, bytes: number, kind: number, rec: Expr): Expr[] => [
    set64(state.accessAddress, linear),
    set32(state.accessSize, c(bytes)),
    set32(state.accessKind, c(kind)),
    set32(state.record, rec),
  ];
  const refused = (result: Expr[]): Expr =>
    when(callOut.call(), [set32(state.faultVector, c(-1)), set32(state.status, c(status.fault)), ret(...result)]);

  const load = (size: Size): Func => {
    const func = module.function(`load${size}`, ['i64', 'i32'], 'i64');
    const [linear, rec] = [func.parameter(0), func.parameter(1)];
    const at = func.local('i32');
    const e = getLocal(at, 'i32');
    func.body = [
      setLocal(at, entry(linear)),
      when(i64.eq(tag(linear, size / 8), i64.load(e, fast.read)), [ret(loads[size](host(linear, e, fast.read)))]),
      ...ask(linear, size / 8, access.read, rec),
      refused([i64.const(0)]),
      ret(get64(state.accessValue)),
    ];
    return func;
  };

  /** Does the page hold decoded code? Only then does its entry name a page whose lines can be looked up. */
  const codePage = (linear: Expr, bytes: number, e: Expr): Expr =>
    i64.eq(i64.or(tag(linear, bytes), i64.const(TAG_CODE)), i64.load(e, fast.write));
  /** Is the linear address in a line of its page that holds none? */
  const cleanLine = (linear: Expr, bytes: number, e: Expr): Expr =>
    i32.eqz(
      i32.and(
        i32.or(lineBit(linear, 0), lineBit(linear, bytes - 1)),
        i32.load(i32.shl(i32.load(e, fast.write + 12), c(2)), CODE_LINES),
      ),
    );
  const lineBit = (linear: Expr, plus: number): Expr =>
    i32.shl(c(1), i32.and(i32.wrap(i64.shrU(i64.add(linear, i64.const(plus)), i64.const(7))), c(31)));

  const probe = (size: Size): Func => {
    const func = module.function(`probe${size}`, ['i64', 'i32'], 'void');
    const [linear, rec] = [func.parameter(0), func.parameter(1)];
    const at = func.local('i32');
    const e = getLocal(at, 'i32');
    func.body = [
      setLocal(at, entry(linear)),
      when(i64.eq(tag(linear, size / 8), i64.and(i64.load(e, fast.write), i64.const(~BigInt(TAG_CODE)))), [ret()]),
      ...ask(linear, size / 8, access.probe, rec),
      refused([]),
    ];
    return func;
  };

  const store = (size: Size): Func => {
    const func = module.function(`store${size}`, ['i64', 'i64', 'i32'], 'void');
    const [linear, value, rec] = [func.parameter(0), func.parameter(1), func.parameter(2)];
    const at = func.local('i32');
    const e = getLocal(at, 'i32');
    const made = [stores[size](host(linear, e, fast.write), value), ret()];
    func.body = [
      setLocal(at, entry(linear)),
      when(i64.eq(tag(linear, size / 8), i64.load(e, fast.write)), made),
      when(codePage(linear, size / 8, e), [when(cleanLine(linear, size / 8, e), made)]),
      ...ask(linear, size / 8, access.write, rec),
      set64(state.accessValue, value),
      refused([]),
    ];
    return func;
  };

  const each = (make: (size: Size) => Func) => ({ 8: make(8), 16: make(16), 32: make(32), 64: make(64) });
  return {
    load: each(load),
    probe: each(probe),
    store: each(store),
    segment: segmentFunction(module),
    vmcs: vmcsFunctions(module),
  };
};

/**
 * Intel SDM vol. 3, "Limit Checking": outside 64-bit mode an offset must lie between the segment's lowest and highest
 * permitted ones (worked out when the segment register is loaded; a segment that may not be accessed so has none).
 */
const segmentFunction = (module: Module): Func => {
  const func = module.function('segment', ['i64', 'i32', 'i32', 'i32', 'i32'], 'i64');
  const [offset, slot, bytes, write, rec] = [0, 1, 2, 3, 4].map((n) => func.parameter(n)) as [
    Expr,
    Expr,
    Expr,
    Expr,
    Expr,
  ];
  const low = func.local('i32');
  const end = func.local('i32');
  const at = func.local('i32');
  const a = getLocal(at, 'i32');
  const o = i32.wrap(offset);
  const limit = (name: 'Low' | 'High') =>
    i32.load(i32.add(a, i32.add(i32.mul(write, c(state.writeLow - state.readLow)), c(0))), 0 + state[`read${name}`]);
  const base = (expr: Expr): Expr => inState({ ...expr, offset: (expr.offset ?? 0) + VCPUS });
  func.body = [
    when(i32.eqz(i32.and(slot, c(1))), [ret(i64.add(offset, inState(i64.load(slot, VCPUS))))]),
    setLocal(at, i32.shrU(i32.sub(i32.and(slot, c(0xfe)), c(state.segmentBase)), c(1))),
    setLocal(low, base(limit('Low'))),
    setLocal(end, i32.add(o, i32.sub(bytes, c(1)))),
    when(
      i32.or(
        i32.or(
          i32.ltU(o, getLocal(low, 'i32')),
          i32.or(i32.gtU(o, base(limit('High'))), i32.gtU(getLocal(end, 'i32'), base(limit('High')))),
        ),
        // In a segment of 4 GiB addresses wrap.
        i32.and(i32.ltU(getLocal(end, 'i32'), o), i32.ne(i32.sub(base(limit('High')), getLocal(low, 'i32')), c(-1))),
      ),
      [
        set32(state.record, rec),
        set32(
          state.faultVector,
          i32.add(c(13), i32.sub(c(0), i32.eq(i32.and(slot, c(0xfe)), c(state.segmentBase + 16)))),
        ),
        set32(state.faultCode, c(0)),
        set32(state.faultReason, c(0)),
        set64(state.accessAddress, offset),
        set32(state.accessKind, write),
        set32(
          state.accessSize,
          i32.or(i32.shl(i32.shrU(i32.sub(i32.and(slot, c(0xfe)), c(state.segmentBase)), c(3)), c(8)), bytes),
        ),
        set32(state.status, c(status.fault)),
        ret(i64.const(0)),
      ],
    ),
    ret(i64.and(i64.add(i64.extendU(o), inState(i64.load(i32.and(slot, c(0xfe)), VCPUS))), i64.const(0xffffffff))),
  ];
  return func;
};
