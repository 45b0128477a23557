/** Where a call, an interrupt or a system call goes, worked out from the state as it is now and without side effects. */

import { FlowControl, type Instruction, MemorySizeExt, Mnemonic, OpKind, Register, RegisterExt } from 'iced-x86';
import { FS, type SegmentIndex } from '../machine/core/state';
import { LONG, modeOf, REAL } from '../machine/cpu/mode';
import type { VirtualCpu } from '../machine/virtual-cpu';
import { type LinearAddress, linear } from '../x86/address';
import type { CodeView } from './code-view';
import { peekValue } from './guest-memory';
import { linearOf } from './instruction';
import { peekMsr } from './name-sources';
import { codeAddress, currentAddress } from './vcpu-view';

/** Does it go somewhere that it comes back from? */
export const isCall = ({ flowControl, mnemonic }: Instruction): boolean =>
  flowControl === FlowControl.Call ||
  flowControl === FlowControl.IndirectCall ||
  flowControl === FlowControl.Interrupt ||
  mnemonic === Mnemonic.Syscall ||
  mnemonic === Mnemonic.Sysenter;

/** The address it goes to; undefined where only executing the instructions before it will tell. */
export const callTarget = (vcpu: VirtualCpu, view: CodeView, instruction: Instruction): LinearAddress | undefined => {
  const { flowControl, mnemonic } = instruction;
  if (flowControl === FlowControl.Interrupt) return handlerOf(vcpu, vectorOf(instruction));
  if (mnemonic === Mnemonic.Syscall) return entryPoint(vcpu, modeOf(vcpu.state) === LONG ? LSTAR : CSTAR);
  if (mnemonic === Mnemonic.Sysenter) return entryPoint(vcpu, SYSENTER_EIP);
  const kind = instruction.op0Kind;
  if (kind === OpKind.NearBranch16 || kind === OpKind.NearBranch32 || kind === OpKind.NearBranch64)
    return linearOf(view, instruction.nearBranchTarget);
  // What registers and memory say counts for the instruction that is next.
  if (linearOf(view, instruction.ip) !== currentAddress(vcpu)) return undefined;
  if (kind === OpKind.Register) return linearOf(view, registerValue(vcpu, instruction.op0Register));
  return kind === OpKind.Memory && flowControl === FlowControl.IndirectCall && !instruction.isCallFarIndirect
    ? pointer(vcpu, view, instruction)
    : undefined;
};

const vectorOf = ({ mnemonic, opCount, immediate8 }: Instruction): number =>
  mnemonic === Mnemonic.Int3 ? 3 : mnemonic === Mnemonic.Int1 ? 1 : opCount > 0 ? immediate8 : 4;

// Intel SDM vol. 4, "Architectural MSRs".
const LSTAR = 0xc000_0082n;
const CSTAR = 0xc000_0083n;
const SYSENTER_EIP = 0x176n;

const entryPoint = (vcpu: VirtualCpu, msr: bigint): LinearAddress | undefined => {
  const value = peekMsr(vcpu, msr);
  return value === undefined ? undefined : linear(value);
};

/** The offset in a vector's gate. Intel SDM vol. 3, "IDT Descriptors"; vol. 1, "Real-Address Mode" for its table. */
const handlerOf = ({ state, cpu }: VirtualCpu, vector: number): LinearAddress | undefined => {
  const { base } = state.idtr;
  const mode = modeOf(state);
  const wide = ((state.efer >> 10n) & 1n) === 1n;
  const entry = (offset: number) => peekValue(cpu, linear(base + BigInt(offset)), 4);
  if (mode === REAL) {
    const far = entry(vector * 4);
    return far === undefined ? undefined : linear(((far >> 16n) << 4n) + (far & 0xffffn));
  }
  const at = vector * (wide ? 16 : 8);
  if (at + 7 > state.idtr.limit) return undefined;
  const low = entry(at);
  const middle = entry(at + 4);
  const high = wide ? entry(at + 8) : 0n;
  if (low === undefined || middle === undefined || high === undefined || (middle & 0x8000n) === 0n) return undefined;
  const offset = (high << 32n) | (middle & 0xffff_0000n) | (low & 0xffffn);
  return wide ? linear(offset) : codeAddress(state, offset);
};

const registerValue = ({ state }: VirtualCpu, register: Register): bigint =>
  BigInt.asUintN(RegisterExt.size(register) * 8, state.gpr(RegisterExt.number(register)));

/** The pointer in memory that an indirect near call reads. Intel SDM vol. 1, "Specifying an Offset". */
const pointer = (vcpu: VirtualCpu, view: CodeView, instruction: Instruction): LinearAddress | undefined => {
  const { memoryBase: base, memoryIndex: index, memoryIndexScale: scale } = instruction;
  const relative = instruction.isIpRelMemoryOperand;
  let offset = relative ? instruction.ipRelMemoryAddress : instruction.memoryDisplacement;
  if (!relative && base !== Register.None) offset += registerValue(vcpu, base);
  if (index !== Register.None) offset += registerValue(vcpu, index) * BigInt(scale);
  const widest = [base, index].find((register) => register !== Register.None);
  const bits = relative || widest === undefined ? view.bits : RegisterExt.size(widest) * 8;
  const segment = RegisterExt.number(instruction.memorySegment) as SegmentIndex;
  // In 64-bit mode only FS and GS have a base.
  const from = view.bits !== 64 || segment >= FS ? vcpu.state.segmentBase(segment) : 0n;
  const address = linear(BigInt.asUintN(view.bits === 64 ? 64 : 32, BigInt.asUintN(bits, offset) + from));
  const value = peekValue(vcpu.cpu, address, MemorySizeExt.size(instruction.memorySize));
  return value === undefined ? undefined : linearOf(view, value);
};
