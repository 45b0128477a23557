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
import { presentView } from '../../machine/cpu/look';
import { requireCpl0 } from '../../machine/cpu/privilege';
import type { VirtualCpu } from '../../machine/virtual-cpu';
import { controlBitsOf } from '../../machine/vmx/control-bits';
import { checkMode, requireOperation, vmxInstructions } from '../../machine/vmx/instructions';
import type { Vmx } from '../../machine/vmx/vmx';
import { hex } from '../../x86/address';
import { flagBits } from '../../x86/registers';
import { instructionErrors } from '../../x86/vmx/instruction-errors';
import { doctorLive } from '../doctor/live';
import { recollectionOf } from '../inspect/recollection';
import { textOf, withInstruction } from '../instruction';
import type { Item } from '../item';
import type { Session } from '../session';
import { codeAddress, currentAddress } from '../vcpu-view';
import { type Answer, answer, behind, mnemonic, refused, trapped, undefinedOpcode } from './answer';
import { boundaryItems } from './boundaries';
import { controlText } from './control-words';
import { exceptionItem } from './exceptions';
import { exitItems, explainExit } from './explain-exit';
import { explainFailure, failureOf } from './failure';
import { eventHere, foreseen, guestOf, inGuest, refusedFetch } from './in-guest';
import { supposing } from './looking';

/** What the next instruction of a vCPU will do, as far as VT-x has to do with it. Nothing is executed. */
export const whyNext = (session: Session, index: number): Answer => {
  const vcpu = session.vcpu(index);
  const view = session.codeView(index);
  const at = currentAddress(vcpu);
  const guest = guestOf(session, vcpu);
  const first = guest === undefined ? undefined : (eventHere(guest) ?? refusedFetch(guest, at));
  if (first !== undefined) return first;
  const found = withInstruction(view, at, (instruction) => {
    const said =
      guest === undefined
        ? inRoot(session, vcpu, instruction)
        : inGuest(guest, instruction, { at, view: presentView(vcpu.cpu), given: {}, coming: true });
    return behind(`${textOf(view, instruction)}: `, said);
  });
  return found ?? answer(`nothing can be read at ${hex(at)}`);
};

/** Root operation, or none: nothing intercepts, but VMX instructions may be refused. */
const inRoot = (session: Session, vcpu: VirtualCpu, instruction: Instruction): Answer => {
  const { vmx, cpu, index } = vcpu;
  const unknown = undefinedOpcode(cpu, instruction);
  if (unknown !== undefined) return refused(undefined, unknown);
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
    if (instruction.mnemonic !== Mnemonic.Vmxon) requireOperation(vmx, instruction);
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
  if (stopped?.reason === 'fault' && stopped.vcpu === index) {
    const guest = guestOf(session, vcpu);
    return guest === undefined ? refused(vmx, stopped.fault) : foreseen(guest, stopped.fault);
  }
  const failed = failureOf(session, index);
  if (failed !== undefined) return explainFailure(session, failed);
  const exit = lastExit(session, vcpu);
  if (exit !== undefined) return answer(explainExit(machine, index, exit), exitItems(machine, index, exit));
  const arrival = vmx?.nonRoot === true ? lastArrival(session, index, vmx) : undefined;
  if (arrival !== undefined) return arrival;
  const trap = lastTrap(session, index);
  if (trap !== undefined) return trapped(vmx, trap);
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
      return behind(`${textOf(view, instruction)}: `, said);
    }) ?? answer(`nothing can be read any more at ${hex(at)}`)
  );
};

const lastOf = (session: Session, vcpu: VirtualCpu, before: CpuState, instruction: Instruction): Answer => {
  const { vmx } = vcpu;
  const vmcs = vmx?.current;
  if (before.getU32(layout.vmxNonRoot) && vmx !== undefined && vmcs !== undefined) {
    const guest = { machine: session.machine, index: vcpu.index, vmx, cpu: vcpu.cpu };
    return inGuest(guest, instruction, {
      at: codeAddress(before, before.rip),
      view: { state: before, eptPointer: vcpu.cpu.paging.eptPointer },
      given: { state: before, controls: controlBitsOf(vmcs) },
      coming: false,
    });
  }
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
export const lastExit = ({ machine }: Session, { vmx }: VirtualCpu): Exit | undefined => {
  const last = vmx?.lastExit;
  if (last === undefined) return undefined;
  const ago = machine.counters.vtime - last.at;
  return ago >= 0 && ago <= 1 ? last.exit : undefined;
};

/** An interrupt or NMI that the last step brought to the guest itself. */
const lastArrival = ({ machine }: Session, index: number, vmx: Vmx): Answer | undefined => {
  const last = recollectionOf(machine).lastArrival(index);
  if (last === undefined || last.step !== machine.counters.step - 1) return undefined;
  const nmi = last.kind === 'nmi';
  const what = nmi ? 'the NMI' : `the external interrupt ${hex(last.vector)}`;
  const control = controlText(nmi ? 'pin.nmi-exiting' : 'pin.external-interrupt-exiting', 0);
  return answer(`no VM exit: ${control}: ${what} went through the guest's IDT`, [
    exceptionItem(vmx),
    ...boundaryItems({ machine, index, vmx }),
  ]);
};

const lastTrap = ({ machine }: Session, index: number): (MachineEvent & { readonly kind: 'trap' }) | undefined => {
  const last = recollectionOf(machine).faults.at(-1);
  return last?.kind === 'trap' && last.vcpu === index && last.step === machine.counters.step - 1 ? last : undefined;
};
