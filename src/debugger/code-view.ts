/**
 * Code as one vCPU would decode it now, in one space: its bytes, its width, what its addresses are called, and where
 * the machine has decoded instructions. Made for one look: it remembers the pages that it has read.
 */

import type { DecodeMode } from '../machine/core/decoder';
import { CS } from '../machine/core/state';
import type { Cpu } from '../machine/cpu/cpu';
import { peekTranslation } from '../machine/cpu/look';
import type { Machine } from '../machine/pc';
import type { VirtualCpu } from '../machine/virtual-cpu';
import { type LinearAddress, linear } from '../x86/address';
import type { Space } from './address';
import { peekSpace, translator } from './guest-memory';
import { ProgramInfo } from './program-info';
import { bitness, codeAddress, currentAddress } from './vcpu-view';

/** Guest memory from an address up to the first byte that is not mapped. */
export type CodeReader = (address: LinearAddress, length: number) => Uint8Array;

export interface CodeView {
  readonly read: CodeReader;
  readonly bits: 16 | 32 | 64;
  readonly info: ProgramInfo;
  /** Base of the code segment: what is added to the targets of near branches. */
  readonly base: bigint;
  /** Is a byte no instruction, but something that the machine itself does? */
  readonly isNative?: (address: LinearAddress) => boolean;
  /** Offsets in the page of an address at which the machine has decoded instructions, not 0 there. */
  readonly decoded?: (page: LinearAddress) => readonly Uint32Array[];
  /** The instruction that is next: an instruction whatever the source says. */
  readonly current?: LinearAddress;
}

const PAGE = 4096;
const OFFSET = 0xfffn;

/** The decoder's modes by the width of code. */
const modes: Readonly<Record<16 | 32 | 64, readonly DecodeMode[]>> = { 16: [0], 32: [1, 3], 64: [2] };

/** `address` in other spaces than linear: names count where linear addresses are the same. */
export const codeViewOf = (
  machine: Machine,
  vcpu: VirtualCpu,
  info: ProgramInfo,
  space: Space = 'linear',
  near: bigint = 0n,
): CodeView => {
  const { cpu } = vcpu;
  const guest = space === 'guest' ? cpu.vmx?.guestSide : undefined;
  const state = guest?.state ?? vcpu.state;
  const bits = bitness(state);
  const physicalOf = pageTranslation(cpu, space);
  // A guest's own code is the program's where it lies in the same memory.
  const plain =
    space === 'linear' || peekTranslation(cpu, near) === (space === 'guest' ? physicalOf(near) : Number(near));
  return {
    read: pageReader(cpu, space),
    bits,
    info: plain ? info : nameless(info),
    base: bits === 64 || !plain ? 0n : state.segmentBase(CS),
    isNative: (address) => {
      const page = physicalOf(address & ~OFFSET);
      return page !== undefined && machine.natives.at(page + Number(address & OFFSET)) !== undefined;
    },
    decoded: (address) => {
      const page = physicalOf(address & ~OFFSET);
      if (page === undefined) return [];
      return modes[bits].flatMap((mode) => vcpu.engine.code.instructionsOf(page / PAGE, mode) ?? []);
    },
    ...(guest !== undefined
      ? { current: codeAddress(state, state.rip) }
      : plain
        ? { current: currentAddress(vcpu) }
        : {}),
  };
};

const pageTranslation = (cpu: Cpu, space: Space): ((page: bigint) => number | undefined) => {
  const known = new Map<bigint, number | undefined>();
  const translate = translator(cpu, space);
  return (page) => {
    if (!known.has(page)) known.set(page, translate(page));
    return known.get(page);
  };
};

/** Reads a page once; most instructions lie in one. */
const pageReader = (cpu: Cpu, space: Space): CodeReader => {
  const pages = new Map<bigint, Uint8Array>();
  const page = (base: bigint): Uint8Array => {
    let bytes = pages.get(base);
    if (bytes === undefined) {
      bytes = peekSpace(cpu, space, base, PAGE);
      pages.set(base, bytes);
    }
    return bytes;
  };
  return (address, length) => {
    const offset = Number(address & OFFSET);
    const base = address - BigInt(offset);
    const first = page(base).subarray(offset, offset + length);
    if (offset + length <= PAGE || first.length === 0) return first;
    const bytes = new Uint8Array(length);
    bytes.set(first);
    let end = first.length;
    for (let next = linear(base + BigInt(PAGE)); end < length; next = linear(next + BigInt(PAGE))) {
      const more = page(next).subarray(0, length - end);
      bytes.set(more, end);
      end += more.length;
      if (more.length < PAGE) break;
    }
    return bytes.subarray(0, end);
  };
};

/** Of physical memory that is mapped elsewhere nothing is known. */
const nameless = ({ program }: ProgramInfo): ProgramInfo =>
  new ProgramInfo({ name: program.name, segments: [], start: program.start, symbols: [], lines: [] });
