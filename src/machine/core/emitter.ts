/**
 * What an instruction's definition is written against. A definition reads its operands, computes on `i64` values and
 * commits results; how operands are found, where registers live, and what a memory access costs is the back end's
 * business (interpreter.ts: operands from records; a translator would bake them in).
 *
 * Commit discipline: all loads and probes come first, then the writes. An access that could still fault after the
 * first write is a build error, except in definitions declared `multiCommit`, which make sure themselves that they
 * can be executed again.
 */

import { type Expr, i32, i64, select } from './wasm';

export type Size = 8 | 16 | 32 | 64;

/** Segment registers in the order of Sreg encodings; the last two are LDTR and TR. */
export type SegmentNumber = 0 | 1 | 2 | 3 | 4 | 5;

export const RAX = 0;
export const RCX = 1;
export const RDX = 2;
export const RBX = 3;
export const RSP = 4;
export const RBP = 5;
export const RSI = 6;
export const RDI = 7;

/** What the lazy flags' `aux` keeps of a carry vector: CF at 63, CF^OF at 62, AF at 3. */
const AUX = 0xc000000000000008n;

/** Number of a condition code in Jcc, SETcc, CMOVcc encodings. */
export type Condition = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 | 10 | 11 | 12 | 13 | 14 | 15;

export const c64 = (value: number | bigint): Expr => i64.const(BigInt(value));
export const c32 = (value: number): Expr => i32.const(value);
/** The low `size` bits of a value. */
export const truncate = (value: Expr, size: Size): Expr =>
  size === 64 ? value : i64.and(value, c64((1n << BigInt(size)) - 1n));
/** The low `size` bits, sign-extended. */
export const signExtend = (value: Expr, size: Size): Expr =>
  size === 64 ? value : size === 32 ? i64.extend32S(value) : size === 16 ? i64.extend16S(value) : i64.extend8S(value);

/** A subtraction that set the flags, as long as its values are at hand: a condition can be asked of them directly. */
export interface Comparison {
  readonly a: Expr;
  readonly b: Expr;
  readonly r: Expr;
  readonly size: Size;
  /** Only ZF and SF can be told. */
  readonly resultOnly?: boolean;
}

/** Comparisons of 64-bit and 32-bit values by condition code without its lowest bit. */
const comparisons = {
  2: { wide: i64.ltU, narrow: i32.ltU },
  4: { wide: i64.eq, narrow: i32.eq },
  6: { wide: i64.leU, narrow: i32.leU },
  12: { wide: i64.ltS, narrow: i32.ltS },
  14: { wide: i64.leS, narrow: i32.leS },
} as const;

export abstract class Emitter {
  /** What set the flags in this handler, if that was a comparison. */
  compared: Comparison | undefined;
  /** Operand size in bits. */
  abstract readonly size: Size;
  /** Address size in bits, of implicit memory operands and counts. */
  abstract readonly addressSize: 16 | 32 | 64;
  /** 64-bit mode, or one of the others. */
  abstract readonly long: boolean;

  // Statements

  abstract do(statement: Expr): void;
  /** The value in a local variable: evaluated once, here. */
  abstract let(value: Expr): Expr;
  abstract if(condition: Expr, then: () => void, otherwise?: () => void): void;
  /** A value chosen by running one of two branches. */
  abstract choose(condition: Expr, then: () => Expr, otherwise: () => Expr): Expr;
  /** Repeats while the body's result is true; the body may update variables made by `variable`. */
  abstract repeat(body: () => Expr): void;
  /** A variable: its value, and a way to set it. */
  abstract variable(initial: Expr): { get: Expr; set(value: Expr): void };

  // Operands

  /** The operand's value, zero-extended; of a memory operand that is also written, the write is probed first. */
  abstract read(operand: number): Expr;
  abstract write(operand: number, value: Expr): void;
  /** Is the operand in memory? */
  abstract isMemory(operand: number): boolean;
  abstract immediate(): Expr;
  abstract secondImmediate(): Expr;
  abstract hasImmediate(): boolean;
  /** A general register by number, zero-extended; writes of 32 bits clear the upper half. */
  abstract gpr(register: number, size?: Size): Expr;
  abstract setGpr(register: number, value: Expr, size?: Size): void;

  // Memory

  /** Offset of the memory operand (before segmentation), and its linear address; both plus a displacement. */
  abstract offset(displacement?: Expr): Expr;
  abstract address(displacement?: Expr): Expr;
  /** Linear address of `offset` in the record's segment (default DS) or in a fixed one; checks the limit outside 64-bit mode. */
  abstract linear(offset: Expr, size: Size, write: boolean, segment?: SegmentNumber): Expr;
  abstract load(linear: Expr, size: Size): Expr;
  /** Makes sure that `store` cannot fault. */
  abstract probe(linear: Expr, size: Size): void;
  abstract store(linear: Expr, size: Size, value: Expr): void;

  // Stack

  abstract push(value: Expr, size?: Size): void;
  /** The value on top; the stack pointer moves with `commitPop`. */
  abstract top(size?: Size): Expr;
  abstract dropTop(size?: Size, extra?: Expr): void;
  /** Linear address `distance` bytes below the stack pointer (above when negative), checked. */
  abstract stackAddress(distance: Expr, size: Size, write: boolean): Expr;
  /** The stack pointer, in the width of the register. */
  abstract stackPointer(): Expr;
  /** The stack pointer moved by `bytes`, in the width of the stack. */
  abstract moveStack(bytes: Expr): void;

  // Flags

  /** Definitions call the flag setters always; the back end may know that nobody reads the flags. */
  protected abstract setLazy(result: Expr, aux: Expr): void;
  protected abstract result(): Expr;
  protected abstract aux(): Expr;
  /** EFLAGS bits that are not arithmetic: IF DF TF IOPL ... */
  abstract flagsWord(): Expr;
  abstract setFlagsWord(value: Expr): void;

  // Privileged state

  abstract control(register: 'cr0' | 'cr4'): Expr;
  abstract cpl(): Expr;
  /** Limit of CS. */
  abstract codeLimit(): Expr;
  /** Selector in a segment register; the number may be a value that the record holds. */
  abstract selector(segment: Expr): Expr;
  abstract segmentBase(segment: SegmentNumber): Expr;
  abstract setSegmentBase(segment: SegmentNumber, value: Expr): void;
  /** IA32_KERNEL_GS_BASE. */
  abstract kernelGsBase(): Expr;
  abstract setKernelGsBase(value: Expr): void;
  /** Number of the field of the current VMCS with an encoding, plus 1; 0 where there is more to an access than that. */
  abstract vmcsField(encoding: Expr): Expr;
  /** The field, by such a number. */
  abstract readVmcs(number: Expr): Expr;
  abstract writeVmcs(number: Expr, value: Expr): void;
  /** Interrupts are held off until after the next instruction: STI. */
  abstract shadowInterrupts(): void;

  // Control

  /** RIP of the next instruction. */
  abstract nextRip(): Expr;
  /** Accounts for the block (and this instruction, unless `own` is 0); everything that leaves it comes here first. */
  abstract endBlock(own?: 0 | 1): void;
  abstract goTaken(): void;
  abstract goNext(): void;
  abstract goTo(rip: Expr): void;
  /** Again this very instruction: a REP iteration that is not the last. */
  abstract goAgain(): void;
  /** Target RIP of a relative branch. */
  abstract branchTarget(): Expr;
  /**
   * A change of privilege by one of the routines of transfers.ts, given the RIP that it saves and its parameters; when
   * that declines, the instruction is TypeScript's. Ends the block.
   */
  abstract transfer(
    routine: 'deliver' | 'iretq' | 'syscall' | 'sysretq',
    returnRip: Expr | undefined,
    ...args: Expr[]
  ): void;
  abstract fault(vector: number, reason: string, errorCode?: number): void;
  /** TypeScript executes the instruction; nothing has been changed. */
  abstract decline(): void;
  /** The processor must look at interrupts before the next instruction. */
  abstract requestLeave(): void;

  // Words built on the above

  flagsAdd(a: Expr, b: Expr, r: Expr): void {
    this.setFlags(r, i64.or(i64.and(a, b), i64.and(i64.or(a, b), i64.xor(r, c64(-1)))));
    this.compared = { a: r, b: c64(0), r, size: this.size, resultOnly: true };
  }
  flagsSub(a: Expr, b: Expr, r: Expr): void {
    this.setFlags(r, i64.or(i64.and(r, b), i64.and(i64.or(r, b), i64.xor(a, c64(-1)))));
    this.compared = { a, b, r, size: this.size };
  }
  flagsLogic(r: Expr): void {
    this.setLazy(signExtend(r, this.size), c64(0));
    this.compared = { a: r, b: c64(0), r, size: this.size };
  }
  /** SF ZF PF from the value, CF OF AF from the vector of carries out of each bit. */
  setFlags(r: Expr, carries: Expr, size: Size = this.size): void {
    this.setLazy(signExtend(r, size), this.auxOf(carries, size));
  }
  /** As `setFlags`, CF stays: INC, DEC. */
  setFlagsKeepCarry(r: Expr, carries: Expr): void {
    const fresh = this.let(this.auxOf(carries, this.size));
    const change = this.let(i64.and(i64.xor(fresh, this.aux()), c64(1n << 63n)));
    this.setLazy(signExtend(r, this.size), i64.xor(i64.xor(fresh, change), i64.shrU(change, c64(1))));
    this.compared = { a: r, b: c64(0), r, size: this.size, resultOnly: true };
  }
  private auxOf(carries: Expr, size: Size): Expr {
    if (size === 64) return i64.and(carries, c64(AUX));
    const vector = this.let(carries);
    return i64.or(i64.and(i64.shl(vector, c64(64 - size)), c64(3n << 62n)), i64.and(vector, c64(8)));
  }
  /** CF and OF (and AF, else it is clear) as 0 or 1, SF ZF PF from the value. */
  setFlagsFrom(r: Expr, cf: Expr, of: Expr, size: Size = this.size, af?: Expr): void {
    const bits = this.carryBits(cf, of);
    this.setLazy(signExtend(r, size), af ? i64.or(bits, i64.shl(af, c64(3))) : bits);
  }
  /** SF ZF from the value, CF as 0 or 1, the others clear. */
  setFlagsWithoutParity(r: Expr, cf: Expr, size: Size = this.size): void {
    const value = this.let(signExtend(r, size));
    const zero = i64.eqz(value);
    // A result of 1 has PF 0; a result of 0 has it inverted by bit 1 of `aux`.
    const result = this.let(select(zero, c64(0), i64.or(i64.and(value, c64(1n << 63n)), c64(1))));
    const inverted = i64.shl(i64.extendU(zero), c64(1));
    this.setLazy(result, i64.or(this.carryBits(cf, c64(0)), inverted));
  }
  /** SF PF from the value, ZF clear whatever it is, CF and OF as 0 or 1. */
  setFlagsNotZero(r: Expr, cf: Expr, of: Expr, size: Size = this.size): void {
    this.setLazy(i64.or(signExtend(r, size), c64(0x100)), this.carryBits(cf, of));
  }
  private carryBits(cf: Expr, of: Expr): Expr {
    const carry = this.let(cf);
    return i64.or(i64.shl(carry, c64(63)), i64.shl(i64.xor(carry, of), c64(62)));
  }
  /** Only CF (0 or 1); the others stay. */
  setCarry(cf: Expr): void {
    const aux = this.let(this.aux());
    const change = this.let(i64.shl(i64.xor(cf, i64.shrU(aux, c64(63))), c64(63)));
    this.setLazy(this.result(), i64.xor(aux, i64.or(change, i64.shrU(change, c64(1)))));
  }
  /** Only OF (0 or 1); the others stay. */
  setOverflow(of: Expr): void {
    const aux = this.let(this.aux());
    const bit = i64.shl(i64.xor(of, i64.shrU(aux, c64(63))), c64(62));
    this.setLazy(this.result(), i64.or(i64.and(aux, c64(~(1n << 62n))), bit));
  }
  /** Only ZF (0 or 1); the others stay. */
  setZero(zf: Expr): void {
    this.setArithmeticFlags(this.let(i64.or(i64.and(this.arithmeticFlags(), c64(~0x40)), i64.shl(zf, c64(6)))));
  }
  /** CF and OF (0 or 1); the others stay: rotates. */
  setCarryOverflow(cf: Expr, of: Expr): void {
    const kept = i64.and(this.aux(), c64((1n << 62n) - 1n));
    const bits = this.carryBits(cf, of);
    this.setLazy(this.result(), i64.or(kept, bits));
  }
  /** Sets all six arithmetic flags from an EFLAGS image. */
  setArithmeticFlags(image: Expr): void {
    const bit = (n: number) => i64.and(i64.shrU(image, c64(n)), c64(1));
    const [cf, pf, af, zf, sf, of] = [0, 2, 4, 6, 7, 11].map((n) => this.let(bit(n))) as [
      Expr,
      Expr,
      Expr,
      Expr,
      Expr,
      Expr,
    ];
    const zero = i64.ne(zf, c64(0));
    // A result of zero has SF 0 and PF 1: the inverting bits of `aux` make up for other combinations.
    const result = select(zero, c64(0), i64.or(i64.or(c64(1), i64.shl(pf, c64(1))), i64.shl(sf, c64(63))));
    const inverted = select(zero, i64.or(sf, i64.shl(i64.xor(pf, c64(1)), c64(1))), c64(0));
    this.setLazy(result, i64.or(i64.or(this.carryBits(cf, of), i64.shl(af, c64(3))), inverted));
  }
  /** CF PF AF ZF SF OF in their places of EFLAGS. */
  arithmeticFlags(): Expr {
    const at = (condition: Condition, place: number) => i64.shl(i64.extendU(this.condition(condition)), c64(place));
    const af = i64.shl(i64.and(i64.shrU(this.aux(), c64(3)), c64(1)), c64(4));
    return [at(0xa, 2), af, at(4, 6), at(8, 7), at(0, 11)].reduce((all, flag) => i64.or(all, flag), at(2, 0));
  }
  /** Upper half of the 128-bit product of two unsigned values, from 32-bit partial products. */
  highUnsigned(a: Expr, b: Expr): Expr {
    const low = (value: Expr) => i64.and(value, c64(0xffffffff));
    const high = (value: Expr) => i64.shrU(value, c64(32));
    const middle = this.let(i64.add(i64.mul(high(a), low(b)), high(i64.mul(low(a), low(b)))));
    const other = i64.add(i64.mul(low(a), high(b)), low(middle));
    return this.let(i64.add(i64.add(i64.mul(high(a), high(b)), high(middle)), high(other)));
  }
  /** Upper half of the 128-bit product of two signed values. */
  highSigned(a: Expr, b: Expr): Expr {
    const ifNegative = (value: Expr, other: Expr) => i64.and(i64.shrS(value, c64(63)), other);
    return this.let(i64.sub(i64.sub(this.highUnsigned(a, b), ifNegative(a, b)), ifNegative(b, a)));
  }
  /** CF as 0 or 1. */
  carry(): Expr {
    return i64.shrU(this.aux(), c64(63));
  }
  /** OF as 0 or 1. */
  overflow(): Expr {
    return i64.extendU(this.condition(0));
  }
  /** The condition as 0 or 1 (i32). */
  condition(code: Condition): Expr {
    const even = code & ~1;
    const direct = this.compared && directCondition(even, this.compared);
    if (direct) return code & 1 ? i32.eqz(direct) : direct;
    const aux = this.let(this.aux());
    const result = this.let(this.result());
    const negative = (value: Expr) => i64.ltS(value, c64(0));
    const sign = i64.xor(result, i64.shl(aux, c64(63)));
    const overflow = i64.xor(aux, i64.shl(aux, c64(1)));
    const less = negative(i64.xor(sign, overflow));
    const holds: Record<number, () => Expr> = {
      0: () => negative(overflow),
      2: () => negative(aux),
      4: () => i64.eqz(result),
      6: () => i32.or(negative(aux), i64.eqz(result)),
      8: () => negative(sign),
      10: () =>
        i32.wrap(
          i64.and(i64.xor(i64.add(i64.popcnt(i64.and(result, c64(0xff))), i64.shrU(aux, c64(1))), c64(1)), c64(1)),
        ),
      12: () => less,
      14: () => i32.or(less, i64.eqz(result)),
    };
    const value = (holds[even] as () => Expr)();
    return code & 1 ? i32.eqz(value) : value;
  }
}

const directCondition = (even: number, { a, b, r, size, resultOnly }: Comparison): Expr | undefined => {
  if (resultOnly && even !== 4 && even !== 8) return undefined;
  if (even === 8) return i64.ltS(signExtend(r, size), c64(0));
  const compare = comparisons[even as keyof typeof comparisons];
  if (!compare) return undefined;
  if (size === 64) return compare.wide(a, b);
  // The operands' upper bits may be anything: only their low ones are compared, moved to the top.
  const top = (value: Expr) => (size === 32 ? i32.wrap(value) : i32.shl(i32.wrap(value), c32(32 - size)));
  return compare.narrow(top(a), top(b));
};
