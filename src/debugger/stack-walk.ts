/** What all steps from a frame to the one outside it share: where a frame is, and looks at its code and stacks. */

import { FlowControl } from 'iced-x86';
import type { VirtualCpu } from '../machine/virtual-cpu';
import { type LinearAddress, linear } from '../x86/address';
import type { CodeView } from './code-view';
import { targetOf, withInstruction } from './instruction';
import { PageCache } from './page-cache';
import type { ProgramInfo } from './program-info';
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
export const REACH = 96;
const CALL_LONGEST = 7;
/** Assembly between two labels that a call may go to is not longer than this. */
const CLOSE = 0x1000n;

/** A step outwards, by one way into code; undefined where the frame was not entered so. */
export type Entry = (walk: StackWalk, inner: Place) => Place | undefined;

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

/** The frame outside one, which has in common with it what is not told. */
export const outer = (
  walk: StackWalk,
  inner: Place,
  more: Pick<Place, 'rip' | 'rsp' | 'rbp' | 'entered'> & Partial<Place>,
): Place => {
  const place = { ...inner, ...more };
  return { ...place, linear: walk.linearOf(place) };
};
