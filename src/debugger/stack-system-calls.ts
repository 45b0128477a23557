/** SYSCALL as a way into the kernel: it pushes nothing, so that registers and the entry's code have to tell. */

import { Mnemonic, Register } from 'iced-x86';
import { GS } from '../machine/core/state';
import { LONG, modeOf } from '../machine/cpu/mode';
import { type LinearAddress, linear } from '../x86/address';
import { peekValue } from './guest-memory';
import { targetOf, withInstruction } from './instruction';
import { peekMsr } from './name-sources';
import { stackDepth } from './stack-depth';
import { type Entry, outer, type Place, REACH, type StackWalk } from './stack-walk';

const RCX = 1;

/**
 * SYSCALL leaves no frame: the return address is in RCX and, if the kernel has pushed it, on its stack; the stack pointer
 * is where the kernel has put it. Intel SDM vol. 3, "Fast System Calls in 64-Bit Mode".
 */
const systemCalled = (walk: StackWalk, inner: Place, isEntry: (entry: LinearAddress) => boolean): Place | undefined => {
  const { vcpu } = walk;
  const { state } = vcpu;
  if (inner.ring !== 0 || inner.word !== 8 || modeOf(state) !== LONG) return undefined;
  const entry = peekMsr(vcpu, LSTAR) ?? 0n;
  if (entry === 0n || !isEntry(linear(entry))) return undefined;
  const view = { word: 8, codeBase: 0n } as const;
  const isReturn = (rip: bigint | undefined): rip is bigint =>
    rip !== undefined && rip >= 2n && isSyscall(walk, view, linear(rip - 2n));
  const rip = [...(inner.entered === 'current' ? [state.gpr(RCX)] : []), ...pushedWords(walk, inner)].find(isReturn);
  if (rip === undefined) return undefined;
  const depth = stackDepth(walk.view(inner), linear(entry), inner.linear);
  // Until the kernel takes a stack of its own, RSP is the caller's.
  const own = depth?.rsp !== undefined && inner.rsp !== undefined ? inner.rsp + BigInt(depth.rsp) : undefined;
  const rsp = own ?? savedStackPointer(walk, inner, linear(entry));
  return outer(walk, inner, { rip, rsp, rbp: inner.rbp, ring: 3, stackBase: 0n, entered: 'system call' });
};

/** Before the kernel takes a stack of its own, what lies on the stack is the program's. */
export const byOwnSystemCall: Entry = (walk, inner) => {
  const runs = walk.info.functionAt(walk.siteOf(inner));
  return systemCalled(walk, inner, (entry) => runs !== undefined && runs === walk.info.functionAt(entry));
};

export const byCloseSystemCall: Entry = (walk, inner) =>
  systemCalled(walk, inner, (entry) => walk.isWithin(entry, walk.siteOf(inner)));

// Intel SDM vol. 4, "Architectural MSRs".
const LSTAR = 0xc000_0082n;

const pushedWords = function* (walk: StackWalk, inner: Place): Generator<bigint> {
  for (let n = 0n; n < REACH && inner.rsp !== undefined; n++) {
    const word = walk.word(inner, inner.rsp + n * 8n);
    if (word === undefined) return;
    yield word;
  }
};

const isSyscall = (walk: StackWalk, view: Pick<Place, 'word' | 'codeBase'>, address: LinearAddress): boolean =>
  withInstruction(walk.view(view), address, ({ mnemonic }) => mnemonic === Mnemonic.Syscall) ?? false;

/** Instructions of a system call's entry among which it stores the caller's stack pointer. */
const ENTRY_INSTRUCTIONS = 8;

/** What the entry's `mov [...], rsp` has stored, where its address is absolute, relative to RIP or to GS. */
const savedStackPointer = (walk: StackWalk, inner: Place, entry: LinearAddress): bigint | undefined => {
  const view = walk.view(inner);
  let at = entry;
  for (let n = 0; n < ENTRY_INSTRUCTIONS; n++) {
    const step = withInstruction(view, at, (instruction) => {
      const stores = instruction.mnemonic === Mnemonic.Mov && instruction.op1Register === Register.RSP;
      const address = stores ? targetOf(view, instruction) : undefined;
      const base = instruction.memorySegment === Register.GS ? walk.vcpu.state.segmentBase(GS) : 0n;
      return { length: instruction.length, saved: address === undefined ? undefined : address + base };
    });
    if (step === undefined || step.length === 0) return undefined;
    if (step.saved !== undefined)
      return at < inner.linear ? peekValue(walk.vcpu.cpu, linear(BigInt.asUintN(64, step.saved)), 8) : undefined;
    at = linear(at + BigInt(step.length));
  }
  return undefined;
};
