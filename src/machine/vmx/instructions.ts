/**
 * VMXON and its kin: the checks in the manual's order, and how each ends. Intel SDM vol. 3, "VMX Instruction Reference". A
 * refusal with CF set is VMfailInvalid, one with ZF set VMfailValid with a number in the current VMCS.
 */

import { type Instruction, Mnemonic } from 'iced-x86';
import { CR0, CR4, cr4Bits } from '../../x86/control-registers';
import { exception } from '../../x86/exceptions';
import { flagBits } from '../../x86/registers';
import { fieldAt, isReadOnly } from '../../x86/vmx/fields';
import type { InstructionError } from '../../x86/vmx/instruction-errors';
import { state as layout } from '../core/layout';
import type { Cpu } from '../cpu/cpu';
import { ep4taOf } from '../cpu/ept';
import { COMPATIBILITY, isCanonical, LONG, modeOf, VIRTUAL_8086 } from '../cpu/mode';
import { msrOffset } from '../cpu/msrs';
import { memoryAddress, readOperand, readRegister, writeOperand } from '../cpu/operands';
import { requireCpl0 } from '../cpu/privilege';
import { refuse } from '../cpu/refusal';
import { requireFixed } from './fixed-bits';
import { revisionOf, writeRegion } from './region';
import { NO_VMCS, type Vmcs } from './vmcs';
import type { Vmx } from './vmx';

const ARITHMETIC = flagBits.CF | flagBits.PF | flagBits.AF | flagBits.ZF | flagBits.SF | flagBits.OF;

const setFlags = ({ state }: Cpu, flags: number): void => {
  state.rflags = (state.rflags & ~ARITHMETIC) | flags;
};

/** The instruction did what it should. */
const succeed = (cpu: Cpu): void => setFlags(cpu, 0);

/** VMfailValid where a VMCS is current, else VMfailInvalid. */
export const fail = (vmx: Vmx, error: InstructionError): void => {
  const { cpu, current } = vmx;
  if (current === undefined) return failInvalid(vmx, error);
  setFlags(cpu, flagBits.ZF);
  current.set32('VM_INSTRUCTION_ERROR', error);
  vmx.stamp(current, 'VM_INSTRUCTION_ERROR', 'exit');
  cpu.surroundings.emit('vmfail', () => ({ error, valid: true }));
};

/** VMfailInvalid: there is no VMCS that could keep a number. */
export const failInvalid = (vmx: Vmx, error: InstructionError | 0 = 0): void => {
  setFlags(vmx.cpu, flagBits.CF);
  vmx.cpu.surroundings.emit('vmfail', () => ({ error, valid: false }));
};

const ADDRESS_BYTES = 8;
/** No line is monitored. */
const UNARMED = 0xffff_ffff_ffff_ffffn;
const LOCKED = 1n;
const OUTSIDE_SMX = 4n;

/** Modes in which none of them exists. @throws Fault #UD */
const requireMode = (cpu: Cpu, instruction: Instruction): void => {
  const mode = modeOf(cpu.state);
  const ok = (cpu.state.getU32(layout.cr0) & CR0.PE) !== 0 && mode !== VIRTUAL_8086 && mode !== COMPATIBILITY;
  if (!ok) refuse(exception.UD, 'vmx.mode', undefined, { instruction: nameOf(instruction) });
};
const nameOf = ({ mnemonic }: Instruction): string => (Mnemonic[mnemonic] as string).toLowerCase();

/** @throws Fault #UD */
export const requireOperation = (vmx: Vmx, instruction: Instruction): void => {
  if (!vmx.on) refuse(exception.UD, 'vmx.operation', undefined, { instruction: nameOf(instruction) });
};

/** A region is page-aligned, within the physical addresses, and within 32 bits where the processor asks for that. */
const isRegionAddress = ({ model }: Cpu, address: bigint): boolean => {
  const bits = (model.vmx?.IA32_VMX_BASIC ?? 0n) & (1n << 48n) ? 32 : model.physicalBits;
  return (address & 0xfffn) === 0n && address >> BigInt(bits) === 0n;
};

const revision = ({ model }: Cpu): number => Number((model.vmx?.IA32_VMX_BASIC ?? 0n) & 0x7fff_ffffn);

const pointerOperand = (cpu: Cpu, instruction: Instruction): bigint =>
  cpu.linear.read(memoryAddress(cpu, instruction, ADDRESS_BYTES, false), ADDRESS_BYTES);

const vmxon = (vmx: Vmx, instruction: Instruction): void => {
  const { cpu } = vmx;
  const { state } = cpu;
  if (!(state.getU32(layout.cr4) & CR4.VMXE))
    refuse(exception.UD, 'vmx.vmxe', undefined, { instruction: 'vmxon', register: 'CR4', bit: cr4Bits.VMXE.bit });
  requireCpl0(cpu, 'vmxon');
  if (vmx.on) {
    fail(vmx, 15);
    return;
  }
  if (!cpu.physical.a20) refuse(exception.GP, 'vmx.a20', 0, { instruction: 'vmxon' });
  requireFixed(vmx, 0, state.cr0);
  requireFixed(vmx, 4, state.cr4);
  const feature = state.getU64(msrOffset('IA32_FEATURE_CONTROL'));
  if (!(feature & LOCKED))
    refuse(exception.GP, 'vmx.feature-control-lock', 0, { register: 'IA32_FEATURE_CONTROL', bit: 0, value: feature });
  if (!(feature & OUTSIDE_SMX))
    refuse(exception.GP, 'vmx.feature-control-vmx', 0, { register: 'IA32_FEATURE_CONTROL', bit: 2, value: feature });
  const address = pointerOperand(cpu, instruction);
  if (!isRegionAddress(cpu, address) || revisionOf(cpu.physical, address) !== revision(cpu)) {
    failInvalid(vmx);
    return;
  }
  state.setU64(layout.vmxonPointer, address);
  state.setU64(layout.monitor, UNARMED);
  state.setU32(layout.vmxOn, 1);
  state.setU32(layout.vmxUsed, 1);
  vmx.select(undefined);
  succeed(cpu);
};

const vmxoff = (vmx: Vmx): void => {
  requireCpl0(vmx.cpu, 'vmxoff');
  vmx.leave();
  vmx.cpu.state.setU64(layout.monitor, UNARMED);
  // An INIT that waited comes now.
  vmx.cpu.state.setU32(layout.leave, 1);
  succeed(vmx.cpu);
};

/** A pointer to a VMCS, checked as VMCLEAR and VMPTRLD do; the numbers of their refusals differ. */
const vmcsPointer = (
  vmx: Vmx,
  instruction: Instruction,
  errors: { readonly address: InstructionError; readonly vmxon: InstructionError },
): bigint | undefined => {
  const address = pointerOperand(vmx.cpu, instruction);
  if (!isRegionAddress(vmx.cpu, address)) fail(vmx, errors.address);
  else if (address === vmx.cpu.state.getU64(layout.vmxonPointer)) fail(vmx, errors.vmxon);
  else return address;
  return undefined;
};

const vmclear = (vmx: Vmx, instruction: Instruction): void => {
  const { cpu } = vmx;
  requireCpl0(cpu, 'vmclear');
  const address = vmcsPointer(vmx, instruction, { address: 2, vmxon: 3 });
  if (address === undefined) return;
  const vmcs = vmx.slots.find(address) ?? vmx.claim(address);
  vmcs.launched = false;
  writeRegion(cpu.physical, vmcs);
  if (vmx.current === vmcs) vmx.select(undefined);
  vmcs.release();
  succeed(cpu);
};

const vmptrld = (vmx: Vmx, instruction: Instruction): void => {
  const { cpu } = vmx;
  requireCpl0(cpu, 'vmptrld');
  const address = vmcsPointer(vmx, instruction, { address: 9, vmxon: 10 });
  if (address === undefined) return;
  // Bit 31 marks a shadow VMCS, which this machine does not have.
  if (revisionOf(cpu.physical, address) !== revision(cpu)) {
    fail(vmx, 11);
    return;
  }
  vmx.select(vmx.slots.find(address) ?? vmx.claim(address));
  succeed(cpu);
};

const vmptrst = (vmx: Vmx, instruction: Instruction): void => {
  const { cpu } = vmx;
  requireCpl0(cpu, 'vmptrst');
  const address = memoryAddress(cpu, instruction, ADDRESS_BYTES, true);
  cpu.linear.write(address, ADDRESS_BYTES, vmx.current?.address ?? NO_VMCS);
  succeed(cpu);
};

/** Bytes of a field operand: 64 bits in 64-bit mode, else 32. */
const wordOf = (cpu: Cpu): 4 | 8 => (modeOf(cpu.state) === LONG ? 8 : 4);

/** The current VMCS and a field that the processor has; the refusals of both otherwise. */
const fieldOf = (vmx: Vmx, encoding: bigint): Vmcs | undefined => {
  const { current } = vmx;
  if (current === undefined) {
    failInvalid(vmx);
    return undefined;
  }
  if (encoding >> 32n !== 0n || !vmx.hasField(Number(encoding))) {
    fail(vmx, 12);
    return undefined;
  }
  return current;
};

const vmread = (vmx: Vmx, instruction: Instruction): void => {
  const { cpu } = vmx;
  requireCpl0(cpu, 'vmread');
  const encoding = readRegister(cpu, instruction.op1Register);
  const current = fieldOf(vmx, encoding);
  if (current === undefined) return;
  const value = current.read(Number(encoding)) ?? 0n;
  writeOperand(cpu, instruction, 0, wordOf(cpu), value);
  emitAccess(cpu, Number(encoding), 'r', value);
  succeed(cpu);
};

const vmwrite = (vmx: Vmx, instruction: Instruction): void => {
  const { cpu } = vmx;
  requireCpl0(cpu, 'vmwrite');
  if (vmx.current === undefined) {
    failInvalid(vmx);
    return;
  }
  const value = readOperand(cpu, instruction, 1, wordOf(cpu));
  const encoding = readRegister(cpu, instruction.op0Register);
  const current = fieldOf(vmx, encoding);
  if (current === undefined) return;
  const number = Number(encoding);
  const mayWriteAny = (cpu.model.vmx?.IA32_VMX_MISC ?? 0n) & (1n << 29n);
  if (isReadOnly(number) && !mayWriteAny) {
    fail(vmx, 13);
    return;
  }
  vmx.writeField(current, number, value, 'vmwrite');
  emitAccess(cpu, number, 'w', value);
  succeed(cpu);
};

const emitAccess = (cpu: Cpu, encoding: number, kind: 'r' | 'w', value: bigint): void =>
  cpu.surroundings.emit('vmcs', () => ({ field: fieldAt(encoding) ?? '', encoding, access: kind, value }));

// Invalidation. Intel SDM vol. 3, "INVEPT" and "INVVPID"

const descriptor = (cpu: Cpu, instruction: Instruction): { readonly low: bigint; readonly high: bigint } => {
  const address = memoryAddress(cpu, instruction, 16, false);
  return { low: cpu.linear.read(address, 8), high: cpu.linear.read(address + 8n, 8) };
};

const capability = ({ model }: Cpu, bit: number): boolean =>
  (((model.vmx?.IA32_VMX_EPT_VPID_CAP ?? 0n) >> BigInt(bit)) & 1n) !== 0n;

const invept = (vmx: Vmx, instruction: Instruction): void => {
  const { cpu } = vmx;
  requireCpl0(cpu, 'invept');
  const type = readRegister(cpu, instruction.op0Register);
  const known = (type === 1n && capability(cpu, 25)) || (type === 2n && capability(cpu, 26));
  if (!known) {
    fail(vmx, 28);
    return;
  }
  const { low } = descriptor(cpu, instruction);
  if (type === 1n && !vmx.isEptPointer(low)) {
    fail(vmx, 28);
    return;
  }
  if (type === 1n) cpu.paging.dropEpt(ep4taOf(low));
  else cpu.paging.dropEpt(undefined);
  succeed(cpu);
};

const invvpid = (vmx: Vmx, instruction: Instruction): void => {
  const { cpu } = vmx;
  requireCpl0(cpu, 'invvpid');
  const type = readRegister(cpu, instruction.op0Register);
  if (type > 3n || !capability(cpu, 40 + Number(type))) {
    fail(vmx, 28);
    return;
  }
  const { low, high } = descriptor(cpu, instruction);
  const vpid = Number(low & 0xffffn);
  if (low >> 16n !== 0n || (type !== 2n && vpid === 0) || (type === 0n && !isCanonical(high))) {
    fail(vmx, 28);
    return;
  }
  if (type === 0n) cpu.paging.dropPageOfVpid(vpid, high);
  else if (type === 2n) cpu.paging.dropVpids();
  else cpu.paging.dropVpid(vpid, type === 1n);
  succeed(cpu);
};

// The rest

/** In root operation there is nobody to call: error 1. */
const vmcall = (vmx: Vmx): void => {
  requireCpl0(vmx.cpu, 'vmcall');
  fail(vmx, 1);
};

const enter =
  (launch: boolean) =>
  (vmx: Vmx): void => {
    requireCpl0(vmx.cpu, launch ? 'vmlaunch' : 'vmresume');
    vmx.enter(launch);
  };

export type VmxInstruction = (vmx: Vmx, instruction: Instruction) => void;

/** It reads and writes regions in memory, and another VMCS may be active afterwards. */
const activating =
  (run: VmxInstruction): VmxInstruction =>
  (vmx, instruction) => {
    vmx.activating = true;
    try {
      run(vmx, instruction);
    } finally {
      vmx.activating = false;
      vmx.onActive?.();
    }
  };

export const vmxInstructions: ReadonlyMap<Mnemonic, VmxInstruction> = new Map<Mnemonic, VmxInstruction>([
  [Mnemonic.Vmxon, vmxon],
  [Mnemonic.Vmxoff, vmxoff],
  [Mnemonic.Vmclear, activating(vmclear)],
  [Mnemonic.Vmptrld, activating(vmptrld)],
  [Mnemonic.Vmptrst, vmptrst],
  [Mnemonic.Vmread, vmread],
  [Mnemonic.Vmwrite, vmwrite],
  [Mnemonic.Vmlaunch, enter(true)],
  [Mnemonic.Vmresume, enter(false)],
  [Mnemonic.Vmcall, vmcall],
  [Mnemonic.Vmfunc, () => refuse(exception.UD, 'vmx.vmfunc-root', undefined, { instruction: 'vmfunc' })],
  [Mnemonic.Invept, invept],
  [Mnemonic.Invvpid, invvpid],
]);

/** The bit of IA32_VMX_EPT_VPID_CAP without which an instruction does not exist. */
const existence: ReadonlyMap<Mnemonic, number> = new Map([
  [Mnemonic.Invept, 20],
  [Mnemonic.Invvpid, 32],
]);

/** #UD of the mode, before anything else. VMFUNC exists in every mode. @throws Fault #UD */
export const checkMode = (cpu: Cpu, instruction: Instruction): void => {
  const { mnemonic } = instruction;
  const needed = existence.get(mnemonic);
  if (needed !== undefined && !capability(cpu, needed)) {
    const name = nameOf(instruction);
    refuse(exception.UD, 'feature.absent', undefined, { instruction: name, register: name });
  }
  if (mnemonic !== Mnemonic.Vmfunc) requireMode(cpu, instruction);
};
