/** An instruction of a guest: whether it exits, what keeps it from doing so, and what else comes before it or behind it. */

import type { Instruction } from 'iced-x86';
import type { Exit } from '../../machine/core/exit';
import { Fault } from '../../machine/core/fault';
import { softwareException } from '../../machine/core/software-exceptions';
import type { Cpu } from '../../machine/cpu/cpu';
import { type AddressView, presentView } from '../../machine/cpu/look';
import type { VirtualCpu } from '../../machine/virtual-cpu';
import { checkThreshold } from '../../machine/vmx/task-priority';
import type { Vmx } from '../../machine/vmx/vmx';
import { hex } from '../../x86/address';
import { withInstruction } from '../instruction';
import type { Item } from '../item';
import type { Session } from '../session';
import { codeAddress } from '../vcpu-view';
import { accessRefusal, allowedText, eptItem, touchedBy } from './accesses';
import { type Answer, answer, behind, mnemonic, refused, undefinedOpcode } from './answer';
import { type Boundary, boundaryItems, comesHere, exitBehind } from './boundaries';
import type { Touched } from './cached';
import { exitInDelivery } from './delivery';
import { exceptionItem } from './exceptions';
import { exitItems, explainExit } from './explain-exit';
import { type Supposition, supposing } from './looking';
import { taskPriorityBy, verdictOf } from './verdict';

/** A vCPU in a guest. */
export interface InGuest extends Boundary {
  readonly cpu: Cpu;
}

export const guestOf = ({ machine }: Session, { cpu, vmx, index }: VirtualCpu): InGuest | undefined =>
  vmx?.nonRoot === true ? { machine, index, vmx, cpu } : undefined;

const exits = ({ machine, index }: Boundary, exit: Exit): Answer => ({
  text: explainExit(machine, index, exit),
  items: exitItems(machine, index, exit),
  exit: exit.reason,
});

export const eventHere = (guest: InGuest): Answer | undefined => {
  const found = comesHere(guest);
  return found === undefined ? undefined : stopped(guest, found, 'before the next instruction: ');
};

export const refusedFetch = (guest: InGuest, at: bigint): Answer | undefined => {
  const refusal = accessRefusal(guest.cpu, { kind: 'execute', linear: at }, presentView(guest.cpu));
  return refusal === undefined ? undefined : stopped(guest, refusal, `the fetch at ${hex(at)}: `);
};

const stopped = (guest: Boundary, refusal: Fault | Exit, words = ''): Answer =>
  behind(words, refusal instanceof Fault ? foreseen(guest, refusal) : exits(guest, refusal));

/** An exception that comes: who gets it, and the exit that its delivery ends in, if it does. */
export const foreseen = (guest: Boundary, fault: Fault): Answer => {
  const raised = refused(guest.vmx, fault);
  if (guest.vmx.wantsException(fault.vector, fault.errorCode)) return raised;
  const exit = exitInDelivery(guest.vmx, fault);
  if (exit === undefined) return raised;
  const said = exits(guest, exit);
  return {
    ...raised,
    ...said,
    text: `${raised.text}; but its delivery ends in ${said.text}`,
    items: [...raised.items, ...said.items],
  };
};

/** When the instruction is asked about: before it is executed, or behind, with the registers and controls of before. */
interface Moment {
  readonly at: bigint;
  readonly view: AddressView;
  readonly given: Supposition;
  readonly coming: boolean;
}

export const inGuest = (guest: InGuest, instruction: Instruction, moment: Moment): Answer => {
  const { vmx, cpu } = guest;
  const unknown = undefinedOpcode(cpu, instruction);
  const raise = (fault: Fault): Answer => (moment.coming ? foreseen(guest, fault) : refused(vmx, fault));
  if (unknown !== undefined) return raise(unknown);
  const verdict = verdictOf(vmx, instruction, moment.given);
  if (verdict.kind === 'exits') return exits(guest, verdict.exit);
  if (verdict.kind === 'faults') return raise(verdict.fault);
  const scratch = supposing(vmx, moment.given).cpu;
  const raised = softwareException(instruction, scratch.state);
  if (raised !== undefined) return refused(vmx, raised);
  const touched = touchedBy(scratch, instruction, moment.at);
  const refusal = moment.coming ? first(touched, (one) => accessRefusal(scratch, one, moment.view)) : undefined;
  if (refusal !== undefined) return stopped(guest, refusal);
  const { text, items } = stays(vmx, instruction, verdict.because, operandsText(cpu, touched, moment.view));
  const others: Item = {
    name: 'other causes',
    meaning: 'in memory, among exceptions, and between instructions',
    children: () => [eptItem(vmx, touched, moment.view), exceptionItem(vmx), ...boundaryItems(guest)],
  };
  const after = moment.coming ? behindIt(guest, instruction) : undefined;
  return {
    ...after,
    text: `${text}${after === undefined ? '' : `; behind it ${after.text}`}`,
    items: [...items, ...(after?.items ?? []), others],
  };
};

/** What EPT has to say to the next instruction. */
export const memoryItem = ({ vmx, cpu, index }: InGuest, session: Session): Item => {
  const at = codeAddress(cpu.state, cpu.state.rip);
  const touched = withInstruction(session.codeView(index), at, (instruction) => touchedBy(cpu, instruction, at));
  return eptItem(vmx, touched ?? [{ kind: 'execute', linear: at }], presentView(cpu));
};

/** The exit that follows the instruction. */
const behindIt = (guest: InGuest, instruction: Instruction): Answer | undefined => {
  const priority = taskPriorityBy(guest.cpu, instruction);
  const exit =
    priority === undefined
      ? exitBehind(guest, {}, () => {})
      : exitBehind(guest, { byte: priority << 4 }, checkThreshold);
  return exit === undefined ? undefined : exits(guest, exit);
};

const first = <Of, Found>(of: readonly Of[], find: (one: Of) => Found | undefined): Found | undefined => {
  for (const one of of) {
    const found = find(one);
    if (found !== undefined) return found;
  }
  return undefined;
};

/** Under EPT, what it allows the operands in memory. */
const operandsText = (cpu: Cpu, touched: readonly Touched[], view: AddressView): string =>
  view.eptPointer === undefined
    ? ''
    : touched
        .slice(1)
        .map((one) => `; ${allowedText(cpu, one, view)}`)
        .join('');

/** Exceptions that cannot be foreseen here, where the bitmap has any. */
const selected = ({ current }: Vmx): string => {
  const bitmap = current?.get32('EXCEPTION_BITMAP') ?? 0;
  return bitmap === 0 ? '' : `; of its own exceptions those would exit that EXCEPTION_BITMAP ${hex(bitmap)} selects`;
};

const stays = (vmx: Vmx, instruction: Instruction, because: readonly string[], operands: string): Answer => {
  const name = mnemonic(instruction);
  if (because.length === 0) return answer(`no VM exit: nothing intercepts this ${name}${operands}${selected(vmx)}`);
  const items = because.map((meaning, n): Item => ({ name: `because ${n + 1}`, meaning }));
  return answer(`no VM exit: ${because.join('; and ')}${operands}`, items);
};
