/** The current VMCS in its slot, as VMREAD and VMWRITE reach it without TypeScript. What is in a slot: `vmcsSlot` in layout.ts. */

import { record, state, VCPUS, VMCS_WRITERS, vcpu, vmcsSlot } from './layout';
import { get32, get64, set32 } from './state-words';
import { type Expr, type Func, getLocal, i32, i64, inState, type Module, ret, setLocal, when } from './wasm';

export interface VmcsFunctions {
  /**
   * (encoding) -> number of the field, plus 1. 0: root operation at CPL 0 with a current VMCS is not where we are, or this
   * processor has no such field, or it is the upper half of one, or somebody listens to accesses.
   */
  readonly field: Func;
  /** (such a number) -> value */
  readonly read: Func;
  /** (such a number, value in the field's width, RIP of the next instruction, record) */
  readonly write: Func;
}

const c = i32.const;
/** Slot and field: `bytes` for each of these. */
const place = (number: Expr, bytes: number): Expr => i32.add(get32(state.vmcsSlot), i32.mul(number, c(bytes)));
const count = (): Expr => set32(state.vmcsCount, i32.add(get32(state.vmcsCount), c(1)));

export const vmcsFunctions = (module: Module): VmcsFunctions => ({
  field: fieldFunction(module),
  read: readFunction(module),
  write: writeFunction(module),
});

const fieldFunction = (module: Module): Func => {
  const func = module.function('vmcsField', ['i64'], 'i32');
  const encoding = func.parameter(0);
  const unusual = i32.or(i32.or(get32(state.vmxNonRoot), get32(state.cpl)), get32(state.observed));
  func.body = [
    when(i32.or(unusual, i32.eqz(get32(state.vmcsSlot))), [ret(c(0))]),
    when(i64.ne(i64.and(encoding, i64.const(0x7ffen)), encoding), [ret(c(0))]),
    ret(inState(i32.load8u(i32.wrap(i64.shrU(encoding, i64.const(1))), VCPUS + vcpu.vmcsFields))),
  ];
  return func;
};

const readFunction = (module: Module): Func => {
  const func = module.function('readVmcs', ['i32'], 'i64');
  func.body = [count(), ret(i64.load(place(func.parameter(0), 8), vmcsSlot.fields - 8))];
  return func;
};

const writeFunction = (module: Module): Func => {
  const func = module.function('writeVmcs', ['i32', 'i64', 'i64', 'i32'], 'void');
  const [number, value, next, rec] = [0, 1, 2, 3].map((n) => func.parameter(n)) as [Expr, Expr, Expr, Expr];
  const field = i32.sub(number, c(1));
  const at = func.local('i32');
  const bits = getLocal(at, 'i32');
  // Steps done, as the engine's `position`: before this instruction.
  const left = i64.extendS(get32(state.budget));
  const before = i64.extendU(i32.load8u(rec, record.before));
  const step = i64.add(i64.sub(get64(state.stepBase), left), before);
  const length = i64.extendU(i32.add(i32.shrU(i32.load16u(rec, record.place), c(12)), c(1)));
  const stamp = i64.or(i64.shl(step, i64.const(3)), i64.const(VMCS_WRITERS.indexOf('vmwrite')));
  func.body = [
    count(),
    i64.store(place(number, 8), value, vmcsSlot.fields - 8),
    setLocal(at, i32.add(get32(state.vmcsSlot), i32.shl(i32.shrU(field, c(5)), c(2)))),
    i32.store(bits, i32.or(i32.load(bits, vmcsSlot.changed), i32.shl(c(1), i32.and(field, c(31)))), vmcsSlot.changed),
    i64.store(place(number, 16), stamp, vmcsSlot.writers - 16),
    i64.store(place(number, 16), i64.sub(next, length), vmcsSlot.writers - 8),
    ret(),
  ];
  return func;
};
