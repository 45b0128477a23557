/** The interpreter's back end: operands come from the micro-op record at hand, registers live in the vCPU's state. */

import { msrSlots } from '../../x86/msrs';
import { c32, c64, RSP, type SegmentNumber, type Size, truncate } from './emitter';
import { fast, JUMP_ENTRIES, RECORD_SIZE, record, state, status, VCPUS } from './layout';
import { hostLoad, hostStore, type MemoryFunctions } from './memory-functions';
import type { Shape } from './shapes';
import { CS } from './state';
import { StatementWriter } from './statement-writer';
import type { Transfers } from './transfers';
import {
  br,
  brIf,
  type Expr,
  type Func,
  getLocal,
  i32,
  i64,
  inState,
  type Label,
  ret,
  setLocal,
  type Type,
  when,
} from './wasm';

export type Surroundings = { readonly func: Func; readonly memory: MemoryFunctions; readonly silent?: boolean } & (
  | { readonly kind: 'cold' }
  | {
      readonly kind: 'hot';
      readonly labels: { readonly next: Label; readonly miss: Label; readonly budget: Label; readonly jump: Label };
      readonly fastBase: number;
      /** Temporaries that all handlers of the function share. */
      readonly pool: Map<string, number[]>;
    }
);

const regLoad = { 8: i64.load8u, 16: i64.load16u, 32: i64.load32u, 64: i64.load } as const;
const KERNEL_GS_BASE = state.msr + msrSlots.IA32_KERNEL_GS_BASE * 8;
/** Offset of a RIP's entry in the jump cache. */
export const jumpIndex = (rip: Expr): Expr =>
  i32.and(i32.xor(i32.shl(i32.wrap(rip), c32(4)), i32.shrU(i32.wrap(rip), c32(8))), c32((JUMP_ENTRIES - 1) << 4));

export class RecordEmitter extends StatementWriter {
  readonly size: Size;
  readonly addressSize: 16 | 32 | 64;
  readonly long: boolean;
  private readonly used: Record<Type, number> = { i32: 0, i64: 0 };
  private left = false;
  /** Linear address of the memory operand, once worked out; and where it lies in the hot path. */
  private operandAddress: Expr | undefined;
  private operandHost: Expr | undefined;
  private readonly rec: Expr;

  constructor(
    private readonly shape: Shape,
    private readonly at: Surroundings,
  ) {
    super();
    this.size = shape.size;
    this.long = shape.environment === 'q';
    this.addressSize = shape.address || (shape.environment === 'q' ? 64 : 32);
    this.rec = at.func.parameter(0);
  }

  /** The statements of a handler that goes on with the next record's instruction, which it knows. */
  static pair(first: Shape, second: Shape, at: Surroundings): Expr[] {
    // Nothing can stop between the two when the second cannot be refused: then only its flags count.
    const silent = second.definition.flags === 'sets' && !second.form.includes('m');
    const one = new RecordEmitter(first, { ...at, silent });
    first.definition.emit(one);
    const two = new RecordEmitter(second, at);
    two.compared = second.definition.flags === 'ignores' ? undefined : one.compared;
    Object.assign(two.used, one.used);
    return [...one.statements, setLocal(0, i32.add(one.rec, c32(RECORD_SIZE))), ...two.finish()];
  }

  /** The handler's statements. */
  finish(): Expr[] {
    const { definition } = this.shape;
    definition.emit(this);
    if (!this.left) {
      if (definition.flow) throw new Error(`${definition.name}: does not say where to go`);
      this.goSequential();
    }
    return this.statements;
  }

  protected temporary(type: Type): number {
    if (this.at.kind === 'cold') return this.at.func.local(type);
    const pool = this.at.pool.get(type) ?? [];
    this.at.pool.set(type, pool);
    const n = this.used[type]++;
    pool[n] ??= this.at.func.local(type);
    return pool[n] as number;
  }
  // State

  protected field(offset: number, load: (address: Expr, offset?: number) => Expr): Expr {
    return inState(load(c32(0), VCPUS + offset));
  }
  protected setField(offset: number, store: (address: Expr, value: Expr, offset?: number) => Expr, value: Expr): void {
    this.do(inState(store(c32(0), value, VCPUS + offset)));
  }
  private operandSlot(operand: number): Expr {
    const registers = [...this.shape.form.split(',')].slice(0, operand).filter((kind) => kind === 'r').length;
    return i32.load8u(this.rec, [record.op0, record.op1, record.op2][registers] as number);
  }
  private sizeOf(operand: number): Size {
    return this.shape.definition.operandSizes?.[operand] ?? this.size;
  }
  private commit(): void {
    this.committed = true;
  }
  private beforeCommit(what: string): void {
    if (this.committed && !this.shape.definition.multiCommit)
      throw new Error(`${this.shape.definition.name}: ${what} after the first commit`);
  }

  // Operands

  isMemory(operand: number): boolean {
    return this.shape.form.split(',')[operand] === 'm';
  }
  read(operand: number): Expr {
    const kind = this.shape.form.split(',')[operand];
    const size = this.sizeOf(operand);
    if (kind === 'i') return this.immediate();
    if (kind === 'r') return this.let(inState(regLoad[size](this.operandSlot(operand), VCPUS)));
    const update = operand === 0 && this.shape.definition.first === 'update';
    const address = this.memoryOperand(size, update);
    if (!update) return this.load(address, size);
    this.beforeCommit('a read');
    if (this.at.kind === 'hot') {
      this.operandHost = this.hotHost(address, size, fast.write);
      return this.let(hostLoad[size](this.operandHost));
    }
    this.probe(address, size);
    return this.load(address, size);
  }
  write(operand: number, value: Expr): void {
    const size = this.sizeOf(operand);
    if (!this.isMemory(operand)) {
      this.commit();
      this.storeRegister(this.operandSlot(operand), size, value);
      return;
    }
    if (this.operandHost) {
      this.commit();
      this.do(hostStore[size](this.operandHost, value));
      return;
    }
    const address = this.memoryOperand(size, true);
    if (this.shape.definition.first !== 'update') this.probe(address, size);
    this.store(address, size, value);
  }
  private storeRegister(slot: Expr, size: Size, value: Expr): void {
    const store = size === 8 ? i64.store8 : size === 16 ? i64.store16 : i64.store;
    this.do(inState(store(slot, size === 32 ? truncate(value, 32) : value, VCPUS)));
  }
  immediate(): Expr {
    return this.let(i64.load(this.rec, record.immediate));
  }
  secondImmediate(): Expr {
    return this.let(i64.extendU(i32.load8u(this.rec, record.op2)));
  }
  hasImmediate(): boolean {
    return this.shape.form.includes('i');
  }
  gpr(register: number, size: Size = this.size): Expr {
    return this.let(this.field(state.gpr + register * 8, regLoad[size]));
  }
  setGpr(register: number, value: Expr, size: Size = this.size): void {
    this.commit();
    const store = size === 8 ? i64.store8 : size === 16 ? i64.store16 : i64.store;
    this.setField(state.gpr + register * 8, store, size === 32 ? truncate(value, 32) : value);
  }

  // Memory

  offset(displacement?: Expr): Expr {
    const { space } = this.shape;
    const register = (at: number) => inState(i64.load(i32.load8u(this.rec, at), VCPUS));
    const based = i64.add(register(record.base), i64.load32s(this.rec, record.displacement));
    const near = displacement ? i64.add(based, displacement) : based;
    if (space === 'b' || space === 'f') return this.let(near);
    const full = i64.add(near, i64.shl(register(record.index), i64.extendU(i32.load8u(this.rec, record.scale))));
    if (space !== 's') return this.let(full);
    return this.let(i64.and(full, i64.shrU(c64(-1), i64.extendU(i32.load8u(this.rec, record.op2)))));
  }
  private memoryOperand(size: Size, write: boolean): Expr {
    this.operandAddress ??= this.linearOperand(size, write);
    return this.operandAddress;
  }
  private linearOperand(size: Size, write: boolean, displacement?: Expr): Expr {
    const offset = this.offset(displacement);
    if (this.shape.space === 's') return this.linear(offset, size, write);
    return this.shape.space === 'f' || this.shape.space === 'y' ? this.let(truncate(offset, 32)) : offset;
  }
  address(displacement?: Expr): Expr {
    return this.linearOperand(this.size, this.shape.definition.first !== 'read', displacement);
  }
  linear(offset: Expr, size: Size, write: boolean, segment?: SegmentNumber): Expr {
    const { environment } = this.shape;
    if (environment === 'f') return this.let(truncate(offset, 32));
    const long = environment === 'q';
    if (segment !== undefined && long && segment < 4) return this.let(offset);
    const slot =
      segment === undefined
        ? i32.load8u(this.rec, record.segment)
        : c32((state.segmentBase + segment * 8) | (long ? 0 : 1));
    if (this.at.kind === 'hot') throw new Error('a hot handler goes through no segment');
    const value = this.let(
      this.at.memory.segment.call(this.let(offset), slot, c32(size / 8), c32(write ? 1 : 0), this.rec),
    );
    this.leaveIfRefused();
    return value;
  }
  private leaveIfRefused(): void {
    this.do(when(this.field(state.status, i32.load), [ret(c32(0))]));
  }
  /** Where a linear address lies in the linear memory, if the fast table knows. */
  private hotHost(linear: Expr, size: Size, table: number): Expr {
    if (this.at.kind !== 'hot') throw new Error('only hot handlers look into the fast table');
    const address = this.let(linear);
    const entry = this.let(
      i32.add(getLocal(this.at.fastBase, 'i32'), i32.and(i32.wrap(i64.shrU(address, c64(8))), c32(0x3ff0))),
    );
    const last = size === 8 ? address : i64.add(address, c64(size / 8 - 1));
    this.do(brIf(this.at.labels.miss, i64.ne(i64.and(last, c64(~0xfffn)), i64.load(entry, table))));
    return this.let(i32.add(i32.wrap(address), i32.load(entry, table + 8)));
  }
  load(linear: Expr, size: Size): Expr {
    this.beforeCommit('a load');
    if (this.at.kind === 'hot') return this.let(hostLoad[size](this.hotHost(linear, size, fast.read)));
    const value = this.let(this.at.memory.load[size].call(linear, this.rec));
    this.leaveIfRefused();
    return value;
  }
  private readonly hosts = new Map<Expr, Expr>();
  probe(linear: Expr, size: Size): void {
    this.beforeCommit('a probe');
    if (this.at.kind === 'hot') {
      this.hosts.set(linear, this.hotHost(linear, size, fast.write));
      return;
    }
    this.do(this.at.memory.probe[size].call(linear, this.rec));
    this.leaveIfRefused();
  }
  store(linear: Expr, size: Size, value: Expr): void {
    this.commit();
    if (this.at.kind === 'cold') {
      this.do(this.at.memory.store[size].call(linear, value, this.rec));
      return;
    }
    const host = this.hosts.get(linear);
    if (!host) throw new Error(`${this.shape.definition.name}: a store without its probe`);
    this.do(hostStore[size](host, value));
  }

  // Stack

  private get stackKind(): 'q' | 'f' | 'l' {
    const { environment } = this.shape;
    if (environment === '') throw new Error(`${this.shape.definition.name}: uses the stack and does not say so`);
    return environment;
  }
  private stackMask(): Expr {
    return this.field(state.stackMask, i64.load);
  }
  stackAddress(distance: Expr, size: Size, write: boolean): Expr {
    const pointer = i64.sub(this.field(state.gpr + RSP * 8, i64.load), distance);
    if (this.stackKind === 'q') return this.let(pointer);
    if (this.stackKind === 'f') return this.let(truncate(pointer, 32));
    return this.linear(i64.and(pointer, this.stackMask()), size, write, 2);
  }
  stackPointer(): Expr {
    return this.field(state.gpr + RSP * 8, i64.load);
  }
  moveStack(bytes: Expr): void {
    this.commit();
    const old = this.let(this.field(state.gpr + RSP * 8, i64.load));
    const moved = i64.add(old, bytes);
    if (this.stackKind === 'q') this.setField(state.gpr + RSP * 8, i64.store, moved);
    else if (this.stackKind === 'f') this.setField(state.gpr + RSP * 8, i64.store, truncate(moved, 32));
    else {
      const mask = this.let(this.stackMask());
      const kept = i64.and(old, i64.xor(mask, c64(-1)));
      this.setField(state.gpr + RSP * 8, i64.store, i64.or(kept, i64.and(moved, mask)));
    }
  }
  push(value: Expr, size: Size = this.size): void {
    const address = this.stackAddress(c64(size / 8), size, true);
    this.probe(address, size);
    this.store(address, size, value);
    this.moveStack(c64(-size / 8));
  }
  top(size: Size = this.size): Expr {
    return this.load(this.stackAddress(c64(0), size, false), size);
  }
  dropTop(size: Size = this.size, extra: Expr = c64(0)): void {
    this.moveStack(i64.add(extra, c64(size / 8)));
  }

  // Flags

  protected setLazy(result: Expr, aux: Expr): void {
    this.commit();
    this.compared = undefined;
    if (this.at.silent) return;
    const bits = this.let(aux);
    this.setField(state.result, i64.store, result);
    this.setField(state.aux, i64.store, bits);
  }
  protected result(): Expr {
    return this.field(state.result, i64.load);
  }
  protected aux(): Expr {
    return this.field(state.aux, i64.load);
  }
  flagsWord(): Expr {
    return this.let(this.field(state.flags, i64.load32u));
  }
  setFlagsWord(value: Expr): void {
    this.commit();
    this.setField(state.flags, i64.store32, value);
  }

  // Privileged state

  control(register: 'cr0' | 'cr4'): Expr {
    return this.let(this.field(state[register], i64.load));
  }
  cpl(): Expr {
    return this.let(this.field(state.cpl, i64.load32u));
  }
  codeLimit(): Expr {
    return this.let(this.field(state.segmentLimit + CS * 4, i64.load32u));
  }
  selector(segment: Expr): Expr {
    const at = i32.wrap(i64.shl(segment, c64(2)));
    return this.let(inState(i64.load32u(at, VCPUS + state.segmentSelector)));
  }
  segmentBase(segment: SegmentNumber): Expr {
    return this.let(this.field(state.segmentBase + segment * 8, i64.load));
  }
  setSegmentBase(segment: SegmentNumber, value: Expr): void {
    this.commit();
    this.setField(state.segmentBase + segment * 8, i64.store, value);
  }
  kernelGsBase(): Expr {
    return this.let(this.field(KERNEL_GS_BASE, i64.load));
  }
  setKernelGsBase(value: Expr): void {
    this.commit();
    this.setField(KERNEL_GS_BASE, i64.store, value);
  }
  vmcsField(encoding: Expr): Expr {
    return this.let(this.at.memory.vmcs.field.call(encoding));
  }
  readVmcs(number: Expr): Expr {
    return this.let(this.at.memory.vmcs.read.call(number));
  }
  writeVmcs(number: Expr, value: Expr): void {
    this.commit();
    this.do(this.at.memory.vmcs.write.call(number, value, this.nextRip(), this.rec));
  }
  shadowInterrupts(): void {
    this.commit();
    this.setField(state.interruptibility, i32.store, i32.or(this.field(state.interruptibility, i32.load), c32(1)));
  }

  // Control

  private ip(value: Expr): Expr {
    return this.let(this.long ? value : truncate(value, 32));
  }
  nextRip(): Expr {
    return this.ip(i64.add(this.field(state.ipBase, i64.load), i64.load32u(this.rec, record.extra)));
  }
  branchTarget(): Expr {
    const target = i64.add(this.field(state.ipBase, i64.load), i64.load32s(this.rec, record.displacement));
    return this.size === 16 ? this.let(truncate(target, 16)) : this.ip(target);
  }
  endBlock(own: 0 | 1 = 1): void {
    this.beforeCommit('the end of the block');
    const before = i32.load8u(this.rec, record.before);
    const count = own ? i32.add(before, c32(1)) : before;
    const left = this.let(i32.sub(this.field(state.budget, i32.load), count));
    const empty = i32.ltS(left, c32(0));
    if (this.at.kind === 'hot') this.do(brIf(this.at.labels.budget, empty));
    else
      this.do(
        when(empty, [
          inState(i32.store(c32(0), this.rec, VCPUS + state.record)),
          inState(i32.store(c32(0), c32(status.budget), VCPUS + state.status)),
          ret(c32(0)),
        ]),
      );
    this.setField(state.budget, i32.store, left);
    this.commit();
  }
  private goto(next: Expr): void {
    this.left = true;
    if (this.at.kind === 'cold') this.do(ret(next));
    else {
      this.do(setLocal(0, next));
      this.do(br(this.at.labels.next));
    }
  }
  private goSequential(): void {
    this.goto(i32.add(this.rec, c32(RECORD_SIZE)));
  }
  goTaken(): void {
    this.goto(i32.load(this.rec, record.taken));
  }
  goNext(): void {
    if (this.shape.definition.flow === 'branch') this.goto(i32.load(this.rec, record.notTaken));
    else this.goSequential();
  }
  goAgain(): void {
    this.setField(state.unretired, i64.store, i64.add(this.field(state.unretired, i64.load), c64(1)));
    this.setField(state.repeatBudget, i32.store, this.field(state.budget, i32.load));
    this.goto(this.rec);
  }
  goTo(rip: Expr): void {
    this.left = true;
    const target = this.let(rip);
    const slot = this.let(i32.add(this.field(state.jumps, i32.load), jumpIndex(target)));
    const known = i64.eq(i64.load(slot), target);
    const note = inState(i64.store(c32(0), target, VCPUS + state.target));
    this.do(when(i32.eqz(known), [note, ...this.leaveForTarget()]));
    this.setField(state.ipBase, i64.store, i64.sub(target, i64.load32u(slot, 12)));
    this.goto(i32.load(slot, 8));
  }
  /** The jump cache does not hold the target. */
  private leaveForTarget(): Expr[] {
    if (this.at.kind === 'hot') return [br(this.at.labels.jump)];
    return [this.fieldStore(state.record, c32(0)), this.fieldStore(state.status, c32(status.jump)), ret(c32(0))];
  }
  fault(vector: number, reason: string, errorCode = -1): void {
    if (this.at.kind === 'hot') {
      // The cold twin runs into the same fault and reports it.
      this.do(br(this.at.labels.miss));
      return;
    }
    const set = (offset: number, value: Expr) => this.setField(offset, i32.store, value);
    set(state.record, this.rec);
    set(state.faultVector, c32(vector));
    set(state.faultCode, c32(errorCode));
    set(state.faultReason, c32(reasonNumber(reason)));
    set(state.status, c32(status.fault));
    this.do(ret(c32(0)));
  }
  decline(): void {
    const set = (offset: number, value: Expr) => this.setField(offset, i32.store, value);
    set(state.record, this.rec);
    set(state.status, c32(status.slow));
    this.do(ret(c32(0)));
  }
  transfer(routine: keyof Transfers, returnRip: Expr | undefined, ...args: Expr[]): void {
    const { transfers } = this.at.memory;
    if (!transfers) throw new Error('a transfer within a transfer');
    this.endBlock();
    if (returnRip) this.setField(state.rip, i64.store, returnRip);
    const slow = [
      this.fieldStore(state.budget, i32.add(this.field(state.budget, i32.load), this.own())),
      this.fieldStore(state.record, this.rec),
      this.fieldStore(state.status, c32(status.slow)),
      ret(c32(0)),
    ];
    this.do(when(i32.eqz(transfers[routine].call(...args)), slow));
    this.goTo(this.field(state.target, i64.load));
  }
  private own(): Expr {
    return i32.add(i32.load8u(this.rec, record.before), c32(1));
  }
  private fieldStore(offset: number, value: Expr): Expr {
    return inState(i32.store(c32(0), value, VCPUS + offset));
  }
  requestLeave(): void {
    this.setField(state.leave, i32.store, c32(1));
  }
}

/** Reasons that emitters give, in the order in which they were first asked for: the module carries the list. */
export const reasons: string[] = ['segment.limit'];
const reasonNumber = (reason: string): number => {
  const known = reasons.indexOf(reason);
  return known >= 0 ? known : reasons.push(reason) - 1;
};
