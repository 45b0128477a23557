/**
 * The call stack: who called, who was interrupted, which task was left. Where the function's own instructions tell how
 * much it has pushed, or a frame pointer leads there, the return address is exact; elsewhere what lies on the stack is
 * looked through for what can be one (a call stands before it) or an interrupt's frame (a code selector, flags). What is
 * not plausible is left out rather than guessed.
 */

import { CS, SS } from '../machine/core/state';
import { LONG, modeOf } from '../machine/cpu/mode';
import type { VirtualCpu } from '../machine/virtual-cpu';
import { type LinearAddress, linear } from '../x86/address';
import type { ProgramInfo } from './program-info';
import { guestSide, guestVcpuOf, type Side, sideOf } from './sides';
import { entries } from './stack-entries';
import { type Place, StackWalk } from './stack-walk';
import { codeAddress, modeName, stackPointer } from './vcpu-view';

export interface Frame {
  /** Linear address of the instruction: the next one in the innermost frame, else the one returned to. */
  readonly address: LinearAddress;
  /** An address in the instruction that the frame is at: in the call, not behind it. Its line is the frame's line. */
  readonly site: LinearAddress;
  /** Offset in its code segment. */
  readonly rip: bigint;
  /** The symbol there, with an offset; undefined where no symbol is near. */
  readonly name: string | undefined;
  readonly ring: number;
  readonly mode: string;
  /** How the frame above it was entered. */
  readonly entered: 'call' | 'far call' | 'interrupt' | 'system call' | 'task switch' | 'VM exit' | 'current';
  /** Stack pointer as it will be after the return; undefined where nothing tells. */
  readonly rsp: bigint | undefined;
  /** Frame pointer, as far as it is known. */
  readonly rbp: bigint | undefined;
  /** Whose code it is, in VMX operation. */
  readonly side: Side | undefined;
}

const MOST_FRAMES = 512;

/**
 * The frames from the innermost on. Of a hypervisor that handles an exit, the guest's follow: its registers are those of
 * the current VMCS, its stack is read in its own address space.
 * @param most so many of them at most
 */
export const framesOf = (vcpu: VirtualCpu, info: ProgramInfo, most = MOST_FRAMES): Frame[] => {
  const frames = walked(vcpu, info, most, sideOf(vcpu));
  const guest = frames.length < most ? guestVcpuOf(vcpu) : undefined;
  if (guest === undefined) return frames;
  const [first, ...others] = walked(guest, info, most - frames.length, guestSide(vcpu));
  return first === undefined ? frames : [...frames, { ...first, entered: 'VM exit' }, ...others];
};

const walked = (vcpu: VirtualCpu, info: ProgramInfo, most: number, side: Side | undefined): Frame[] => {
  const frames: Frame[] = [];
  const walk = new StackWalk(vcpu, info);
  for (let place: Place | undefined = currentPlace(vcpu); place !== undefined && frames.length < most; ) {
    frames.push({ ...frameAt(walk, info, place), side });
    const inner: Place = place;
    place = undefined;
    for (const entry of entries) {
      place = entry(walk, inner);
      if (place !== undefined) break;
    }
  }
  return frames;
};

const currentPlace = ({ state }: VirtualCpu): Place => {
  const mode = modeOf(state);
  return {
    rip: state.rip,
    rsp: stackPointer(state),
    rbp: state.gpr(5),
    ring: state.cpl,
    word: mode === LONG ? 8 : state.segmentAccess(CS) & (1 << 14) ? 4 : 2,
    mode: modeName(mode),
    codeBase: mode === LONG ? 0n : state.segmentBase(CS),
    stackBase: mode === LONG ? 0n : state.segmentBase(SS),
    entered: 'current',
    linear: codeAddress(state, state.rip),
    flags: BigInt(state.rflags),
    task: undefined,
  };
};

const frameAt = (walk: StackWalk, info: ProgramInfo, place: Place): Omit<Frame, 'side'> => {
  const { rip, rsp, rbp, ring, mode, entered } = place;
  const address = place.linear;
  // A call that never returns may be its function's last instruction: what stands behind it is another function.
  const site = walk.siteOf(place);
  const near = site === address ? null : info.symbols.at(site);
  const known = near !== null && info.nameOf(site) !== undefined;
  const name = known ? `${near.symbol.name}+0x${(near.offset + (address - site)).toString(16)}` : info.nameOf(address);
  return { address, site: linear(site), rip, name, ring, mode, entered, rsp, rbp };
};
