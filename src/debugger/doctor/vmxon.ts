/**
 * Would VMXON succeed, here and now? Every condition at once, where the instruction itself stops at the first. Intel SDM
 * vol. 3, "VMXON—Enter VMX Operation".
 */

import { Mnemonic, OpKind } from 'iced-x86';
import { state as layout } from '../../machine/core/layout';
import { msrOffset } from '../../machine/cpu/msrs';
import { memoryOffset } from '../../machine/cpu/operands';
import { holds } from '../../machine/vmx/checks/evaluate';
import { suitsVmx } from '../../machine/vmx/checks/registers';
import { constant } from '../../machine/vmx/checks/tree';
import { revisionOf } from '../../machine/vmx/region';
import { hex, type LinearAddress, linear } from '../../x86/address';
import { bitName, CR4, cr0Bits, cr4Bits, EFER } from '../../x86/control-registers';
import { vmxRules } from '../../x86/rules/vmx';
import { peekValue } from '../guest-memory';
import { withInstruction } from '../instruction';
import type { Session } from '../session';
import { currentAddress } from '../vcpu-view';
import { brokenSentence } from './sentence';

/** A condition of VMXON that does not hold. */
export interface VmxonFinding {
  readonly id: string;
  readonly section: string;
  readonly says: string;
  /** What would make it hold, in words; undefined where nothing at this place does. */
  readonly mend?: string;
  /** What the instruction does about it. */
  readonly gives: '#UD' | '#GP(0)' | 'VMfailInvalid' | 'VM-instruction error 15';
}

const REFERENCE = 'VMXON—Enter VMX Operation';
const REVISION = 0x7fff_ffffn;
const [LOCKED, OUTSIDE_SMX] = [1n, 4n];

/** @param at where the VMXON is, for its operand */
export const vmxonFindings = (
  session: Session,
  index: number,
  at = currentAddress(session.vcpu(index)),
): VmxonFinding[] => {
  const vcpu = session.vcpu(index);
  const { cpu, state, vmx } = vcpu;
  const found: VmxonFinding[] = [];
  const add: Add = (id, gives, says, mend) => {
    found.push({ id, gives, says, section: REFERENCE, ...(mend === undefined ? {} : { mend }) });
  };
  if (vmx === undefined) {
    add('vmxon.exists', '#UD', 'This processor model has no VT-x: CPUID.1:ECX.VMX is 0.');
    return found;
  }
  const feature = state.getU64(msrOffset('IA32_FEATURE_CONTROL'));
  const protectedMode = (state.cr0 & 1n) !== 0n && !(state.rflags & 0x2_0000);
  const compatibility = (state.efer & BigInt(EFER.LMA)) !== 0n && session.codeView(index).bits !== 64;
  if (!protectedMode || compatibility) add('vmx.mode', '#UD', `${vmxRules['vmx.mode'].says}.`);
  if (!(state.getU32(layout.cr4) & CR4.VMXE))
    add('vmx.vmxe', '#UD', `CR4.VMXE must be 1; CR4 is ${hex(state.cr4)}.`, 'CR4.VMXE = 1');
  if (vmx.on) {
    add('vmxon.root', 'VM-instruction error 15', 'The processor is in VMX operation already.');
    return found;
  }
  if (state.cpl !== 0) add('vmxon.cpl', '#GP(0)', `The privilege level must be 0; it is ${state.cpl}.`);
  if (!cpu.physical.a20) add('vmx.a20', '#GP(0)', 'Address line 20 is masked.', 'port 0x92 bit 1 = 1');
  const capabilities = cpu.model.vmx ?? {};
  const facts = {
    field: () => undefined,
    capability: (name: string) => capabilities[name as keyof typeof capabilities] ?? 0n,
    processor: () => undefined,
    memory: () => undefined,
  };
  for (const register of ['CR0', 'CR4'] as const) {
    const value = register === 'CR0' ? state.cr0 : state.cr4;
    const check = suitsVmx(constant(value), register);
    const says = brokenSentence(check, facts).replace(/^0x[0-9a-f]+/i, `${register} (${hex(value)})`);
    if (holds(check, facts) === false)
      add(`vmxon.${register.toLowerCase()}`, '#GP(0)', says, controlMend(register, value, facts.capability));
  }
  if (!(feature & LOCKED))
    add(
      'vmx.feature-control-lock',
      '#GP(0)',
      `IA32_FEATURE_CONTROL (${hex(feature)}) bit 0, the lock, must be 1.`,
      featureMend(feature),
    );
  if (!(feature & OUTSIDE_SMX))
    add(
      'vmx.feature-control-vmx',
      '#GP(0)',
      `IA32_FEATURE_CONTROL (${hex(feature)}) bit 2 must be 1.`,
      feature & LOCKED ? 'a reset, for the register is locked' : featureMend(feature),
    );
  addRegion(session, index, at, add);
  return found;
};

type Add = (id: string, gives: VmxonFinding['gives'], says: string, mend?: string) => void;

const featureMend = (feature: bigint): string => `IA32_FEATURE_CONTROL = ${hex(feature | LOCKED | OUTSIDE_SMX)}`;

const controlBits = { CR0: cr0Bits, CR4: cr4Bits } as const;

/** `CR0 = 0x80000031 (NE 1)`. Intel SDM vol. 3, "VMX-Fixed Bits in CR0" and "VMX-Fixed Bits in CR4". */
const controlMend = (register: 'CR0' | 'CR4', value: bigint, capability: (name: string) => bigint): string => {
  const [ones, allowed] = [0, 1].map((n) => capability(`IA32_VMX_${register}_FIXED${n}`));
  const wanted = (value | (ones ?? 0n)) & (allowed ?? 0n);
  const changes = Array.from({ length: 64 }, (_, bit) => bit)
    .filter((bit) => ((wanted ^ value) >> BigInt(bit)) & 1n)
    .map((bit) => `${bitName(controlBits[register], bit) ?? `bit ${bit}`} ${(wanted >> BigInt(bit)) & 1n}`);
  return `${register} = ${hex(wanted)} (${changes.join(', ')})`;
};

/** Of the operand, where the next instruction is VMXON. */
const addRegion = (session: Session, index: number, at: LinearAddress, add: Add): void => {
  const { cpu } = session.vcpu(index);
  const slot = withInstruction(session.codeView(index), at, (instruction) =>
    instruction.mnemonic === Mnemonic.Vmxon && instruction.op0Kind === OpKind.Memory
      ? memoryOffset(cpu, instruction)
      : undefined,
  );
  const pointer = slot === undefined ? undefined : peekValue(cpu, linear(slot), 8);
  if (pointer === undefined) return;
  const width = cpu.model.physicalBits;
  if (pointer & 0xfffn)
    add('vmxon.region.aligned', 'VMfailInvalid', `Bits 11:0 of the pointer ${hex(pointer)} must be 0.`);
  if (pointer >> BigInt(width)) {
    add(
      'vmxon.region.width',
      'VMfailInvalid',
      `The pointer ${hex(pointer)} has bits beyond the physical-address width (${width}).`,
    );
    return;
  }
  const wanted = Number((cpu.model.vmx?.IA32_VMX_BASIC ?? 0n) & REVISION);
  const there = revisionOf(cpu.physical, pointer);
  if (there !== wanted)
    add(
      'vmxon.region.revision',
      'VMfailInvalid',
      `The first 4 bytes of the region at ${hex(pointer)} must be the revision identifier ${hex(wanted)} of IA32_VMX_BASIC; they are ${hex(there)}.`,
      `${hex(wanted)} in the 4 bytes at ${hex(pointer)}`,
    );
};

export const vmxonLines = (findings: readonly VmxonFinding[]): string[] =>
  findings.length === 0
    ? ['VMXON would succeed.']
    : [
        `VMXON would fail: ${findings.length} ${findings.length === 1 ? 'condition does' : 'conditions do'} not hold.`,
        ...findings.flatMap(({ id, section, gives, says, mend }, n) => [
          `${n + 1}. ${id} ("${section}"), ${gives}`,
          `   ${says}`,
          ...(mend === undefined ? [] : [`   to mend it: ${mend}`]),
        ]),
      ];
