/** Entries that change the code segment and push where they came from: interrupts and far calls; and nested tasks. */

import { CS, SS, TR } from '../machine/core/state';
import { isIa32e, modeNames, modeOf, REAL, VIRTUAL_8086 } from '../machine/cpu/mode';
import { PREVIOUS_TASK, tss16, tss32 } from '../machine/cpu/task-state-segment';
import { linear } from '../x86/address';
import { systemType } from '../x86/descriptors';
import { flagBits } from '../x86/registers';
import { peekValue } from './guest-memory';
import { codeSegmentOf, descriptorOf, stackBaseOf } from './selectors';
import { type Entry, outer, type Place, type StackWalk } from './stack-walk';

const RBP = 5;

/** RIP, CS, RFLAGS (in long mode always RSP and SS) as an interrupt pushes them, perhaps above an error code. */
export const interruptedFrom = (walk: StackWalk, inner: Place, at: bigint): Place | undefined => {
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
export const farCalledFrom = (walk: StackWalk, inner: Place, at: bigint): Place | undefined => {
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

/** A nested task's TSS links back to the one it was called from. Intel SDM vol. 3, "Task Linking". */
export const byTaskLink: Entry = (walk, inner) => {
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
