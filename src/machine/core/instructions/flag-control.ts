/** Intel SDM vol. 1, "Flag Control (EFLAG) Instructions". Virtual-8086 mode extensions (VME, PVI) are not implemented. */

import type { Definition } from '../definition';
import { c64, type Emitter, RAX } from '../emitter';
import { type Expr, i32, i64, select } from '../wasm';

const GENERAL_PROTECTION = 13;
const IF = 0x200;
const TF = 0x100;
const DF = 0x400;
const IOPL = 0x3000;
const NT = 0x4000;
const RF = 0x10000;
const VM = 0x20000;
const AC = 0x40000;
const ID = 0x200000;
/** CF PF AF ZF SF, and OF. */
const LOW = 0xd5;
const OF = 0x800;

const plain = (name: string, emit: (e: Emitter) => void): Definition => ({
  name,
  forms: [''],
  sizes: [8],
  first: 'none',
  emit,
});

const without = (value: Expr, mask: number): Expr => i64.and(value, c64(~mask));
const has = (value: Expr, mask: number): Expr => i64.ne(i64.and(value, c64(mask)), c64(0));
const iopl = (e: Emitter): Expr => i64.and(i64.shrU(e.flagsWord(), c64(12)), c64(3));

/** CLI and STI need a CPL not above IOPL; in real mode CPL is 0, in virtual-8086 mode 3. */
const checkIopl = (e: Emitter): void =>
  e.if(i64.gtU(e.cpl(), iopl(e)), () => e.fault(GENERAL_PROTECTION, 'flags.iopl', 0));
/** PUSHF and POPF in virtual-8086 mode need an IOPL of 3. */
const checkVirtual = (e: Emitter): void => {
  if (e.long) return;
  const flags = e.flagsWord();
  e.if(i32.and(has(flags, VM), i64.ne(i64.and(flags, c64(IOPL)), c64(IOPL))), () =>
    e.fault(GENERAL_PROTECTION, 'flags.v86-iopl', 0),
  );
};

const stackForm = (name: string, emit: (e: Emitter) => void): Definition => ({
  name,
  forms: [''],
  sizes: [16, 32, 64],
  first: 'none',
  stack: true,
  emit,
});

/** RF and VM read as 0 in the image. */
const pushf = stackForm('pushf', (e) => {
  checkVirtual(e);
  const system = without(e.flagsWord(), RF | VM | LOW | OF);
  e.push(i64.or(i64.or(system, e.arithmeticFlags()), c64(2)));
});

/** "POPF/POPFD/POPFQ", table "Effect of POPF/POPFD on the EFLAGS Register": what may change depends on CPL and IOPL. */
const popf = stackForm('popf', (e) => {
  checkVirtual(e);
  const image = e.top();
  const old = e.flagsWord();
  const cpl = e.cpl();
  const fixed = TF | DF | NT | (e.size === 16 ? 0 : AC | ID);
  const interrupt = select(i64.leU(cpl, iopl(e)), c64(IF), c64(0));
  const level = select(i64.eqz(cpl), c64(IOPL), c64(0));
  const mask = e.let(i64.or(i64.or(interrupt, level), c64(fixed)));
  const kept = i64.and(without(old, RF), i64.xor(mask, c64(-1)));
  const fresh = e.let(i64.or(kept, i64.and(image, mask)));
  e.setArithmeticFlags(image);
  e.setFlagsWord(fresh);
  e.dropTop();
  // AC decides together with SMAP what the supervisor may reach.
  e.if(i32.or(has(fresh, TF), has(i64.xor(old, fresh), IF | TF | AC)), () => e.requestLeave());
});

export const flagControl: readonly Definition[] = [
  plain('clc', (e) => e.setCarry(c64(0))),
  plain('stc', (e) => e.setCarry(c64(1))),
  plain('cmc', (e) => e.setCarry(i64.xor(e.carry(), c64(1)))),
  plain('cld', (e) => e.setFlagsWord(without(e.flagsWord(), DF))),
  plain('std', (e) => e.setFlagsWord(i64.or(e.flagsWord(), c64(DF)))),
  plain('lahf', (e) => {
    const low = i64.or(i64.and(e.arithmeticFlags(), c64(LOW)), c64(2));
    e.setGpr(RAX, i64.or(e.gpr(RAX, 8), i64.shl(low, c64(8))), 16);
  }),
  plain('sahf', (e) => {
    const ah = i64.and(i64.shrU(e.gpr(RAX, 16), c64(8)), c64(LOW));
    e.setArithmeticFlags(e.let(i64.or(ah, i64.and(e.arithmeticFlags(), c64(OF)))));
  }),
  plain('salc', (e) => e.setGpr(RAX, i64.sub(c64(0), e.carry()), 8)),
  pushf,
  popf,
  plain('cli', (e) => {
    checkIopl(e);
    e.setFlagsWord(without(e.flagsWord(), IF));
  }),
  plain('sti', (e) => {
    checkIopl(e);
    const flags = e.flagsWord();
    e.if(i32.eqz(has(flags, IF)), () => {
      e.setFlagsWord(i64.or(flags, c64(IF)));
      e.shadowInterrupts();
      e.requestLeave();
    });
  }),
];
