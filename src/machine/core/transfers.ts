/**
 * Changes of privilege that happen millions of times a second, in 64-bit mode between flat 64-bit segments: delivery of
 * exceptions and INT n, IRETQ, SYSCALL, SYSRET. Each routine checks first that everything is as usual and that the fast
 * table knows the memory it needs; it then does all of the transfer and returns 1 with the new RIP in `state.target`.
 * Otherwise it returns 0 with nothing changed, and machine/cpu does it by the book.
 */

import { msrSlots } from '../../x86/msrs';
import { flagBits } from '../../x86/registers';
import type { Definition } from './definition';
import { c32, c64, truncate } from './emitter';
import { fast, JUMP_CACHE_SIZE, state, VCPUS } from './layout';
import type { MemoryFunctions } from './memory-functions';
import { RecordEmitter } from './record-emitter';
import { type Expr, type Func, i32, i64, inState, type Module, ret, select, type Type, when } from './wasm';

export interface Transfers {
  /** (vector, error code or -1, INT n?, RF of the image) -> done? RIP to return to in `state.rip` */
  readonly deliver: Func;
  /** (length of the instruction is in the record) -> done? */
  readonly iretq: Func;
  readonly syscall: Func;
  readonly sysretq: Func;
}

const CS = 1;
const SS = 2;
const [ES, DS, FS, GS] = [0, 3, 4, 5];
const TR = 7;
const UNUSABLE = 1 << 16;
/** While one of these is set, or was, more has to be done than the routines know. */
const UNUSUAL = flagBits.TF | flagBits.RF | flagBits.VM | flagBits.AC;
/** Bits of the flags image that IRETQ loads at CPL 0, but for the unusual ones; and SYSRET. */
const IRET_LOADS = 0x38_3ed5;
const SYSRET_LOADS = 0x3c_7fd7;

const definition: Definition = {
  name: 'transfer',
  forms: [''],
  sizes: [64],
  first: 'none',
  stack: true,
  emit: () => {},
};

/** The words that the routines are written in, on top of an instruction's. */
class Routine extends RecordEmitter {
  constructor(
    readonly func: Func,
    memory: MemoryFunctions,
  ) {
    super({ definition, size: 64, form: '', space: '', environment: 'q', address: 0 }, { kind: 'cold', func, memory });
  }
  end(): void {
    this.do(ret(c32(1)));
    this.func.body = this.statements;
  }
  slowIf(condition: Expr): void {
    this.do(when(condition, [ret(c32(0))]));
  }
  get32(offset: number): Expr {
    return this.let(this.field(offset, i32.load));
  }
  get64(offset: number): Expr {
    return this.let(this.field(offset, i64.load));
  }
  set32(offset: number, value: Expr): void {
    this.setField(offset, i32.store, value);
  }
  set64(offset: number, value: Expr): void {
    this.setField(offset, i64.store, value);
  }

  /** Where `bytes` at a linear address lie, by the supervisor's fast table. */
  host(linear: Expr, bytes: number | Expr, table: number): Expr {
    const entry = this.let(
      i32.add(this.field(state.fastSupervisor, i32.load), i32.and(i32.wrap(i64.shrU(linear, c64(8))), c32(0x3ff0))),
    );
    const size = typeof bytes === 'number' ? c64(bytes) : bytes;
    const page = i64.and(i64.add(linear, i64.sub(size, c64(1))), c64(~0xfffn));
    this.slowIf(i64.ne(page, i64.load(entry, table)));
    // The first byte is in the same page.
    this.slowIf(i64.ne(i64.and(linear, c64(~0xfffn)), i64.load(entry, table)));
    return this.let(i32.add(i32.wrap(linear), i32.load(entry, table + 8)));
  }

  /** The descriptor of a selector in the GDT. */
  descriptor(selector: Expr): Expr {
    this.slowIf(i32.or(i32.and(selector, c32(4)), i32.eqz(i32.and(selector, c32(0xfffc)))));
    this.slowIf(i32.gtU(i32.or(selector, c32(7)), this.field(state.gdtrLimit, i32.load)));
    const at = this.let(i64.add(this.field(state.gdtrBase, i64.load), i64.extendU(i32.and(selector, c32(0xfff8)))));
    return this.let(i64.load(this.host(at, 8, fast.read)));
  }
  /** Present, non-conforming, accessed 64-bit code. */
  requireCode64(raw: Expr): void {
    this.slowIf(i64.ne(i64.and(i64.shrU(raw, c64(40)), c64(0x609d)), c64(0x2099)));
  }
  /** Present, accessed, writable data that grows up. */
  requireStack(raw: Expr): void {
    this.slowIf(i64.ne(i64.and(i64.shrU(raw, c64(40)), c64(0x9f)), c64(0x93)));
  }
  dpl(raw: Expr): Expr {
    return this.let(i32.and(i32.wrap(i64.shrU(raw, c64(45))), c32(3)));
  }
  /** Intel SDM vol. 3, "Segment Descriptors": base, limit and rights into the hidden part. */
  setSegment(index: number, selector: Expr, raw: Expr): void {
    const base = i64.or(
      i64.and(i64.shrU(raw, c64(16)), c64(0xffffff)),
      i64.and(i64.shrU(raw, c64(32)), c64(0xff000000)),
    );
    const units = this.let(
      i32.or(i32.and(i32.wrap(raw), c32(0xffff)), i32.and(i32.wrap(i64.shrU(raw, c64(32))), c32(0xf0000))),
    );
    const pages = i32.and(i32.wrap(i64.shrU(raw, c64(55))), c32(1));
    this.set32(state.segmentSelector + index * 4, selector);
    this.set64(state.segmentBase + index * 8, base);
    this.set32(state.segmentLimit + index * 4, select(pages, i32.or(i32.shl(units, c32(12)), c32(0xfff)), units));
    this.set32(state.segmentAccess + index * 4, i32.and(i32.wrap(i64.shrU(raw, c64(40))), c32(0xf0ff)));
  }
  setNullStack(selector: Expr): void {
    this.set32(state.segmentSelector + SS * 4, selector);
    this.set64(state.segmentBase + SS * 8, c64(0));
    this.set32(state.segmentLimit + SS * 4, c32(0));
    this.set32(state.segmentAccess + SS * 4, i32.or(c32(UNUSABLE), i32.shl(i32.and(selector, c32(3)), c32(5))));
  }
  /** Flat segments of SYSCALL and SYSRET. */
  setFlat(index: number, selector: Expr, rights: number): void {
    this.set32(state.segmentSelector + index * 4, selector);
    this.set64(state.segmentBase + index * 8, c64(0));
    this.set32(state.segmentLimit + index * 4, c32(-1));
    this.set32(state.segmentAccess + index * 4, c32(rights));
  }
  setCpl(cpl: Expr): void {
    const user = this.let(i32.eq(cpl, c32(3)));
    const table = (field: number, size: number) => i32.add(this.field(field, i32.load), i32.mul(user, c32(size)));
    this.set32(state.cpl, cpl);
    this.set32(state.fast, table(state.fastSupervisor, fast.size));
    this.set32(state.jumps, table(state.jumpsSupervisor, JUMP_CACHE_SIZE));
  }
  /** Events are counted always; `index` selects one of several counters. */
  count(field: number, index: Expr = c32(0)): void {
    const at = this.let(i32.shl(index, c32(2)));
    const old = inState(i32.load(at, VCPUS + field));
    this.do(inState(i32.store(at, i32.add(old, c32(1)), VCPUS + field)));
  }
  /** EFLAGS as PUSHF would show them, with RF and VM. */
  image(): Expr {
    return this.let(i64.or(this.arithmeticFlags(), i64.or(this.flagsWord(), c64(2))));
  }
  requireUsual(): void {
    const unusual = i32.or(
      i32.and(this.field(state.flags, i32.load), c32(UNUSUAL)),
      i32.or(this.field(state.observed, i32.load), this.field(state.interruptibility, i32.load)),
    );
    this.slowIf(unusual);
  }
  requireCanonical(address: Expr): void {
    this.slowIf(i64.ne(i64.shrS(i64.shl(address, c64(16)), c64(16)), address));
  }
}

export const transferRoutines = (module: Module, memory: MemoryFunctions): Transfers => {
  const routine = (name: string, params: readonly Type[], write: (r: Routine) => void, exported = false): Func => {
    const func = module.function(name, params, 'i32', exported);
    const r = new Routine(func, memory);
    write(r);
    r.end();
    return func;
  };
  return {
    deliver: routine('deliver', ['i32', 'i32', 'i32', 'i32'], deliver, true),
    iretq: routine('iretq', [], iretq),
    syscall: routine('syscall', [], syscall),
    sysretq: routine('sysretq', [], sysretq),
  };
};

/** Intel SDM vol. 3, "64-Bit Mode Interrupt and Exception Handling". */
const deliver = (r: Routine): void => {
  const [vector, error, software, resume] = [0, 1, 2, 3].map((n) => r.func.parameter(n)) as [Expr, Expr, Expr, Expr];
  r.requireUsual();
  const offset = r.let(i32.shl(vector, c32(4)));
  r.slowIf(i32.gtU(i32.or(offset, c32(15)), r.get32(state.idtrLimit)));
  const gate = r.host(r.let(i64.add(r.get64(state.idtrBase), i64.extendU(offset))), 16, fast.read);
  const low = r.let(i64.load(gate));
  // Present, a 64-bit interrupt or trap gate without a stack of its own.
  r.slowIf(i64.ne(i64.and(i64.shrU(low, c64(32)), c64(0x9e07)), c64(0x8e00)));
  const cpl = r.get32(state.cpl);
  r.slowIf(i32.and(software, i32.gtU(cpl, r.dpl(low))));
  const handler = r.let(
    i64.or(
      i64.or(i64.and(low, c64(0xffff)), i64.and(i64.shrU(low, c64(32)), c64(0xffff0000))),
      i64.shl(i64.load32u(gate, 8), c64(32)),
    ),
  );
  r.requireCanonical(handler);
  const selector = r.let(i32.and(i32.wrap(i64.shrU(low, c64(16))), c32(0xffff)));
  const code = r.descriptor(selector);
  r.requireCode64(code);
  const target = r.dpl(code);
  r.slowIf(i32.gtU(target, cpl));
  const inner = r.let(i32.ltU(target, cpl));
  const rsp = r.get64(state.gpr + 4 * 8);
  const top = r.variable(rsp);
  r.if(inner, () => {
    const limit = i32.add(i32.shl(target, c32(3)), c32(11));
    r.slowIf(i32.gtU(limit, r.get32(state.segmentLimit + TR * 4)));
    const at = i64.add(r.get64(state.segmentBase + TR * 8), i64.extendU(i32.add(i32.shl(target, c32(3)), c32(4))));
    top.set(i64.load(r.host(r.let(at), 8, fast.read)));
  });
  const words = r.let(i64.extendU(i32.sub(c32(6), i32.eq(error, c32(-1)))));
  const pointer = r.let(i64.sub(i64.and(top.get, c64(~15n)), i64.shl(words, c64(3))));
  r.requireCanonical(pointer);
  const stack = r.host(pointer, i64.shl(words, c64(3)), fast.write);
  const flags = r.image();

  const place = r.variable(stack);
  r.if(i32.ne(error, c32(-1)), () => {
    r.do(i64.store(stack, i64.extendU(error)));
    place.set(i32.add(stack, c32(8)));
  });
  r.do(i64.store(place.get, r.get64(state.rip)));
  r.do(i64.store(place.get, i64.extendU(r.get32(state.segmentSelector + CS * 4)), 8));
  r.do(i64.store(place.get, i64.or(flags, i64.extendU(i32.shl(resume, c32(16)))), 16));
  r.do(i64.store(place.get, rsp, 24));
  r.do(i64.store(place.get, i64.extendU(r.get32(state.segmentSelector + SS * 4)), 32));
  r.set64(state.gpr + 4 * 8, pointer);
  r.if(inner, () => {
    r.setNullStack(target);
    r.setCpl(target);
    r.count(state.ringCount);
  });
  r.setSegment(CS, i32.or(i32.and(selector, c32(0xfffc)), target), code);
  const trap = i32.and(i32.wrap(i64.shrU(low, c64(40))), c32(1));
  const cleared = i32.or(c32(flagBits.NT), select(trap, c32(0), c32(flagBits.IF)));
  r.set32(state.flags, i32.and(r.get32(state.flags), i32.xor(cleared, c32(-1))));
  r.count(state.trapCounts, r.let(i32.add(vector, i32.shl(software, c32(8)))));
  r.set64(state.target, handler);
};

/** Intel SDM vol. 2, "IRET/IRETD/IRETQ": from ring 0 to ring 0 or outwards, to 64-bit code. */
const iretq = (r: Routine): void => {
  r.requireUsual();
  r.slowIf(r.get32(state.cpl));
  r.slowIf(i32.and(r.get32(state.flags), c32(flagBits.NT)));
  const frame = r.host(r.get64(state.gpr + 4 * 8), 40, fast.read);
  const rip = r.let(i64.load(frame));
  const selector = r.let(i32.load16u(frame, 8));
  const flags = r.let(i64.load32u(frame, 16));
  const stackSelector = r.let(i32.load16u(frame, 32));
  r.slowIf(i32.wrap(i64.and(flags, c64((UNUSUAL & ~flagBits.RF) | flagBits.NT))));
  r.requireCanonical(rip);
  const code = r.descriptor(selector);
  r.requireCode64(code);
  const cpl = r.let(i32.and(selector, c32(3)));
  r.slowIf(i32.ne(r.dpl(code), cpl));
  const none = r.let(i32.eqz(i32.and(stackSelector, c32(0xfffc))));
  const stack = r.variable(c64(0));
  r.if(
    none,
    () => r.slowIf(i32.or(i32.eq(cpl, c32(3)), i32.ne(stackSelector, cpl))),
    () => {
      const raw = r.descriptor(stackSelector);
      r.requireStack(raw);
      r.slowIf(i32.or(i32.ne(r.dpl(raw), cpl), i32.ne(i32.and(stackSelector, c32(3)), cpl)));
      stack.set(raw);
    },
  );
  // Data segments that the outer ring may not keep are given up by the book.
  r.if(cpl, () => {
    for (const index of [ES, DS, FS, GS]) {
      const rights = r.get32(state.segmentAccess + index * 4);
      const kept = i32.geU(i32.and(i32.shrU(rights, c32(5)), c32(3)), cpl);
      r.slowIf(i32.eqz(i32.or(i32.and(rights, c32(UNUSABLE)), kept)));
    }
  });

  r.set64(state.gpr + 4 * 8, i64.load(frame, 24));
  r.if(
    none,
    () => r.setNullStack(stackSelector),
    () => r.setSegment(SS, stackSelector, stack.get),
  );
  r.setSegment(CS, selector, code);
  r.if(cpl, () => {
    r.setCpl(cpl);
    r.count(state.ringCount);
  });
  loadFlags(r, flags, IRET_LOADS);
  r.set32(state.resumePending, i32.and(i32.shrU(i32.wrap(flags), c32(16)), c32(1)));
  r.set32(state.resumeBudget, r.get32(state.budget));
  r.set64(state.target, rip);
};

/** The image into the lazy flags and the flags word; an interrupt that waits for IF is looked at before the next instruction. */
const loadFlags = (r: Routine, image: Expr, loads: number): void => {
  r.setArithmeticFlags(image);
  r.set32(state.flags, i32.or(i32.and(i32.wrap(image), c32(loads & ~0x8d5)), c32(2)));
  const open = i32.and(i32.shrU(i32.wrap(image), c32(9)), c32(1));
  r.if(i32.and(open, r.get32(state.interruptWaiting)), () => r.requestLeave());
};

const msr = (name: string): number => state.msr + (msrSlots[name] as number) * 8;
const [STAR, LSTAR, FMASK] = ['IA32_STAR', 'IA32_LSTAR', 'IA32_FMASK'].map(msr) as [number, number, number];
const EFER_SCE = 1;
const CODE_RIGHTS = 0xa09b;
const STACK_RIGHTS = 0xc093;
const RING_3 = 3 << 5;

/** Intel SDM vol. 2, "SYSCALL—Fast System Call". The RIP to return to is in `state.rip`. */
const syscall = (r: Routine): void => {
  r.requireUsual();
  r.slowIf(i32.eqz(i32.and(r.get32(state.efer), c32(EFER_SCE))));
  const flags = r.image();
  r.set64(state.gpr + 1 * 8, r.get64(state.rip));
  r.set64(state.gpr + 11 * 8, flags);
  const kept = r.let(i64.and(flags, i64.xor(truncate(r.get64(FMASK), 32), c64(-1))));
  r.setArithmeticFlags(kept);
  r.set32(state.flags, i32.or(i32.and(i32.wrap(kept), c32(~0x8d5)), c32(2)));
  const selector = r.let(i32.and(i32.wrap(i64.shrU(r.get64(STAR), c64(32))), c32(0xfffc)));
  r.setFlat(CS, selector, CODE_RIGHTS);
  r.setFlat(SS, i32.add(selector, c32(8)), STACK_RIGHTS);
  r.if(r.get32(state.cpl), () => r.count(state.ringCount));
  r.setCpl(c32(0));
  r.count(state.syscallCount);
  r.set64(state.target, r.get64(LSTAR));
};

/** Intel SDM vol. 2, "SYSRET—Return From Fast System Call", with operand size 64. */
const sysretq = (r: Routine): void => {
  r.requireUsual();
  r.slowIf(i32.or(r.get32(state.cpl), i32.eqz(i32.and(r.get32(state.efer), c32(EFER_SCE)))));
  const flags = r.get64(state.gpr + 11 * 8);
  r.slowIf(i32.wrap(i64.and(flags, c64(UNUSUAL))));
  const rip = r.get64(state.gpr + 1 * 8);
  r.requireCanonical(rip);
  const base = r.let(i32.wrap(i64.shrU(r.get64(STAR), c64(48))));
  r.setFlat(CS, i32.or(i32.and(i32.add(base, c32(16)), c32(0xffff)), c32(3)), CODE_RIGHTS | RING_3);
  r.setFlat(SS, i32.or(i32.and(i32.add(base, c32(8)), c32(0xffff)), c32(3)), STACK_RIGHTS | RING_3);
  r.setCpl(c32(3));
  r.count(state.ringCount);
  r.count(state.syscallCount);
  loadFlags(r, r.let(i64.and(flags, c64(SYSRET_LOADS))), SYSRET_LOADS);
  r.set64(state.target, rip);
};
