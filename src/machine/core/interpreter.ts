/**
 * The interpreter: one handler for each shape of each instruction, written as WebAssembly at build time. Hot handlers
 * are the arms of one `br_table` per code size, without a call in them; every handler exists as a function of its own
 * too (its cold twin), which takes the slow ways: page-crossing accesses, pages with code, devices, faults.
 */

import { instructions } from './instructions';
import { record, state, status } from './layout';
import { memoryFunctions } from './memory-functions';
import { pairsOf } from './pairs';
import { jumpIndex, RecordEmitter, reasons, type Surroundings } from './record-emitter';
import { hotIn, keyOf, pairKey, type Shape, shapesOf, silentKey } from './shapes';
import { get32, get64, set32, set64 } from './state-words';
import { transferRoutines } from './transfers';
import { vmcsTransfers } from './vmcs-transfers';
import {
  block,
  br,
  brTable,
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

export interface Core {
  readonly bytes: Uint8Array;
  readonly codeSizes: ReadonlyMap<string, number>;
  readonly handlers: number;
}

/** Handlers that are no instruction: they leave. */
const leavers = ['slow', 'stale', 'breakpoint', 'link'] as const;

/** An arm of a hot function, or a function of the table. */
interface Handler {
  readonly key: string;
  readonly statements: (at: Surroundings) => Expr[];
  /** What it executes when taken on its own, in its cold form. */
  readonly shape: Shape;
}

const single = (shape: Shape): Handler => ({
  key: keyOf(shape),
  statements: (at) => new RecordEmitter(shape, at).finish(),
  shape,
});
/** Twins that set no flags, for instructions whose flags are overwritten before anybody can see them. */
const silent = (shape: Shape): Handler => ({
  key: silentKey(keyOf(shape)),
  statements: (at) => new RecordEmitter(shape, { ...at, silent: true }).finish(),
  shape,
});
const pair = ([first, second]: readonly [Shape, Shape]): Handler => ({
  key: pairKey(keyOf(first), keyOf(second)),
  statements: (at) => RecordEmitter.pair(first, second, at),
  shape: first,
});

const isSilenced = ({ definition, size, form }: Shape): boolean =>
  definition.flags === 'sets' && definition.first !== 'read' && size >= 32 && !form.startsWith('m');

const hotHandlers = (shapes: readonly Shape[], which: 'hot64' | 'hot32'): Handler[] => {
  const hot = shapes.filter((shape) => hotIn(shape).includes(which));
  return [...hot.map(single), ...hot.filter(isSilenced).map(silent), ...pairsOf(shapes, which).map(pair)];
};

export const buildCore = (): Core => {
  const module = new Module();
  const memory = memoryFunctions(module);
  memory.transfers = transferRoutines(module, memory);
  vmcsTransfers(module);
  const shapes = instructions.flatMap(shapesOf);
  const hot = { hot64: hotHandlers(shapes, 'hot64'), hot32: hotHandlers(shapes, 'hot32') };
  const cold = shapes.filter((shape) => hotIn(shape).length === 0);

  const twins = new Map<Shape, Func>();
  const twin = (shape: Shape): Func => {
    const known = twins.get(shape);
    if (known) return known;
    const func = module.function(keyOf(shape), ['i32'], 'i32');
    twins.set(shape, func);
    func.body = single(shape).statements({ kind: 'cold', func, memory });
    return func;
  };
  const leaver = (name: (typeof leavers)[number]): Func => {
    const func = module.function(name, ['i32'], 'i32');
    func.body = [
      set32(state.record, func.parameter(0)),
      set32(state.status, i32.const(status[name])),
      ret(i32.const(0)),
    ];
    return func;
  };
  module.table.push(
    ...[...hot.hot64, ...hot.hot32].map(({ shape }) => twin(shape)),
    ...cold.map(twin),
    ...leavers.map(leaver),
  );
  module.notes.set(
    'handlers',
    JSON.stringify({
      hot64: hot.hot64.map(({ key }) => key),
      hot32: hot.hot32.map(({ key }) => key),
      cold: [...cold.map(keyOf), ...leavers],
      reasons,
    }),
  );

  const functions = {
    hot64: hotFunction(module, 'hot64', hot.hot64, 0, memory),
    hot32: hotFunction(module, 'hot32', hot.hot32, hot.hot64.length, memory),
  };
  runFunction(module, functions, hot.hot64.length, hot.hot64.length + hot.hot32.length);
  stepFunction(module);
  const codeSizes = new Map<string, number>();
  const bytes = module.encode(codeSizes);
  return { bytes, codeSizes, handlers: module.table.length };
};

const hotFunction = (
  module: Module,
  name: string,
  arms: readonly Handler[],
  first: number,
  memory: Surroundings['memory'],
): Func => {
  const func = module.function(name, ['i32'], 'i32');
  const rec = func.parameter(0);
  const labels = { next: new Label(), miss: new Label(), budget: new Label(), jump: new Label() };
  const cold = new Label();
  const fastBase = func.local('i32');
  const pool = new Map<string, number[]>();
  const handlers = arms.map(({ statements }) => statements({ kind: 'hot', func, memory, labels, fastBase, pool }));
  const entries = arms.map(() => new Label());
  const handlerNumber = i32.load(rec, record.handler);
  let body: Expr[] = [brTable(entries, cold, first === 0 ? handlerNumber : i32.sub(handlerNumber, i32.const(first)))];
  entries.forEach((entry, index) => {
    body = [block(entry, body), ...(handlers[index] as Expr[])];
  });
  const leave = (why: number): Expr[] => [set32(state.record, rec), ret(i32.const(why))];
  func.body = [
    setLocal(fastBase, get32(state.fast)),
    block(labels.jump, [
      block(labels.miss, [
        block(labels.budget, [block(cold, [loop(labels.next, body)]), ...leave(status.cold)]),
        ...leave(status.budget),
      ]),
      ...leave(status.miss),
    ]),
    set32(state.record, i32.const(0)),
    ret(i32.const(status.jump)),
  ];
  return func;
};

/**
 * `run(record)`: executes until something needs TypeScript, and tells what. `state.record` is the record to go on
 * with; the instructions before it in its block are executed but not yet taken from the budget. `run(0)` goes on at
 * `state.target`.
 */
const runFunction = (module: Module, hot: { hot64: Func; hot32: Func }, end64: number, end32: number): void => {
  const func = module.function('run', ['i32'], 'i32', true);
  const rec = func.parameter(0);
  const why = func.local('i32');
  const handler = func.local('i32');
  const h = getLocal(handler, 'i32');
  const next = new Label();
  const leaveNow = new Label();
  const isHot = new Label();
  const callTwin: Expr[] = [
    setLocal(why, callIndirect(i32.load(rec, record.handler), rec)),
    when(i32.eqz(getLocal(why, 'i32')), [ret(get32(state.status))]),
    setLocal(0, getLocal(why, 'i32')),
    when(get32(state.leave), [br(leaveNow)]),
  ];
  const slot = func.local('i32');
  const target = get64(state.target);
  const known = getLocal(slot, 'i32');
  func.body = [
    set32(state.status, i32.const(0)),
    // Without a record: on to where a transfer has led.
    when(i32.eqz(rec), [
      setLocal(slot, i32.add(get32(state.jumps), jumpIndex(target))),
      when(i64.ne(i64.load(known), target), [set32(state.record, i32.const(0)), ret(i32.const(status.jump))]),
      set64(state.ipBase, i64.sub(target, i64.load32u(known, 12))),
      setLocal(0, i32.load(known, 8)),
    ]),
    block(leaveNow, [
      loop(next, [
        setLocal(handler, i32.load(rec, record.handler)),
        block(isHot, [
          when(i32.ltU(h, i32.const(end64)), [setLocal(why, hot.hot64.call(rec)), br(isHot)]),
          when(i32.ltU(h, i32.const(end32)), [setLocal(why, hot.hot32.call(rec)), br(isHot)]),
          ...callTwin,
          br(next),
        ]),
        setLocal(0, get32(state.record)),
        when(i32.eq(getLocal(why, 'i32'), i32.const(status.cold)), [br(next)]),
        when(i32.ne(getLocal(why, 'i32'), i32.const(status.miss)), [ret(getLocal(why, 'i32'))]),
        ...callTwin,
        br(next),
      ]),
    ]),
    set32(state.record, rec),
    ret(i32.const(status.leave)),
  ];
};

/**
 * `step(record)`: executes one instruction, by the handler that is right for it alone. Returns `none` with the next
 * record in `state.record`, or why it could not.
 */
const stepFunction = (module: Module): void => {
  const func = module.function('step', ['i32'], 'i32', true);
  const rec = func.parameter(0);
  const next = func.local('i32');
  func.body = [
    set32(state.status, i32.const(0)),
    setLocal(next, callIndirect(i32.load16u(rec, record.plain), rec)),
    when(i32.eqz(getLocal(next, 'i32')), [ret(get32(state.status))]),
    set32(state.record, getLocal(next, 'i32')),
    ret(i32.const(status.none)),
  ];
};
