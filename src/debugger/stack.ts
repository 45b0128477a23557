/**
 * The call stack, found by looking: what lies on the stack and can be a return address (a call stands before it) or an
 * interrupt's frame (a code selector, flags), and the chain of frame pointers. Each frame has its ring and mode. What
 * is not plausible is left out rather than guessed.
 */

import { FlowControl } from 'iced-x86';
import { CS } from '../machine/core/state';
import { LONG, modeOf, REAL, VIRTUAL_8086 } from '../machine/cpu/mode';
import type { VirtualCpu } from '../machine/virtual-cpu';
import { type LinearAddress, linear } from '../x86/address';
import { type CodeView, LONGEST, targetOf, withInstruction } from './disassemble';
import { peekLinear, peekValue } from './guest-memory';
import type { ProgramInfo } from './program-info';
import { codeAddress, modeName, stackAddress, stackPointer } from './vcpu-view';

export interface Frame {
  /** Linear address of the instruction: the next one in the innermost frame, else the one returned to. */
  readonly address: LinearAddress;
  /** Offset in its code segment. */
  readonly rip: bigint;
  /** The symbol there, with an offset; undefined where no symbol is near. */
  readonly name: string | undefined;
  readonly ring: number;
  readonly mode: string;
  /** How the frame above it was entered. */
  readonly entered: 'call' | 'interrupt' | 'current';
  /** Stack pointer and frame pointer as far as they are known. */
  readonly rsp: bigint;
  readonly rbp: bigint | undefined;
}

const MOST_FRAMES = 64;
/** Words of the stack that are looked at for one frame. */
const REACH = 96;
const CALL_LONGEST = 7;

interface Place {
  readonly rip: bigint;
  readonly rsp: bigint;
  readonly rbp: bigint | undefined;
  readonly ring: number;
  /** Bytes of a word on the stack. */
  readonly word: 2 | 4 | 8;
  readonly mode: string;
  readonly codeBase: bigint;
  readonly entered: Frame['entered'];
}

export const framesOf = (vcpu: VirtualCpu, info: ProgramInfo): Frame[] => {
  const { state } = vcpu;
  const mode = modeOf(state);
  const big = mode === LONG ? 8 : state.segmentAccess(CS) & (1 << 14) ? 4 : 2;
  let place: Place | undefined = {
    rip: state.rip,
    rsp: stackPointer(state),
    rbp: state.gpr(5),
    ring: state.cpl,
    word: big,
    mode: modeName(mode),
    codeBase: mode === LONG ? 0n : state.segmentBase(CS),
    entered: 'current',
  };
  const frames: Frame[] = [];
  const walker = new Walker(vcpu, info);
  while (place !== undefined && frames.length < MOST_FRAMES) {
    const address: LinearAddress = frames.length === 0 ? codeAddress(state, place.rip) : walker.linearOf(place);
    frames.push({
      address,
      rip: place.rip,
      name: info.nameOf(address),
      ring: place.ring,
      mode: place.mode,
      entered: place.entered,
      rsp: place.rsp,
      rbp: place.rbp,
    });
    place = walker.outer(place, address);
  }
  return frames;
};

class Walker {
  private readonly vcpu: VirtualCpu;
  private readonly info: ProgramInfo;

  constructor(vcpu: VirtualCpu, info: ProgramInfo) {
    this.vcpu = vcpu;
    this.info = info;
  }

  linearOf({ rip, word, codeBase }: Place): LinearAddress {
    return word === 8 ? linear(rip) : linear(BigInt.asUintN(32, rip + codeBase));
  }

  /** The frame that called or was interrupted, or undefined when none can be found. */
  outer(inner: Place, address: LinearAddress): Place | undefined {
    const { word, rsp } = inner;
    const step = BigInt(word);
    const chained = this.chained(inner);
    for (let n = 0n; n < REACH; n++) {
      const at = rsp + n * step;
      if (this.word(at, word) === undefined) break;
      // The chain of frame pointers is certain up to its own frame.
      if (chained !== undefined && at >= chained.rsp - step) return chained;
      const found = this.interrupted(inner, at) ?? this.called(inner, at, address);
      if (found !== undefined) return found;
    }
    return chained;
  }

  /** [RBP] is the caller's RBP, [RBP + word] the return address. */
  private chained(inner: Place): Place | undefined {
    const { rbp, rsp, word } = inner;
    if (rbp === undefined || rbp < rsp || rbp % BigInt(word) !== 0n) return undefined;
    const step = BigInt(word);
    const saved = this.word(rbp, word);
    const rip = this.word(rbp + step, word);
    if (saved === undefined || rip === undefined || !this.followsCall(inner, rip)) return undefined;
    return { ...inner, rip, rsp: rbp + 2n * step, rbp: saved > rbp ? saved : undefined, entered: 'call' };
  }

  /** A return address: a near call stands before it; a direct one must go to the function that runs. */
  private called(inner: Place, at: bigint, address: LinearAddress): Place | undefined {
    const rip = this.word(at, inner.word);
    if (rip === undefined) return undefined;
    const call = this.followsCall(inner, rip);
    if (call === undefined || call.target === undefined) return undefined;
    const runs = this.info.functionAt(address);
    const called = this.info.functionAt(call.target);
    if (runs === undefined ? call.target > address : runs !== called) return undefined;
    return { ...inner, rip, rsp: at + BigInt(inner.word), entered: 'call' };
  }

  /** Is there a near call whose end is this address? Gives where it goes, as far as it says. */
  private followsCall(inner: Place, rip: bigint): { readonly target: LinearAddress | undefined } | undefined {
    const end = this.linearOf({ ...inner, rip });
    const view = this.view(inner);
    for (let length = 2; length <= CALL_LONGEST; length++) {
      const start = linear(end - BigInt(length));
      const found = withInstruction(view, start, (instruction) => {
        const { flowControl } = instruction;
        if (instruction.length !== length) return undefined;
        if (flowControl === FlowControl.Call) return { target: targetOf(view, instruction) };
        return flowControl === FlowControl.IndirectCall ? { target: undefined } : undefined;
      });
      if (found !== undefined) return found;
    }
    return undefined;
  }

  private view({ word, codeBase }: Place): CodeView {
    return {
      read: (address, length) => peekLinear(this.vcpu.cpu, address, Math.min(length, LONGEST)),
      bits: (word * 8) as 16 | 32 | 64,
      info: this.info,
      base: codeBase,
    };
  }

  /** RIP, CS, RFLAGS (in long mode always RSP and SS) as an interrupt pushes them. */
  private interrupted(inner: Place, at: bigint): Place | undefined {
    const { word } = inner;
    const step = BigInt(word);
    const [rip, cs, flags, rsp, ss] = [0n, 1n, 2n, 3n, 4n].map((n) => this.word(at + n * step, word));
    if (rip === undefined || cs === undefined || flags === undefined) return undefined;
    // Bit 1 is always 1; bits 3, 5 and 15 and those above 21 are always 0. A flag word of 2 alone is too common a value.
    if ((flags & 0x2n) === 0n || (flags & 0x8028n) !== 0n || flags >> 22n !== 0n) return undefined;
    if (modeOf(this.vcpu.state) === REAL || modeOf(this.vcpu.state) === VIRTUAL_8086)
      return this.interruptedReal(inner, at, rip, cs);
    const segment = this.codeSegment(cs);
    if (segment === undefined || segment.ring < inner.ring) return undefined;
    const outward = segment.ring > inner.ring;
    const long = word === 8;
    if (long && (rsp === undefined || ss === undefined || ss > 0xffffn)) return undefined;
    if (outward && (ss === undefined || (ss & 3n) !== BigInt(segment.ring))) return undefined;
    const place: Place = {
      ...inner,
      rip,
      rsp: long || outward ? (rsp ?? 0n) : at + 3n * step,
      ring: segment.ring,
      word: segment.word,
      mode: segment.mode,
      codeBase: segment.base,
      entered: 'interrupt',
    };
    return this.isCode(place) ? place : undefined;
  }

  private interruptedReal(inner: Place, at: bigint, rip: bigint, cs: bigint): Place | undefined {
    const base = cs << 4n;
    const place: Place = { ...inner, rip, rsp: at + 6n, codeBase: base, entered: 'interrupt' };
    // Anything may look like a real-mode address: only code that the program names counts.
    return this.info.lines.at(this.linearOf(place)) === null ? undefined : place;
  }

  private isCode(place: Place): boolean {
    return withInstruction(this.view(place), this.linearOf(place), (instruction) => !instruction.isInvalid) ?? false;
  }

  /** The code segment of a selector, as the GDT has it now. */
  private codeSegment(
    selector: bigint,
  ): { readonly ring: number; readonly word: 2 | 4 | 8; readonly mode: string; readonly base: bigint } | undefined {
    const { state, cpu } = this.vcpu;
    if (selector > 0xffffn || selector < 8n || (selector & 4n) !== 0n) return undefined;
    const index = selector & ~7n;
    const { base, limit } = state.gdtr;
    if (index + 7n > BigInt(limit)) return undefined;
    const entry = peekValue(cpu, linear(base + index), 8);
    // Present, S = 1, code.
    if (entry === undefined || ((entry >> 40n) & 0x98n) !== 0x98n) return undefined;
    const long = modeOf(state) >= 3 && ((entry >> 53n) & 1n) === 1n;
    const big = ((entry >> 54n) & 1n) === 1n;
    return {
      ring: Number(selector & 3n),
      word: long ? 8 : big ? 4 : 2,
      mode: long ? '64-bit' : modeOf(state) >= 3 ? 'compatibility' : 'protected',
      base: ((entry >> 16n) & 0xff_ffffn) | (((entry >> 56n) & 0xffn) << 24n),
    };
  }

  private word(offset: bigint, size: 2 | 4 | 8): bigint | undefined {
    return peekValue(this.vcpu.cpu, stackAddress(this.vcpu.state, BigInt.asUintN(64, offset)), size);
  }
}
