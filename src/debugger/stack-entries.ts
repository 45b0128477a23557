/** The ways into code that leave a trace of where they came from, each as the step from a frame to the one outside it. */

import { FlowControl, Mnemonic, Register } from 'iced-x86';
import { CS, GS, SS, TR } from '../machine/core/state';
import { isIa32e, LONG, modeNames, modeOf, REAL, VIRTUAL_8086 } from '../machine/cpu/mode';
import { PREVIOUS_TASK, tss16, tss32 } from '../machine/cpu/task-state-segment';
import type { VirtualCpu } from '../machine/virtual-cpu';
import { type LinearAddress, linear } from '../x86/address';
import { systemType } from '../x86/descriptors';
import { flagBits } from '../x86/registers';
import type { CodeView } from './code-view';
import { peekValue } from './guest-memory';
import { targetOf, withInstruction } from './instruction';
import { peekMsr } from './name-sources';
import { PageCache } from './page-cache';
import type { ProgramInfo } from './program-info';
import { codeSegmentOf, descriptorOf, stackBaseOf } from './selectors';
import type { Frame } from './stack';
import { LONGEST_FUNCTION, type StackDepth, stackDepth } from './stack-depth';

export interface Place {
  readonly rip: bigint;
  readonly rsp: bigint | undefined;
  readonly rbp: bigint | undefined;
  readonly ring: number;
  /** Bytes of a word on the stack. */
  readonly word: 2 | 4 | 8;
  readonly mode: string;
  readonly codeBase: bigint;
  readonly stackBase: bigint;
  readonly entered: Frame['entered'];
  readonly linear: LinearAddress;
  /** Flags as they were there, where the stack tells. */
  readonly flags: bigint | undefined;
  /** Linear address of the task's TSS, where it is not the one that runs. */
  readonly task: bigint | undefined;
}

/** Words of the stack that are looked at for one frame. */
const REACH = 96;
const CALL_LONGEST = 7;
/** Assembly between two labels that a call may go to is not longer than this. */
const CLOSE = 0x1000n;
const RCX = 1;
const RBP = 5;

type Entry = (walk: StackWalk, inner: Place) => Place | undefined;

interface Remembered {
  readonly start: LinearAddress;
  readonly word: number;
  readonly bytes: Uint8Array;
  readonly depth: StackDepth | undefined;
}

/** By the address that a frame stands at. */
const remembered = new WeakMap<ProgramInfo, Map<bigint, Remembered>>();
const MOST_REMEMBERED = 4096;

const isEqual = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length && a.every((byte, index) => byte === b[index]);

/** What all steps share: the vCPU, and looks at its code and stacks. */
export class StackWalk {
  readonly vcpu: VirtualCpu;
  readonly info: ProgramInfo;
  readonly memory: PageCache;
  private readonly depths = new Map<bigint, StackDepth | undefined>();

  constructor(vcpu: VirtualCpu, info: ProgramInfo) {
    this.vcpu = vcpu;
    this.info = info;
    this.memory = new PageCache(vcpu.cpu);
  }

  view({ word, codeBase }: Pick<Place, 'word' | 'codeBase'>): CodeView {
    return {
      read: (address, length) => this.memory.read(address, length),
      bits: (word * 8) as 16 | 32 | 64,
      info: this.info,
      base: codeBase,
    };
  }

  linearOf({ rip, word, codeBase }: Pick<Place, 'rip' | 'word' | 'codeBase'>): LinearAddress {
    return word === 8 ? linear(rip) : linear(BigInt.asUintN(32, rip + codeBase));
  }

  /** An address in the instruction that a frame is at. */
  siteOf({ entered, linear: address }: Place): LinearAddress {
    const called = entered === 'call' || entered === 'far call' || entered === 'system call';
    return called && address > 0n ? linear(address - 1n) : address;
  }

  /** A word of a frame's stack, by its offset in the stack segment. */
  word({ word, stackBase }: Place, offset: bigint): bigint | undefined {
    const at = word === 8 ? BigInt.asUintN(64, offset) : BigInt.asUintN(32, offset + stackBase);
    return this.memory.value(linear(at), word);
  }

  /** How much the function has pushed where a frame stands. */
  depth(place: Place): StackDepth | undefined {
    const address = place.linear;
    if (!this.depths.has(address)) this.depths.set(address, this.findDepth(place));
    return this.depths.get(address);
  }

  /** Does the function that a frame stands in tell for certain what it has pushed? Symbols of compilers have sizes. */
  isMeasured(place: Place): boolean {
    const depth = this.depth(place);
    const isSized = (this.info.symbols.at(this.siteOf(place))?.symbol.size ?? 0) > 0;
    return isSized && (depth?.rbp !== undefined || depth?.rsp !== undefined);
  }

  /** Code that has not changed since is not read again. */
  private remembered(start: LinearAddress, place: Place): StackDepth | undefined {
    const { linear: address, word } = place;
    const known = remembered.get(this.info) ?? new Map<bigint, Remembered>();
    remembered.set(this.info, known);
    const length = address - start;
    if (length < 0n || length > LONGEST_FUNCTION) return undefined;
    const bytes = this.memory.read(start, Number(length));
    const before = known.get(address);
    if (before?.word === word && before.start === start && isEqual(before.bytes, bytes)) return before.depth;
    const depth = stackDepth(this.view(place), start, address);
    if (known.size >= MOST_REMEMBERED) known.clear();
    known.set(address, { start, word, bytes, depth });
    return depth;
  }

  private findDepth(place: Place): StackDepth | undefined {
    const name = this.info.functionAt(this.siteOf(place));
    const start = name === undefined ? undefined : this.info.symbols.named(name);
    if (start === undefined || start === null || start.kind !== 'code') return undefined;
    return this.remembered(start.address, place);
  }

  /**
   * Does an address lie in the function that begins at `start`? In assembly any label is a symbol: where the one at the
   * address has no size, code that follows closely counts too.
   */
  isWithin(start: LinearAddress, address: LinearAddress): boolean {
    const { info } = this;
    const runs = info.functionAt(address);
    if (runs !== undefined && runs === info.functionAt(start)) return true;
    const isSized = runs !== undefined && (info.symbols.at(address)?.symbol.size ?? 0) > 0;
    return !isSized && address >= start && address - start < CLOSE;
  }

  isCode(place: Place): boolean {
    return withInstruction(this.view(place), place.linear, (instruction) => !instruction.isInvalid) ?? false;
  }

  /** Does a call of this kind end at the address? Gives where it goes, as far as it says. */
  followsCall(
    inner: Pick<Place, 'word' | 'codeBase'>,
    rip: bigint,
    far: boolean,
  ): { readonly target: LinearAddress | undefined } | undefined {
    if (rip < CALL_LONGEST) return undefined;
    const end = this.linearOf({ ...inner, rip });
    if (end < CALL_LONGEST) return undefined;
    const bytes = this.memory.read(linear(end - BigInt(CALL_LONGEST)), CALL_LONGEST);
    const view = this.view(inner);
    for (let length = 2; length <= CALL_LONGEST; length++) {
      const at = CALL_LONGEST - length;
      if (bytes.length === CALL_LONGEST && !mayCall(bytes, at)) continue;
      const found = withInstruction(view, linear(end - BigInt(length)), (instruction) => {
        if (instruction.length !== length) return undefined;
        if ((instruction.isCallFar || instruction.isCallFarIndirect) !== far) return undefined;
        if (instruction.flowControl === FlowControl.Call)
          return { target: far ? undefined : targetOf(view, instruction) };
        return instruction.flowControl === FlowControl.IndirectCall ? { target: undefined } : undefined;
      });
      if (found !== undefined) return found;
    }
    return undefined;
  }
}

/** Can a call begin here? CALL is E8, 9A, or FF with 2 or 3 in its second byte, behind prefixes perhaps. */
const mayCall = (bytes: Uint8Array, at: number): boolean => {
  let opcode = at;
  while (opcode < bytes.length - 1 && isPrefix(bytes[opcode] as number)) opcode++;
  const byte = bytes[opcode];
  if (byte === 0xe8 || byte === 0x9a) return true;
  const extension = ((bytes[opcode + 1] ?? 0) >> 3) & 7;
  return byte === 0xff && (extension === 2 || extension === 3);
};

const isPrefix = (byte: number): boolean =>
  (byte & 0xf0) === 0x40 || [0x66, 0x67, 0x2e, 0x36, 0x3e, 0x26, 0x64, 0x65, 0xf2, 0xf3].includes(byte);

/** The frame pointer of the function's own: what it was entered with lies as far above as the function has pushed. */
const byFramePointer: Entry = (walk, inner) => {
  const depth = walk.depth(inner);
  return depth?.rbp === undefined || inner.rbp === undefined
    ? undefined
    : enteredFrom(walk, inner, inner.rbp + BigInt(depth.rbp), depth);
};

/** As much as the function has pushed lies between RSP and what it was entered with. */
const byDepth: Entry = (walk, inner) => {
  const depth = walk.depth(inner);
  return depth?.rsp === undefined || inner.rsp === undefined
    ? undefined
    : enteredFrom(walk, inner, inner.rsp + BigInt(depth.rsp), depth);
};

/** @param entry what RSP was at the function's first instruction */
const enteredFrom = (walk: StackWalk, inner: Place, entry: bigint, depth: StackDepth): Place | undefined => {
  if (inner.rsp !== undefined && entry < inner.rsp) return undefined;
  const step = BigInt(inner.word);
  const pushed = depth.pushed.get(RBP);
  const saved = pushed === undefined ? inner.rbp : walk.word(inner, entry - BigInt(pushed));
  const caller = { ...inner, rbp: saved };
  return (
    interruptedFrom(walk, caller, entry) ??
    farCalledFrom(walk, caller, entry) ??
    calledFrom(walk, caller, entry) ??
    // Some exceptions push an error code last.
    interruptedFrom(walk, caller, entry + step)
  );
};

/** The caller whose return address lies here. */
const calledFrom = (walk: StackWalk, inner: Place, at: bigint): Place | undefined => {
  const rip = walk.word(inner, at);
  if (rip === undefined || walk.followsCall(inner, rip, false) === undefined) return undefined;
  return outer(walk, inner, { rip, rsp: at + BigInt(inner.word), rbp: inner.rbp, entered: 'call' });
};

const outer = (
  walk: StackWalk,
  inner: Place,
  more: Pick<Place, 'rip' | 'rsp' | 'rbp' | 'entered'> & Partial<Place>,
): Place => {
  const place = { ...inner, ...more };
  return { ...place, linear: walk.linearOf(place) };
};

/** Nothing tells how far the return address is: the nearest word that can be one, up to where RBP may point to one. */
const bySearch: Entry = (walk, inner) => {
  const { word, rsp } = inner;
  // Compiled code tells exactly where it was entered from: if nothing plausible lies there, this is the outermost frame.
  if (rsp === undefined || walk.isMeasured(inner)) return undefined;
  const step = BigInt(word);
  const chained = chain(walk, inner);
  for (let n = 0n; n < REACH; n++) {
    const at = rsp + n * step;
    if (walk.word(inner, at) === undefined) break;
    // The chain of frame pointers is certain up to its own frame.
    if (chained?.rsp !== undefined && at >= chained.rsp - step) return chained;
    const found =
      interruptedFrom(walk, inner, at) ?? farCalledFrom(walk, inner, at) ?? plausibleCaller(walk, inner, at);
    if (found !== undefined) return found;
  }
  return chained;
};

/** [RBP] is the caller's RBP, [RBP + word] the return address. */
const chain: Entry = (walk, inner) => {
  const { rbp, rsp, word } = inner;
  if (rbp === undefined || rsp === undefined || rbp < rsp || rbp % BigInt(word) !== 0n) return undefined;
  const step = BigInt(word);
  const saved = walk.word(inner, rbp);
  const rip = walk.word(inner, rbp + step);
  if (saved === undefined || rip === undefined || walk.followsCall(inner, rip, false) === undefined) return undefined;
  return outer(walk, inner, { rip, rsp: rbp + 2n * step, rbp: saved > rbp ? saved : undefined, entered: 'call' });
};

/** A return address: a near call stands before it; a direct one must go to the function that runs. */
const plausibleCaller = (walk: StackWalk, inner: Place, at: bigint): Place | undefined => {
  const rip = walk.word(inner, at);
  if (rip === undefined) return undefined;
  const call = walk.followsCall(inner, rip, false);
  if (call?.target === undefined) return undefined;
  if (!walk.isWithin(call.target, walk.siteOf(inner))) return undefined;
  return outer(walk, inner, { rip, rsp: at + BigInt(inner.word), rbp: inner.rbp, entered: 'call' });
};

/** RIP, CS, RFLAGS (in long mode always RSP and SS) as an interrupt pushes them, perhaps above an error code. */
const interruptedFrom = (walk: StackWalk, inner: Place, at: bigint): Place | undefined => {
  const { word } = inner;
  const { vcpu } = walk;
  const step = BigInt(word);
  const [cs, flags] = [walk.word(inner, at + step), walk.word(inner, at + 2n * step)];
  if (cs === undefined || flags === undefined || cs > 0xffffn) return undefined;
  // Bit 1 is always 1; bits 3, 5 and 15 and those above 21 are always 0. A flag word of 2 alone is too common a value.
  if ((flags & 0x2n) === 0n || (flags & 0x8028n) !== 0n || flags >> 22n !== 0n) return undefined;
  const [rip, rsp, ss] = [0n, 3n, 4n].map((n) => walk.word(inner, at + n * step));
  if (rip === undefined) return undefined;
  const mode = modeOf(vcpu.state);
  if (mode === REAL) return interruptedReal(walk, inner, at, rip, cs, flags);
  if ((flags & BigInt(flagBits.VM)) !== 0n) return interrupted8086(walk, inner, rip, cs, flags, rsp, ss);
  if (mode === VIRTUAL_8086) return undefined;
  const segment = codeSegmentOf(vcpu, cs);
  if (segment === undefined || segment.ring < inner.ring) return undefined;
  const outward = segment.ring > inner.ring;
  const long = word === 8;
  if (long && (rsp === undefined || ss === undefined || ss > 0xffffn)) return undefined;
  const base = ss === undefined ? undefined : stackBaseOf(vcpu, ss, segment.ring, segment.word === 8);
  // In 64-bit mode SS may be null in ring 0, where nothing uses it.
  if (outward && base === undefined) return undefined;
  const place = outer(walk, inner, {
    rip,
    rsp: long || outward ? (rsp ?? 0n) : at + 3n * step,
    rbp: inner.rbp,
    ring: segment.ring,
    word: segment.word,
    mode: segment.mode,
    codeBase: segment.base,
    stackBase: segment.word === 8 ? 0n : (base ?? inner.stackBase),
    entered: 'interrupt',
    flags,
  });
  return walk.isCode(place) ? place : undefined;
};

const interruptedReal = (
  walk: StackWalk,
  inner: Place,
  at: bigint,
  rip: bigint,
  cs: bigint,
  flags: bigint,
): Place | undefined => {
  const place = outer(walk, inner, {
    rip,
    rsp: at + 6n,
    rbp: inner.rbp,
    codeBase: cs << 4n,
    entered: 'interrupt',
    flags,
  });
  // Anything may look like a real-mode address: only code that the program names counts.
  return walk.info.lines.at(place.linear) === null ? undefined : place;
};

/** Out of virtual-8086 mode the data segments are pushed too, above SS. */
const interrupted8086 = (
  walk: StackWalk,
  inner: Place,
  rip: bigint,
  cs: bigint,
  flags: bigint,
  rsp: bigint | undefined,
  ss: bigint | undefined,
): Place | undefined => {
  if (inner.word !== 4 || rip > 0xffffn || cs > 0xffffn || rsp === undefined || ss === undefined || ss > 0xffffn)
    return undefined;
  const place = outer(walk, inner, {
    rip,
    rsp: rsp & 0xffffn,
    rbp: inner.rbp,
    ring: 3,
    word: 2,
    mode: modeNames[VIRTUAL_8086],
    codeBase: cs << 4n,
    stackBase: ss << 4n,
    entered: 'interrupt',
    flags,
  });
  return walk.isCode(place) ? place : undefined;
};

/** RIP and CS as a far call pushes them; through a gate to an inner ring, parameters, RSP and SS lie above. */
const farCalledFrom = (walk: StackWalk, inner: Place, at: bigint): Place | undefined => {
  const { word } = inner;
  const { vcpu } = walk;
  const mode = modeOf(vcpu.state);
  const step = BigInt(word);
  const cs = walk.word(inner, at + step);
  const rip = cs === undefined || cs > 0xffffn ? undefined : walk.word(inner, at);
  if (rip === undefined || cs === undefined) return undefined;
  if (mode === REAL || mode === VIRTUAL_8086) {
    const place = outer(walk, inner, {
      rip,
      rsp: at + 2n * step,
      rbp: inner.rbp,
      codeBase: cs << 4n,
      entered: 'far call',
    });
    return walk.followsCall(place, rip, true) === undefined ? undefined : place;
  }
  const segment = codeSegmentOf(vcpu, cs);
  if (segment === undefined || segment.ring < inner.ring) return undefined;
  const common = {
    rip,
    rbp: inner.rbp,
    ring: segment.ring,
    word: segment.word,
    mode: segment.mode,
    codeBase: segment.base,
  };
  if (walk.followsCall(common, rip, true) === undefined) return undefined;
  const entered = 'far call';
  if (segment.ring === inner.ring) return outer(walk, inner, { ...common, rsp: at + 2n * step, entered });
  const most = isIa32e(vcpu.state) ? 0n : MOST_PARAMETERS;
  for (let parameters = 0n; parameters <= most; parameters++) {
    const [rsp, ss] = [2n, 3n].map((n) => walk.word(inner, at + (n + parameters) * step));
    const base = ss === undefined ? undefined : stackBaseOf(vcpu, ss, segment.ring, segment.word === 8);
    // RET takes the parameters off the outer stack too.
    if (base !== undefined && rsp !== undefined)
      return outer(walk, inner, { ...common, rsp: rsp + parameters * step, stackBase: base, entered });
  }
  return undefined;
};

/** Words that a call gate can copy. */
const MOST_PARAMETERS = 31n;

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
const byOwnSystemCall: Entry = (walk, inner) => {
  const runs = walk.info.functionAt(walk.siteOf(inner));
  return systemCalled(walk, inner, (entry) => runs !== undefined && runs === walk.info.functionAt(entry));
};

const byCloseSystemCall: Entry = (walk, inner) =>
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

/** A nested task's TSS links back to the one it was called from. Intel SDM vol. 3, "Task Linking". */
const byTaskLink: Entry = (walk, inner) => {
  const { vcpu } = walk;
  const { state, cpu } = vcpu;
  if (isIa32e(state) || inner.flags === undefined || (inner.flags & BigInt(flagBits.NT)) === 0n) return undefined;
  const link = peekValue(cpu, linear((inner.task ?? state.segmentBase(TR)) + BigInt(PREVIOUS_TASK)), 2);
  const found = link === undefined ? undefined : descriptorOf(vcpu, link);
  const type = found?.isSystem ? found.type & ~BUSY : undefined;
  const layout = type === systemType.tss32 ? tss32 : type === systemType.tss16 ? tss16 : undefined;
  if (found === undefined || layout === undefined) return undefined;
  const base = BigInt(found.base);
  const field = (at: number, size: number = layout.size): bigint | undefined =>
    peekValue(cpu, linear(base + BigInt(at)), size);
  const selector = (index: number): bigint =>
    field(layout.segments.find((one) => one.index === index)?.at ?? 0, 2) ?? 0n;
  const [rip, flags] = [field(layout.ip), field(layout.flags)];
  const segment = codeSegmentOf(vcpu, selector(CS));
  if (rip === undefined || segment === undefined) return undefined;
  return outer(walk, inner, {
    rip,
    rsp: field(layout.general + RSP * layout.size),
    rbp: field(layout.general + RBP * layout.size),
    ring: segment.ring,
    word: segment.word,
    mode: segment.mode,
    codeBase: segment.base,
    stackBase: stackBaseOf(vcpu, selector(SS), segment.ring, false) ?? 0n,
    entered: 'task switch',
    flags,
    task: base,
  });
};

const RSP = 4;
/** Bit of a TSS descriptor's type. */
const BUSY = 2;

/** In this order: what is exact before what is only plausible. */
export const entries: readonly Entry[] = [
  byOwnSystemCall,
  byFramePointer,
  byDepth,
  bySearch,
  byCloseSystemCall,
  byTaskLink,
];
