/**
 * Why the last instruction did what it did, and what the next one will do: exit, not exit, or be refused. For a guest it
 * names the control, bitmap bit or mask; in root operation what refuses a VMX instruction.
 */

import { type Instruction, Mnemonic } from 'iced-x86';
import type { MachineEvent } from '../../machine/core/event';
import type { Exit } from '../../machine/core/exit';
import { Fault } from '../../machine/core/fault';
import { state as layout } from '../../machine/core/layout';
import type { CpuState } from '../../machine/core/state';
import { requireCpl0 } from '../../machine/cpu/privilege';
import { supportsInstruction } from '../../machine/cpu/slow-instructions';
import type { VirtualCpu } from '../../machine/virtual-cpu';
import { controlBitsOf } from '../../machine/vmx/control-bits';
import { checkMode, requireOperation, vmxInstructions } from '../../machine/vmx/instructions';
import type { Vmx } from '../../machine/vmx/vmx';
import { hex } from '../../x86/address';
import { flagBits } from '../../x86/registers';
import { instructionErrors } from '../../x86/vmx/instruction-errors';
import { doctorLive } from '../doctor/live';
import { explain, explainFault, vectorName } from '../explain';
import { reasonItems } from '../inspect/faults';
import { recollectionOf } from '../inspect/recollection';
import { textOf, withInstruction } from '../instruction';
import type { Item } from '../item';
import type { Session } from '../session';
import { codeAddress, currentAddress } from '../vcpu-view';
import { boundaryItems } from './boundaries';
import { exitItems, explainExit, pageFaultText } from './explain-exit';
import { explainFailure, failureOf } from './failure';
import { supposing } from './looking';
import { type Verdict, verdictOf } from './verdict';

/** One line, and the evidence. */
export interface Answer {
  readonly text: string;
  readonly items: Item[];
  /** Nothing is known. */
  readonly unknown?: true;
}

const answer = (text: string, items: Item[] = []): Answer => ({ text, items });

const mnemonic = (instruction: Instruction): string => (Mnemonic[instruction.mnemonic] as string).toUpperCase();

/** What else can make the guest exit here. */
const otherwise = (vmx: Vmx): Item[] => [
  {
    name: 'besides the instruction',
    meaning: 'exceptions, and what is looked at between instructions',
    children: () => boundaryItems(vmx),
  },
];

/** What the next instruction of a vCPU will do, as far as VT-x has to do with it. Nothing is executed. */
export const whyNext = (session: Session, index: number): Answer => {
  const vcpu = session.vcpu(index);
  const view = session.codeView(index);
  const at = currentAddress(vcpu);
  const found = withInstruction(view, at, (instruction) => {
    const { vmx } = vcpu;
    const text = textOf(view, instruction);
    const said =
      vmx?.nonRoot === true
        ? inGuest(session, vcpu, vmx, instruction, verdictOf(vmx, instruction))
        : inRoot(session, vcpu, instruction);
    const items = vmx?.nonRoot === true ? [...said.items, ...otherwise(vmx)] : said.items;
    return answer(`${text}: ${said.text}`, items);
  });
  return found ?? answer(`nothing can be read at ${hex(at)}`);
};

const inGuest = (
  { machine }: Session,
  { index, cpu }: VirtualCpu,
  vmx: Vmx,
  instruction: Instruction,
  verdict: Verdict,
): Answer => {
  if (!supportsInstruction(cpu, instruction)) return missing(instruction);
  switch (verdict.kind) {
    case 'exits':
      return answer(explainExit(machine, index, verdict.exit), exitItems(machine, index, verdict.exit));
    case 'faults':
      return refused(vmx, verdict.fault);
    case 'stays':
      return stays(instruction, verdict.because);
  }
};

const stays = (instruction: Instruction, because: readonly string[]): Answer => {
  const name = mnemonic(instruction);
  if (because.length === 0) return answer(`no VM exit: nothing intercepts this ${name}; only EPT and exceptions could`);
  const items = because.map((meaning, n): Item => ({ name: `because ${n + 1}`, meaning }));
  return answer(`no VM exit: ${because.join('; and ')}`, items);
};

const missing = (instruction: Instruction): Answer =>
  answer(`#UD: this processor does not have ${mnemonic(instruction)}`);

/** A refusal, and in a guest who gets the exception. */
const refused = (vmx: Vmx | undefined, fault: Fault): Answer => {
  const who = vmx?.nonRoot === true ? `; ${receiver(vmx, fault.vector, fault.errorCode)}` : '';
  const text = `${vectorName(fault.vector)}: ${explain(fault.why)}${who}`;
  return answer(text, reasonItems(fault.why));
};

/** Where an exception of a guest goes. */
const receiver = (vmx: Vmx, vector: number, errorCode: number | undefined): string => {
  const { current } = vmx;
  const bit = ((current?.get32('EXCEPTION_BITMAP') ?? 0) >>> vector) & 1;
  const match = vector === 14 ? `, ${pageFaultText(errorCode ?? 0, current)}` : '';
  const to = vmx.wantsException(vector, errorCode) ? 'it exits' : "it goes to the guest's own handler";
  return `${to}: EXCEPTION_BITMAP bit ${vector} is ${bit}${match}`;
};

/** Root operation, or none: nothing intercepts, but VMX instructions may be refused. */
const inRoot = (session: Session, vcpu: VirtualCpu, instruction: Instruction): Answer => {
  const { vmx, cpu, index } = vcpu;
  if (!supportsInstruction(cpu, instruction)) return missing(instruction);
  const outside = vmx?.on === true ? 'root operation' : 'outside VMX operation';
  if (vmx === undefined || !vmxInstructions.has(instruction.mnemonic))
    return answer(`no VM exit: the vCPU is ${vmx?.on === true ? 'in ' : ''}${outside}, where nothing exits`);
  const fault = refusalOf(vcpu, vmx, instruction);
  const { mnemonic: kind } = instruction;
  if (fault === undefined && (kind === Mnemonic.Vmlaunch || kind === Mnemonic.Vmresume) && vmx.current !== undefined)
    return entry(session, index, kind === Mnemonic.Vmlaunch);
  return fault === undefined ? answer(`no exception and no VM exit (${outside})`) : refused(undefined, fault);
};

/** Would it enter? The launch state comes before the rules. Intel SDM vol. 3, "Basic VM-Entry Checks". */
const entry = (session: Session, index: number, launch: boolean): Answer => {
  const { findings, view } = doctorLive(session, index);
  if (view.launched === launch) return answer(launchState[launch ? 'launched' : 'clear']);
  const [first] = findings;
  if (first === undefined) return answer('no rule of VM entry fails: it enters the guest');
  const items = findings.map(({ rule, says }): Item => ({ name: rule.id, meaning: says }));
  const others = findings.length === 1 ? '' : `; ${findings.length - 1} more fail, \`doctor\` lists them`;
  return answer(`it does not enter: ${first.says} [${first.rule.id}]${others}`, items);
};

const launchState = {
  launched: 'VMfailValid, error 4: the VMCS is launched already, which VMRESUME enters',
  clear: 'VMfailValid, error 5: the VMCS is not launched, which VMLAUNCH enters',
} as const;

/** The exception of a VMX instruction in root operation, found on a copy. */
const refusalOf = ({ cpu }: VirtualCpu, vmx: Vmx, instruction: Instruction): Fault | undefined => {
  try {
    if (instruction.mnemonic !== Mnemonic.Vmxon) requireOperation(vmx, mnemonic(instruction).toLowerCase());
    checkMode(cpu, instruction);
    requireCpl0(cpu, mnemonic(instruction).toLowerCase());
    if (instruction.mnemonic === Mnemonic.Vmxon && !vmx.on)
      vmxInstructions.get(Mnemonic.Vmxon)?.(supposing(vmx, {}), instruction);
    return undefined;
  } catch (fault) {
    if (fault instanceof Fault) return fault;
    throw fault;
  }
};

/** What the last step of a vCPU did, as far as that is known. */
export const whyLast = (session: Session, index: number): Answer => {
  const { machine, stopped } = session;
  const vcpu = session.vcpu(index);
  const { vmx } = vcpu;
  if (stopped?.reason === 'fault' && stopped.vcpu === index) return refused(vmx, stopped.fault);
  const failed = failureOf(session, index);
  if (failed !== undefined) return explainFailure(session, failed);
  const exit = lastExit(session, vcpu);
  if (exit !== undefined) return answer(explainExit(machine, index, exit), exitItems(machine, index, exit));
  const trap = lastTrap(session, index);
  if (trap !== undefined) {
    const who = vmx?.nonRoot === true ? `; ${receiver(vmx, trap.vector, trap.errorCode)}` : '';
    return answer(`${explainFault(trap)}${who}`, reasonItems(trap.why));
  }
  const before = recollectionOf(machine).stateBeforeStep(index);
  if (before === undefined)
    return {
      text: 'it is not known what was executed last: step one instruction, then ask again',
      items: [],
      unknown: true,
    };
  const view = session.codeView(index);
  const at = codeAddress(before, before.rip);
  return (
    withInstruction(view, at, (instruction) => {
      const said = lastOf(session, vcpu, before, instruction);
      return answer(`${textOf(view, instruction)}: ${said.text}`, said.items);
    }) ?? answer(`nothing can be read any more at ${hex(at)}`)
  );
};

const lastOf = (session: Session, vcpu: VirtualCpu, before: CpuState, instruction: Instruction): Answer => {
  const { vmx } = vcpu;
  const vmcs = vmx?.current;
  if (before.getU32(layout.vmxNonRoot) && vmx !== undefined && vmcs !== undefined)
    return inGuest(
      session,
      vcpu,
      vmx,
      instruction,
      verdictOf(vmx, instruction, { state: before, controls: controlBitsOf(vmcs) }),
    );
  if (vmx?.nonRoot === true) return answer('it entered the guest');
  return vmxInstructions.has(instruction.mnemonic)
    ? failure(vcpu)
    : answer('no VM exit: it was not executed in a guest');
};

/** How a VMX instruction ended. Intel SDM vol. 3, "Conventions" of the VMX instruction reference. */
const failure = ({ state, vmx }: VirtualCpu): Answer => {
  if (state.rflags & flagBits.CF)
    return answer('VMfailInvalid (CF is 1): there is no current VMCS to hold an error number');
  if (!(state.rflags & flagBits.ZF)) return answer('it succeeded');
  const error = vmx?.current?.get32('VM_INSTRUCTION_ERROR') ?? 0;
  return answer(
    `VMfailValid (ZF is 1), error ${error}: ${(instructionErrors as Readonly<Record<number, string>>)[error] ?? 'unknown'}`,
  );
};

/** The exit of the last step. */
const lastExit = ({ machine }: Session, { vmx }: VirtualCpu): Exit | undefined => {
  const last = vmx?.lastExit;
  if (last === undefined) return undefined;
  const ago = machine.counters.vtime - last.at;
  return ago >= 0 && ago <= 1 ? last.exit : undefined;
};

const lastTrap = ({ machine }: Session, index: number): (MachineEvent & { readonly kind: 'trap' }) | undefined => {
  const last = recollectionOf(machine).faults.at(-1);
  return last?.kind === 'trap' && last.vcpu === index && last.step === machine.counters.step - 1 ? last : undefined;
};
