/** Why a VMX instruction failed, or a VM entry was refused: the error number's words, what was found, the broken rules. */

import { type Instruction, Mnemonic } from 'iced-x86';
import type { MachineEvent } from '../../machine/core/event';
import { memoryOffset, readRegister } from '../../machine/cpu/operands';
import type { VirtualCpu } from '../../machine/virtual-cpu';
import { revisionOf } from '../../machine/vmx/region';
import { hex, linear } from '../../x86/address';
import { fieldNames, vmcsFields } from '../../x86/vmx/fields';
import { instructionErrors, isOfEntryRules } from '../../x86/vmx/instruction-errors';
import { doctorLive } from '../doctor/live';
import { vmxonFindings } from '../doctor/vmxon';
import { peekValue } from '../guest-memory';
import { textOf, withInstruction } from '../instruction';
import type { Item } from '../item';
import type { Session } from '../session';
import { hasField, lackText } from '../vmcs/availability';
import { type Answer, answer, behind } from './answer';
import { ENTRY_AREA, refusalText } from './msr-area';

export type Failure = MachineEvent & { readonly kind: 'vmfail' | 'vmentry-failure' };

/** What a vCPU stands behind, if that is a failure. */
export const failureOf = ({ stopped }: Session, index: number): Failure | undefined => {
  if (stopped?.reason !== 'event' || stopped.vcpu !== index) return undefined;
  const { event } = stopped;
  return event.kind === 'vmfail' || event.kind === 'vmentry-failure' ? event : undefined;
};

/** One line, and what it rests on. */
export const explainFailure = (session: Session, event: Failure): Answer => {
  const vcpu = session.vcpu(event.vcpu);
  const view = session.codeView(event.vcpu);
  const said = withInstruction(view, linear(event.at), (instruction) =>
    behind(`${textOf(view, instruction)}: `, explained(session, vcpu, event, instruction)),
  );
  return said ?? answer(`nothing can be read any more at ${hex(event.at)}`);
};

const explained = (session: Session, vcpu: VirtualCpu, event: Failure, instruction: Instruction): Answer => {
  if (event.kind === 'vmentry-failure')
    return event.refused !== undefined
      ? {
          text: `the entry fails with exit reason 34: ${refusalText(ENTRY_AREA, event.refused)}`,
          items: ruleItems(event.rule),
        }
      : byRules(session, event.vcpu, `the entry fails (${event.stage})`);
  if (!event.valid) return invalid(session, vcpu, event, instruction);
  const { error } = event;
  const words = (instructionErrors as Readonly<Record<number, string>>)[error] ?? 'unknown';
  const text = `VMfailValid (ZF is 1), error ${error}: ${words}`;
  if (isOfEntryRules(error)) return byRules(session, event.vcpu, text);
  const because = Object.hasOwn(evidence, error) ? evidence[error]?.(vcpu, instruction) : undefined;
  const items: Item[] = [{ name: 'error', bits: BigInt(error), size: 4, meaning: words }];
  return because === undefined
    ? { text, items }
    : { text: `${text}: ${because}`, items: [...items, { name: 'because', meaning: because }] };
};

const ruleItems = (rule: string): Item[] => [{ name: 'rule', meaning: rule }];

const byRules = (session: Session, index: number, text: string): Answer => {
  const { findings } = doctorLive(session, index);
  const [first] = findings;
  if (first === undefined) return { text: `${text}; by now no rule is broken`, items: [] };
  const more = findings.length === 1 ? '' : `, and ${findings.length - 1} more`;
  return {
    text: `${text}: ${first.says.replace(/\.$/, '')} [${first.rule.id}]${more}; \`doctor\` says what mends it`,
    items: findings.map(({ rule, says }): Item => ({ name: rule.id, meaning: says })),
  };
};

/** Instructions that fail for their operand, whether or not a VMCS is current. */
const takesPointer: ReadonlySet<Mnemonic> = new Set([Mnemonic.Vmclear, Mnemonic.Vmptrld]);

/** Intel SDM vol. 3, "Conventions" of the VMX instruction reference: without a current VMCS there is no number. */
const invalid = (session: Session, vcpu: VirtualCpu, event: Failure, instruction: Instruction): Answer => {
  const text = 'VMfailInvalid (CF is 1)';
  if (vcpu.vmx?.on === false) {
    const findings = vmxonFindings(session, vcpu.index, linear(event.at));
    const said = findings.map(({ says }) => says).join(' ');
    return { text: `${text}: ${said}`, items: findings.map(({ id, says }): Item => ({ name: id, meaning: says })) };
  }
  if (!takesPointer.has(instruction.mnemonic))
    return { text: `${text}: no VMCS is current, which VMPTRLD changes`, items: [] };
  const because = pointerProblem(vcpu, instruction);
  return { text: `${text}${because === undefined ? '' : `: ${because}`}`, items: [] };
};

type Evidence = (vcpu: VirtualCpu, instruction: Instruction) => string | undefined;

/** The physical address that an instruction's operand in memory holds. */
const pointerOf = ({ cpu }: VirtualCpu, instruction: Instruction): bigint | undefined =>
  peekValue(cpu, linear(memoryOffset(cpu, instruction)), 8);

const REVISION = 0x7fff_ffffn;

/** What is wrong with it, in the order of Intel SDM vol. 3, "VMPTRLD—Load Pointer to Virtual-Machine Control Structure". */
const pointerProblem: Evidence = (vcpu, instruction) => {
  const { cpu } = vcpu;
  const pointer = pointerOf(vcpu, instruction);
  if (pointer === undefined) return undefined;
  if (pointer & 0xfffn) return `bits 11:0 of the pointer ${hex(pointer)} must be 0`;
  if (pointer >> BigInt(cpu.model.physicalBits))
    return `the pointer ${hex(pointer)} has bits beyond the physical-address width (${cpu.model.physicalBits})`;
  const wanted = (cpu.model.vmx?.IA32_VMX_BASIC ?? 0n) & REVISION;
  const there = revisionOf(cpu.physical, pointer);
  return instruction.mnemonic === Mnemonic.Vmptrld && BigInt(there) !== wanted
    ? `the region at ${hex(pointer)} begins with ${hex(there)}, not with the revision identifier ${hex(wanted)} of IA32_VMX_BASIC`
    : `${hex(pointer)} is the region that VMXON was given`;
};

/** The field that VMREAD or VMWRITE names. */
const namedField: Evidence = ({ cpu, vmx }, instruction) => {
  const operand = instruction.mnemonic === Mnemonic.Vmread ? 1 : 0;
  const encoding = readRegister(cpu, instruction.opRegister(operand));
  // Odd encodings are the upper halves of fields of 64 bits.
  const name = fieldNames.find((one) => BigInt(vmcsFields[one].encoding) === (encoding & ~1n));
  if (name === undefined || vmx === undefined) return `no field has the encoding ${hex(encoding)}`;
  return hasField(vmx, name) ? `${name} (${hex(encoding)})` : `${name} (${hex(encoding)}): ${lackText(name)}`;
};

const current = ({ vmx }: VirtualCpu): string => hex(vmx?.current?.address ?? 0n);

/** What was found, by error number. */
const evidence: Readonly<Record<number, Evidence>> = {
  2: pointerProblem,
  3: pointerProblem,
  4: (vcpu) => `the VMCS at ${current(vcpu)} is launched, which VMRESUME enters`,
  5: (vcpu) => `the VMCS at ${current(vcpu)} is clear, which VMLAUNCH enters`,
  9: pointerProblem,
  10: pointerProblem,
  11: pointerProblem,
  12: namedField,
  13: namedField,
};
